"""Angles for motors, against where forward kinematics puts the joints."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.data.formats import read_motion
from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import frame_positions
from motion_jax.inference.joint_angles import JOINT_ANGLES, JointAngle, joint_angles
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.skeletons.skeleton import Skeleton

bodies = pytest.mark.parametrize("name", JOINT_ANGLES)


def standing(name: str) -> Skeleton:
    return SKELETONS[name].with_absolute_root


def trunk(body: Skeleton, places: np.ndarray) -> Rotation:
    """How the stiff trunk stands in space, from the places of its joints alone."""
    joints = [body.index(joint) for joint in ("LeftUpLeg", "RightUpLeg", "Spine", "Spine1")]
    rest = np.asarray(frame_positions(body, np.zeros((1, body.columns))))[0]
    turns = [Rotation.align_vectors(frame[joints] - frame[0], rest[joints] - rest[0])[0] for frame in places]
    return Rotation.concatenate(turns)


def test_every_published_body_has_a_table():
    assert set(JOINT_ANGLES) == set(SKELETONS)


@bodies
def test_angles_are_those_of_the_places_of_the_joints(name: str):
    """Limbs and the body turn at random; the trunk is stiff, so that its axes can be told from places."""
    body, table = standing(name), JOINT_ANGLES[name]
    frames = np.random.default_rng(0).normal(0, 1, (40, body.columns))
    stiff = [
        3 * body.index(joint) + 3 for joint in body.joints if joint.startswith(("Spine", "LowerBack", "LHipJ", "RHipJ"))
    ]
    frames[:, np.add.outer(stiff, np.arange(3)).ravel()] = 0
    places = np.asarray(frame_positions(body, frames))
    upright = trunk(body, places).inv()
    for found, (title, row) in zip(joint_angles(body, frames, list(table)).T, table.items(), strict=True):
        at, tip, before = (body.index(joint) for joint in (row.joint, row.tip, row.frame))
        bone = places[:, tip] - places[:, at]
        x, y, z = (upright.apply(bone) / np.linalg.norm(bone, axis=1, keepdims=True)).T
        outwards = x if title.startswith("l_") else -x
        if title.endswith("pitch"):
            expected = np.arctan2(z, -y)  # forwards from hanging down
        elif title.endswith("roll"):
            expected = np.arcsin(outwards)
        else:
            first = places[:, at] - places[:, before]
            cosine = np.sum(first * bone, axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(bone, axis=1)
            expected = np.arccos(cosine)
        np.testing.assert_allclose(found, expected, atol=2e-3, err_msg=title)


@bodies
@pytest.mark.parametrize("side", ["l", "r"])
def test_an_arm_that_swings_swings_evenly(name: str, side: str):
    """Hanging, then forwards by up to 2.5 rad: no jump, whatever way the arm points at rest."""
    body = standing(name)
    joint, tip = (body.index({"l": "Left", "r": "Right"}[side] + bone) for bone in ("Arm", "ForeArm"))
    rest = body.offsets[tip] / np.linalg.norm(body.offsets[tip])
    hanging = Rotation.align_vectors([[0, -1, 0]], [rest])[0]
    swing = np.linspace(-0.5, 2.5, 50)
    frames = np.zeros((50, body.columns))
    turns = Rotation.from_rotvec(np.outer(-swing, [1, 0, 0])) * hanging  # about the left: forwards is below 0
    frames[:, 3 + 3 * joint : 6 + 3 * joint] = -turns.as_rotvec()  # stored transposed
    pitch, roll, elbow = joint_angles(
        body, frames, [f"{side}_shoulder_pitch", f"{side}_shoulder_roll", f"{side}_elbow"]
    ).T
    np.testing.assert_allclose(pitch, swing, atol=1e-6)
    np.testing.assert_allclose(roll, 0, atol=1e-6)
    np.testing.assert_allclose(elbow, elbow[0], atol=1e-6)


def test_a_real_walk_has_the_angles_of_a_walk(shared_data: Path):
    """CMU: arms hang and swing, elbows and knees bend, and no angle jumps from one frame to the next.

    The first frame is no motion: with arms held out, it says how the body is built.
    """
    motion = read_motion(sorted((shared_data / "cmu_mocap").rglob("walking*.txt"))[0])
    names = list(JOINT_ANGLES["cmu"])
    angles = dict(zip(names, joint_angles(SKELETONS["cmu"], motion.frames[1:], names).T, strict=True))
    assert max(np.abs(np.diff(values)).max() for values in angles.values()) < 0.2
    for side in "lr":
        assert np.abs(angles[f"{side}_shoulder_pitch"]).max() < 1
        assert np.abs(angles[f"{side}_shoulder_roll"]).max() < 0.5
        assert 0.5 < angles[f"{side}_knee"].max() < 1.6
        assert np.median(angles[f"{side}_knee"]) < 0.6
        assert np.ptp(angles[f"{side}_hip_pitch"]) > 0.5
        assert 0 < np.median(angles[f"{side}_elbow"]) < 1.5


def test_mistakes_are_told():
    body = SKELETONS["h36m"]
    poses = np.zeros((2, body.columns))
    with pytest.raises(UserError, match="no joint angle 'r_wrist': it must be one of l_shoulder_pitch"):
        joint_angles(body, poses, ["r_wrist"])
    with pytest.raises(UserError, match=r"poses have shape \[99\]: must be \[T, 99\]"):
        joint_angles(body, poses[0], ["r_elbow"])
    with pytest.raises(UserError, match="'own' has no table of joint angles"):
        joint_angles(dataclasses.replace(body, name="own"), poses, ["r_elbow"])
    with pytest.raises(UserError, match="'LeftArm' does not hang below 'RightArm'"):
        joint_angles(body, poses, [JointAngle("pitch", "RightArm", "LeftArm", "LeftForeArm")])
