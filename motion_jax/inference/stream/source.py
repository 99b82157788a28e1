"""The poses of a file as a stream of a trained model takes them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from motion_jax.data.datasets import find_dataset
from motion_jax.data.formats import Motion, holds_markers, positions, read_places
from motion_jax.data.formats.joint_positions import onto_body
from motion_jax.data.labelled.modalities import check_arrays
from motion_jax.data.labelled.one_file import data_set_of, is_one, read_one, read_unnamed
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.rates import nominal_rate
from motion_jax.data.positions import to_positions
from motion_jax.errors import UserError
from motion_jax.inference.load import Trained
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.recogniser import Recogniser, one_body
from motion_jax.inference.stream.label_poses import PoseForm, pose_forms


class Source(NamedTuple):
    """Poses at an even rate."""

    frames: np.ndarray  # [F, D]
    fps: float
    form: PoseForm
    motion: Motion | None = None  # what was read, where it is of any body and the model of the canonical one


def read_source(path: Path, trained: Trained, fps: float | None = None, person: int | None = None) -> Source:
    """Reads a file that a stream of `trained` is to be fed with.

    A network that was trained on MSR Action3D, NTU, SBU or feature arrays reads files that are called like those of its
    data set. Files of joint positions fit where a stream takes positions; where it takes nothing else, those of a
    motion are computed. Any other file is read as a motion.

    Args:
        path: the file.
        trained: what will be streamed.
        fps: frames per second of the file, where it does not say them.
        person: which of several people, from 1, where a file of positions or a motion may hold them.

    Raises:
        UserError: the file cannot be read or does not fit; the message names it.
    """
    name = trained.experiment.data.name
    if not isinstance(trained, Predictor) and is_one(name, path):
        for flag, value in (("input_fps", fps), ("person", person)):
            if value is not None:
                title = find_dataset(name).title
                raise UserError(f"--{flag}={value:g}: nothing reads it: {path} is called like a file of {title}")
        return _of_data_set(path, trained)
    if (other := data_set_of(path)) is not None:
        raise UserError(f"{path}: called like a file of {find_dataset(other).title}: the model was trained on {name!r}")
    if isinstance(trained, Predictor):
        body, people = trained.space.skeleton, 1
        forms: tuple[PoseForm, ...] = ("positions",) if body.positions else ("rotations",)
    else:
        forms, people = pose_forms(trained), trained.space.bodies
        if forms == ("features",):
            raise UserError(f"{path}: the network reads feature arrays: give a .npz of arrays [F, D]")
        assert trained.space.skeleton is not None
        body = trained.space.skeleton
    if "positions" in forms and (places := read_places(path, fps, person)) is not None:
        for note in places.notes:
            logging.info("%s: %s", path, note)
        return _fed(path, onto_body(places, body), places.fps, people)
    if forms == ("rotations",) and holds_markers(path) and read_places(path, fps, person) is not None:
        raise UserError(
            f"{path}: holds joint positions of a body that is not known: the model reads rotations of joints"
        )
    motion = read_unnamed(name, path, fps, person)
    if isinstance(trained, Predictor) and trained.takes_any_body:
        motion = fit_root(motion)
        return Source(motion.frames, nominal_rate(motion.fps), "rotations", motion)
    motion = _on_body(motion, trained)
    if forms[0] == "rotations":
        return Source(motion.frames, nominal_rate(motion.fps), "rotations")
    own = to_positions(body.of_angles, motion.frames) if isinstance(trained, Predictor) else positions(motion)
    return _fed(path, own.reshape(len(own), -1, 3), motion.fps, people)


def _of_data_set(path: Path, trained: Trained) -> Source:
    """A file of the data set that was trained on."""
    assert not isinstance(trained, Predictor)
    sequence, form = read_one(trained.experiment.data.name, path, trained.recorded_fps), pose_forms(trained)[0]
    check_arrays(sequence, [modality.name for modality in trained.space.modalities], trained.space.widths)
    names = dict.fromkeys("positions" if m.name == "velocities" else m.name for m in trained.space.modalities)
    frames = np.concatenate([sequence.arrays[name] for name in names], axis=1).astype(np.float64)
    return Source(frames, trained.recorded_fps, form)


def _fed(path: Path, places: np.ndarray, fps: float, people: int) -> Source:
    """Places `[F, J, 3]` of one person, beside whom nobody is."""
    rows = places.reshape(len(places), -1).astype(np.float64)
    if not np.isfinite(rows).all(axis=1).sum() > 1:
        raise UserError(f"{path}: fewer than two of its {len(rows)} frames have a place of every joint")
    return Source(np.pad(rows, ((0, 0), (0, (people - 1) * rows.shape[1]))), nominal_rate(fps), "positions")


def _on_body(motion: Motion, trained: Trained) -> Motion:
    """The file's body must be the model's; that its root is absolute is what a stream wants."""
    of_angles = isinstance(trained, Predictor)
    body = trained.space.skeleton.of_angles if of_angles else one_body(trained.space, motion.source)
    motion = fit_root(motion, body)
    if fault := body.with_absolute_root.mismatch(motion.skeleton):
        command = {Predictor: "predict", Recogniser: "recognise"}.get(type(trained))
        hint = f" (motion-jax {command} --retarget takes the file)" if command else ""
        raise UserError(
            f"--input={motion.source}: does not fit --workdir={trained.workdir}: {fault}; a stream is not "
            f"retargeted: it must be the model's body{hint}"
        )
    return motion
