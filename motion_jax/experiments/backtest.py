"""Backtest: a run on a user's own recordings, window after window, as if each had been predicted while it was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from motion_jax.data.formats import read_motion
from motion_jax.data.path_pattern import parse_paths
from motion_jax.data.recordings import find_recordings
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import LEVELS, Radii, check_levels, joint_distances, least_count, radii_of
from motion_jax.evaluation.coverage import Coverage, measure_coverage
from motion_jax.evaluation.evaluate import Selection, predict_windows
from motion_jax.evaluation.metrics import find_metric
from motion_jax.experiments.compare import constant_velocity
from motion_jax.experiments.coverage import INTERVAL
from motion_jax.inference.calibration import measure_windows
from motion_jax.inference.continuation import model_windows
from motion_jax.inference.predictor import Predictor
from motion_jax.runtime.files import user_path
from motion_jax.runtime.names import in_markdown

METRICS = ("mpjpe_mm", "euler_error_rad")


class Recordings(NamedTuple):
    """Windows of a folder's recordings, as the model reads them."""

    windows: np.ndarray  # [W, S + T, D] raw
    codes: np.ndarray  # [W, A]
    owners: np.ndarray  # [W] the recording, by its path below the folder
    subjects: np.ndarray  # [W] "" where paths name none
    passed_over: dict[str, str]  # recording -> why


