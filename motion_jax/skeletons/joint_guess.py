"""The canonical joints of a body by its shape alone: lengths, symmetry and what hangs on what, without names.

Two pairs of limbs whose bones are equally long on both sides are sought. The pair that hangs nearer to the root, or
at whose joint no neck begins, are the legs; where they and the arms come together is the pelvis. Only lengths count,
so that bodies whose bones are rotated at rest are known too. Names and the rest pose only tell left from right.
"""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

import numpy as np

from motion_jax.skeletons.skeleton import Skeleton

_TINY = 0.015  # of a leg's length: joints that are nearer than that lie on each other
_LONG = 0.45  # of a leg's length: shorter chains are no limbs but fingers, hair, faces
_SHORT = 0.12  # of a long bone: a joint that is so near to its beginning is rather that beginning
_ALIKE = 0.2  # bones of the two sides differ by no more of their length
_MATCHED = 0.6  # of the shorter limb of a pair: as much must be alike, what follows may be a prop
_STUB = 0.3  # of a long bone: what is so short at its end is rather the hand or the foot
_DOUBT = 0.1  # what such a hint counts beside the difference of the two long bones, as a share of both
_FAN = 0.45  # of the limb's two long bones: fingers and toes are shorter
_AT_NECK = 0.3  # of the arm's two long bones: a joint that is so near to the shoulders is the neck, not the chest
_STRAIGHT = 0.8  # cosine of the angles at rest between legs, trunk and neck of a body that stands, and of its sides
_FORWARD = 0.3  # of a foot's length: so much of it must point forward at rest to tell the front
_SPINE2 = 0.7  # of the way from spine1 to the chest, as on the canonical body
_END = re.compile(r"\.(Site|End)\d*$")  # what readers call the ends of bones, which do not turn
_SIDES = (("left", "right"), ("links", "rechts"), ("gauche", "droite"), ("izq", "der"), ("左", "右"), ("l", "r"))


class _Shape(NamedTuple):
    """The lengths of a body."""

    body: Skeleton
    lengths: np.ndarray  # [J] of the bone above each joint; the root has none
    reach: np.ndarray  # [J] the longest way from each joint down to an end
    children: tuple[tuple[int, ...], ...]  # [J]
    size: float  # the longest way that is the second longest from some joint: about a leg, wherever the root lies

    @property
    def tiny(self) -> float:
        """Joints that are nearer than this lie on each other."""
        return _TINY * self.size

    def way(self, joint: int) -> float:
        """The longest way down that begins with the bone to `joint`."""
        return float(self.lengths[joint] + self.reach[joint])


class _Limb(NamedTuple):
    """One chain of joints, the longest way down from a joint of the trunk."""

    chain: tuple[int, ...]  # joints
    lengths: tuple[float, ...]  # of the bone above each


class _Pair(NamedTuple):
    """Two limbs that are alike."""

    top: int  # the joint that both hang on
    limbs: tuple[_Limb, _Limb]
    length: float  # as far as they are alike


_Bends = tuple[tuple[int, int, int], tuple[int, int, int]]
"""Where in the two chains of a pair the long bones begin, meet and end."""
_FIRST_IS_LEFT, _FIRST_IS_RIGHT = ("left", "right"), ("right", "left")


class Guess(NamedTuple):
    """What was taken for what."""

    found: dict[str, int]  # canonical joint -> joint of the body; {} where the shape is no human's
    notes: tuple[str, ...]  # what a report must say
    why_not: str = ""  # where nothing is found


