from __future__ import annotations

import numpy as np
import pytest

from motion_jax.data.motion.motion import Motion, positions
from motion_jax.data.motion.retarget import retarget
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton

RNG = np.random.default_rng(5)
TABLE = (
    Joint("Hips", None, "spine", (0, 0, 0)),
    Joint("Spine", "Hips", "spine", (0, 2, 0)),
    Joint("Chest", "Spine", "spine", (0, 2, 0)),
    Joint("LeftArm", "Chest", "left_arm", (3, 1, 0)),
    Joint("LeftArm.Site", "LeftArm", "left_arm", (4, 0, 0)),
)


def body(table=TABLE, unit: float = 10.0, name: str = "body") -> Skeleton:
    return Skeleton.from_table(name, table, unit_mm=unit, translation_mm=unit)


def moving(skeleton: Skeleton) -> Motion:
    return Motion(skeleton, RNG.normal(0, 0.7, (6, skeleton.columns)), 30.0, "a.bvh")


def test_the_same_body_is_left_as_it_is():
    motion = moving(body())
    assert retarget(motion, body()) is motion


def test_a_larger_body_makes_the_same_moves():
    motion = moving(body())
    large = body(
        [Joint(f"rig:{name.lower()}", parent and f"rig:{parent.lower()}", part, tuple(3 * x for x in offset))
         for name, parent, part, offset in TABLE]
    )  # fmt: skip
    result = retarget(motion, large)
    np.testing.assert_allclose(positions(result), 3 * positions(motion), atol=1e-9)


def test_other_units_are_told_apart_from_other_sizes():
    motion = moving(body())
    inches = body([row._replace(offset=tuple(x / 2.54 for x in row.offset)) for row in TABLE], unit=25.4)
    np.testing.assert_allclose(positions(retarget(motion, inches)), positions(motion), atol=1e-9)


def test_what_a_missing_joint_did_is_left_to_its_children():
    """Without the chest, the arm still points where it pointed."""
    motion = moving(body())
    table = [row for row in TABLE if row.name != "Chest"]
    table[2] = table[2]._replace(parent="Spine", offset=(3, 3, 0))
    places, before = positions(retarget(motion, body(table))), positions(motion)
    arm, arm_before = places[:, 3] - places[:, 2], before[:, 4] - before[:, 3]
    np.testing.assert_allclose(arm, arm_before, atol=1e-9)


def test_a_joint_too_many_goes_with_its_parent():
    motion = moving(body())
    table = [*TABLE, Joint("Head", "Chest", "spine", (0, 1, 0))]
    result = retarget(motion, body(table))
    np.testing.assert_allclose(positions(result)[:, :5], positions(motion), atol=1e-9)
    np.testing.assert_allclose(result.frames[:, -3:], 0, atol=1e-12)
    assert "without Head" in result.notes[-1]


def test_the_bones_of_acclaim_are_known_by_the_joints_of_the_other_files():
    names = {"Hips": "root", "Spine": "upperback", "Chest": "thorax", "LeftArm": "lhumerus", "LeftArm.Site": "lradius"}
    bones = [row._replace(name=names[row.name], parent=row.parent and names[row.parent]) for row in TABLE]
    joints = {"Chest": "Spine1", "LeftArm.Site": "LeftForeArm"}
    table = [
        row._replace(name=joints.get(row.name, row.name), parent=joints.get(row.parent, row.parent)) for row in TABLE
    ]
    thigh = ("LeftUpLeg", "lfemur")
    onto, given = (
        [*rows, Joint(leg, rows[0].name, "left_leg", (1, -1, 0))]
        for rows, leg in zip((table, bones), thigh, strict=True)
    )
    motion = moving(body(given))
    np.testing.assert_allclose(positions(retarget(motion, body(onto))), positions(motion), atol=1e-9)


def test_a_bone_of_no_length_does_not_decide_the_scale():
    """Spine is 0.05 mm above the hips in one body and 20 mm in the other; all other bones are twice as long."""
    motion = moving(body([TABLE[0], TABLE[1]._replace(offset=(0, 0.005, 0)), *TABLE[2:]]))
    twice = body([row._replace(offset=tuple(2 * x for x in row.offset)) for row in TABLE])
    np.testing.assert_allclose(retarget(motion, twice).frames[:, :3], 2 * motion.frames[:, :3])
    short = body([row._replace(offset=(0, 0, 0)) for row in TABLE[:4]] + [TABLE[4]._replace(name="Other")])
    with pytest.raises(UserError, match=r"a\.bvh: its size .*no bone between .*\(Hips, Spine, Chest, LeftArm\)"):
        retarget(moving(short), twice)


def test_a_body_with_few_common_joints_is_refused():
    names = {"Hips": "Hips", "Spine": "Spine", "Chest": "b", "LeftArm": "c", "LeftArm.Site": "d"}
    other = body([row._replace(name=names[row.name], parent=row.parent and names[row.parent]) for row in TABLE])
    expected = r"a\.bvh: only 1 of the 3 moving joints of skeleton 'body' .*common are Spine; it lacks Chest, LeftArm$"
    with pytest.raises(UserError, match=expected):
        retarget(moving(other), body())


def test_a_body_without_common_joints_is_refused():
    other = body([row._replace(name=f"j{n}", parent=row.parent and f"j{n - 1}") for n, row in enumerate(TABLE)])
    with pytest.raises(UserError, match=r"a\.bvh: no joint but the root .*Hips, Spine"):
        retarget(moving(body()), other)
