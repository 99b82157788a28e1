"""Names that others choose are shown as they are, by whatever shows them."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path

import numpy as np
import pytest

from motion_jax.commands.cli import _PlainFormatter
from motion_jax.data.findings import Finding
from motion_jax.evaluation.classification import markdown_table
from motion_jax.export.readme import _rest
from motion_jax.runtime.names import CLEAR_LINE, csv_text, in_line, in_markdown, printable
from motion_jax.runtime.streams import _Survivor
from motion_jax.visualize.figures import dress, new_figure, save

BAD = "walk\x1b[2J|<script>![a](http://b)`c`\r\n=HYPERLINK(1)"


def test_a_terminal_is_not_commanded():
    stream = io.StringIO()
    _Survivor(stream, "stdout").write(f"{CLEAR_LINE}a\x1b]0;b\x07\r\nc\td\rgone\x9b1m \u202e \udcff é 走\n")
    assert stream.getvalue() == f"{CLEAR_LINE}a\\x1b]0;b\\x07\r\nc\td\\rgone\\x9b1m \\u202e \\udcff é 走\n"
    assert printable("plain (1)") == "plain (1)"


def test_a_name_does_not_begin_another_line():
    forged = Path("run\n  ended: steps\r\n\tb\x1b[2Jé")
    told = r"run\n  ended: steps\r\n\tb\x1b[2Jé"
    assert in_line(forged) == told
    assert in_line(f"{CLEAR_LINE}a\udcff") == r"\r\x1b[Ka\udcff"
    assert "\x1b" not in in_markdown(f"{CLEAR_LINE}a")
    assert str(Finding("warning", str(forged), 3, "odd")) == f"{told}:3: odd"
    record = logging.LogRecord("a", logging.WARNING, "", 0, "left out: %s: %d", (forged, np.int64(3)), None)
    assert _PlainFormatter().format(record) == f"warning: left out: {told}: 3"


def test_markdown_holds_names_and_nothing_else():
    told = in_markdown(BAD)
    assert told == r"walk\\x1b\[2J\|&lt;script&gt;!\[a\](http://b)\`c\` =HYPERLINK(1)"
    assert in_markdown("bi_enc-50, 5.1 (mean ± std)") == "bi_enc-50, 5.1 (mean ± std)"
    assert markdown_table([["a", told]]).count("|") - markdown_table([["a", told]]).count(r"\|") == 6


def test_a_spreadsheet_computes_nothing():
    row = ["=HYPERLINK(1)", "+1", "-0.5", "-a", "@b", "\tc", -1.5, "walking", None]
    told = csv_text([row, [BAD]])
    assert "\x1b" not in told  # a terminal that shows the file is not commanded
    assert r"walk\x1b[2J|" in told
    assert next(csv.reader(io.StringIO(told))) == [
        "'=HYPERLINK(1)", "+1", "-0.5", "'-a", "'@b", "'\tc", "-1.5", "walking", "",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_shows_what_looks_like_a_formula(suffix: str, tmp_path):
    pytest.importorskip("matplotlib")
    figure = new_figure(2, 2)
    axes = figure.add_subplot()
    axes.semilogy(np.arange(1, 4), [1, 100, 1000], label=r"$\frac{$")
    axes.set_xticks([1, 2], [r"$\frac{$", "b"])
    axes.legend()
    dress(axes, r"$\frac{$", r"$\frac{$", r"$a")
    save(figure, tmp_path / f"a.{suffix}")
    assert axes.yaxis.get_ticklabels()[0].get_parse_math()


def test_the_readme_of_an_export_holds_names():
    class Card:  # what it reads of one
        units, files, skeleton, name = {}, (), {}, "a"
        actions, classes, inputs = (BAD,), (BAD,), ()

    assert _rest(Card()).count(in_markdown(BAD)) == 2
    assert "\x1b" not in _rest(Card())
