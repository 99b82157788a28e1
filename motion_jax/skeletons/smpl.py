"""Bodies of the SMPL family: the canonical body with SMPL's hands, or with fingers, jaw and eyes.

Joints, names, order and rest pose are those of SMPL (Loper et al. 2015), SMPL+H (Romero et al. 2017) and SMPL-X
(Pavlakos et al. 2019), whose local rotations are therefore these bodies'. Bones are not SMPL's, which are licensed: the
first 22 joints have those of the canonical body, fingers and face short ones of our own. Translations are in metres.
"""

from __future__ import annotations

from collections.abc import Iterator

from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.skeleton import Joint, Skeleton

METRE = 1000.0  # mm

_FINGERS = {
    "index": ((95, 0, 25), (35, 0, 0), (22, 0, 0)),
    "middle": ((95, 0, 3), (38, 0, 0), (25, 0, 0)),
    "pinky": ((80, 0, -37), (25, 0, 0), (18, 0, 0)),
    "ring": ((88, 0, -17), (35, 0, 0), (23, 0, 0)),
    "thumb": ((25, -10, 30), (25, 0, 22), (22, 0, 18)),
}  # of the left hand, mm, in SMPL's order
_FACE = (
    Joint("jaw", "head", "spine", (0, -10, 15)),
    Joint("left_eye_smplhf", "head", "spine", (32, 45, 65)),
    Joint("right_eye_smplhf", "head", "spine", (-32, 45, 65)),
)


def _mirrored(side: str, offset: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = offset
    return (x if side == "left" else -x), y, z


def _body() -> tuple[Joint, ...]:
    """The canonical body's rows."""
    rows = zip(BODY22.joints, BODY22.parents, BODY22.parts, BODY22.offsets.tolist(), strict=True)
    return tuple(
        Joint(name, BODY22.joints[parent] if parent >= 0 else None, part, (x, y, z))
        for name, parent, part, (x, y, z) in rows
    )


def _fingers(side: str) -> Iterator[Joint]:
    for finger, bones in _FINGERS.items():
        above = f"{side}_wrist"
        for number, bone in enumerate(bones, 1):
            yield Joint(f"{side}_{finger}{number}", above, f"{side}_arm", _mirrored(side, bone))
            above = f"{side}_{finger}{number}"


_HANDS = tuple(
    Joint(f"{side}_hand", f"{side}_wrist", f"{side}_arm", _mirrored(side, (85, 0, 0))) for side in ("left", "right")
)
LEFT_FINGERS = tuple(joint.name for joint in _fingers("left"))
RIGHT_FINGERS = tuple(joint.name for joint in _fingers("right"))

BODY = Skeleton.from_table("body22", _body(), translation_mm=METRE)
SMPL = Skeleton.from_table("smpl", (*_body(), *_HANDS), translation_mm=METRE)
SMPL_H = Skeleton.from_table("smplh", (*_body(), *_fingers("left"), *_fingers("right")), translation_mm=METRE)
SMPL_X = Skeleton.from_table("smplx", (*_body(), *_FACE, *_fingers("left"), *_fingers("right")), translation_mm=METRE)

BODIES: dict[int, Skeleton] = {len(body.joints): body for body in (BODY, SMPL, SMPL_H, SMPL_X)}
"""By the number of joints, which tells them apart: 22, 24, 52, 55."""
