"""What a motion file holds, whatever its format: a body that moves, or markers that do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field

import numpy as np

from motion_jax.data.motion.rates import nominal_rate
from motion_jax.data.motion.rotations_np import matrix_from_rotvec
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

_STILL = 1e-5  # of the longest bone: a joint that moves less from its place stands still; files print few digits

Channels = tuple[tuple[str, ...], ...]  # of each joint, in the words of BVH: Xposition ... Zrotation


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
    """F frames of a body of J joints, root absolute, in the convention of `geometry.kinematics` (row vectors).

    A joint's three columns are the rotation vector of its *transposed* local rotation: a local rotation R that acts on
    column vectors, as the formats define theirs, is stored as -rotvec(R).
    """

    skeleton: Skeleton  # `offsets` in mm; `translation_mm` mm to the file's unit of length
    frames: np.ndarray  # [F, 3 + 3 J] float64: root translation in the file's unit, then rotation vectors, rad
    fps: float  # as the file says it, so that a rewrite keeps it; `rates.nominal_rate` is what it stands for
    source: str  # the file, for messages
    channels: Channels | None = None  # [J] as the file had them, so that a rewrite keeps them; None: it has none
    places: np.ndarray | None = None  # [F, J, 3] file unit: each joint from its parent, if the file has them by frame
    root_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # file unit: where the root rests; no part of any place
    file_offsets: np.ndarray | None = None  # [J, 3] file unit: of a BVH whose places make another body than its OFFSETs
    notes: tuple[str, ...] = ()  # what the file does not say and its reader took for granted, for reports
    warnings: tuple[str, ...] = ()  # where the file is odd or contradicts itself, and what its reader made of it
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)  # what else the file had (formats.smpl)

    def __post_init__(self) -> None:
        joints, wanted = len(self.skeleton.joints), self.skeleton.columns
        if self.frames.ndim != 2 or self.frames.shape[1] != wanted or not len(self.frames):
            raise UserError(f"{self.source}: frames {self.frames.shape}: it must be [F, {wanted}], F 1 or more")
        if self.places is not None and self.places.shape != (len(self.frames), joints, 3):
            raise UserError(f"{self.source}: places {self.places.shape}: must be {(len(self.frames), joints, 3)}")
        if self.channels is not None and len(self.channels) != joints:
            raise UserError(f"{self.source}: channels of {len(self.channels)} joints: the skeleton has {joints}")
        if self.file_offsets is not None and self.file_offsets.shape != (joints, 3):
            raise UserError(f"{self.source}: file_offsets {self.file_offsets.shape}: must be {(joints, 3)}")
        if not (np.isfinite(self.frames).all() and (self.places is None or np.isfinite(self.places).all())):
            raise UserError(f"{self.source}: frames must be finite numbers")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise UserError(f"{self.source}: {self.fps} frames per second: it must be a finite number above 0")

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (len(self.frames) - 1) / nominal_rate(self.fps)

    def __repr__(self) -> str:
        rate, joints = nominal_rate(self.fps), len(self.skeleton.joints)
        return f"Motion({self.source!r}, {joints} joints, {len(self.frames)} frames at {rate:g} per second)"


@dataclasses.dataclass(frozen=True, eq=False)
class Markers:
    """Where M labelled markers were in F frames; there is no body in it, and no rotation."""

    names: tuple[str, ...]  # [M]
    points: np.ndarray  # [F, M, 3] mm, NaN where a marker was not seen
    fps: float
    first_frame: int  # the number that the file gives to the first
    source: str  # the file, for messages
    notes: tuple[str, ...] = ()  # what its reader took for granted or found to contradict itself, for reports


def positions(motion: Motion) -> np.ndarray:
    """Where the joints are: `[F, J, 3]` float64, mm.

    P_j = P_parent + d_j G_parent and G_j = R_j G_parent with row vectors d_j, the joint's place from its parent.
    """
    skeleton, unit = motion.skeleton, motion.skeleton.translation_mm
    local = motion.frames[:, 3:].reshape(len(motion.frames), -1, 3)
    rotations = np.empty((*local.shape, 3))
    places = np.empty(local.shape)
    for joint, parent in enumerate(skeleton.parents):
        rotation = matrix_from_rotvec(local[:, joint])
        if parent < 0:
            places[:, joint] = skeleton.offsets[joint] + motion.frames[:, :3] * unit
            rotations[:, joint] = rotation
            continue
        away = skeleton.offsets[joint] if motion.places is None else motion.places[:, joint] * unit
        places[:, joint] = places[:, parent] + np.einsum("...i,...ij->...j", away, rotations[:, parent])
        rotations[:, joint] = rotation @ rotations[:, parent]
    return places


def moving_joints(motion: Motion) -> tuple[str, ...]:
    """The joints below the root that are not always where the body has them, from their parents."""
    if motion.places is None:
        return ()
    body = motion.skeleton
    rests = body.offsets / body.translation_mm
    away = np.linalg.norm(motion.places - rests, axis=-1).max(axis=0)
    moves = away > _STILL * np.linalg.norm(rests, axis=-1).max()
    return tuple(name for name, moved in zip(body.joints[1:], moves[1:], strict=True) if moved)


def in_unit(motion: Motion, unit_mm: float) -> Motion:
    """The same motion with lengths in another unit, of `unit_mm` real mm; a scale of published errors is undone."""
    skeleton = motion.skeleton
    factor = skeleton.translation_mm * skeleton.true_scale / unit_mm
    body = dataclasses.replace(
        skeleton, offsets=skeleton.offsets * skeleton.true_scale, translation_mm=unit_mm, true_scale=1.0
    )
    x, y, z = motion.root_offset
    return dataclasses.replace(
        motion,
        skeleton=body,
        frames=np.concatenate([motion.frames[:, :3] * factor, motion.frames[:, 3:]], axis=1),
        places=None if motion.places is None else motion.places * factor,
        root_offset=(x * factor, y * factor, z * factor),
        file_offsets=None if motion.file_offsets is None else motion.file_offsets * factor,
    )
