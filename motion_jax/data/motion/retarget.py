"""One body's motion on another body whose joints have the same names."""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import (
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

_ACCLAIM = {
    "femur": "upleg", "tibia": "leg", "foot": "foot", "toes": "toebase", "clavicle": "shoulder",
    "humerus": "arm", "radius": "forearm", "wrist": "hand", "hand": "fingerbase", "fingers": "handindex1",
}  # fmt: skip
_OTHER_NAMES = {
    **{f"{side[0]}{bone}": f"{side}{joint}" for side in ("left", "right") for bone, joint in _ACCLAIM.items()},
    "upperback": "spine", "thorax": "spine1", "lowerneck": "neck", "upperneck": "neck1",
}  # fmt: skip
"""CMU's bones in its Acclaim files -> its joints in the BVH and text files made of them."""


_NEGLIGIBLE = 0.02  # of the distance from the root to the farthest joint at rest


def retarget(motion: Motion, skeleton: Skeleton) -> Motion:
    """Every joint of `skeleton` is turned in space as the joint of its name is; the root goes with the root.

    Names are compared without case, spaces, `_`, `-` and what stands before a colon; the bones of CMU's Acclaim files
    are known by the joints' names in its other files too. A joint that `motion` lacks goes with its parent, and what a
    joint that `skeleton` lacks did is left to those that hang on it. The root's path is scaled by the median ratio of
    the bones that both have, without those too short to tell. Rest poses are not compared: bodies whose bones point
    elsewhere at rest will look so.

    Raises:
        UserError: fewer than half of the moving joints of `skeleton` have their like, or no bone tells the scale.
    """
    if not skeleton.mismatch(motion.skeleton):
        return motion
    partners = _partners(motion.skeleton, skeleton)
    lacking = [name for name, partner in zip(skeleton.joints, partners, strict=True) if partner is None]
    if len(lacking) == len(skeleton.joints) - 1:
        raise UserError(
            f"{motion.source}: no joint but the root is one of skeleton {skeleton.name!r}: it has "
            f"{_some(motion.skeleton.joints)}; wanted are {_some(skeleton.joints[1:])}"
        )
    _check_common(motion, skeleton, partners)
    scale = _scale(motion, skeleton, partners)
    to_unit = motion.skeleton.translation_mm / skeleton.translation_mm
    rotations = _local_rotations(_global_rotations(motion), skeleton, partners)
    missing = tuple(name for name in lacking if not name.endswith(".Site"))
    notes = (f"turned onto skeleton {skeleton.name!r}, scaled by {scale:.4g}",)
    if missing:
        notes += (f"without {_some(missing)}, which then go with their parents",)
    return dataclasses.replace(
        motion,
        skeleton=skeleton,
        frames=np.concatenate([motion.frames[:, :3] * scale * to_unit, rotations], axis=1),
        channels=None,
        places=None,
        root_offset=(0.0, 0.0, 0.0),
        file_offsets=None,
        notes=motion.notes + notes,
    )


def _partners(source: Skeleton, target: Skeleton) -> list[int | None]:
    """For each joint of `target`, the joint of `source` that turns it."""
    numbers = {plain_name(name): joint for joint, name in reversed(list(enumerate(source.joints)))}
    if "lfemur" in numbers and "lfemur" not in map(plain_name, target.joints):
        numbers = {_OTHER_NAMES.get(name, name): joint for name, joint in numbers.items()}
    return [0, *(numbers.get(plain_name(name)) for name in target.joints[1:])]


def plain_name(name: str) -> str:
    """A joint's name as it is compared: without case, spaces, `_`, `-` and what stands before a colon."""
    return "".join(letter for letter in name.rpartition(":")[2].casefold() if letter not in " _-")


def _check_common(motion: Motion, skeleton: Skeleton, partners: list[int | None]) -> None:
    """Raises `UserError` where most of the joints that can turn a bone have no like; ends of bones do not count."""
    ends = (".Site", ".End")
    moving = [(name, partners[j]) for j, name in enumerate(skeleton.joints) if j and not name.endswith(ends)]
    common = tuple(name for name, partner in moving if partner is not None)
    if 2 * len(common) < len(moving):
        lacking = tuple(name for name, partner in moving if partner is None)
        raise UserError(
            f"{motion.source}: only {len(common)} of the {len(moving)} moving joints of skeleton {skeleton.name!r} are "
            f"in it, which must be half of them or more: in common are {_some(common) or 'none'}; it lacks "
            f"{_some(lacking)}"
        )


def _scale(motion: Motion, skeleton: Skeleton, partners: list[int | None]) -> float:
    """How much larger `skeleton` is: the median over the bones between joints that both have.

    A bone that is short beside its body says nothing about size: some files have joints 0.1 mm apart.

    Raises:
        UserError: there is no bone that is long enough in both.
    """
    rests = _rest_positions(skeleton), _rest_positions(motion.skeleton)
    least = [_NEGLIGIBLE * float(np.linalg.norm(rest - rest[0], axis=1).max()) for rest in rests]
    ratios = []
    for joint, partner in enumerate(partners):
        above = skeleton.parents[joint]
        while above > 0 and partners[above] is None:
            above = skeleton.parents[above]
        other = partners[above] if above >= 0 else None
        if partner is None or other is None:
            continue
        wanted = float(np.linalg.norm(rests[0][joint] - rests[0][above]))
        found = float(np.linalg.norm(rests[1][partner] - rests[1][other]))
        if wanted > least[0] and found > least[1]:
            ratios.append(wanted / found)
    if not ratios:
        common = tuple(name for name, partner in zip(skeleton.joints, partners, strict=True) if partner is not None)
        raise UserError(
            f"{motion.source}: its size beside skeleton {skeleton.name!r} cannot be told: no bone between the joints "
            f"in common ({_some(common)}) is longer than {_NEGLIGIBLE:.0%} of both bodies"
        )
    return float(np.median(ratios))


def _rest_positions(body: Skeleton) -> np.ndarray:
    """`[J, 3]` mm, with every rotation zero and the root at the origin."""
    rest = np.zeros_like(body.offsets)
    for joint, parent in enumerate(body.parents[1:], 1):
        rest[joint] = rest[parent] + body.offsets[joint]
    return rest


def _global_rotations(motion: Motion) -> list[np.ndarray]:
    """Of each joint a quaternion `[F, 4]`: G_j = R_j G_parent, for row vectors."""
    rotations: list[np.ndarray] = []
    for joint, parent in enumerate(motion.skeleton.parents):
        own = quaternion_from_rotvec(motion.frames[:, 3 + 3 * joint : 6 + 3 * joint])
        rotations.append(own if parent < 0 else quaternion_multiply(own, rotations[parent]))
    return rotations


def _local_rotations(source: list[np.ndarray], target: Skeleton, partners: list[int | None]) -> np.ndarray:
    """The rotation vectors `[F, 3 J]` that turn each joint in space as its partner is."""
    rotations: list[np.ndarray] = []
    columns = []
    for partner, parent in zip(partners, target.parents, strict=True):
        rotations.append(rotations[parent] if partner is None else source[partner])
        above = None if parent < 0 else quaternion_conjugate(rotations[parent])
        local = rotations[-1] if above is None else quaternion_multiply(rotations[-1], above)
        columns.append(rotvec_from_quaternion(local))
    return np.concatenate(columns, axis=1)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
