"""What a data set holds, as a table to read."""

from __future__ import annotations

from collections.abc import Sequence

from motion_jax.data.findings import Finding
from motion_jax.runtime.names import in_line
from motion_jax.types import Clip, Dataset

_WIDTHS = (7, 7, 9, 9)  # of the columns behind the action's


def describe(dataset: Dataset, findings: Sequence[Finding], split: str = "") -> str:
    """Clips, frames and minutes by action, how the test was chosen, then every finding on a line of its own."""
    rows: list[tuple[str, ...]] = [("action", "train", "test", "frames", "minutes")]
    for action in dataset.actions:
        rows.append(_row(action, [clip for clip in dataset.clips if clip.action == action], dataset.fps))
    rows.append(_row("all", dataset.clips, dataset.fps))
    widths = (max(20, *(len(row[0]) for row in rows)), *_WIDTHS)
    columns = dataset.clips[0].frames.shape[1] if dataset.clips else 0
    errors = sum(finding.severity == "error" for finding in findings)
    lines = [
        f"{dataset.name}: {columns} columns, taken to be {dataset.fps:g} frames a second",
        *("".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows),
        *([f"test: {split}"] if split else []),
        f"findings: {errors} errors, {len(findings) - errors} warnings",
        *(f"  {finding.severity}: {finding}" for finding in findings),
    ]
    return "\n".join(map(in_line, lines))


def _row(name: str, clips: Sequence[Clip], fps: float) -> tuple[str, ...]:
    frames = sum(len(clip.frames) for clip in clips)
    counts = [sum(clip.split == split for clip in clips) for split in ("train", "test")]
    return (name, *map(str, counts), str(frames), f"{frames / fps / 60:.1f}")
