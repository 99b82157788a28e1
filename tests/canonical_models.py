"""A model of the canonical body that needs no training, and somebody who walks steadily, in any world and unit."""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.formats import Motion
from motion_jax.data.motion.rotations_np import (
    quaternion_from_rotvec,
    quaternion_multiply,
    rotate,
    rotvec_from_quaternion,
)
from motion_jax.evaluation.conformal import Radii
from motion_jax.inference.predictor import Predictor
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.canonical import BODY22
from motion_jax.train.checkpoint import params_hash

S, T, FPS = 5, 3, 25.0
WALK_MM_S, TURN_RAD_S = 1000.0, 0.4


def steady() -> Predictor:
    """Repeats the last steps of the root and the last pose: a steady walk goes on as it went. Calibrated."""
    body = dataclasses.replace(BODY22, root="heading")
    space = PoseSpace(np.zeros(69), np.full(69, 100.0), tuple(range(69)), (), body, FPS)
    data = DataConfig(name="folder", root="made", source_length=S, target_length=T)
    experiment = Experiment(
        name="Steady", data=data, model=model_config("zero_velocity"), eval=EvalConfig(frames="1,3", protocols="srnn")
    )
    radius = np.arange(1.0, 1 + T)[None, :, None] * np.ones((1, T, 22))
    radii = Radii((0.9,), radius, radius, radius[..., 0], BODY22.joints, FPS, "window", 9, 3, 0, ("a",), {},
                  params_hash(()))  # fmt: skip
    return Predictor((), experiment, space, 0, radii=radii)


def steady_walk(frames: int, fps: float, z_up: bool = False) -> Motion:
    """One pose, arms hanging and knees bent, that walks along a circle; with `z_up` in cm, z up."""
    time = np.arange(frames) / fps
    rows = np.zeros((frames, 69))
    heading = TURN_RAD_S * time
    radius = WALK_MM_S / TURN_RAD_S
    rows[:, 0], rows[:, 1], rows[:, 2] = radius * (1 - np.cos(heading)), 890.0, radius * np.sin(heading)
    rows[:, 4] = -heading  # stored transposed
    held = {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2), "left_hip": (-0.2, 0, 0),
            "right_hip": (-0.2, 0, 0), "left_knee": (0.4, 0, 0), "right_knee": (0.4, 0, 0)}  # fmt: skip
    for name, vector in held.items():
        at = 3 + 3 * BODY22.joints.index(name)
        rows[:, at : at + 3] = -np.array(vector)
    if not z_up:
        return Motion(BODY22, rows, fps, "walk.bvh")
    world = quaternion_from_rotvec(np.array([np.pi / 2, 0, 0]))  # y to z
    rows[:, :3] = rotate(world, rows[:, :3]) / 10
    turned = quaternion_multiply(world, quaternion_from_rotvec(-rows[:, 3:6]))
    rows[:, 3:6] = -rotvec_from_quaternion(turned)
    return Motion(dataclasses.replace(BODY22, translation_mm=10.0), rows, fps, "walk.bvh")
