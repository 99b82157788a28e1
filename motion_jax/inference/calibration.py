"""Calibration: a run's radii, from windows of the recordings that were held out of its training; kept in its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from absl import logging

from motion_jax.data.cache import open_dataset
from motion_jax.data.positions import represented
from motion_jax.data.protocols import gather, spaced_windows
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import (
    GROUPS,
    LEVELS,
    Radii,
    check_levels,
    joint_distances,
    least_count,
    radii_of,
)
from motion_jax.evaluation.evaluate import Selection, predict_windows, through_space
from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.runtime.files import write_text
from motion_jax.train.checkpoint import params_hash
from motion_jax.train.workdir import Workdir
from motion_jax.types import Clip, Dataset

WINDOWS = 2048


def calibrate(
    predictor: Predictor,
    dataset: Dataset,
    levels: Sequence[float] = LEVELS,
    by: str = "window",
    windows: int = WINDOWS,
    scale: str = "auto",
) -> Radii:
    """Radii of a predictor, from evenly spaced windows of the clips that `data.validation` held out; test clips never.

    Args:
        predictor: the model. Of a run that was fitted anew on all data (`selection` in its folder), the errors are
            those of the run before, which had not seen these clips; the note of the radii says so.
        dataset: what it was trained on.
        levels: between 0 and 1.
        by: of `conformal.GROUPS`, what counts as one draw.
        windows: about how many, the same number from every recording.
        scale: of `scale.SCALES`, what radii follow; "auto": members of a model that has some, else speed.

    Raises:
        UserError: nothing was held out, the clips are too short or name no subjects, a level is impossible, there are
            too few draws for one (the message says how many are needed), or a prediction is not finite.
    """
    levels = check_levels(levels)
    if by not in GROUPS:
        raise UserError(f"by={by!r}: must be one of {', '.join(GROUPS)}")
    scale = predictor.scale_of(scale)
    measured, note = _measured(predictor)
    data = measured.experiment.data
    clips = split_clips(represented(dataset, data), data).validation
    if not clips:
        raise UserError(
            f"data.validation={data.validation!r} held nothing out: radii need recordings that were not trained on; "
            f"train with --config.data.validation=SUBJECT"
        )
    if by == "subject" and not all(clip.subject for clip in clips):
        raise UserError(f"by=subject: the recordings of {dataset.name!r} name no subjects: use by=recording")
    distances, measure, owners = measured_windows(measured, clips, windows, scale)
    if bad := int(np.count_nonzero(~np.isfinite(distances).all((1, 2)))):
        raise UserError(f"calibration: {bad} of {len(distances)} predictions are not finite: train anew")
    groups = None if by == "window" else [clip.subject if by == "subject" else clip.name for clip in owners]
    draws = by in ("recording", "subject")
    _check_enough(levels, by if draws else "window", len(set(groups or ())) if draws else len(distances))
    sizes = radii_of(distances, levels, groups, scale, measure, by == "balanced")
    used = tuple(dict.fromkeys(clip.name for clip in owners))
    return Radii(
        levels=levels,
        **sizes._asdict(),
        joints=measured.space.skeleton.joints,
        fps=measured.space.fps,
        by=by,
        windows=len(distances),
        recordings=len(used),
        subjects=len({clip.subject for clip in owners} - {""}),
        clips=used,
        data={"name": dataset.name, "key": dataset.key},
        weights=params_hash(predictor.params),
        note=note,
    )


def measured_windows(
    predictor: Predictor, clips: Sequence[Clip], windows: int, scale: str
) -> tuple[np.ndarray, np.ndarray | None, list[Clip]]:
    """Evenly spaced windows of clips: joint distances `[W, T, J]`, what a scale measures (`measure_windows`), clips.

    Truths are as reports score them: columns that the model drops are at their mean. Raises `UserError` if all clips
    are too short.
    """
    data, space = predictor.experiment.data, predictor.space
    chosen = spaced_windows(clips, data.source_length, data.target_length, data.stride, windows)
    history, future = gather(clips, chosen, data.source_length, data.target_length, data.stride)
    owners = [clips[window.clip] for window in chosen]
    truth = through_space(space, future)
    codes = np.stack([space.one_hot(clip.action) for clip in owners])
    selection = Selection(through_space(space, history).astype(np.float32), truth.astype(np.float32), truth, codes, {})
    predicted = predict_windows(predictor.predict_raw, selection, "free_running", predictor.experiment.eval.batch)
    measure = measure_windows(predictor, selection.history, codes, scale)
    return joint_distances(space.skeleton, predicted, truth), measure, owners


def measure_windows(predictor: Predictor, history: np.ndarray, codes: np.ndarray, scale: str) -> np.ndarray | None:
    """`[W, S, D]` and `[W, A]` to what a scale measures, `[W, T, J]` mm, in calls of one shape; None of "constant"."""
    if scale == "constant":
        return None
    count, batch = len(history), min(len(history), predictor.experiment.eval.batch)
    parts = []
    for begin in range(0, count, batch):
        rows = np.minimum(np.arange(begin, begin + batch), count - 1)  # the last fills up the last call
        parts.append(np.asarray(predictor.measure_raw(history[rows], codes[rows], scale), np.float64))
    return np.concatenate(parts)[:count]


def calibrate_run(
    predictor: Predictor,
    levels: Sequence[float] = LEVELS,
    by: str = "window",
    windows: int = WINDOWS,
    dataset: Dataset | None = None,
    scale: str = "auto",
) -> Radii:
    """Calibrates a run that `load_predictor` opened, and keeps the radii in its folder as `radii.json`.

    Args and errors are those of `calibrate`; `dataset` None: the one that its configuration names.
    """
    if predictor.workdir is None:
        raise UserError("calibration: this predictor is not of a run's folder: use calibrate(predictor, dataset)")
    if dataset is None:
        dataset = open_dataset(predictor.experiment.data)
    radii = calibrate(predictor, dataset, levels, by, windows, scale)
    write_text(Workdir(predictor.workdir).radii, radii.to_json())
    predictor.radii = radii
    return radii


def _measured(predictor: Predictor) -> tuple[Predictor, str]:
    """Whose errors are measured, and what must be said of it."""
    if predictor.workdir is None or not Workdir(predictor.workdir).selection.is_dir():
        return predictor, ""
    before = load_predictor(Workdir(predictor.workdir).selection)
    if before.target_length != predictor.target_length:
        raise UserError(f"{before.workdir}: predicts {before.target_length} frames, the run {predictor.target_length}")
    note = "errors of the run in selection/, before it was fitted anew on all data, held-out recordings too"
    logging.warning("calibration: %s", note)
    # data.root and data.cache may have been changed since
    data = dataclasses.replace(
        before.experiment.data, root=predictor.experiment.data.root, cache=predictor.experiment.data.cache
    )
    before.experiment = dataclasses.replace(before.experiment, data=data)
    return before, note


def _check_enough(levels: Sequence[float], by: str, count: int) -> None:
    for level in levels:
        if count < (needed := least_count(level)):
            kinds = {"window": "windows", "recording": "recordings", "subject": "subjects"}
            raise UserError(
                f"levels: {level:g} needs {needed} {kinds[by]} to calibrate on, {count} are held out: hold out more "
                f"(data.validation), ask for levels up to {count / (count + 1):.3g}"
                + (", or use by=window" if by != "window" else "")
            )
