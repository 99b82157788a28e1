"""Formats of one statement a line: its words, and errors that name file and line."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from motion_jax.data.finite import LARGEST
from motion_jax.data.formats._parsing.rows import decimal_comma, decode_name, fail, read_lines
from motion_jax.errors import UserError

MAX_JOINTS = 1000  # a body with fingers and face has some hundred
MAX_BYTES = 1 << 26  # the longest recordings of CMU have some 20 MB
MAX_LINES = 1 << 22
MAX_LINE = 1 << 16  # bytes; the widest line of these formats has a dozen words
MOST = 10**9  # no count of a recording is beyond it

_SHOWN = 40  # characters of a word that an error repeats


class Line(NamedTuple):
    """The words of a line that is not blank."""

    path: Path
    number: int  # from 1
    words: list[str]  # split at white space, without the comment
    ended: bool  # whether a line end follows; without one the last word may be torn

    def error(self, message: str) -> UserError:
        """What is wrong with this line, to be raised."""
        return UserError(f"{self.path}:{self.number}: {message}")

    def numbers(self, words: Sequence[str], names: Sequence[str]) -> list[float]:
        """Numbers that motion can have, one for each of `names`. Raises `UserError` on anything else."""
        if len(words) != len(names):
            raise self.error(f"{clip(' '.join(words))!r}: it must be {len(names)} numbers, {' '.join(names)}")
        try:
            values = list(map(float, words))
        except ValueError:
            values = [math.nan]
        joined = "".join(words)
        if not all(-LARGEST <= value <= LARGEST for value in values) or "_" in joined or not joined.isascii():
            raise self.error(_odd_number(words, names))
        return values

    def above(self, words: Sequence[str], name: str, least: float) -> float:
        """One such number of at least `least`. Raises `UserError`."""
        (value,) = self.numbers(words, (name,))
        if value < least:
            raise self.error(f"{name} is {clip(words[0])}: it must be at least {least:g}")
        return value

    def whole(self, words: Sequence[str], name: str, least: int = 1) -> int:
        """One whole number from `least` to a billion. Raises `UserError`."""
        word = " ".join(words)
        if not (word.isascii() and word.isdecimal() and len(word) < 19 and least <= int(word) <= MOST):
            raise self.error(f"{name} is {clip(word)!r}: it must be a whole number from {least} to {MOST:g}")
        return int(word)


def read_words(path: Path) -> Iterator[Line]:
    """The lines of a text file that hold words, one by one; a # begins a comment anywhere.

    Raises:
        UserError: the file cannot be read, is no text, or is larger than any recording.
    """
    data = read_lines(path)
    if not data.strip():
        raise UserError(f"{path}: the file is empty")
    if (null := data.find(b"\0")) >= 0:
        fail(path, data.count(b"\n", 0, null) + 1, "byte 0x00 is not text: the file must be ASCII or UTF-8")
    lines = data.count(b"\n")
    if len(data) > MAX_BYTES or lines > MAX_LINES:
        raise UserError(f"{path}: {len(data)} bytes in {lines} lines: it must be at most {MAX_BYTES} in {MAX_LINES}")
    for number, raw in enumerate(io.BytesIO(data), 1):
        if len(raw) > MAX_LINE:
            fail(path, number, f"a line of {len(raw)} bytes: it must have at most {MAX_LINE}")
        words = raw.partition(b"#")[0].split()  # at ASCII's white space, whatever the encoding of names
        if words:
            yield Line(path, number, [decode_name(word) for word in words], raw.endswith(b"\n"))


def check_ended(line: Line) -> None:
    """Raises `UserError` if the last line of a file has no line end, though an end mark ought to follow it."""
    if not line.ended:
        raise line.error("the file ends within this line: it is torn; if it is whole, a line end must be added")


def check_last_number(line: Line, above: Iterable[str]) -> tuple[str, ...]:
    """A warning if the last line of a file has no line end: its last number may have lost its end.

    Args:
        line: the last one of the file, which is whole as far as its words can be counted.
        above: the numbers at the same place in lines above. Where they all have as many digits after their points, they
            tell whether the last number is whole.

    Raises:
        UserError: it has fewer.
    """
    if line.ended:
        return ()
    last, lengths = line.words[-1], {len(word.partition(".")[2]) for word in above}
    if len(lengths) == 1 and (digits := min(lengths)):
        if len(last.partition(".")[2]) < digits:
            raise line.error(
                f"the last number, {clip(last)!r}, is cut short: it must have {digits} characters after its point like "
                f"those above it"
            )
        return ()
    return (f"line {line.number}: the file does not end with a line end: {clip(last)!r} may be cut short",)


def following(line: Line, lines: Iterator[Line], message: str) -> Line:
    """The line behind a line. Raises `UserError` at the latter if there is none."""
    found = next(lines, None)
    if found is None:
        raise line.error(f"{message}; the file is torn")
    return found


def clip(word: str) -> str:
    """A word, short enough for a message."""
    return word if len(word) <= _SHOWN else word[:_SHOWN] + "..."


def _odd_number(words: Sequence[str], names: Sequence[str]) -> str:
    """Which word is no number."""
    for word, name in zip(words, names, strict=True):
        try:
            value = math.nan if "_" in word or not word.isascii() else float(word)
        except ValueError:
            value = math.nan
        if not -LARGEST <= value <= LARGEST:
            comma = decimal_comma(word.encode())
            return f"{name} is {clip(word)!r}: it must be a decimal number within ±{LARGEST:.0f}{comma}"
    return f"{clip(' '.join(words))!r}: it must be decimal numbers"
