"""Where commands write: not over what they read, nor over a record of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable

RECORDS = frozenset(
    ("config.json", "space.json", "metrics.jsonl", "status.json", "radii.json", "manifest.json", "labelled.json",
     "files.json", "model.json", "card.json")
)  # fmt: skip
"""Names of the files that make a folder a run, prepared data, an export or a packed model."""


def check_outputs(outputs: Mapping[str, str | Path], read: Iterable[str | Path] = ()) -> None:
    """Makes folders where missing; to be called before hours of work.

    Args:
        outputs: flag -> the file that it names; flags without a value are passed over.
        read: files that the command reads.

    Raises:
        UserError: a file cannot be written, is read, is named by two flags, or is a record that is there.
    """
    taken = {resolved(path): "is read by this command" for path in read}
    for flag, path in outputs.items():
        if not str(path):
            continue
        place = resolved(path)
        if place.name in RECORDS and place.exists():
            raise UserError(f"--{flag}={path}: is a record of a run, of data or of a model: give another name")
        if place in taken:
            raise UserError(f"--{flag}={path}: {taken[place]}: give another name")
        taken[place] = f"is what --{flag} names too"
        check_writable(path)


def check_not_read(output: Path, read: Iterable[str | Path], flag: str = "output") -> None:
    """Raises `UserError` where a file to be written is one that the command reads, by whatever name or link."""
    if resolved(output) in map(resolved, read):
        raise UserError(f"--{flag}: {output} is the input: it must be another file")


def resolved(path: str | Path) -> Path:
    """In full, with links followed."""
    with suppress(OSError, RuntimeError):  # a loop of links
        return Path(path).resolve()
    return Path(path).absolute()