def guess_joints(body: Skeleton) -> Guess:
    """The canonical joints of `body` by its shape."""
    shape = _measured(body)
    pairs = _pairs(shape) if shape.size > 0 else []
    if not pairs:
        return Guess({}, (), "no two long chains of bones that are equally long hang on one joint")
    combined = [combination for two in itertools.permutations(pairs, 2) if (combination := _combined(shape, *two))]
    if not combined:
        return Guess({}, (), f"two equal chains hang on {body.joints[pairs[0].top]!r}, but arms and legs are not found")
    legs, arms, pelvis = max(combined, key=lambda one: one[0].length + one[1].length)
    leg, arm = _bent(shape, legs, before=0.12, after=0.2), _bent(shape, arms, before=0.45, after=0.3)
    if leg is None or arm is None:
        lacking = "knees and ankles" if leg is None else "elbows and wrists"
        return Guess({}, (), f"chains that could be limbs have too few joints for {lacking}")
    trunk = _trunk(shape, pelvis, arms, arm)
    sides, notes, why_not = _sides(body, legs, arms, leg, arm, (pelvis, trunk["spine3"], trunk["neck"]))
    if why_not:
        return Guess({}, (), why_not)
    found = {"pelvis": pelvis}
    for limbs, at, names in ((legs, leg, ("hip", "knee", "ankle")), (arms, arm, ("shoulder", "elbow", "wrist"))):
        for limb, indices, side in zip(limbs.limbs, at, sides[limbs is arms], strict=True):
            found |= {f"{side}_{name}": limb.chain[index] for name, index in zip(names, indices, strict=True)}
            beyond = [j for j in range(indices[2] + 1, len(limb.chain)) if limb.lengths[j] > shape.tiny]
            if limbs is arms and indices[0] > 0:
                found[f"{side}_collar"] = limb.chain[0]
            if limbs is legs and beyond:
                found[f"{side}_foot"] = limb.chain[beyond[0]]
    return Guess(found | trunk, notes)


def above(body: Skeleton, joint: int) -> tuple[int, ...]:
    """The joints between a joint and the root, the nearest first, the root included."""
    found = []
    while (joint := body.parents[joint]) >= 0:
        found.append(joint)
    return tuple(found)


def _measured(body: Skeleton) -> _Shape:
    lengths = np.linalg.norm(body.offsets, axis=1)
    lengths[0] = 0
    reach = np.zeros(len(body.joints))
    for joint in range(len(body.joints) - 1, 0, -1):
        parent = body.parents[joint]
        reach[parent] = max(reach[parent], lengths[joint] + reach[joint])
    children = tuple(
        tuple(child for child, parent in enumerate(body.parents) if parent == joint)
        for joint in range(len(body.joints))
    )
    ways = [sorted(lengths[child] + reach[child] for child in below) for below in children]
    return _Shape(body, lengths, reach, children, float(max((way[-2] for way in ways if len(way) > 1), default=0.0)))


def _limb(shape: _Shape, joint: int) -> _Limb:
    """The longest way down that begins with the bone to `joint`."""
    chain = [joint]
    while below := shape.children[chain[-1]]:
        chain.append(max(below, key=shape.way))
    return _Limb(tuple(chain), tuple(float(shape.lengths[joint]) for joint in chain))


def _pairs(shape: _Shape) -> list[_Pair]:
    """All pairs of long chains below one joint that are alike, the longest first."""
    pairs = []
    for top, below in enumerate(shape.children):
        long = [child for child in below if shape.way(child) > _LONG * shape.size]
        for one, other in itertools.combinations(long, 2):
            limbs = _limb(shape, one), _limb(shape, other)
            alike = _alike(*limbs, shape.tiny)
            if alike > _MATCHED * min(shape.way(one), shape.way(other)):
                pairs.append(_Pair(top, limbs, alike))
    return sorted(pairs, key=lambda pair: -pair.length)


def _alike(one: _Limb, other: _Limb, tiny: float) -> float:
    """The length over which the bones of two chains are equally long."""
    bones = ([length for length in limb.lengths if length > tiny] for limb in (one, other))
    total = 0.0
    for a, b in zip(*bones, strict=False):
        if abs(a - b) > _ALIKE * max(a, b) + tiny:
            break
        total += (a + b) / 2
    return total


def _combined(shape: _Shape, legs: _Pair, arms: _Pair) -> tuple[_Pair, _Pair, int] | None:
    """The pairs with the pelvis, where the first can be legs and the second arms."""
    on_legs, on_arms = ({limb.chain[0] for limb in pair.limbs} for pair in (legs, arms))
    up_legs, up_arms = ((pair.top, *above(shape.body, pair.top)) for pair in (legs, arms))
    if legs.top == arms.top or on_legs & set(up_arms) or on_arms & set(up_legs) or arms.top in up_legs:
        return None
    if not _others(shape, arms):  # no neck
        return None
    pelvis = next(joint for joint in up_arms if joint in up_legs)
    if pelvis != legs.top and _others(shape, legs):  # beside each other: a neck begins at the arms' joint alone
        return None
    return legs, arms, pelvis


def _others(shape: _Shape, pair: _Pair) -> list[int]:
    """The chains that hang beside a pair of limbs, the longest first."""
    limbs = {limb.chain[0] for limb in pair.limbs}
    others = [child for child in shape.children[pair.top] if child not in limbs and shape.way(child) > 2 * shape.tiny]
    return sorted(others, key=lambda child: -shape.way(child))


