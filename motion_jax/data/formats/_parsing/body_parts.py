"""Which part of the body a joint belongs to, guessed from its name and from the joint above it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # LeftUpLeg: Left Up Leg; l_hip: l hip; RThumb: R Thumb
_LEGS = (
    "leg", "hip", "thigh", "knee", "shin", "calf", "ankle", "foot", "feet", "toe", "heel", "femur", "tibia", "fibula",
    "buttock",
)  # fmt: skip
_ARMS = (
    "arm", "shoulder", "shldr", "collar", "clavicle", "elbow", "wrist", "hand", "finger", "thumb", "humerus", "radius",
    "ulna",
)  # fmt: skip
_SIDES = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rt": "right", "rgt": "right"}


def guess_body_parts(names: Sequence[str], parents: Sequence[int]) -> tuple[str, ...]:
    """The part of each joint, one of `skeleton.PARTS`.

    A name that tells side and limb decides (LeftUpLeg, r_elbow, lfemur); otherwise a joint belongs where its parent
    does, so that a finger of whatever name stays with its arm. The rest is "spine".
    """
    parts: list[str] = []
    for name, parent in zip(names, parents, strict=True):
        parts.append(_told(name) or (parts[parent] if parent >= 0 else "spine"))
    return tuple(parts)


def _told(name: str) -> str | None:
    """The part that a name tells by itself."""
    words = [word.lower() for word in _WORDS.findall(name)]
    limb = next((_limb(word) for word in words if _limb(word)), None)
    side = next((_SIDES[word] for word in words if word in _SIDES), None) or _leading_side(words)
    return f"{side}_{limb}" if side and limb else None


def _limb(word: str) -> str | None:
    for limb, stems in (("leg", _LEGS), ("arm", _ARMS)):
        if any(stem in word for stem in stems):
            return limb
    return None


def _leading_side(words: list[str]) -> str | None:
    """The side of one word that begins with it: lfemur, rthumb, leftarm."""
    for word in words:
        for side, rest in (("left", word.removeprefix("left")), ("right", word.removeprefix("right"))):
            if rest != word and _limb(rest):
                return side
            if word[0] == side[0] and any(word[1:].startswith(stem) for stem in (*_LEGS, *_ARMS)):
                return side
    return None