@dataclasses.dataclass(frozen=True)
class Backtest:
    """What a run scores on recordings. K frames are shown."""

    model: str
    frames: tuple[int, ...]  # [K] 1-based
    fps: float
    errors: dict[str, dict[str, list[float]]]  # metric -> "model" or a baseline -> [K], means over windows
    recordings: dict[str, dict[str, Any]]  # each: its windows, and [K] of its own mpjpe_mm
    coverage: list[Coverage]  # one a level; [] without radii
    radii: str  # which, in words
    passed_over: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON."""
        plain = dataclasses.asdict(self)
        plain["coverage"] = [found.to_dict(self.frames) for found in self.coverage]
        times = [round(1000 * frame / self.fps, 3) for frame in self.frames]
        return {**plain, "frames": list(self.frames), "milliseconds": times, "interval": INTERVAL}


def read_recordings(
    predictor: Predictor,
    folder: str | Path,
    *,
    step: int | None = None,
    action: str | None = None,
    pattern: str = "",
    input_fps: float | None = None,
    retargeted: bool = False,
) -> Recordings:
    """Every window of every recording below a folder, in any format that is read.

    Args:
        predictor: whose body, rate and lengths the windows have.
        folder: with recordings of the model's body, at any rate.
        step: frames of the model from one window to the next; None: T, so that no frame is predicted twice.
        action: what is done in all; None: what the paths say, where the model knows it.
        pattern: of the paths, as of `motion-jax prepare`.
        input_fps: at which they were recorded, where the files do not say it.
        retargeted: put other bodies on the model's by the names of their joints.

    Raises:
        UserError: there is no folder or recording, a path does not fit the pattern, an action is unknown, or no
            recording can be used. One that is broken, of another body or too short is logged and passed over.
    """
    step = predictor.target_length if step is None else step
    if step < 1:
        raise UserError(f"step={step}: must be at least 1 frame")
    space, root = predictor.space, user_path(folder)
    space.one_hot(action)  # raises on an unknown one
    paths, findings = find_recordings(root, (), False)
    for finding in findings:
        logging.warning("%s", finding)
    named, _ = parse_paths(root, paths, pattern)
    windows, codes, owners, subjects, passed_over = [], [], [], [], {}
    for file in named:
        try:
            found = model_windows(predictor, read_motion(root / file.path, fps=input_fps), step, retargeted)
            if not len(found):
                seconds = (predictor.source_length + predictor.target_length) / space.fps
                raise UserError(f"shorter than a window, {seconds:g} s")
        except UserError as error:
            passed_over[file.path] = str(error).removeprefix(f"{root / file.path}: ")
            logging.warning("passed over: %s: %s", file.path, passed_over[file.path])
            continue
        done = action or (file.action if file.action in space.actions else None)
        windows.append(found)
        codes.append(np.broadcast_to(space.one_hot(done), (len(found), len(space.actions))))
        owners += [file.path] * len(found)
        subjects += [file.subject] * len(found)
    if not windows:
        first = next(iter(passed_over.items()), ("", "no file"))
        raise UserError(f"--input={folder}: none of {len(named)} recordings can be used: {first[0]}: {first[1]}")
    return Recordings(np.concatenate(windows), np.concatenate(codes), np.array(owners), np.array(subjects), passed_over)


def backtest(
    predictor: Predictor, recordings: Recordings, hold_out: Sequence[str] = (), levels: Sequence[float] | None = None
) -> Backtest:
    """Scores a run on recordings, beside the baselines, and its radii where it has some.

    Errors are those to the recorded pose itself, with the joints that the model leaves at their mean.

    Args:
        predictor: a run.
        recordings: of `read_recordings`.
        hold_out: subjects. Only they are scored, and the radii are calibrated anew on all the others, every window
            alike: what the radii of these recordings promise of a person who is not among them.
        levels: of the radii that are calibrated here, with `hold_out`; None: `conformal.LEVELS`.

    Raises:
        UserError: levels without `hold_out`, a subject is unknown or all are held out, too few windows are left, or a
            prediction is not finite.
    """
    if levels and not hold_out:
        raise UserError("--levels: are those of radii calibrated here, with --hold_out; the run's own have theirs")
    everyone = sorted(set(recordings.subjects) - {""})
    for name in hold_out:
        if name not in everyone:
            known = f"must be among {', '.join(everyone)}" if everyone else "the paths name none; --pattern says where"
            raise UserError(f"--hold_out={','.join(hold_out)}: no subject {name!r}: {known}")
    held = np.isin(recordings.subjects, hold_out) if hold_out else np.ones(len(recordings.subjects), bool)
    if hold_out and held.all():
        raise UserError(f"--hold_out={','.join(hold_out)}: leaves nobody to calibrate on")
    source, body = predictor.source_length, predictor.space.skeleton
    history, truth = recordings.windows[:, :source], recordings.windows[:, source:]
    selection = Selection(history.astype(np.float32), truth.astype(np.float32), truth, recordings.codes, {})
    predicted = predict_windows(predictor.predict_raw, selection, "free_running", predictor.experiment.eval.batch)
    if bad := int(np.count_nonzero(~np.isfinite(predicted).all((1, 2)))):
        raise UserError(f"--input: {bad} of {len(predicted)} predictions are not finite")
    distances = joint_distances(body, predicted, truth)
    radii, which = predictor.radii, "of the run"
    scale = predictor.scale_of() if hold_out else radii.scale_name if radii else "constant"
    measure = measure_windows(predictor, selection.history, selection.codes, scale)
    measured = None if measure is None else measure[held]
    if hold_out:
        radii, which = _of_the_others(
            predictor,
            distances[~held],
            None if measure is None else measure[~held],
            recordings.owners[~held],
            check_levels(levels or LEVELS),
        )
    still = np.broadcast_to(history[:, -1:], truth.shape)
    going_on, batch = constant_velocity(predictor), predictor.experiment.eval.batch
    moving = predict_windows(going_on.predict_raw, selection, "free_running", batch)
    frames = predictor.experiment.eval.frame_numbers
    columns = [frame - 1 for frame in frames]
    errors = {}
    for name in METRICS:
        metric = find_metric(name)
        if not metric.applies(body):
            continue  # positions have no angles
        rows = {"model": predicted, "zero_velocity": still, "constant_velocity": moving}
        errors[name] = {row: metric(body, each[held], truth[held]).mean(0)[columns].tolist()
                        for row, each in rows.items()}  # fmt: skip
    each = {}
    for owner in dict.fromkeys(recordings.owners[held].tolist()):
        mine = distances[recordings.owners == owner]
        each[owner] = {"windows": len(mine), "mpjpe_mm": mine.mean((0, 2))[columns].tolist()}
    return Backtest(
        model=predictor.experiment.name,
        frames=frames,
        fps=predictor.space.fps,
        errors=errors,
        recordings=each,
        coverage=measure_coverage(distances[held], radii, recordings.owners[held], measure=measured) if radii else [],
        radii=which if radii else "",
        passed_over=recordings.passed_over,
    )


def _of_the_others(
    predictor: Predictor,
    distances: np.ndarray,
    measure: np.ndarray | None,
    owners: np.ndarray,
    levels: tuple[float, ...],
) -> tuple[Radii, str]:
    for level in levels:
        if len(distances) < (needed := least_count(level)):
            raise UserError(f"--levels: {level:g} needs {needed} windows to calibrate on: {len(distances)} are left")
    names = tuple(dict.fromkeys(owners.tolist()))
    sizes = radii_of(distances, levels, None, predictor.scale_of(), measure)
    radii = Radii(
        levels,
        **sizes._asdict(),
        joints=predictor.space.skeleton.joints,
        fps=predictor.space.fps,
        by="window",
        windows=len(distances),
        recordings=len(names),
        subjects=0,
        clips=names,
        data={},
        weights="",
    )
    return radii, f"calibrated on {len(distances)} windows of {len(names)} recordings of the others"


def backtest_table(found: Backtest) -> str:
    """Markdown: errors beside the baselines', and what the radii covered."""
    columns = [frame - 1 for frame in found.frames]
    header = ["", *(f"{1000 * frame / found.fps:.0f} ms" for frame in found.frames)]
    lines = [header, ["---"] * len(header)]
    for name, rows in found.errors.items():
        digits = find_metric(name).digits
        for row, values in rows.items():
            lines.append([f"{row.replace('_', '-')}, {name}", *(f"{value:.{digits}f}" for value in values)])
    for level in found.coverage:
        lines.append([f"within {level.level:.0%} radius", *(f"{100 * level.covered[c]:.1f}%" for c in columns)])
        lines.append(["mean radius, mm", *(f"{level.sharpness[c]:.1f}" for c in columns)])
    windows = sum(each["windows"] for each in found.recordings.values())
    heading = f"Backtest of {in_markdown(found.model)}: {windows} windows of {len(found.recordings)} recordings"
    heading += f"; radii {found.radii}" if found.radii else "; no radii (motion-jax calibrate makes them)"
    return heading + "\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)
