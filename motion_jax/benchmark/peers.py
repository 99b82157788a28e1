"""What the library is timed beside, and what each of them serves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax

from motion_jax.benchmark import flax_peer, ours, torch_classifiers, torch_peer
from motion_jax.benchmark.case import Built, Case
from motion_jax.config import DEFAULT_MODEL

ONE_NET = {"cell": "gru", "layers": 1, "attention": "additive"}  # what the peers are written for


class Peer(NamedTuple):
    """One value of --peer."""

    implementations: tuple[str, ...]  # rows
    build: Callable[[Case, str], Built]  # (case, implementation)
    serves: Callable[[Case], str]  # "", or what it serves
    needs_torch: bool = False


def check_available(names: Sequence[str]) -> None:
    """Raises `UserError` where a peer's library is not installed."""
    if any(PEERS[name].needs_torch for name in names):
        torch_peer.check_available()


def _serves_one_net(case: Case) -> str:
    if case.recogniser:
        return "" if case.precision == "float32" else "serves float32 of recognisers"
    if not case.one_shot and any(getattr(case, field) != value for field, value in ONE_NET.items()):
        return f"serves {', '.join(f'{field} {value}' for field, value in ONE_NET.items())}"
    if case.model == "his_rep_itself" and case.work == "train" and case.batch == 1:
        return "takes batch statistics of two sequences at least"
    return "has TF32 on a GPU only" if case.precision == "tf32" and jax.default_backend() != "gpu" else ""


def _serves_recurrent_net(case: Case) -> str:
    return f"serves model {DEFAULT_MODEL}" if case.one_shot or case.recogniser else _serves_one_net(case)


def _serves_compiled(case: Case) -> str:
    if case.recogniser:
        return "leaves a recogniser's layers, which are calls of cuDNN or oneDNN, as they are"
    return _serves_one_net(case)


def _build_torch(case: Case, implementation: str) -> Built:
    return (torch_classifiers if case.recogniser else torch_peer).build(case, implementation)


def _build_plain(case: Case, implementation: str) -> Built:
    del implementation
    return ours.build(dataclasses.replace(case, fast=False))


PEERS = {
    "torch": Peer(("torch_strong", "torch_tutorial"), _build_torch, _serves_one_net, needs_torch=True),
    "torch_strong": Peer(("torch_strong",), _build_torch, _serves_one_net, needs_torch=True),
    "torch_compile": Peer(("torch_compile",), torch_peer.build, _serves_compiled, needs_torch=True),
    "flax": Peer(("flax",), flax_peer.build, _serves_recurrent_net),
    "plain": Peer(("motion_jax_plain",), _build_plain, lambda case: ""),
}
