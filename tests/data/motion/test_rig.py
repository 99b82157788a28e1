"""Rigs: the canonical body and back, whatever the axes, the unit and the world of a file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.data.motion.motion import Motion, positions
from motion_jax.data.motion.rig import Rig, find_rig, from_canonical, to_canonical
from motion_jax.data.motion.rotations_np import (
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotate,
    rotation_between,
    rotvec_from_quaternion,
)
from motion_jax.errors import UserError
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.joint_map import JointMap
from motion_jax.skeletons.skeleton import Skeleton

FRAMES = 60
ALL = JointMap("named", tuple(range(22)), ())
_LIMBS = [c for c, name in enumerate(BODY22.joints) if name.endswith(("knee", "ankle", "elbow", "wrist"))]


def walk() -> Motion:
    """Somebody who walks with bent knees and elbows, arms hanging, and turns."""
    time = np.arange(FRAMES) / 25.0
    swing = np.sin(2 * np.pi * time)
    frames = np.zeros((FRAMES, BODY22.columns))
    still = 0 * time
    turns = {
        "pelvis": (0.1 * swing, 0.8 * time, still), "left_hip": (-0.5 * swing - 0.3, still, still),
        "right_hip": (0.5 * swing - 0.3, still, still), "left_knee": (0.6 + 0.4 * swing, still, still),
        "right_knee": (0.6 - 0.4 * swing, still, still), "left_shoulder": (0.1 * swing, still, still - 1.2),
        "right_shoulder": (0.1 * swing, still, still + 1.2), "left_elbow": (still, -0.7 + 0.2 * swing, still),
        "right_elbow": (still, 0.7 + 0.2 * swing, still), "spine2": (0.05 * swing, 0.1 * swing, still),
        "head": (0.1 * swing, 0.2 * swing, still),
    }  # fmt: skip
    for name, vector in turns.items():
        at = 3 + 3 * BODY22.joints.index(name)
        frames[:, at : at + 3] = -np.stack(vector, axis=-1)  # stored transposed
    frames[:, 0], frames[:, 1], frames[:, 2] = 300 * time, 905 + 10 * swing, 900 * time
    return Motion(BODY22, frames, 25.0, "walk")


def other_axes(motion: Motion, axes: np.ndarray, world: np.ndarray, unit: float) -> Motion:
    """The same motion of a body whose joints' own axes are turned by `axes` [22, 4], in another world and unit.

    A joint's new rotation in space is W G_j A_j, so that its children lie at A_j^-1 o in its axes.
    """
    own = quaternion_from_rotvec(-motion.frames[:, 3:].reshape(len(motion.frames), -1, 3))
    offsets = BODY22.offsets.copy()
    local = np.empty_like(own)
    for joint, parent in enumerate(BODY22.parents):
        above = world if parent < 0 else quaternion_conjugate(axes[parent])
        local[:, joint] = quaternion_multiply(quaternion_multiply(above, own[:, joint]), axes[joint])
        if parent >= 0:
            offsets[joint] = rotate(quaternion_conjugate(axes[parent]), BODY22.offsets[joint])
    root = rotate(world, motion.frames[:, :3]) / unit
    frames = np.concatenate([root, -rotvec_from_quaternion(local).reshape(len(local), -1)], axis=1)
    body = dataclasses.replace(BODY22, offsets=offsets, translation_mm=unit)
    return Motion(body, frames, motion.fps, "turned")


def random_rotations(seed: int, count: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, 4))
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def bones(motion: Motion) -> np.ndarray:
    """Directions [F, 22, 3] from the parents."""
    places = positions(motion)
    away = places - places[:, [max(parent, 0) for parent in BODY22.parents]]
    return away / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-9)


def test_the_canonical_body_is_its_own_rig() -> None:
    motion = walk()
    rig = find_rig(motion, ALL)
    there = to_canonical(rig, motion)
    lowered = positions(motion) - np.array([0, rig.floor, 0])
    np.testing.assert_allclose(positions(there), lowered, atol=1e-9)
    assert rig.scale == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(4))
def test_axes_world_and_unit_do_not_matter(seed: int) -> None:
    """Bones of limbs point where they did, whichever axes the joints of the file have."""
    motion = walk()
    up = rotation_between(np.array([0.0, 1, 0]), np.eye(3)[[1, 2, 0, 2][seed]])
    turned = other_axes(motion, random_rotations(seed, 22), up, [1.0, 10.0, 1000.0, 25.4][seed])
    rig = find_rig(turned, ALL)
    there = to_canonical(rig, turned)
    np.testing.assert_allclose(
        np.linalg.norm(positions(turned)[0, 4] - positions(turned)[0, 1]) / turned.skeleton.translation_mm * rig.scale,
        415,
        rtol=1e-9,
    )
    # a world has no front: the two differ by one turn about the vertical
    about = _turn_between(bones(motion)[:, _LIMBS], bones(there)[:, _LIMBS])
    np.testing.assert_allclose(rotate(about, bones(motion)[:, _LIMBS]), bones(there)[:, _LIMBS], atol=1e-6)
    held = np.linalg.norm(there.frames[:, 3:].reshape(FRAMES, 22, 3), axis=-1).mean(axis=0)
    assert held[1:].max() < np.deg2rad(115), dict(zip(BODY22.joints, np.rad2deg(held).round(), strict=True))


def _turn_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The turn about +y that brings directions to others, [4]."""
    x = (before[..., 0] * after[..., 0] + before[..., 2] * after[..., 2]).sum()
    y = (before[..., 2] * after[..., 0] - before[..., 0] * after[..., 2]).sum()
    return quaternion_from_rotvec(np.array([0.0, np.arctan2(y, x), 0.0]))