def _bent(shape: _Shape, pair: _Pair, before: float, after: float) -> _Bends | None:
    """Where in the chains of a pair its two long bones begin, meet and end; None where a chain has too few joints.

    The bones should be equally long, and what lies before and after them of the usual share of both. A hand or foot is
    no further than the joint where fingers or toes begin, and that joint is rather it than another.
    """
    tiny, limbs = shape.tiny, pair.limbs
    whole = min(shape.way(limb.chain[0]) for limb in limbs)  # of the one without a prop
    turning = [  # of the joints that lie on each other the first; no ends of bones
        [
            j
            for j, (joint, length) in enumerate(zip(limb.chain, limb.lengths, strict=True))
            if (j == 0 or length > tiny) and not _END.search(shape.body.joints[joint])
        ]
        for limb in limbs
    ]
    along = [np.cumsum(limb.lengths)[joints] for limb, joints in zip(limbs, turning, strict=True)]
    count = min(map(len, along))
    way = np.mean([of_limb[:count] for of_limb in along], axis=0)
    costs: dict[tuple[int, int, int], float] = {}
    for begin, bend, end in itertools.combinations(range(count), 3):
        first, second = way[bend] - way[begin], way[end] - way[bend]
        both = first + second
        fans = [
            j
            for j in range(bend + 1, count)
            if any(_is_fan(shape, limb.chain[at[j]], _FAN * both) for limb, at in zip(limbs, turning, strict=True))
        ]
        if fans and end > fans[0]:
            continue
        ahead = way[begin] / both - before
        cost = abs(first - second) / both + max(ahead / 4, -3 * ahead) + abs((whole - way[end]) / both - after)
        cost += _DOUBT * (way[begin + 1] - way[begin] < _SHORT * first)
        cost += _DOUBT * (way[end] - way[end - 1] < _STUB * second)
        costs[begin, bend, end] = cost - _DOUBT * (end in fans)
    if not costs:
        return None
    begin, bend, end = min(costs, key=lambda one: costs[one])
    found = [
        (_last_of_place(limb, at[begin], tiny), _last_of_place(limb, at[bend], tiny), at[end])
        for limb, at in zip(limbs, turning, strict=True)
    ]
    return found[0], found[1]


def _is_fan(shape: _Shape, joint: int, longest: float) -> bool:
    """Whether several short chains begin at a joint, or at those that lie on it."""
    here, begins = [joint], []
    while here:
        for child in shape.children[here.pop()]:
            if shape.lengths[child] > shape.tiny:
                begins.append(child)
            elif shape.reach[child] > shape.tiny:
                here.append(child)
    offsets = shape.body.offsets[begins]
    apart = bool(begins) and bool((np.linalg.norm(offsets - offsets[0], axis=1) > shape.tiny).any())
    return apart and max(shape.way(child) for child in begins) < longest


def _last_of_place(limb: _Limb, index: int, tiny: float) -> int:
    """The last joint of a chain that lies where joint `index` does, if the chain goes on: it turns the next bone."""
    last = index
    while last + 1 < len(limb.chain) and limb.lengths[last + 1] <= tiny:
        last += 1
    return last if last + 1 < len(limb.chain) else index


def _trunk(shape: _Shape, pelvis: int, arms: _Pair, arm: _Bends) -> dict[str, int]:
    """Spine, chest, neck and head."""
    chest = arms.top
    way = above(shape.body, chest)
    spine = list(way[: way.index(pelvis)][::-1])
    chain, ends = list(_limb(shape, _others(shape, arms)[0]).chain), []
    while len(chain) > 1 and _END.search(shape.body.joints[chain[-1]]):
        ends.append(chain.pop())
    begin, _, end = arm[0]
    along = np.cumsum(arms.limbs[0].lengths)
    near = along[begin] < _AT_NECK * (along[end] - along[begin])
    if near and spine and len(chain) < 3:  # arms that hang on the neck: above it are the head and its end alone
        chain.insert(0, chest)
        chest = spine.pop()
    ended = any(shape.lengths[joint] > shape.tiny for joint in ends)
    found = {"spine3": chest, "neck": chain[0]}
    if len(chain) > 1:
        found["head"] = chain[-1] if ended or len(chain) == 2 else chain[-2]
    if spine:
        found["spine1"] = spine.pop(0)
    if spine:
        height = np.cumsum(shape.lengths[[*spine, chest]])
        found["spine2"] = spine[int(np.argmin(np.abs(height[:-1] - _SPINE2 * height[-1])))]
    return found


