"""From the segments of a file to a `Skeleton` and its frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from motion_jax.data.formats._parsing.body_parts import guess_body_parts
from motion_jax.data.motion.rotations_np import rotvec_from_quaternion
from motion_jax.data.motion.units import check_unit
from motion_jax.data.text_files import MAX_NUMBERS
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton


def build_skeleton(
    name: str,
    segments: Sequence[str],
    parents: Sequence[int],
    offsets: np.ndarray,
    ends: Mapping[int, np.ndarray],
    unit_mm: float,
) -> tuple[Skeleton, np.ndarray]:
    """A body with a joint "<segment>.Site" at the end of each segment in `ends`, right behind the segment's own.

    Args:
        name: of the body.
        segments: [N] names, each before its children.
        parents: [N] their parents' numbers, -1 for the root.
        offsets: `[N, 3]` from the parent, file unit.
        ends: by segment, where it ends, `[3]` in its own frame, file unit.
        unit_mm: mm to the file's unit.

    Returns:
        The body of J joints, and `[N]` which of them the segments are.

    Raises:
        UserError: no length is meant by `unit_mm` or an offset, or the segments are no tree.
    """
    check_unit(unit_mm, f"skeleton {name}: unit_mm")
    joints: list[tuple[str, int, np.ndarray]] = []
    numbers = np.zeros(len(segments), int)
    for number, (segment, parent) in enumerate(zip(segments, parents, strict=True)):
        numbers[number] = len(joints)
        joints.append((segment, -1 if parent < 0 else int(numbers[parent]), offsets[number]))
        if number in ends:
            joints.append((f"{segment}.Site", len(joints) - 1, ends[number]))
    names, above = tuple(joint[0] for joint in joints), tuple(joint[1] for joint in joints)
    skeleton = Skeleton(
        name=name,
        joints=names,
        parents=above,
        parts=guess_body_parts(names, above),
        offsets=np.stack([joint[2] for joint in joints]) * unit_mm,
        translation_mm=unit_mm,
    )
    return skeleton, numbers


def check_size(source: object, frames: int, joints: int) -> None:
    """Raises `UserError` if a recording is too long for its joints, before memory is taken for it."""
    if frames * joints * 3 > MAX_NUMBERS:
        most = MAX_NUMBERS // (3 * joints)
        raise UserError(f"{source}: {frames} frames of {joints} joints: it must have at most {most}")


def build_frames(
    skeleton: Skeleton, numbers: np.ndarray, root: np.ndarray, rotations: Iterable[np.ndarray | None]
) -> np.ndarray:
    """Frames `[F, 3 + 3 J]` of the root's translations `[F, 3]`, file unit, and the segments' local rotations `[F, 4]`.

    They are quaternions of rotations that act on column vectors, None where there is none; frames hold the
    transposed rotations.
    """
    frames = np.zeros((len(root), skeleton.columns))
    frames[:, :3] = root
    for joint, rotation in zip(numbers, rotations, strict=True):
        if rotation is not None:
            frames[:, 3 + 3 * joint : 6 + 3 * joint] = -rotvec_from_quaternion(rotation)
    return frames
