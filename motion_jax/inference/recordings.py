"""Files as sequences that a network of labels reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from absl import logging

from motion_jax.data.formats import holds_markers, read_places
from motion_jax.data.formats.joint_positions import onto_body
from motion_jax.data.labelled.one_file import is_one, read_one, read_unnamed
from motion_jax.data.labelled.sequences import Sequence
from motion_jax.errors import UserError
from motion_jax.inference.anticipator import TrainedAnticipator
from motion_jax.inference.recogniser import Recogniser, motion_sequence
from motion_jax.inference.stream.label_poses import live_poses, pose_forms


def read_sequence(
    path: Path, run: Recogniser | TrainedAnticipator, fps: float | None = None, retargeted: bool = False
) -> Sequence:
    """A file at the rate of the recordings that a network was trained on, without segments.

    It is called like one of the data set that was trained on, or holds places of the body's joints where a stream takes
    such poses (see `pose_forms`) and no body with rotations, or is a motion.

    Args:
        path: the file.
        run: whose inputs are wanted.
        fps: frames per second of places or of a motion, where the file does not say them.
        retargeted: put another body of a motion on the model's by the names of its joints.

    Raises:
        UserError: the file cannot be read or does not fit; the message names it.
    """
    name = run.experiment.data.name
    if is_one(name, path):
        return read_one(name, path, run.recorded_fps)
    if "positions" in pose_forms(run) and holds_markers(path) and (places := read_places(path, fps)) is not None:
        for note in places.notes:
            logging.info("%s: %s", path, note)
        assert run.space.skeleton is not None
        rows = onto_body(places, run.space.skeleton).reshape(len(places.points), -1)
        rows = _at_rate(rows, places.fps, run.recorded_fps, str(path))
        rows = np.pad(rows, ((0, 0), (0, (run.space.bodies - 1) * rows.shape[1])))  # beside whom nobody is
        return Sequence(live_poses(run, "positions").arrays(rows), (), "", "test", str(path))
    return motion_sequence(read_unnamed(name, path, fps), run.space, retargeted)


def _at_rate(rows: np.ndarray, fps: float, wanted: float, source: str) -> np.ndarray:
    """Places straight between frames, from the first to the last in which every joint is somewhere."""
    whole = np.flatnonzero(np.isfinite(rows).all(axis=1) & rows.any(axis=1))
    if len(whole) < 2:
        raise UserError(f"{source}: fewer than two of its {len(rows)} frames have a place of every joint")
    if lacking := len(rows) - len(whole):
        logging.warning("%s: %d of its %d frames lack places, which are taken to go straight between the others",
                        source, lacking, len(rows))  # fmt: skip
    times = whole / fps
    count = int((times[-1] - times[0]) * wanted + 1e-6) + 1
    moments = times[0] + np.arange(count) / wanted
    return np.stack([np.interp(moments, times, column) for column in rows[whole].T], axis=1)
