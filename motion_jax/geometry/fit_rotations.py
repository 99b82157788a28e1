"""Rotations that put the joints of a body where they are predicted or were measured to be; in numpy."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from motion_jax.errors import UserError
from motion_jax.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix
from motion_jax.skeletons.skeleton import Skeleton

_SHORT = 1e-6  # of a bone's length; a shorter one has no direction
_FLAT = 1e-3  # of the longest; bones that leave a line by less tell no turn about it
_BACK = -0.99  # cosine below which a turn's axis is found with more care
_TELLING = 0.2  # of the longest: hips that leave a line through the root by less are not asked for the turn about it
_IN_PLACE = 1e-4  # of the hips' distance: what differs by less is in place


def fit_rotations(skeleton: Skeleton, places: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Local rotation vectors whose bones point from joint to joint as `places` do.

    Bones keep their length and the root its rotation, none, so places that a body can reach are met exactly. A joint's
    frame in space makes the smallest turn from the frame before that brings its first bone to its place, then turns
    about that bone as far as the joint's other bones ask. A turn about a single bone cannot be seen in places; joints
    keep it from the frame before.

    Args:
        skeleton: of the body.
        places: `[T, J, 3]` mm, the root in place and unturned (`kinematics.pose_positions`).
        last: `[J, 3]` rotation vectors, rad, of the pose before the first; the root's is not read.

    Returns:
        `[T, J, 3]` rad, angles in [0, pi], the root's zero.

    Raises:
        UserError: places or pose are not of the skeleton's joints.
    """
    count = len(skeleton.joints)
    if places.ndim != 3 or places.shape[1:] != (count, 3) or last.shape != (count, 3):
        shapes = f"places {list(places.shape)} and last {list(last.shape)}"
        raise UserError(f"{shapes}: skeleton {skeleton.name} needs [T, {count}, 3] and [{count}, 3]")
    bones = _bones(skeleton)
    local = np.array(matrix_from_rotvec(np.asarray(last, np.float64)), np.float64)
    local[0] = np.eye(3)
    frames = np.empty((len(places), count, 3, 3))
    for number, now in enumerate(np.asarray(places, np.float64)):
        turns = np.empty((count, 3, 3))  # in space, of row vectors
        for joint, parent in enumerate(skeleton.parents):
            above = turns[parent] if parent >= 0 else np.eye(3)
            turn = local[joint] @ above
            if parent >= 0 and bones[joint]:
                here, there = skeleton.offsets[bones[joint]] @ turn, now[bones[joint]] - now[joint]
                turn = turn @ _turn_onto(here, there)
            turns[joint] = turn
            local[joint] = turn @ above.T
        frames[number] = local
    return np.asarray(rotvec_from_matrix(frames), np.float64)


def measure_bones(skeleton: Skeleton, places: np.ndarray) -> Skeleton:
    """The body with the bones of `places`: their median lengths, and the angles between several bones of a joint.

    What single bones point along at rest is the skeleton's; where a joint has several, they stay as close to the
    skeleton's as their angles allow.

    Args:
        skeleton: of the body, whose bones are not read but for where they point.
        places: `[T, J, 3]` mm.
    """
    offsets = skeleton.offsets.copy()
    offsets[0] = 0.0
    for joint, children in enumerate(_bones(skeleton)):
        if not children:
            continue
        bones = places[:, children] - places[:, [joint]]
        lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)
        rest = skeleton.offsets[children]
        rest = rest * (lengths / np.linalg.norm(rest, axis=1))[:, None]
        if _spread(rest):
            rest = np.mean(bones @ np.swapaxes(_turns_onto(rest, bones), -1, -2), axis=0)
        offsets[children] = rest
    return dataclasses.replace(skeleton, offsets=offsets)


