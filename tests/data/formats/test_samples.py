"""Real BVH files: each is read, comes back, and stands where it must."""

from __future__ import annotations

import numpy as np
import pytest

from motion_jax.data.formats import positions, read_motion, write_motion
from motion_jax.skeletons.bodies import SKELETONS

FILES = (
    "bvhtoolbox_walk01", "cmu_12_01_walk", "fairmotion_sinusoidal", "pybvh_bvh_example",
    "pybvh_full_precision_frame_time", "pybvh_rotation_first_root",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_sample_is_read_and_comes_back(samples, tmp_path, name):
    motion = read_motion(samples / "bvh" / f"{name}.bvh")
    write_motion(motion, tmp_path / "again.bvh")
    found = read_motion(tmp_path / "again.bvh")
    assert found.skeleton.joints == motion.skeleton.joints
    assert (found.fps, found.channels, found.root_offset) == (motion.fps, motion.channels, motion.root_offset)
    np.testing.assert_array_equal(found.skeleton.offsets, motion.skeleton.offsets)
    np.testing.assert_array_equal(found.frames[:, :3], motion.frames[:, :3])
    np.testing.assert_allclose(found.frames, motion.frames, rtol=0, atol=1e-13)
    np.testing.assert_allclose(positions(found), positions(motion), rtol=0, atol=1e-9)


def test_a_walk_of_cmu_stands_as_in_the_text_of_the_same_trial(samples):
    """Row 1 of `walking_19.txt` of Li et al. 2018, which is the row of this file after its T-pose."""
    motion = read_motion(samples / "bvh" / "cmu_12_01_walk.bvh", unit_mm=56.444)
    assert [name.replace(".Site", ".End") for name in motion.skeleton.joints] == list(SKELETONS["cmu"].joints)
    assert motion.skeleton.parents == SKELETONS["cmu"].parents
    text = {
        "LeftUpLeg": (0.0137324752, 0.224888484, 0.592387137),
        "RightUpLeg": (0.554322683, -0.201541283, -0.269581795),
        "Spine": (0.0715477324, 0.0130447493, -0.0194371148),
        "LeftArm": (-0.320986712, 0.373551077, 1.48881924),
        "RightFingerBase": (0.0271568687, -0.326689241, 0.164383975),
    }
    np.testing.assert_array_equal(motion.frames[1, :3], [0.0265, 16.2134, -25.4911])
    for joint, rotvec in text.items():
        column = 3 + 3 * motion.skeleton.index(joint)
        np.testing.assert_allclose(motion.frames[1, column : column + 3], rotvec, rtol=0, atol=2e-6)
