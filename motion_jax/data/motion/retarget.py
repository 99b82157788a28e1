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


def retarget(motion: Motion, skeleton: Skeleton) -> Motion:
    """Every joint of `skeleton` is turned in space as the joint of its name is; the root goes with the root.

    Names are compared without case, spaces, `_`, `-` and what stands before a colon; the bones of CMU's Acclaim files
    are known by the joints' names in its other files too. A joint that `motion` lacks goes
    with its parent, and what a joint that `skeleton` lacks did is left to those that hang on it. The root's path is
    scaled by the length of the bones. Rest poses are not compared: bodies whose bones point elsewhere at rest will
    look so.

    Raises:
        UserError: no joint but the root has its like.
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
    scale = _size(skeleton, partners, skeleton) / _size(motion.skeleton, partners, skeleton)
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


def _size(body: Skeleton, partners: list[int | None], target: Skeleton) -> float:
    """The length of the bones, mm, to the joints that both bodies have; 1 where neither has length."""
    joints = [j for j, p in enumerate(partners) if p] if body is target else [p for p in partners if p]
    return float(np.linalg.norm(body.offsets[joints], axis=1).sum()) or 1.0


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
