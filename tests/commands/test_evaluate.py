"""`evaluate`: what it opens, the index of results and the pages made from it. tests/experiments test the scoring."""

from __future__ import annotations

from pathlib import Path

MARK = "<!-- results: table=forecasting data=cmu protocol=srnn metric=euler_error_rad -->"


def test_pages_are_made_from_an_index_alone_and_a_broken_one_is_refused_first(tmp_path: Path, forked):
    page, index, broken = tmp_path / "docs" / "page.md", tmp_path / "index.json", tmp_path / "broken.json"
    page.parent.mkdir()
    page.write_text(f"{MARK}\n<!-- end -->\n")
    index.write_text('{"rows": []}')
    broken.write_text('{"rows":\n<<<<<<< HEAD\n[]}')
    lines = [
        ["--index=index.json", "--tables=docs,docs/page.md"],
        ["--index=absent.json", "--tables=docs"],
        ["--index=broken.json", "--config=zero_velocity"],
        ["--tables=docs"],
    ]
    done = forked("from motion_jax.commands import evaluate\ncli.run(evaluate.main)", lines, tmp_path)
    assert [(each.status, each.out) for each in done] == [(0, "wrote docs/page.md\n"), *[(2, "")] * 3]
    assert page.read_text() == f"{MARK}\n\n*No results yet.*\n\n<!-- end -->\n"
    assert [each.complaints for each in done] == [
        "",
        "error: --index=absent.json: there is no such file\n",
        "error: broken.json:2: not JSON: Expecting value\n",
        "error: --tables=docs: tables are made from an index: give --index=FILE too\n",
    ]


UNTRAINED = """
import numpy as np
from motion_jax.commands import evaluate
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset
frames = np.random.default_rng(0).normal(0, 0.1, (90, 99)).astype(np.float32)
clips = tuple(Clip(frames, subject, "walking", 1, "train", "walking") for subject in ("S1", "S11"))
evaluate.open_dataset = lambda config: Dataset("synthetic", clips, ("walking",), H36M, 50.0, "key")
evaluate._score = lambda runs, leave_out: print(runs[0].space.columns) or sys.exit()
cli.run(evaluate.main)
"""


def test_a_baseline_is_made_in_any_representation(tmp_path: Path, forked):
    lines = [["--config=zero_velocity", f"--config.data.representation={name}"] for name in ("expmap", "positions")]
    assert [(done.status, done.out, done.complaints) for done in forked(UNTRAINED, lines, tmp_path)] == [
        (0, "99\n", ""),
        (0, "96\n", ""),
    ]
