"""The two bodies, and what a malformed one is told."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.skeletons.skeleton import PARTS, Joint, Skeleton

# The trees as the field prints them, by number.
PARENTS = {
    "h36m": "-1,0,1,2,3,4,0,6,7,8,9,0,11,12,13,14,12,16,17,18,19,20,19,22,12,24,25,26,27,28,27,30",
    "cmu": "-1,0,1,2,3,4,5,0,7,8,9,10,11,0,13,14,15,16,17,18,15,20,21,22,23,24,25,23,27,15,29,30,31,32,33,34,32,36",
}
# Where the offsets are not zero.
BONES = {
    "h36m": [*range(1, 20), 21, 22, 24, 25, 26, 27, 29, 30],
    "cmu": [2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26, 28, 30, 31, 32, 34, 35, 37],
}
# The sum of (joint number + 1) x offset over the published tables, in mm and in units of 70 mm.
CHECKSUMS = {
    "h36m": np.array([664.7446, 48431.95705, 8916.494134]),
    "cmu": np.array([-172.01075, -43.46575, 89.42595]) * 70,
}

skeletons = pytest.mark.parametrize("name", SKELETONS)


@skeletons
def test_tree_is_the_published_one(name):
    skeleton = SKELETONS[name]
    assert skeleton.name == name
    assert ",".join(map(str, skeleton.parents)) == PARENTS[name]
    assert skeleton.columns == {"h36m": 99, "cmu": 117}[name]
    assert (skeleton.root == "difference") == (name == "h36m")
    moved = BONES[name]
    np.testing.assert_array_equal(np.flatnonzero(skeleton.offsets.any(-1)), moved)
    np.testing.assert_allclose(np.arange(1, len(skeleton.joints) + 1) @ skeleton.offsets, CHECKSUMS[name])
    assert [child for _, child in skeleton.bones] == moved
    assert all(skeleton.parents[child] == parent for parent, child in skeleton.bones)


@skeletons
def test_left_and_right_mirror_each_other(name):
    skeleton = SKELETONS[name]
    for limb in ("arm", "leg"):
        left, right = skeleton.part_joints(f"left_{limb}"), skeleton.part_joints(f"right_{limb}")
        assert len(left) == len(right)
        # Bones agree to a few per cent, save the hands of h36m, which were measured differently.
        lengths = np.linalg.norm(skeleton.offsets, axis=-1)
        np.testing.assert_allclose(lengths[list(left)][:4], lengths[list(right)][:4], rtol=0.05)
        for one, other in zip(left, right, strict=True):
            assert skeleton.side(one) == "left"
            assert skeleton.side(other) == "right"
            assert skeleton.joints[one].startswith("L")
            assert skeleton.joints[other].startswith("R")


@skeletons
def test_parts_divide_the_frame(name):
    skeleton = SKELETONS[name]
    columns = [column for part in PARTS for column in skeleton.part_columns(part)]
    assert sorted(columns) == list(range(skeleton.columns))
    assert skeleton.part_columns("spine")[:6] == (0, 1, 2, 3, 4, 5)
    assert skeleton.side(0) == "centre"


def test_joints_are_found_by_name():
    h36m, cmu = SKELETONS["h36m"], SKELETONS["cmu"]
    assert [h36m.index(joint) for joint in ("Hips", "RightToeBase.Site", "Neck", "R_Wrist_End.Site")] == [0, 5, 13, 31]
    assert [cmu.index(joint) for joint in ("LeftToeBase.End", "Head", "RThumb.End")] == [6, 18, 37]
    assert h36m.part_columns("left_arm") == tuple(range(51, 75))
    with pytest.raises(UserError, match="no joint 'Tail'; it has Hips,"):
        h36m.index("Tail")
    with pytest.raises(UserError, match="no body part 'tail'; the parts are spine,"):
        h36m.part_joints("tail")


def test_scales():
    h36m, cmu = SKELETONS["h36m"], SKELETONS["cmu"]
    assert h36m.offsets[h36m.index("LeftForeArm"), 1] == 278.882773
    np.testing.assert_allclose(cmu.offsets[cmu.index("LeftHand")], [3.35554 * 70, 0, 0])
    np.testing.assert_allclose(cmu.offsets[cmu.index("LeftHand")] * cmu.true_scale, [3.35554 * 56.444, 0, 0])
    assert h36m.true_scale == h36m.translation_mm == 1
    assert cmu.translation_mm == 70


@skeletons
def test_levels_hold_every_joint_below_its_parent(name):
    skeleton = SKELETONS[name]
    depth = {joint: d for d, level in enumerate(skeleton.levels) for joint in level}
    assert sorted(depth) == list(range(len(skeleton.joints)))
    assert all(depth[joint] == depth[parent] + 1 for joint, parent in enumerate(skeleton.parents) if parent >= 0)


def test_skeletons_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SKELETONS["cmu"].name = "other"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="read-only"):
        SKELETONS["cmu"].offsets[0] = 1


HIPS, HEAD = Joint("Hips", None, "spine", (0, 0, 0)), Joint("Head", "Hips", "spine", (0, 1, 0))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "at least one joint"),
        ([HIPS, HEAD, HEAD], "two joints are named 'Head'"),
        ([HEAD, HIPS], "joint 'Head' has parent 1; the first joint, and only it, is the root"),
        ([HIPS, Joint("Hand", "Arm", "left_arm", (0, 1, 0)), Joint("Arm", "Hips", "left_arm", (0, 1, 0))],
         r"'Hand' \(number 1\) comes before its parent \(number 2\)"),
        ([HIPS, HEAD._replace(parent=None)], "only it, is the root"),
        ([HIPS, HEAD._replace(parent="Neck")], "'Head' has an unknown parent 'Neck'"),
        ([HIPS, HEAD._replace(part="tail")], "part 'tail'; it must be one of spine,"),
        ([HIPS, HEAD._replace(offset=(0, float("nan"), 0))], "finite"),
        ([HIPS, HEAD._replace(offset=(0, -1e30, 0))], r"offsets of joint .* \[0, -1e\+30, 0\] mm: .* ±16777216"),
    ],
)  # fmt: skip
def test_malformed_tables_are_named(table, message):
    with pytest.raises(UserError, match=f"skeleton new: .*{message}"):
        Skeleton.from_table("new", table)


def test_lists_of_unequal_length_are_named():
    with pytest.raises(UserError, match="skeleton new: needs a parent, a part and an offset"):
        Skeleton("new", ("Hips", "Head"), (-1,), ("spine", "spine"), np.zeros((2, 3)))
    with pytest.raises(UserError, match="skeleton new: needs a parent, a part and an offset"):
        Skeleton("new", ("Hips",), (-1,), ("spine",), np.zeros((1, 2)))


@skeletons
def test_a_skeleton_is_read_back_as_it_was(name):
    skeleton = SKELETONS[name]
    back = Skeleton.from_dict(json.loads(json.dumps(skeleton.to_dict())))
    assert back.to_dict() == skeleton.to_dict()
    assert not skeleton.mismatch(back)


def test_names_parts_and_printed_digits_make_no_other_body():
    cmu = SKELETONS["cmu"]
    near = dataclasses.replace(cmu, name="near", offsets=cmu.offsets.round(1), parts=("spine",) * len(cmu.joints))
    assert not cmu.mismatch(near)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"joints": ("Hips", "Skull")}, "joint 1 is 'Skull' below 'Hips' where 'Head' below 'Hips' is expected"),
     ({"offsets": [[0, 0, 0], [0, 2, 0]]}, r"joint 'Head' lies at \[0.0, 2.0, 0.0\] mm where \[0.0, 1.0, 0.0\] mm"),
     ({"root": "difference"}, "the root holds differences, not positions"),
     ({"root": "heading"}, "the root holds velocities and turns, not positions"),
     ({"translation_mm": 10.0}, "translations in units of 10 mm, not 1 mm")],
)  # fmt: skip
def test_what_makes_another_body_is_told(fields, message):
    body = Skeleton.from_table("own", [HIPS, HEAD])
    assert re.match(message, body.mismatch(dataclasses.replace(body, **fields)))


def test_a_body_of_other_size_is_another():
    assert SKELETONS["cmu"].mismatch(SKELETONS["h36m"]) == "32 joints where 38 are expected"
