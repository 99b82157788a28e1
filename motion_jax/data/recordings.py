"""Recordings of a folder: which of its files are motion, and which are passed over."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path

from motion_jax.data.datasets import LAYOUTS
from motion_jax.data.findings import Finding
from motion_jax.data.formats import FORMATS, format_of, holds_motion
from motion_jax.data.formats._parsing.pickles import SUFFIXES as PICKLES
from motion_jax.data.walk import walk_files
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file

_COMPANIONS = (".asf",)  # read with the recording beside them
_WIDTHS = sorted(layout.columns for layout in LAYOUTS.values())
_LOOKED_AT = 1 << 16  # bytes of a text in which its first line must end
_LISTED = 6  # files that one warning names; the rest are counted


def find_recordings(
    root: Path, exclude: Sequence[str], strict: bool, companions: Sequence[str] = ()
) -> tuple[list[str], list[Finding]]:
    """The motion files below a folder, and what is said of the other files there.

    Args:
        root: the folder.
        exclude: patterns with *, ? and [...]; one without a slash leaves out every file and folder of a name that it
            matches, one with a slash the paths below `root` that it matches.
        strict: whether a file that is passed over is an error.
        companions: names of files that are no recordings and belong to them.

    Returns:
        Paths below `root`, with slashes, by name; and one finding for each reason for which files are passed over.

    Raises:
        UserError: there is no such folder, it cannot be read, or no motion file is in it.
    """
    if root.is_file():
        raise UserError(f"--source={str(root)!r}: is a file: name its folder, {str(root.parent)!r}")
    if not root.is_dir():
        raise UserError(f"--source={str(root)!r}: no such folder")
    paths = [path.relative_to(root).as_posix() for path in walk_files(root)]
    chosen = [path for path in paths if not any(_matches(path, pattern) for pattern in exclude)]
    found, others = [], {}
    for path in chosen:
        if Path(path).name in companions:
            continue
        reason = _why_no_motion(root / path)
        if reason is None:
            found.append(path)
        elif reason:
            others.setdefault(reason, []).append(path)
    findings = [_passed_over(reason, group, strict) for reason, group in others.items()]
    findings += [
        Finding("warning", pattern, None, f"--exclude={pattern} leaves nothing out: no file or folder has such a name")
        for pattern in exclude
        if not any(_matches(path, pattern) for path in paths)
    ]
    if not found:
        rest = f"; {findings[0]}" if findings else ""
        known = ", ".join(suffix for suffix, form in FORMATS.items() if form.read)
        raise UserError(f"--source={str(root)!r}: no motion file in it: looked for {known}{rest}")
    return found, findings


def _matches(path: str, pattern: str) -> bool:
    if "/" in pattern:
        return fnmatch.fnmatchcase(path, pattern)
    return any(fnmatch.fnmatchcase(name, pattern) for name in path.split("/"))


def _why_no_motion(path: Path) -> str | None:
    """None: it is a motion, or a broken one; "": it belongs to one; else why it is none."""
    suffix = path.suffix.lower()
    if not path.is_file():
        if path.exists():
            return "a pipe or a device"
        return "a link that leads nowhere" if path.is_symlink() else "no file"
    if suffix in _COMPANIONS:
        return ""
    form = format_of(path)
    if form is None or form.read is None:
        other = "a pickle, which is never opened" if suffix in PICKLES else "no motion file"
        return f"{form.name} holds no rotations of joints" if form else other
    return {".txt": _why_no_rows, ".npz": _why_no_body, ".npy": _why_no_body}.get(suffix, lambda _: None)(path)


def _why_no_rows(path: Path) -> str | None:
    """Transcripts, notes and labels end in .txt as motion does."""
    try:
        with open_file(path) as file:
            head = file.read(_LOOKED_AT)
    except OSError:
        return None  # reading says why
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if first.count(b",") + 1 in _WIDTHS:
        return None
    return f"its first line is not {' or '.join(map(str, _WIDTHS))} numbers, as in a motion file"


def _why_no_body(path: Path) -> str | None:
    """Files of numpy's hold anything."""
    return None if holds_motion(path) else "it holds no motion (no body, SMPL parameters or positions of a known body)"


def _passed_over(reason: str, paths: Sequence[str], strict: bool) -> Finding:
    """One finding for all files of one kind, which names the first of them."""
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    others = f"; so {'are' if len(paths) > 2 else 'is'} {', '.join(paths[1:_LISTED])}{more}" if len(paths) > 1 else ""
    advice = " (--strict; --exclude leaves files out)" if strict else ""
    return Finding("error" if strict else "warning", paths[0], None, f"passed over: {reason}{others}{advice}")
