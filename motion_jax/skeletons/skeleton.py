"""Bodies: joints by name, the tree that they form, the length of their bones."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from motion_jax.errors import UserError

LARGEST_MM = 2.0**24  # beyond it float32 has no halves of a mm: no bone is meant so
CLOSE = 1e-3  # of the longest bone: offsets that differ by less are the same bones, printed with fewer digits
PARTS = ("spine", "left_arm", "right_arm", "left_leg", "right_leg")
Root = Literal["absolute", "difference", "heading"]
ROOTS: dict[Root, str] = {
    "absolute": "a place and a rotation in space",
    "difference": "differences to the recorded row before, in the frame of its root (`kinematics.integrate_root`)",
    "heading": "velocity and turn since the recorded row before, height and tilt (`data.motion.root_heading`)",
}
"""What columns 0-5 of a frame may hold."""


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
    root: Root = "absolute"  # what columns 0-5 hold, one of ROOTS
    translation_mm: float = 1.0  # columns 0-2 times this are mm, on the scale of `offsets`
    true_scale: float = 1.0  # `offsets` times this are the body's real mm
    positions: bool = False  # frames are the joints' places [3 J], mm, the root in place

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {len(self.joints)} joints, root {self.joints[0]!r})"

    def __post_init__(self) -> None:
        offsets = np.array(self.offsets, np.float64)
        offsets.flags.writeable = False
        object.__setattr__(self, "offsets", offsets)
        _check(self)

    @property
    def columns(self) -> int:
        """D, the width of a frame."""
        return 3 * len(self.joints) + (0 if self.positions else 3)

    @functools.cached_property
    def of_angles(self) -> Skeleton:
        """The same body, whose frames are a translation and rotation vectors."""
        return dataclasses.replace(self, positions=False) if self.positions else self

    @functools.cached_property
    def of_positions(self) -> Skeleton:
        """The same body, whose frames are joint places."""
        return self if self.positions else dataclasses.replace(self, positions=True)

    @functools.cached_property
    def coincident(self) -> tuple[int, ...]:
        """`[J]` for each joint the first that lies where it does in every pose; itself where none does.

        A joint without a bone lies on its parent; two of one parent with one offset lie on each other.
        """
        first: list[int] = []
        for j, parent in enumerate(self.parents):
            if parent >= 0 and not self.offsets[j].any():
                first.append(first[parent])
                continue
            twins = (k for k in range(j) if self.parents[k] == parent and (self.offsets[k] == self.offsets[j]).all())
            first.append(next(twins, j))
        return tuple(first)

    @property
    def root_steps(self) -> bool:
        """Whether a frame's root is told from the recorded row before: to be formed of rows, it takes one more."""
        return self.root != "absolute"

    @functools.cached_property
    def with_absolute_root(self) -> Skeleton:
        """The same body, whose root's columns are a place and a rotation in space."""
        return dataclasses.replace(self, root="absolute") if self.root_steps else self

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

    def mismatch(self, other: Skeleton) -> str:
        """Why frames of `other` are not frames of this body, in words; "" where they are.

        Joints must have the same names and parents, bones the same lengths and directions (to `CLOSE`), translations
        the same meaning. The names of the skeletons and what `parts` say do not count.
        """
        if len(self.joints) != len(other.joints):
            return f"{len(other.joints)} joints where {len(self.joints)} are expected"
        for j, (name, found) in enumerate(zip(self.joints, other.joints, strict=True)):
            if name != found or self.parents[j] != other.parents[j]:
                return f"joint {j} is {other._described(j)} where {self._described(j)} is expected"
        if self.positions != other.positions:
            kinds = {True: "joint positions", False: "rotations"}
            return f"frames hold {kinds[other.positions]}, not {kinds[self.positions]}"
        if self.root != other.root:
            forms = {"absolute": "positions", "difference": "differences", "heading": "velocities and turns"}
            return f"the root holds {forms[other.root]}, not {forms[self.root]}"
        apart = np.linalg.norm(self.offsets - other.offsets, axis=1)
        worst = int(np.argmax(apart))
        if apart[worst] > CLOSE * float(np.linalg.norm(self.offsets, axis=1).max()):
            offsets = " where ".join(f"{body.offsets[worst].round(3).tolist()} mm" for body in (other, self))
            return f"joint {self.joints[worst]!r} lies at {offsets} from its parent is expected"
        if not np.isclose(self.translation_mm, other.translation_mm, rtol=CLOSE):
            return f"translations in units of {other.translation_mm:g} mm, not {self.translation_mm:g} mm"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `from_dict` reads back exactly."""
        return dataclasses.asdict(self) | {"offsets": self.offsets.tolist()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Skeleton:
        """Reads `to_dict`'s values.

        Raises `KeyError`, `TypeError` or `ValueError` where they are not such values, `UserError` where no tree.
        """
        if "root_is_difference" in fields:  # of earlier versions, which had two forms of a root
            fields = dict(fields)
            fields["root"] = "difference" if fields.pop("root_is_difference") else "absolute"
        lists = {name: tuple(fields[name]) for name in ("joints", "parents", "parts")}
        return cls(**{**fields, **lists, "offsets": np.asarray(fields["offsets"], np.float64)})

    def _described(self, joint: int) -> str:
        parent = self.parents[joint]
        return f"{self.joints[joint]!r} below {self.joints[parent]!r}" if parent >= 0 else f"{self.joints[joint]!r}"

    @classmethod
    def from_table(
        cls,
        name: str,
        table: Sequence[Joint],
        unit_mm: float = 1.0,
        root: Root = "absolute",
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
            root=root,
            translation_mm=translation_mm,
            true_scale=true_scale,
        )


def _check(skeleton: Skeleton) -> None:
    where, joints = f"skeleton {skeleton.name}", skeleton.joints
    shapes = {len(joints), len(skeleton.parents), len(skeleton.parts), len(skeleton.offsets)}
    if len(shapes) != 1 or skeleton.offsets.shape != (len(joints), 3) or not joints:
        raise UserError(f"{where}: needs a parent, a part and an offset of 3 numbers for each of at least one joint")
    if skeleton.root not in ROOTS:
        raise UserError(f"{where}: root={skeleton.root!r}: must be one of {', '.join(ROOTS)}")
    if not (sound := (np.abs(skeleton.offsets) <= LARGEST_MM).all(axis=1)).all():  # false for NaN
        bad = int(sound.argmin())
        shown = ", ".join(f"{value:g}" for value in skeleton.offsets[bad])
        allowed = f"must be finite numbers within ±{LARGEST_MM:.0f}"
        raise UserError(f"{where}: offsets of joint {joints[bad]!r} are [{shown}] mm: {allowed}")
    for j, (joint, parent, part) in enumerate(zip(joints, skeleton.parents, skeleton.parts, strict=True)):
        if joint in joints[:j]:
            raise UserError(f"{where}: two joints are named {joint!r}; names must be unique")
        if part not in PARTS:
            raise UserError(f"{where}: joint {joint!r} has part {part!r}; it must be one of {', '.join(PARTS)}")
        if (parent < 0) != (j == 0):
            raise UserError(f"{where}: joint {joint!r} has parent {parent}; the first joint, and only it, is the root")
        if parent >= j:
            raise UserError(f"{where}: joint {joint!r} (number {j}) comes before its parent (number {parent})")
