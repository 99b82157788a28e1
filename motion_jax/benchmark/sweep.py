"""The cases that a command line asks for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from motion_jax.benchmark.case import NARROW, POSE, Case
from motion_jax.errors import UserError


def numbers(flag: str, text: str) -> list[int]:
    """`16,128` as numbers. Raises `UserError` naming the flag for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"--{flag}={text}: positive whole numbers separated by commas, like 16,128")
    return [int(part) for part in dict.fromkeys(parts)]


def names(flag: str, text: str, allowed: Sequence[str]) -> list[str]:
    """`additive,dot` as names. Raises `UserError` naming the flag and what is allowed."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if part not in allowed:
            raise UserError(f"--{flag}={text}: {part!r} is not one of {', '.join(allowed)}")
    return list(dict.fromkeys(parts))


def cases(values: Mapping[str, Sequence[Any]]) -> list[Case]:
    """Every combination of the fields' values. K is of training: of inference there is one case, not one for each K.
    Of models without a hidden width there is one, with that of a frame.

    Raises `UserError` for a combination that the config does not allow.
    """
    found = []
    for chosen in itertools.product(*values.values()):
        fields: dict[str, Any] = dict(zip(values, chosen, strict=True))
        if fields["work"] != "train":
            fields["per_dispatch"] = 1
        if fields.get("model") in NARROW:
            fields["hidden"] = POSE
        found.append(Case(**fields))
    return list(dict.fromkeys(found))