def _sides(
    body: Skeleton, legs: _Pair, arms: _Pair, leg: _Bends, arm: _Bends, trunk: tuple[int, int, int]
) -> tuple[tuple[tuple[str, str], tuple[str, str]], tuple[str, ...], str]:
    """Of the two legs and the two arms which are left, by names or by the rest pose; notes; why it cannot be told.

    Where the legs are known and the arms lie on each other at rest, the first is taken for the left one.
    """
    pairs, bends, words = (legs, arms), (leg, arm), ("legs", "arms")
    told = [_side_by_names(body, pair) for pair in pairs]
    notes: tuple[str, ...] = ()
    if None in told:
        left = _left_at_rest(body, legs, leg, trunk)
        place = _rest(body)
        for which in (which for which in (0, 1) if told[which] is None):
            begins = [limb.chain[at[0]] for limb, at in zip(pairs[which].limbs, bends[which], strict=True)]
            across = place[begins[0]] - place[begins[1]]
            size = float(np.linalg.norm(across))
            one, other = (body.joints[limb.chain[0]] for limb in pairs[which].limbs)
            if left is not None and size > 0 and abs(across @ left) > _STRAIGHT * size:
                told[which] = bool(across @ left > 0)
                notes += (f"{words[which]} left and right by where the feet point at rest",)
            elif which == 1 and size <= _TINY * arms.length:
                told[which] = True
                notes += (f"which arm is the left one cannot be told: {one!r}, the first, was taken",)
            else:
                why_not = (
                    f"left cannot be told from right: neither the names of the {words[which]}, {one!r} and {other!r}, "
                    f"tell it nor a rest pose that stands with its feet forward"
                )
                return (_FIRST_IS_LEFT, _FIRST_IS_LEFT), (), why_not
    left_first = [_FIRST_IS_LEFT if side else _FIRST_IS_RIGHT for side in told]
    return (left_first[0], left_first[1]), notes, ""


def _side_by_names(body: Skeleton, pair: _Pair) -> bool | None:
    """Whether the first limb of a pair is the left one; None where its joints' names do not tell."""
    votes = 0
    for one, other in zip(*(limb.chain for limb in pair.limbs), strict=False):
        a, b = (body.joints[joint].casefold() for joint in (one, other))
        for left, right in _SIDES:
            if a != b and a.replace(left, right) == b.replace(left, right):
                parts = a.split(right), b.split(right)
                votes += 1 if len(parts[0]) < len(parts[1]) else -1
                break
    return None if votes == 0 else votes > 0


def _rest(body: Skeleton) -> np.ndarray:
    """`[J, 3]` with every rotation zero."""
    place = np.zeros_like(body.offsets)
    for joint, parent in enumerate(body.parents[1:], 1):
        place[joint] = place[parent] + body.offsets[joint]
    return place


def _left_at_rest(body: Skeleton, legs: _Pair, leg: _Bends, trunk: tuple[int, int, int]) -> np.ndarray | None:
    """`[3]` the direction to the left of a body that stands at rest and has feet that point forward; None otherwise.

    `trunk`: pelvis, chest and neck.
    """
    place = _rest(body)
    joints = [[limb.chain[at[which]] for which in (0, 2)] for limb, at in zip(legs.limbs, leg, strict=True)]
    feet = [limb.chain[at[2] + 1 :][:1] for limb, at in zip(legs.limbs, leg, strict=True)]
    if not all(feet):
        return None
    hips, ankles = (np.mean([place[pair[which]] for pair in joints], axis=0) for which in (0, 1))
    foot = np.mean([place[foot[0]] for foot in feet], axis=0) - ankles
    pelvis, chest, neck = place[list(trunk)]
    up = (hips - ankles) / max(float(np.linalg.norm(hips - ankles)), 1e-12)
    for part in (chest - pelvis, neck - pelvis, neck - chest):
        if part @ up < _STRAIGHT * np.linalg.norm(part):
            return None
    forward = foot - (foot @ up) * up
    if np.linalg.norm(forward) <= _FORWARD * np.linalg.norm(foot):
        return None
    left = np.cross(up, forward)
    return left / np.linalg.norm(left)