@pytest.mark.parametrize("seed", range(3))
def test_there_and_back_is_the_identity(seed: int) -> None:
    motion = other_axes(walk(), random_rotations(seed, 22), random_rotations(seed + 10, 1)[0], 10.0)
    rig = find_rig(motion, ALL)
    back = from_canonical(rig, to_canonical(rig, motion), motion, np.arange(FRAMES))
    np.testing.assert_allclose(positions(back), positions(motion), atol=1e-8)
    matrices = [
        matrix_from_quaternion(quaternion_from_rotvec(m.frames[:, 3:].reshape(FRAMES, -1, 3))) for m in (back, motion)
    ]
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-9)


def test_joints_that_the_canonical_body_lacks_keep_their_pose() -> None:
    names, parts = (*BODY22.joints, "tail", "tail.End"), (*BODY22.parts, "spine", "spine")
    offsets = np.concatenate([BODY22.offsets, [[0, -50, -100], [0, -50, -100]]])
    body = Skeleton("with a tail", names, (*BODY22.parents, 0, 22), parts, offsets)
    plain = walk()
    tail = np.random.default_rng(0).normal(size=(FRAMES, 6))
    motion = Motion(body, np.concatenate([plain.frames, tail], axis=1), 25.0, "tail")
    rig = find_rig(motion, ALL)
    back = from_canonical(rig, to_canonical(rig, motion), motion, 7)
    np.testing.assert_allclose(positions(back)[:, :22], positions(plain), atol=1e-8)
    np.testing.assert_allclose(back.frames[:, -6:], np.broadcast_to(tail[7], (FRAMES, 6)), atol=1e-9)


def test_a_root_above_the_pelvis_carries_it() -> None:
    """Bodies whose pelvis hangs on a root that stays where it is, with rotations of its own."""
    plain = walk()
    parents = (-1, *(parent + 1 for parent in BODY22.parents))
    offsets = np.concatenate([np.zeros((1, 3)), BODY22.offsets])
    body = Skeleton("carried", ("reference", *BODY22.joints), parents, ("spine", *BODY22.parts), offsets)
    frames = np.concatenate([plain.frames[:, :3], np.zeros((FRAMES, 3)), plain.frames[:, 3:]], axis=1)
    motion = Motion(body, frames, 25.0, "carried")
    rig = find_rig(motion, JointMap("named", tuple(range(1, 23)), ()))
    back = from_canonical(rig, to_canonical(rig, motion), motion)
    np.testing.assert_allclose(positions(back), positions(motion), atol=1e-8)


def test_another_body_is_refused() -> None:
    rig: Rig = find_rig(walk(), ALL)
    other = Motion(dataclasses.replace(BODY22, joints=("hips", *BODY22.joints[1:])), walk().frames, 25.0, "b.bvh")
    with pytest.raises(UserError, match=r"b.bvh: a body of 22 joints, root 'hips'"):
        to_canonical(rig, other)


def test_a_leg_without_length_is_refused() -> None:
    offsets = BODY22.offsets.copy()
    offsets[4] = 0
    motion = dataclasses.replace(walk(), skeleton=dataclasses.replace(BODY22, offsets=offsets))
    with pytest.raises(UserError, match=r"no bone between 'left_hip' and 'left_knee'.*--joint_map"):
        find_rig(motion, ALL)