def fit_frames(skeleton: Skeleton, places: np.ndarray) -> np.ndarray:
    """Local rotations, the root's too, that put joints where they were measured; each frame by itself.

    A joint of several bones turns as they do (Kabsch 1976), one of a single bone makes the smallest turn from its
    parent's frame that points it along: a turn about a single bone cannot be seen in places. Bones keep their length.

    Args:
        skeleton: of the body, as `measure_bones` gives it.
        places: `[T, J, 3]` mm, the root wherever it is.

    Returns:
        `[T, J, 3, 3]` float64, of row vectors.

    Raises:
        UserError: places are not of the skeleton's joints.
    """
    count = len(skeleton.joints)
    if places.ndim != 3 or places.shape[1:] != (count, 3):
        raise UserError(f"places {list(places.shape)}: skeleton {skeleton.name} needs [T, {count}, 3]")
    turns = np.empty((len(places), count, 3, 3))  # in space, of row vectors
    local = np.empty_like(turns)
    bones = _bones(skeleton)
    for joint, parent in enumerate(skeleton.parents):
        above = turns[:, parent] if parent >= 0 else np.broadcast_to(np.eye(3), (len(places), 3, 3))
        there, rest = places[:, bones[joint]] - places[:, [joint]], skeleton.offsets[bones[joint]]
        if not bones[joint]:
            turns[:, joint] = above
        elif _spread(rest):
            turns[:, joint] = _turns_onto(rest, there)
        else:
            turns[:, joint] = above @ _smallest_turns(rest[0] @ above, there[:, 0])
        local[:, joint] = turns[:, joint] @ np.swapaxes(above, -1, -2)
    return local


class InPlace(NamedTuple):
    """Places of joints as a model of positions reads them, and where they were."""

    places: np.ndarray  # [T, J, 3] mm, the root in place and unturned (`kinematics.pose_positions`)
    turns: np.ndarray  # [T, 3, 3] the root's, of row vectors
    roots: np.ndarray  # [T, 3] mm, from its place

    def back(self, places: np.ndarray) -> np.ndarray:
        """Places `[K, J, 3]` with the root in place, as seen from the last frame's root."""
        home = self.places[-1, 0]
        return (places - home) @ self.turns[-1] + home + self.roots[-1]


def root_in_place(skeleton: Skeleton, places: np.ndarray) -> InPlace:
    """Takes place and turn of the root out of measured places.

    The turn is the hips', which are rigid with the root (Kabsch 1976). Where hips and root lie on a line or nearly, as
    Human3.6M's do, places do not tell the turn about that line, how far the pelvis leans: it is then such that the
    nearest joint of the spine leans as at rest. Places whose root and hips are in place in every frame stay as they
    are.

    Args:
        skeleton: of the body, whose rest pose says which way the hips lie.
        places: `[T, J, 3]` mm, the root wherever it is.

    Raises:
        UserError: the body has no two hips.
    """
    rest, hips = _rest(skeleton), list(find_hips(skeleton))
    home, roots = skeleton.offsets[0], places[:, 0] - skeleton.offsets[0]
    seen = places - places[:, :1]
    if max(np.abs(roots).max(), np.abs(seen[:, hips] - rest[hips]).max()) < _IN_PLACE * np.abs(rest[hips]).max():
        return InPlace(places, np.broadcast_to(np.eye(3), (len(places), 3, 3)), roots)
    if np.linalg.svd(rest[hips], compute_uv=False)[1] > _TELLING * np.abs(rest[hips]).max():
        turns = _turns_onto(rest[hips], seen[:, hips])
    else:
        up = _spine_joint(skeleton, rest, hips)
        turns = _turns_onto(_across_and_up(rest[None], hips, up)[0], _across_and_up(seen, hips, up))
    return InPlace(seen @ np.swapaxes(turns, -1, -2) + home, turns, roots)


def find_hips(skeleton: Skeleton) -> tuple[int, int]:
    """The left and the right hip: of each leg the first joint off the root. Raises `UserError` where one is missing."""
    rest = _rest(skeleton)
    hips = [
        next((joint for joint in skeleton.part_joints(part) if rest[joint].any()), -1)
        for part in ("left_leg", "right_leg")
    ]
    if -1 in hips:
        raise UserError(f"skeleton {skeleton.name}: it has no two hips, which tell how a body is turned")
    return hips[0], hips[1]


def _rest(skeleton: Skeleton) -> np.ndarray:
    """`[J, 3]` mm from the root, nothing turned."""
    rest = np.zeros_like(skeleton.offsets)
    for joint, parent in enumerate(skeleton.parents[1:], 1):
        rest[joint] = rest[parent] + skeleton.offsets[joint]
    return rest


