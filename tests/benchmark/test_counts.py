"""The operations counted by hand are those of the program that the plain scan is traced to."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import jaxprs_in_params

from motion_jax.benchmark.case import Case
from motion_jax.benchmark.counts import ATTENTIONS, GATES, MEMORY_PASSES, flops, sequential_steps, traffic, weight_count
from motion_jax.models import make
from motion_jax.nn.attention import ATTENTIONS as KINDS
from motion_jax.nn.cells import CELLS
from motion_jax.teacher_forcing import forcing_of_mode

BASE = Case("infer", batch=3, hidden=8, per_dispatch=1, source=6, target=4, fast=False)
CHANGES = [
    {},
    {"bidirectional": True},
    {"layers": 3},
    {"layers": 2, "bidirectional": True, "cell": "lstm", "attention": "scaled_dot"},
    {"source": 2, "target": 7, "batch": 1},
    *({"cell": cell} for cell in tuple(CELLS)[1:]),
    *({"attention": attention} for attention in ("none", *KINDS) if attention != "additive"),
]


def traced(case: Case) -> tuple[int, int]:
    """Multiply-adds x 2 of every matmul, and steps of every scan."""
    model = make(case.experiment(), case.space())
    params = jax.eval_shape(model.init, jax.random.key(0))
    forced = forcing_of_mode("free_running", case.batch, case.target)
    return walk(jax.make_jaxpr(model.apply)(params, *map(jnp.asarray, case.windows(case.batch)), forced).jaxpr)


def walk(jaxpr: Any) -> tuple[int, int]:
    operations, steps = 0, 0
    for equation in jaxpr.eqns:
        repeated = equation.params["length"] if equation.primitive.name == "scan" else 1
        steps += repeated if equation.primitive.name == "scan" else 0
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
            operations += 2 * inner * math.prod(equation.outvars[0].aval.shape)
        for inside in jaxprs_in_params(equation.params):
            below, deeper = walk(inside)
            operations, steps = operations + repeated * below, steps + repeated * deeper
    return operations, steps


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_operations_are_those_of_the_traced_program(change: dict[str, Any]):
    case = dataclasses.replace(BASE, **change)
    operations, steps = traced(case)
    assert flops(case) == operations
    assert steps == case.layers * (case.source - 1) + case.target
    if case.layers == 1:
        assert sequential_steps(case) == steps
    training = dataclasses.replace(case, work="train")
    assert flops(training) == 3 * flops(case)
    assert sequential_steps(training) == 2 * sequential_steps(case)


def test_every_kind_is_counted():
    assert GATES.keys() == set(CELLS)
    assert ATTENTIONS.keys() == {"none", *KINDS}


@pytest.mark.parametrize("work", ["train", "infer"])
def test_memory_is_read_at_every_step_and_weights_once_a_call(work: str):
    case = dataclasses.replace(BASE, work=work)
    passes = MEMORY_PASSES if work == "train" else 1
    one_more = dataclasses.replace(case, target=case.target + 1)
    read = 2 * case.batch * (case.source - 1) * case.hidden * 4
    assert traffic(one_more) - traffic(case) == passes * read
    larger = dataclasses.replace(case, batch=2 * case.batch)
    weights = traffic(case) - (traffic(larger) - traffic(case))
    assert weights == 4 * weight_count(case) * (6 if work == "train" else 1)


def test_half_the_bytes_of_what_is_bf16():
    wide = traffic(BASE) - 4 * weight_count(BASE)
    narrow = dataclasses.replace(BASE, precision="bf16")
    assert traffic(narrow) - 4 * weight_count(BASE) == wide / 2


def test_operations_of_a_one_shot_model():
    case = Case("infer", batch=3, hidden=66, per_dispatch=1, source=20, target=12, model="simlpe")
    s, n, layers, predicted = 20, 66, 48, 10
    turn = s * s * n + 2 * s * n * n + layers * s * s * n + s * predicted * n
    assert flops(case) == 2 * 3 * 2 * turn  # two turns
    assert flops(dataclasses.replace(case, work="train")) == 3 * 2 * 3 * turn
