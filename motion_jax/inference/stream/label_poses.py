"""What the poses of live motion hold, for a network that labels them, and how they become its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from motion_jax.data.datasets import LabelledFiles, dataset_names, find_dataset
from motion_jax.geometry.fit_rotations import find_hips, root_in_place
from motion_jax.inference.anticipator import TrainedAnticipator
from motion_jax.inference.recogniser import Recogniser, arrays_of_rows, one_body
from motion_jax.inference.stream.layout import PoseLayout

LIVE = "live motion"  # the source of its sequences, for messages

PoseForm = Literal["rotations", "positions", "features"]
"""Of a pose `[D]`. "rotations": a raw frame of the body that was trained on, its root absolute. "positions": where its
joints are, mm, of several people side by side, zeros for who is not there. "features": what a network reads that was
trained on feature arrays, one after the other as `labels.inputs` names them."""


class LivePoses(NamedTuple):
    """Poses of one form, and the sequence that they are to a network."""

    layout: PoseLayout
    lead: int  # rows before the first of a window: one where a root is told from the row before
    arrays: Callable[[np.ndarray], dict[str, np.ndarray]]  # rows `[R, D]` to the arrays of `Sequence`


def pose_forms(run: Recogniser | TrainedAnticipator) -> tuple[PoseForm, ...]:
    """What poses a network takes, that of its training data first.

    One that was trained on joint positions (MSR Action3D, NTU, SBU, or of several people) takes these as its data has
    them; one that was trained on rotations takes rotations and, unless it reads angles, joint positions too: anywhere,
    as the root is put in place here.
    """
    if run.space.skeleton is None:
        return ("features",)
    reads_angles = any(modality.name == "angles" for modality in run.space.modalities)
    if reads_angles:
        return ("rotations",)
    if run.space.bodies > 1 or _recorded_as_positions(run.experiment.data.name):
        return ("positions",)
    return ("rotations", "positions")


def live_poses(run: Recogniser | TrainedAnticipator, form: PoseForm) -> LivePoses:
    """Poses of a form that is among `pose_forms`.

    Raises:
        UserError: rotations of several people, or a body that has no hips, so that its place and turn are not known.
    """
    space = run.space
    if form == "features":
        widths = {"positions" if m.name == "velocities" else m.name: len(m.mean) for m in space.modalities}
        ends = np.cumsum(list(widths.values()))
        return LivePoses(
            PoseLayout(int(ends[-1])),
            0,
            lambda rows: dict(zip(widths, np.split(rows.astype(np.float32), ends[:-1], axis=1), strict=True)),
        )
    if form == "rotations":
        body = one_body(space, LIVE)
        return LivePoses(PoseLayout.of_body(body), int(body.root_steps), lambda rows: arrays_of_rows(rows, body))
    assert space.skeleton is not None
    body = space.skeleton.of_positions
    layout = PoseLayout.of_body(body, space.bodies)
    if "rotations" not in pose_forms(run):
        return LivePoses(layout, 0, lambda rows: {"positions": rows.astype(np.float32)})
    find_hips(body)

    def in_place(rows: np.ndarray) -> dict[str, np.ndarray]:
        places = root_in_place(body, rows.reshape(len(rows), -1, 3)).places
        return {"positions": places.reshape(len(rows), -1).astype(np.float32)}

    return LivePoses(layout, 0, in_place)


def _recorded_as_positions(name: str) -> bool:
    """Whether the files of a data set hold joint positions; not where the package that adds it is not installed."""
    files = find_dataset(name).files if name in dataset_names() else None
    return isinstance(files, LabelledFiles) and not files.made