def _spine_joint(skeleton: Skeleton, rest: np.ndarray, hips: list[int]) -> int:
    """The first joint of the spine that is well off the line of the hips, else of any part but the legs."""
    across = rest[hips[0]] - rest[hips[1]]
    width = np.linalg.norm(across)
    off = np.linalg.norm(np.cross(rest - rest[hips[1]], across / width), axis=1) > _TELLING * width
    legs = (*skeleton.part_joints("left_leg"), *skeleton.part_joints("right_leg"))
    for joint in (*skeleton.part_joints("spine"), *range(len(rest))):
        if off[joint] and joint not in legs:
            return joint
    raise UserError(f"skeleton {skeleton.name}: no joint lies above its hips, which tell how a body is turned")


def _across_and_up(places: np.ndarray, hips: list[int], up: int) -> np.ndarray:
    """`[T, 2, 3]` unit vectors: from the right hip to the left, and square to it towards the joint `up`."""
    across = places[:, hips[0]] - places[:, hips[1]]
    across = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), _SHORT)
    above = places[:, up] - places[:, 0]
    above = above - np.sum(above * across, axis=1, keepdims=True) * across
    return np.stack([across, above / np.maximum(np.linalg.norm(above, axis=1, keepdims=True), _SHORT)], axis=1)


def _bones(skeleton: Skeleton) -> list[list[int]]:
    """Of each joint, the children that do not lie on it."""
    bones: list[list[int]] = [[] for _ in skeleton.joints]
    for child, parent in enumerate(skeleton.parents):
        if parent >= 0 and skeleton.offsets[child].any():
            bones[parent].append(child)
    return bones


def _spread(rest: np.ndarray) -> bool:
    """Whether bones `[K, 3]` point along more than one line, so that they tell a rotation."""
    return len(rest) > 1 and float(np.linalg.svd(rest, compute_uv=False)[1]) > _FLAT * float(np.abs(rest).max())


def _turns_onto(rest: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Matrices `[T, 3, 3]`, of row vectors, that turn bones `[K, 3]` onto `[T, K, 3]` with the least squared error."""
    left, _, right = np.linalg.svd(rest.T @ there)
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    return left @ right


def _smallest_turns(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Matrices `[T, 3, 3]`, of row vectors, that turn `here` onto the direction of `there`, both `[T, 3]`."""
    lengths = np.linalg.norm(here, axis=1, keepdims=True), np.linalg.norm(there, axis=1, keepdims=True)
    seen = (lengths[1] > _SHORT * lengths[0])[:, 0]
    a, b = here / lengths[0], np.where(seen[:, None], there / np.where(seen[:, None], lengths[1], 1), here / lengths[0])
    x, y, z = np.cross(a, b).T
    cosine, zero = np.sum(a * b, axis=1), np.zeros(len(a))
    cross = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], axis=1).reshape(-1, 3, 3)
    back = cosine < _BACK
    turns = np.eye(3) + cross + cross @ cross / np.where(back, 1, 1 + cosine)[:, None, None]
    for frame in np.flatnonzero(back):
        turns[frame] = _smallest_turn(a[frame], b[frame])
    return turns


def _turn_onto(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The matrix `[3, 3]`, of row vectors, that turns the bones `here` `[K, 3]` to the directions of `there`."""
    lengths = np.linalg.norm(here, axis=1)
    seen = np.linalg.norm(there, axis=1) > _SHORT * lengths
    here, there = here[seen], there[seen]
    if not len(here):
        return np.eye(3)
    axis = there[0] / np.linalg.norm(there[0])
    turn = _smallest_turn(here[0] / np.linalg.norm(here[0]), axis)
    across, wanted = ((bones - np.outer(bones @ axis, axis)) for bones in (here @ turn, there))
    sine = float(np.sum(np.cross(across, wanted) @ axis))
    cosine = float(np.sum(across * wanted))
    if np.hypot(sine, cosine) < _SHORT * float(np.sum(here**2)):  # all bones lie along the first
        return turn
    return turn @ _rotation(axis, np.arctan2(sine, cosine))


def _smallest_turn(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Between unit vectors `[3]`; of opposite ones, about any axis across."""
    axis, cosine = np.cross(here, there), float(here @ there)
    sine = float(np.linalg.norm(axis))
    if sine < _SHORT:
        if cosine > 0:
            return np.eye(3)
        axis = np.cross(here, np.eye(3)[int(np.argmin(np.abs(here)))])
        return _rotation(axis / np.linalg.norm(axis), np.pi)
    return _rotation(axis / sine, np.arctan2(sine, cosine))


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """About a unit axis `[3]`, as a matrix of row vectors."""
    x, y, z = axis
    cross = np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
