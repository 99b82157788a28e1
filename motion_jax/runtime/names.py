"""Names from files and other people, where they are written: as themselves, never as an instruction to who reads them.

A terminal obeys control characters, a page of Markdown HTML and links, a spreadsheet what begins like a formula.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

CLEAR_LINE = "\r\x1b[K"
"""The one control sequence that a command prints: it begins the line anew."""

_OBEYED = re.compile(
    "(\r\x1b\\[K|\r\n)"  # kept
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # that turn the direction of reading, or begin a line
    "\ud800-\udfff]"  # bytes that are no text
)
_BREAKS = re.compile(r"[\t\n\r\x1b]")  # of these `printable` keeps some
_MARKS = re.compile(r"[\\`\[\]|]")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def printable(text: str) -> str:
    """Text for a terminal: control characters and what cannot be encoded as Python writes them, by number."""
    return _OBEYED.sub(lambda found: found[1] or found[0].encode("unicode_escape").decode("ascii"), text)


def in_line(name: object) -> str:
    """A name within a line: what `printable` writes by number, and what would begin another line or clear this one."""
    return _BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), printable(str(name)))


def in_markdown(name: str) -> str:
    """A name in a page or a cell of Markdown: no HTML, link, code or end of the cell."""
    line = in_line(" ".join(name.split()))
    return _MARKS.sub(r"\\\g<0>", "".join(_ESCAPED.get(letter, letter) for letter in line))


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV, of `printable` text. None begins like a spreadsheet's formula: an apostrophe goes before it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _csv_cell(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        with suppress(ValueError):
            float(cell)
            return text
        return f"'{text}"
    return text
