"""Bodies: joints by name, the tree that they form, the length of their bones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from motion_jax.errors import UserError

PARTS = ("spine", "left_arm", "right_arm", "left_leg", "right_leg")


class Joint(NamedTuple):
    """A row of a skeleton's table."""

    name: str
    parent: str | None  # None for the root
    part: str  # one of PARTS
    offset: tuple[float, float, float]  # from the parent, in the parent's frame, in the table's unit


@dataclasses.dataclass(frozen=True, eq=False)
class Skeleton:
    """A tree of J joints whose frames are a root translation (3) and J rotation vectors (rad): D = 3 + 3 J columns."""

    name: str
    joints: tuple[str, ...]  # [J] unique names, the root first
    parents: tuple[int, ...]  # [J] each before its children; -1 for the root
    parts: tuple[str, ...]  # [J] the body part of each joint, one of PARTS
    offsets: np.ndarray  # [J, 3] mm from the parent, on the scale of published errors; read-only
    root_is_difference: bool = False  # columns 0-5 are differences to the previous recorded frame
    translation_mm: float = 1.0  # columns 0-2 times this are mm, on the scale of `offsets`
    true_scale: float = 1.0  # `offsets` times this are the body's real mm

    def __post_init__(self) -> None:
        offsets = np.array(self.offsets, np.float64)
        offsets.flags.writeable = False
        object.__setattr__(self, "offsets", offsets)
        _check(self)

    @property
    def columns(self) -> int:
        """D, the width of a frame."""
        return 3 + 3 * len(self.joints)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """Parent and child of each bone with a length, for drawing."""
        return tuple((p, j) for j, p in enumerate(self.parents) if p >= 0 and self.offsets[j].any())

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Joints by their depth in the tree, the root's level first."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return tuple(tuple(j for j, d in enumerate(depths) if d == depth) for depth in range(max(depths) + 1))

    def index(self, joint: str) -> int:
        """The number of a joint. Raises `UserError` on an unknown name."""
        if joint not in self.joints:
            raise UserError(f"skeleton {self.name}: no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    def part_joints(self, part: str) -> tuple[int, ...]:
        """The joints of a body part, ascending. Raises `UserError` on an unknown part."""
        if part not in PARTS:
            raise UserError(f"skeleton {self.name}: no body part {part!r}; the parts are {', '.join(PARTS)}")
        return tuple(j for j, own in enumerate(self.parts) if own == part)

    def part_columns(self, part: str) -> tuple[int, ...]:
        """The columns of a frame that move a body part, ascending; the root's translation goes with its joint."""
        joints = self.part_joints(part)
        translation = (0, 1, 2) if 0 in joints else ()
        return translation + tuple(3 + 3 * j + axis for j in joints for axis in range(3))

    def side(self, joint: int) -> str:
        """Where the body part of a joint is: "left", "right" or "centre"."""
        side = self.parts[joint].partition("_")[0]
        return side if side in ("left", "right") else "centre"

    @classmethod
    def from_table(
        cls,
        name: str,
        table: Sequence[Joint],
        unit_mm: float = 1.0,
        root_is_difference: bool = False,
        translation_mm: float = 1.0,
        true_scale: float = 1.0,
    ) -> Skeleton:
        """Resolves parents by name; the table's offsets times `unit_mm` are mm.

        Raises `UserError` if a parent is unknown or comes after its child, or a name occurs twice.
        """
        numbers = {row.name: j for j, row in enumerate(table)}
        for row in table:
            if row.parent is not None and row.parent not in numbers:
                raise UserError(f"skeleton {name}: joint {row.name!r} has an unknown parent {row.parent!r}")
        return cls(
            name=name,
            joints=tuple(row.name for row in table),
            parents=tuple(-1 if row.parent is None else numbers[row.parent] for row in table),
            parts=tuple(row.part for row in table),
            offsets=np.array([row.offset for row in table]).reshape(-1, 3) * unit_mm,
            root_is_difference=root_is_difference,
            translation_mm=translation_mm,
            true_scale=true_scale,
        )


def _check(skeleton: Skeleton) -> None:
    where, joints = f"skeleton {skeleton.name}", skeleton.joints
    shapes = {len(joints), len(skeleton.parents), len(skeleton.parts), len(skeleton.offsets)}
    if len(shapes) != 1 or skeleton.offsets.shape != (len(joints), 3) or not joints:
        raise UserError(f"{where}: needs a parent, a part and an offset of 3 numbers for each of at least one joint")
    if not np.isfinite(skeleton.offsets).all():
        raise UserError(f"{where}: offsets must be finite numbers of mm")
    for j, (joint, parent, part) in enumerate(zip(joints, skeleton.parents, skeleton.parts, strict=True)):
        if joint in joints[:j]:
            raise UserError(f"{where}: two joints are named {joint!r}; names must be unique")
        if part not in PARTS:
            raise UserError(f"{where}: joint {joint!r} has part {part!r}; it must be one of {', '.join(PARTS)}")
        if (parent < 0) != (j == 0):
            raise UserError(f"{where}: joint {joint!r} has parent {parent}; the first joint, and only it, is the root")
        if parent >= j:
            raise UserError(f"{where}: joint {joint!r} (number {j}) comes before its parent (number {parent})")


# The 32 joints of Human3.6M in mm: the one body with which the field measures every subject. Joints without a bone of
# their own lie on their parent. Source: the forward kinematics of the code of Martinez et al., CVPR 2017.
# fmt: off
_H36M = (
    Joint("Hips", None, "spine", (0, 0, 0)),
    Joint("RightUpLeg", "Hips", "right_leg", (-132.948591, 0, 0)),
    Joint("RightLeg", "RightUpLeg", "right_leg", (0, -442.894612, 0)),
    Joint("RightFoot", "RightLeg", "right_leg", (0, -454.206447, 0)),
    Joint("RightToeBase", "RightFoot", "right_leg", (0, 0, 162.767078)),
    Joint("RightToeBase.Site", "RightToeBase", "right_leg", (0, 0, 74.999437)),
    Joint("LeftUpLeg", "Hips", "left_leg", (132.948826, 0, 0)),
    Joint("LeftLeg", "LeftUpLeg", "left_leg", (0, -442.894413, 0)),
    Joint("LeftFoot", "LeftLeg", "left_leg", (0, -454.206590, 0)),
    Joint("LeftToeBase", "LeftFoot", "left_leg", (0, 0, 162.767426)),
    Joint("LeftToeBase.Site", "LeftToeBase", "left_leg", (0, 0, 74.999948)),
    Joint("Spine", "Hips", "spine", (0, 0.1, 0)),
    Joint("Spine1", "Spine", "spine", (0, 233.383263, 0)),
    Joint("Neck", "Spine1", "spine", (0, 257.077681, 0)),
    Joint("Head", "Neck", "spine", (0, 121.134938, 0)),
    Joint("Head.Site", "Head", "spine", (0, 115.002227, 0)),
    Joint("LeftShoulder", "Spine1", "left_arm", (0, 257.077681, 0)),
    Joint("LeftArm", "LeftShoulder", "left_arm", (0, 151.034226, 0)),
    Joint("LeftForeArm", "LeftArm", "left_arm", (0, 278.882773, 0)),
    Joint("LeftHand", "LeftForeArm", "left_arm", (0, 251.733451, 0)),
    Joint("LeftHandThumb", "LeftHand", "left_arm", (0, 0, 0)),
    Joint("LeftHandThumb.Site", "LeftHandThumb", "left_arm", (0, 0, 99.999627)),
    Joint("L_Wrist_End", "LeftHand", "left_arm", (0, 100.000188, 0)),
    Joint("L_Wrist_End.Site", "L_Wrist_End", "left_arm", (0, 0, 0)),
    Joint("RightShoulder", "Spine1", "right_arm", (0, 257.077681, 0)),
    Joint("RightArm", "RightShoulder", "right_arm", (0, 151.031437, 0)),
    Joint("RightForeArm", "RightArm", "right_arm", (0, 278.892924, 0)),
    Joint("RightHand", "RightForeArm", "right_arm", (0, 251.728680, 0)),
    Joint("RightHandThumb", "RightHand", "right_arm", (0, 0, 0)),
    Joint("RightHandThumb.Site", "RightHandThumb", "right_arm", (0, 0, 99.999888)),
    Joint("R_Wrist_End", "RightHand", "right_arm", (0, 137.499922, 0)),
    Joint("R_Wrist_End.Site", "R_Wrist_End", "right_arm", (0, 0, 0)),
)

# The 38 joints of CMU's recordings in the unit of their files. Source: the forward kinematics of the code of Mao et
# al., "Learning trajectory dependencies for human motion prediction", ICCV 2019, which takes 70 mm to the unit; every
# published error is on that scale. In truth the unit is 56.444 mm.
_CMU = (
    Joint("Hips", None, "spine", (0, 0, 0)),
    Joint("LHipJoint", "Hips", "left_leg", (0, 0, 0)),
    Joint("LeftUpLeg", "LHipJoint", "left_leg", (1.65674, -1.80282, 0.62477)),
    Joint("LeftLeg", "LeftUpLeg", "left_leg", (2.5972, -7.13576, 0)),
    Joint("LeftFoot", "LeftLeg", "left_leg", (2.49236, -6.8477, 0)),
    Joint("LeftToeBase", "LeftFoot", "left_leg", (0.19704, -0.54136, 2.14581)),
    Joint("LeftToeBase.End", "LeftToeBase", "left_leg", (0, 0, 1.11249)),
    Joint("RHipJoint", "Hips", "right_leg", (0, 0, 0)),
    Joint("RightUpLeg", "RHipJoint", "right_leg", (-1.6107, -1.80282, 0.62476)),
    Joint("RightLeg", "RightUpLeg", "right_leg", (-2.59502, -7.12977, 0)),
    Joint("RightFoot", "RightLeg", "right_leg", (-2.4678, -6.78024, 0)),
    Joint("RightToeBase", "RightFoot", "right_leg", (-0.23024, -0.63258, 2.13368)),
    Joint("RightToeBase.End", "RightToeBase", "right_leg", (0, 0, 1.11569)),
    Joint("LowerBack", "Hips", "spine", (0, 0, 0)),
    Joint("Spine", "LowerBack", "spine", (0.01961, 2.0545, -0.14112)),
    Joint("Spine1", "Spine", "spine", (0.01021, 2.06436, -0.05921)),
    Joint("Neck", "Spine1", "spine", (0, 0, 0)),
    Joint("Neck1", "Neck", "spine", (0.00713, 1.56711, 0.14968)),
    Joint("Head", "Neck1", "spine", (0.03429, 1.56041, -0.10006)),
    Joint("Head.End", "Head", "spine", (0.01305, 1.6256, -0.05265)),
    Joint("LeftShoulder", "Spine1", "left_arm", (0, 0, 0)),
    Joint("LeftArm", "LeftShoulder", "left_arm", (3.54205, 0.90436, -0.17364)),
    Joint("LeftForeArm", "LeftArm", "left_arm", (4.86513, 0, 0)),
    Joint("LeftHand", "LeftForeArm", "left_arm", (3.35554, 0, 0)),
    Joint("LeftFingerBase", "LeftHand", "left_arm", (0, 0, 0)),
    Joint("LeftHandIndex1", "LeftFingerBase", "left_arm", (0.66117, 0, 0)),
    Joint("LeftHandIndex1.End", "LeftHandIndex1", "left_arm", (0.53306, 0, 0)),
    Joint("LThumb", "LeftHand", "left_arm", (0, 0, 0)),
    Joint("LThumb.End", "LThumb", "left_arm", (0.5412, 0, 0.5412)),
    Joint("RightShoulder", "Spine1", "right_arm", (0, 0, 0)),
    Joint("RightArm", "RightShoulder", "right_arm", (-3.49802, 0.75994, -0.32616)),
    Joint("RightForeArm", "RightArm", "right_arm", (-5.02649, 0, 0)),
    Joint("RightHand", "RightForeArm", "right_arm", (-3.36431, 0, 0)),
    Joint("RightFingerBase", "RightHand", "right_arm", (0, 0, 0)),
    Joint("RightHandIndex1", "RightFingerBase", "right_arm", (-0.73041, 0, 0)),
    Joint("RightHandIndex1.End", "RightHandIndex1", "right_arm", (-0.58887, 0, 0)),
    Joint("RThumb", "RightHand", "right_arm", (0, 0, 0)),
    Joint("RThumb.End", "RThumb", "right_arm", (-0.59786, 0, 0.59786)),
)
# fmt: on

SKELETONS: dict[str, Skeleton] = {
    "h36m": Skeleton.from_table("h36m", _H36M, root_is_difference=True),
    "cmu": Skeleton.from_table("cmu", _CMU, unit_mm=70.0, translation_mm=70.0, true_scale=56.444 / 70),
}
