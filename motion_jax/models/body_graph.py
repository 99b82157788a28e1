"""The graph of the body that SRNN lives on: parts, what joins them, and which features of a frame move each."""

from __future__ import annotations

import numpy as np

from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.skeleton import PARTS, Skeleton

Joined = tuple[tuple[str, ...], ...]  # the parts that an edge joins; once for each edge whose features are summed
Selections = dict[str, np.ndarray]  # by part, [N, W]

ARMS, LEGS = ("left_arm", "right_arm"), ("left_leg", "right_leg")
EDGES: dict[str, tuple[Joined, ...]] = {
    "spine": ((("spine",),), (), ()),
    "arm": ((), *(((arm,),) for arm in ARMS)),
    "leg": ((), *(((leg,),) for leg in LEGS)),
    "spine_arm": (tuple(("spine", arm) for arm in ARMS), *((("spine", arm),) for arm in ARMS)),
    "spine_leg": (tuple(("spine", leg) for leg in LEGS), *((("spine", leg),) for leg in LEGS)),
    "arm_arm": ((), (ARMS,), (ARMS[::-1],)),
    "leg_leg": ((), (LEGS,), (LEGS[::-1],)),
}
"""The kinds of edge, from a part to itself a frame later or to another; and for each kind what it joins for the node in
the centre, for the left one and for the right one. () where there is none: a place that is computed and never read.
"""
NODES: dict[str, tuple[slice, tuple[str, ...], tuple[str, ...]]] = {
    "spine": (slice(0, 2), ("spine", "spine_arm", "spine_leg"), ("spine",)),
    "arm": (slice(1, 3), ("arm", "spine_arm", "arm_arm"), ARMS),
    "leg": (slice(1, 3), ("leg", "spine_leg", "leg_leg"), LEGS),
}
"""The kinds of node, two places each: which places of which edges they read, and the parts that they write. The spine
leaves its second place empty.
"""


def part_selections(space: PoseSpace) -> Selections:
    """For each of `PARTS` a 0-1 matrix `[N, W]`: a frame times it is the part's features; times its transpose, back.

    Every feature of a frame belongs to one part. The root's translation goes with the spine, whose root it moves; the
    one-hot action too, for the spine alone is joined to every other part. A left part and its right one have the same
    W features in the same order, paired by the joints' names. A column that is kept on one side only stands on the
    other as a column of zeros: that side reads zero there, and what it writes there is dropped.

    Raises:
        UserError: no kept column moves the spine, an arm or a leg, or left and right have different joints.
    """
    skeleton = space.skeleton
    place = {column: feature for feature, column in enumerate(space.kept)}
    features: dict[str, list[int | None]] = {}
    for kind, parts in {"spine": ("spine", "spine"), "arm": ARMS, "leg": LEGS}.items():
        both = [(place.get(one), place.get(other)) for one, other in _paired_columns(skeleton, *parts)]
        seen = [pair for pair in both if pair != (None, None)]
        if not seen:
            raise UserError(f"model.name='srnn': no column that varies moves a part of kind {kind!r}")
        features |= {part: [pair[side] for pair in seen] for side, part in enumerate(parts)}
    features["spine"] += range(len(space.kept), space.width)
    return {part: _selection(features[part], space.width) for part in PARTS}


def edge_selections(selections: Selections, edge: str) -> list[np.ndarray]:
    """`[N, W1 + W2]` for each place: a frame times it is what the edge reads, the features of the parts in order."""
    read = [[np.hstack([selections[part] for part in parts]) for parts in joined] for joined in EDGES[edge]]
    empty = np.zeros_like(next(matrices[0] for matrices in read if matrices))
    return [np.sum(matrices, axis=0) if matrices else empty for matrices in read]


def _paired_columns(skeleton: Skeleton, part: str, opposite: str) -> list[tuple[int, int]]:
    """Columns of a frame that move `part`, each with its counterpart in `opposite`, which may be the same part."""
    own = skeleton.part_columns(part)
    if part == opposite:
        return list(zip(own, own, strict=True))
    mirrored = [skeleton.index(_mirror(skeleton.joints[joint])) for joint in skeleton.part_joints(part)]
    if sorted(mirrored) != list(skeleton.part_joints(opposite)):
        raise UserError(f"skeleton {skeleton.name}: {part} and {opposite} must have the same joints but for the side")
    return list(zip(own, (3 + 3 * joint + axis for joint in mirrored for axis in range(3)), strict=True))


def _mirror(joint: str) -> str:
    """The right joint's name: of LeftFoot, LThumb and L_Wrist_End, it is RightFoot, RThumb and R_Wrist_End."""
    return "Right" + joint.removeprefix("Left") if joint.startswith("Left") else "R" + joint.removeprefix("L")


def _selection(features: list[int | None], width: int) -> np.ndarray:
    return np.array([[feature == own for own in features] for feature in range(width)], np.float32)
