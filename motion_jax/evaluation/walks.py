"""Walks: windows as motion in space, roots integrated, for the metrics that read the path or the observed frames too.

The truth's path is that of the recording, row by row, whatever `data.stride` leaves out. A prediction goes on from the
last observed frame: a root that holds steps is summed up, each step as often as there are recorded rows in a frame, as
where a motion is continued (`data.motion.root_forms`). A root that holds differences knows no up; that of the other
forms is y.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np

from motion_jax.data.motion.root_forms import to_absolute
from motion_jax.geometry.kinematics import ROOT, frame_positions
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip

UP = 1  # y
BEFORE = 3  # observed frames in front of the predicted ones that a third difference reads
_AT_ONCE = 64  # windows whose joints are placed in one call


class Places(NamedTuple):
    """Where joints are in space, mm."""

    feet: np.ndarray  # [W, S + T, L, 3] of `feet_of`
    joints: np.ndarray  # [W, BEFORE + T, J, 3] of the last observed frames (of fewer, all) and the predicted ones


@dataclasses.dataclass(frozen=True, eq=False)
class Walks:
    """W windows of S observed and T predicted frames, roots absolute, float64."""

    skeleton: Skeleton
    prediction: np.ndarray  # [W, S + T, D], the S observed frames in front
    truth: np.ndarray  # [W, S + T, D]
    observed: int  # S
    fps: float

    @functools.cached_property
    def predicted_places(self) -> Places:
        """Of the prediction."""
        return _places(self.skeleton, self.prediction, self.observed)

    @functools.cached_property
    def true_places(self) -> Places:
        """Of the truth."""
        return _places(self.skeleton, self.truth, self.observed)


def make_walks(
    skeleton: Skeleton,
    history: np.ndarray,
    prediction: np.ndarray,
    truth: np.ndarray,
    paths: np.ndarray,
    fps: float,
    stride: int,
) -> Walks:
    """Walks of windows `[W, S, D]` and `[W, T, D]` of any root, from the true roots `paths` `[W, S + T, 6]`."""
    observed = history.shape[1]
    joints = np.concatenate([history[..., ROOT:], truth[..., ROOT:]], axis=1)
    true = np.concatenate([paths, joints], axis=-1)
    after = [
        to_absolute(skeleton.root, rows.astype(np.float64), last, stride)
        for rows, last in zip(prediction, true[:, observed - 1], strict=True)
    ]
    predicted = np.concatenate([true[:, :observed], np.stack(after)], axis=1)
    return Walks(skeleton, predicted, true, observed, fps)


def true_path(skeleton: Skeleton, clip: Clip) -> np.ndarray:
    """The absolute roots `[F, 6]` of a clip's rows; of steps, summed up from the origin on."""
    rows = np.asarray(clip.frames[:, :ROOT], np.float64)
    return to_absolute(skeleton.root, rows, np.zeros(ROOT))


def feet_of(skeleton: Skeleton) -> tuple[int, ...]:
    """The joint by which each leg stands: the deepest in the tree, of several the lowest at rest; () without legs."""
    depths = {joint: depth for depth, level in enumerate(skeleton.levels) for joint in level}
    heights = np.zeros(len(skeleton.joints))
    for joint, parent in enumerate(skeleton.parents):
        heights[joint] = skeleton.offsets[joint, UP] + (heights[parent] if parent >= 0 else 0)
    legs = [skeleton.part_joints(part) for part in ("left_leg", "right_leg")]
    return tuple(min(leg, key=lambda joint: (-depths[joint], heights[joint])) for leg in legs if leg)


def knows_up(skeleton: Skeleton) -> bool:
    """Whether frames tell which way is up."""
    return not skeleton.positions and skeleton.root != "difference"


def _places(skeleton: Skeleton, frames: np.ndarray, observed: int) -> Places:
    body, begin = skeleton.with_absolute_root, max(0, observed - BEFORE)
    feet, joints = [], []
    with jax.enable_x64(True):
        for first in range(0, len(frames), _AT_ONCE):
            part = frames[first : first + _AT_ONCE]
            filled = np.concatenate([part, np.repeat(part[-1:], _AT_ONCE - len(part), axis=0)])  # one compiled shape
            places = np.asarray(frame_positions(body, filled))[: len(part)]
            feet.append(places[..., list(feet_of(skeleton)), :])
            joints.append(places[:, begin:])
    return Places(np.concatenate(feet), np.concatenate(joints))
