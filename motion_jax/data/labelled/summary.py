"""What a labelled set holds, as a table to read."""

from __future__ import annotations

from motion_jax.data.labelled.reading import Reading
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.runtime.names import in_line

_SPLITS = ("train", "validation", "test")
_WIDTHS = (7, 12, 7, 9, 9)  # of the columns behind the class's


def describe_labelled(dataset: LabelledSet, reading: Reading, split: str) -> str:
    """Segments, frames and minutes by class and split, how the test was chosen, then every finding on its own line.

    Args:
        dataset: what is chosen of `reading`, with its splits.
        reading: whose findings these are.
        split: how the test was chosen, in a sentence; "" where nobody said.
    """
    rows: list[tuple[str, ...]] = [("class", *_SPLITS, "frames", "minutes")]
    for label, name in [*enumerate(dataset.classes), (None, "all")]:
        parts = [
            (sequence.split, part.end - part.start)
            for sequence in dataset.sequences
            for part in sequence.segments
            if label in (None, part.label)
        ]
        frames = sum(length for _, length in parts)
        counts = [sum(own == split for own, _ in parts) for split in _SPLITS]
        rows.append((name, *map(str, counts), str(frames), f"{frames / dataset.fps / 60:.1f}"))
    widths = (max(20, *(len(row[0]) for row in rows)), *_WIDTHS)
    first = dataset.sequences[0].arrays if dataset.sequences else {}
    arrays = ", ".join(f"{name} [F, {array.shape[1]}]" for name, array in first.items())
    people = f", {dataset.bodies} people" if dataset.bodies > 1 else ""
    count = len(dataset.sequences)
    errors = sum(finding.severity == "error" for finding in reading.findings)
    lines = [
        f"{dataset.name}: {count} sequences of {arrays}{people}, {dataset.fps:g} frames a second",
        *("".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows),
        *([f"test: {split}"] if split else []),
        f"findings: {errors} errors, {len(reading.findings) - errors} warnings",
        *(f"  {finding.severity}: {finding}" for finding in reading.findings),
    ]
    return "\n".join(map(in_line, lines))
