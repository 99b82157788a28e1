"""Parts of the body from names."""

from __future__ import annotations

import pytest

from motion_jax.data.formats._parsing.body_parts import guess_body_parts
from motion_jax.skeletons.bodies import SKELETONS


@pytest.mark.parametrize("name", ["h36m", "cmu"])
def test_published_bodies_are_told_right(name):
    body = SKELETONS[name]
    assert guess_body_parts(body.joints, body.parents) == body.parts


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("lfemur", "left_leg"), ("rclavicle", "right_arm"), ("upperleg_l", "left_leg"), ("LEFT_KNEE", "left_leg"),
        ("mixamorig:RightToe", "right_leg"), ("RHand", "right_arm"), ("rShldr", "right_arm"), ("lowerback", "spine"),
        ("Hips", "spine"), ("root", "spine"), ("head", "spine"), ("Bone_7", "spine"), ("", "spine"),
    ],
)  # fmt: skip
def test_names_of_other_programs(name, part):
    assert guess_body_parts([name], [-1]) == (part,)


def test_a_nameless_joint_stays_with_its_parent():
    assert guess_body_parts(["Hips", "LeftHand", "Index1", "x"], [-1, 0, 1, 2]) == ("spine",) + 3 * ("left_arm",)
