"""The hierarchy of a BVH file, read without recursion: a file may nest as deep as it likes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from motion_jax.data.formats._parsing.rows import fail

CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")
MAX_JOINTS = 1024

_CANONICAL = {word.upper(): word for word in CHANNELS}
_LARGEST = float(np.finfo(np.float32).max)


class Node(NamedTuple):
    """A ROOT, a JOINT, or an End Site, which is named "<parent>.Site"."""

    name: str
    parent: int  # -1 for the root
    offset: tuple[float, float, float]  # the file's unit
    channels: tuple[str, ...]  # in the file's order; () where it has none


@dataclasses.dataclass
class _Draft:
    """A node between its braces."""

    name: str
    parent: int
    word: str  # ROOT, JOINT or END
    offset: tuple[float, float, float] | None = None
    channels: tuple[str, ...] | None = None


def read_tree(text: str, path: Path) -> list[Node]:
    """The nodes in the file's order, the root first. `text` is all above MOTION. Raises `UserError` with the line."""
    words = _Words(text, path)
    words.expect("HIERARCHY")
    words.expect("ROOT")
    names: set[str] = set()
    drafts, within = [_opened(words, "ROOT", -1, names)], [0]
    while within:
        word = words.take("'}'").upper()
        if word in ("JOINT", "END"):
            if drafts[within[-1]].word == "END":
                words.fail(f"{word} within an End Site: it holds only OFFSET")
            if len(drafts) == MAX_JOINTS:
                words.fail(f"more than {MAX_JOINTS} joints")
            within.append(len(drafts))
            drafts.append(_opened(words, word, within[-2], names))
        elif word == "}":
            _check_closed(words, drafts[within.pop()])
        else:
            _read_line(words, word, drafts[within[-1]])
    if left := words.peek():
        words.fail(f"{left[:32]!r} after the body" + ": a file must hold one ROOT" * (left.upper() == "ROOT"))
    _name_sites(drafts, names)
    return [Node(draft.name, draft.parent, draft.offset or (0.0, 0.0, 0.0), draft.channels or ()) for draft in drafts]


class _Words:
    """The words of a text, each with its line; braces are words of their own."""

    def __init__(self, text: str, path: Path) -> None:
        self.line = 1
        self._path = path
        self._words = self._split(text)

    def _split(self, text: str) -> Iterator[tuple[int, str]]:
        for line, content in enumerate(text.split("\n"), 1):
            for word in content.replace("{", " { ").replace("}", " } ").split():
                yield line, word

    def peek(self) -> str:
        """The next word, which is gone then; "" at the end."""
        self.line, word = next(self._words, (self.line, ""))
        return word

    def take(self, wanted: str) -> str:
        """The next word; there must be one."""
        word = self.peek()
        return word or self.fail(f"the hierarchy ends where {wanted} must stand")

    def expect(self, wanted: str) -> None:
        """The next word, which must be this one."""
        word = self.take(wanted)
        if word.upper() != wanted:
            self.fail(f"{word[:32]!r} where {wanted} must stand")

    def number(self, wanted: str) -> float:
        """The next word as a number that float32 can hold."""
        word = self.take(wanted)
        try:
            value = float(word) if "_" not in word else float("nan")
        except ValueError:
            value = float("nan")
        return value if abs(value) <= _LARGEST else self.fail(f"{word[:32]!r} where {wanted} must stand")

    def fail(self, message: str) -> NoReturn:
        """Raises `UserError` at the last word."""
        fail(self._path, self.line, message)


def _opened(words: _Words, word: str, parent: int, names: set[str]) -> _Draft:
    """A node up to its brace; names may have spaces, and must be new."""
    own: list[str] = []
    while (part := words.take("'{'")) not in ("{", "}") and len(own) < 16:
        own.append(part)
    if part != "{":
        words.fail(f"{part[:32]!r} where '{{' must stand, after {word} and its name")
    name = " ".join(own)
    if word == "END":
        return _Draft("", parent, word)
    if not name:
        words.fail(f"{word} without a name")
    if name in names:
        words.fail(f"a second joint {name[:64]!r}: names must be unique")
    names.add(name)
    return _Draft(name, parent, word)


def _read_line(words: _Words, word: str, draft: _Draft) -> None:
    """OFFSET or CHANNELS."""
    if word == "OFFSET" and draft.offset is None:
        x, y, z = (words.number("OFFSET's three numbers") for _ in range(3))
        draft.offset = (x, y, z)
    elif word == "CHANNELS" and draft.channels is None and draft.word != "END":
        draft.channels = _channels(words)
    elif word in ("OFFSET", "CHANNELS"):
        words.fail(f"{word} a second time" if draft.word != "END" else f"{word} in an End Site: it holds one OFFSET")
    else:
        words.fail(f"{word[:32]!r}: it must be OFFSET, CHANNELS, JOINT, End Site or '}}'")


def _channels(words: _Words) -> tuple[str, ...]:
    """The count, 0 to 6, and as many different channels."""
    count = words.take("the count of CHANNELS")
    if count not in tuple("0123456"):
        words.fail(f"CHANNELS {count[:32]}: the count must be 0 to 6")
    channels: list[str] = []
    for _ in range(int(count)):
        word = words.take(f"one of {count} channels")
        if word.upper() not in _CANONICAL:
            words.fail(f"channel {word[:32]!r}: CHANNELS {count} must be followed by {count} of {', '.join(CHANNELS)}")
        if _CANONICAL[word.upper()] in channels:
            words.fail(f"channel {word} twice in one joint")
        channels.append(_CANONICAL[word.upper()])
    return tuple(channels)


def _name_sites(drafts: list[_Draft], names: set[str]) -> None:
    """End Sites are called by their parent, and numbered where that is taken."""
    for draft in drafts:
        if draft.word == "END":
            first = f"{drafts[draft.parent].name}.Site"
            others = (f"{first}{number}" for number in range(2, MAX_JOINTS + 2))
            draft.name = first if first not in names else next(name for name in others if name not in names)
            names.add(draft.name)


def _check_closed(words: _Words, draft: _Draft) -> None:
    if draft.offset is None:
        words.fail(f"{draft.word} {draft.name[:64]} has no OFFSET".replace("END", "End"))
