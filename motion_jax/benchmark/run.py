"""Times cases: every implementation in one interleaved run, after a check that they compute the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from motion_jax.benchmark import ours
from motion_jax.benchmark.case import PREDICTION, Built, Case
from motion_jax.benchmark.counts import flops
from motion_jax.benchmark.peers import PEERS
from motion_jax.benchmark.roofline import Ceilings
from motion_jax.benchmark.rows import row
from motion_jax.errors import UserError
from motion_jax.runtime.timing import interleave

AGREEMENT = {"float32": 1e-4, "tf32": 1e-2, "bf16": 1e-1}
"""Relative. Float32 sums over 74 steps in another order differ by some 1e-6; a rounding is 5e-4 in TF32, 4e-3 in bf16,
and what is rounded differs between libraries.
"""  # fmt: skip
AGREEMENT_ONE_SHOT = 1e-5  # of float32: nothing is fed back into the loss
DISPATCHED = 5e10  # floating-point operations of a dispatch, half a second's of a core
NEGLIGIBLE = 1e-5  # of the largest gradient: a leaf below it is compared as if it were that large

Gradients = tuple[float, dict[str, np.ndarray]]


def measure(case: Case, peers: Sequence[str], seconds: float, ceilings: Ceilings) -> list[dict[str, Any]]:
    """A row an implementation; the library's first, each peer's with `ratio`, its median over the library's.

    Of models that predict many frames at once K is smaller where that many updates are more than `DISPATCHED`, but 2.
    A peer that does not serve the case is told in one line and left out.

    Raises:
        UserError: a peer does not compute the library's loss and gradients, so a ratio would mean nothing.
    """
    if case.one_shot and case.per_dispatch > 1:
        case = dataclasses.replace(case, per_dispatch=min(case.per_dispatch, max(2, int(DISPATCHED / flops(case)))))
    built: dict[str, Built] = {"motion_jax": ours.build(case)}
    mine = built["motion_jax"].gradients() if peers else None
    for peer in map(PEERS.__getitem__, peers):  # `torch` holds what `torch_strong` is: built once
        if lacking := peer.serves(case):
            print(f"skipped {', '.join(peer.implementations)}: {lacking}; asked for {case}")
            continue
        for name in peer.implementations:
            if name in built:
                continue
            built[name] = peer.build(case, name)
            assert mine is not None
            check_same(case, name, mine, built[name].gradients())
    samples = interleave(
        {name: b.call for name, b in built.items()}, {name: b.count for name, b in built.items()}, seconds
    )
    rows = [row(case, name, built[name], samples[name].summary(), ceilings) for name in built]
    for line in rows:
        line["ratio"] = line["median_ms"] / rows[0]["median_ms"]
        line["cpu_ratio"] = line["cpu_ms"] / rows[0]["cpu_ms"]
    return rows


def agreement(case: Case) -> float:
    """How far, relative to the largest number of an array, two implementations of a case may differ."""
    return AGREEMENT_ONE_SHOT if case.one_shot and case.precision == "float32" else AGREEMENT[case.precision]


def check_same(case: Case, name: str, mine: Gradients, theirs: Gradients) -> None:
    """Raises `UserError` where loss, gradients or a prediction differ by more than the case's precision explains."""
    (loss, gradients), (other_loss, others), limit = mine, theirs, agreement(case)
    if not abs(loss - other_loss) <= limit * abs(loss):
        raise UserError(f"{name} computes a loss of {other_loss}, motion_jax {loss}, for {case}")
    least = NEGLIGIBLE * max(np.abs(leaf).max() for name, leaf in gradients.items() if name != PREDICTION)
    for leaf, gradient in others.items():
        error = np.abs(gradient - gradients[leaf]).max() / max(np.abs(gradients[leaf]).max(), least)
        if not error < limit:
            what = leaf if leaf == PREDICTION else f"gradient of {leaf}"
            raise UserError(f"{name}'s {what} differs by {error:.1e} (relative) for {case}")
