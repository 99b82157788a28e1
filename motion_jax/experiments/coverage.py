"""Coverage of a run's radii on the test windows of a protocol: all trained actions together, and each by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from motion_jax.data.protocols import protocol_windows
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import joint_distances
from motion_jax.evaluation.coverage import Coverage, distance_crps, measure_coverage, moving_joints
from motion_jax.evaluation.evaluate import predict_windows, select
from motion_jax.inference.calibration import measure_windows
from motion_jax.inference.predictor import Predictor
from motion_jax.runtime.names import in_markdown
from motion_jax.types import Dataset

INTERVAL = "95%, bootstrap over recordings"


@dataclasses.dataclass(frozen=True)
class CoverageReport:
    """What the radii of one run cover on one set of windows. Lists of `Coverage` hold one a level."""

    model: str  # the row's name
    protocol: str
    frames: tuple[int, ...]  # that are shown, 1-based
    fps: float
    average: list[Coverage]  # all windows of the actions that were trained on
    crps: np.ndarray | None  # [T] mm, of the distances from what was predicted (`distance_crps`), same windows
    actions: dict[str, list[Coverage]]
    unseen: tuple[str, ...]  # actions without a training clip: in `actions`, in no average
    calibration: dict[str, Any]  # what the radii are from
    data: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON."""
        return {
            "model": self.model,
            "protocol": self.protocol,
            "frames": list(self.frames),
            "milliseconds": [round(1000 * frame / self.fps, 3) for frame in self.frames],
            "interval": INTERVAL,
            "average": [found.to_dict(self.frames) for found in self.average],
            "actions": {
                name: [found.to_dict(self.frames) for found in levels] for name, levels in self.actions.items()
            },
            "unseen_actions": list(self.unseen),
            "crps": None if self.crps is None else [round(float(self.crps[frame - 1]), 5) for frame in self.frames],
            "crps_of": "distance from the predicted place, mm, mean over moving joints and windows",
            "calibration": self.calibration,
            "data": self.data,
        }


def measure_run(run: Predictor, dataset: Dataset) -> list[CoverageReport]:
    """One report for each protocol of `eval.protocols`.

    Raises:
        UserError: the run is not calibrated, its weights saw the test's recordings, or what `evaluate.select` raises.
    """
    radii = run.calibrated()
    experiment, data = run.experiment, run.experiment.data
    if used := {clip.name for clip in dataset.split("test")} & set(radii.clips):
        raise UserError(f"coverage: the radii were calibrated on {sorted(used)[0]}, which is a test recording")
    trained = {clip.action for clip in split_clips(dataset, data).train}
    reports = []
    for protocol in experiment.eval.protocol_names:
        selection = select(protocol, dataset, run.space, experiment)
        windows = protocol_windows(protocol, dataset, data.source_length, data.target_length, data.stride)
        owners = np.array([dataset.clips[window.clip].name for chosen in windows.values() for window in chosen])
        predicted = predict_windows(run.predict_raw, selection, "free_running", experiment.eval.batch)
        distances = joint_distances(run.space.skeleton, predicted, selection.truth)
        measure = measure_windows(run, selection.history, selection.codes, radii.scale_name)

        def of(rows: np.ndarray | slice) -> np.ndarray | None:
            return None if measure is None else measure[rows]  # noqa: B023

        actions = {
            action: measure_coverage(distances[rows], radii, owners[rows], measure=of(rows))
            for action, rows in selection.actions.items()
        }
        unseen = tuple(action for action in actions if action not in trained)
        rows = [np.arange(len(owners))[part] for action, part in selection.actions.items() if action not in unseen]
        known = np.concatenate(rows or [np.arange(len(owners))])
        crps = distance_crps(distances[known], radii, of(known))
        reports.append(
            CoverageReport(
                model=experiment.name,
                protocol=protocol,
                frames=experiment.eval.frame_numbers,
                fps=run.space.fps,
                average=measure_coverage(distances[known], radii, owners[known], measure=of(known)),
                crps=None if crps is None else crps.mean(0),
                actions=actions,
                unseen=unseen,
                calibration=calibration_of(run),
                data={"name": dataset.name, "key": dataset.key},
            )
        )
    return reports


def calibration_of(run: Predictor) -> dict[str, Any]:
    """What the radii of a run are from, for reports."""
    radii = run.calibrated()
    names = ("by", "scale_name", "windows", "recordings", "subjects", "weights", "note")
    moving = int(moving_joints(radii).sum())
    return {name: getattr(radii, name) for name in names} | {"joints": moving, "data": radii.data["name"]}


def coverage_table(reports: Sequence[CoverageReport]) -> str:
    """Markdown: of each report a table of coverage and one line a level on size, then each action at its levels."""
    parts = [_table(report) for report in reports]
    return "\n\n".join(parts)


def _table(report: CoverageReport) -> str:
    first = report.average[0]
    heading = f"Coverage of radii, {in_markdown(report.model)}, {report.protocol}: {first.windows} windows of "
    heading += f"{first.recordings} recordings"
    if report.unseen:
        heading += f" (without {', '.join(map(in_markdown, report.unseen))}, never trained on)"
    times = [f"{1000 * frame / report.fps:.0f} ms" for frame in report.frames]
    header = ["", *times, "whole horizon"]
    rows = [row for found in report.average for row in _rows("", found, report.frames)]
    if report.crps is not None:
        rows.append(["CRPS of distances", *(f"{report.crps[frame - 1]:.2f} mm" for frame in report.frames), ""])
    for action, levels in report.actions.items():
        name = in_markdown(action) + (" (unseen)" if action in report.unseen else "")
        rows += [[f"{name} {found.level:.0%}", *_shares(found, report.frames)] for found in levels]
    lines = [header, ["---"] * len(header), *rows]
    return heading + "\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rows(name: str, found: Coverage, frames: Sequence[int]) -> list[list[str]]:
    columns = [frame - 1 for frame in frames]
    between = [_between(found.low[column], found.high[column]) for column in columns]
    sizes = [f"{found.sharpness[column]:.1f} mm" for column in columns]
    return [
        [f"{name}{found.level:.0%}", *_shares(found, frames)],
        ["interval over recordings", *between, _between(*found.band_interval)],
        ["mean radius", *sizes, f"{found.band_sharpness[columns[-1]]:.1f} mm at the end"],
    ]


def _shares(found: Coverage, frames: Sequence[int]) -> list[str]:
    return [*(f"{100 * found.covered[frame - 1]:.1f}%" for frame in frames), f"{100 * found.band:.1f}%"]


def _between(low: float, high: float) -> str:
    return f"{100 * low:.1f}-{100 * high:.1f}" if np.isfinite(low) else "one recording"
