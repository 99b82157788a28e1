"""Input files: what a user names on the command line, as a list of files."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from absl import logging

from motion_jax.data.walk import walk_files
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file, user_path

_LOOKED_AT = 1 << 10  # bytes of a text in which its first number must end


class InputFiles(NamedTuple):
    """The files that were named."""

    files: dict[Path, Path]  # each file, and its path below the folder that was named
    several: bool  # whether more than one file could be meant: a list, a folder or a pattern was given


def find_inputs(value: str, suffixes: Collection[str], flag: str = "--input") -> InputFiles:
    """Files, folders (with all below them) and patterns, separated by commas.

    In folders and patterns only files with one of `suffixes` are found; hidden files and folders are passed over, and
    texts that hold no numbers (notes, transcripts), which is warned of. A file that is named itself is taken whatever
    it is, and need not be there.

    Raises:
        UserError: nothing was named, or a folder or pattern holds no such file.
    """
    whole = user_path(value)
    entries = [value] if whole.exists() else [entry.strip() for entry in value.split(",") if entry.strip()]
    found: dict[Path, Path] = {}
    several = len(entries) > 1
    for entry in entries:
        path = user_path(entry)
        if path.is_dir() or (not path.exists() and glob.has_magic(entry)):
            several = True
            files = list(_below(path, suffixes) if path.is_dir() else _matching(path, suffixes))
            if not files:
                raise UserError(f"{flag}={entry}: no motion file there: looked for {', '.join(suffixes)}")
            found |= {file: name for file, name in files if file not in found}
        else:
            found.setdefault(path, Path(path.name))
    if not found:
        raise UserError(f"{flag} is empty: name a file, a folder or a pattern")
    return InputFiles(found, several)


def check_folder(value: str, suffixes: Collection[str], when: str, flag: str = "--output") -> None:
    """Raises `UserError` if what must be a folder is a file, or has the suffix of one and is not there."""
    path = user_path(value)
    if path.is_dir():
        return
    if path.exists():
        raise UserError(f"{flag}: {path} is a file: it must be a folder {when}")
    if path.suffix.lower() in suffixes and not value.endswith("/"):
        raise UserError(f"{flag}: {path} names a file: it must be a folder {when} (a / at its end makes it one)")


def _below(folder: Path, suffixes: Collection[str]) -> Iterator[tuple[Path, Path]]:
    """The files below a folder, with their paths from there, by name; see `walk_files`."""
    for file in sorted(walk_files(folder)):
        if _fits(file, suffixes):
            yield file, file.relative_to(folder)


def _matching(pattern: Path, suffixes: Collection[str]) -> Iterator[tuple[Path, Path]]:
    """The files that a pattern names, by name, with their paths from the last folder that it names in full."""
    fixed = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    for name in sorted(glob.glob(str(pattern), recursive=True)):  # noqa: PTH207  (pathlib's matches hidden files)
        if _fits(Path(name), suffixes):
            yield Path(name), Path(name).relative_to(fixed)


def _fits(path: Path, suffixes: Collection[str]) -> bool:
    if path.suffix.lower() not in suffixes or not path.is_file():
        return False
    if path.suffix.lower() == ".txt" and not _begins_with_a_number(path):
        logging.warning("%s: passed over: its first line is no row of numbers, as in a motion file", path)
        return False
    return True


def _begins_with_a_number(path: Path) -> bool:
    """Whether a text may be a motion; one that cannot be read may be, and reading says why it cannot."""
    try:
        with open_file(path) as file:
            head = file.read(_LOOKED_AT)
    except OSError:
        return True
    words = head.replace(b",", b" ").split(maxsplit=1)
    try:
        float(words[0])
    except (IndexError, ValueError):
        return not words  # an empty file is a motion that is cut off
    return True
