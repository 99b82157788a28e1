"""The fast path of seq2seq is its plain path: gradients by deferred sums against default autodiff; and its precisions.

Every pair of values of two fields of the model occurs in a case, and every case runs in each feeding mode.
"""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import ComputeConfig, DataConfig, EvalConfig, Experiment, model_config
from motion_jax.losses import mse
from motion_jax.models import make
from motion_jax.models.seq2seq import OUTPUTS
from motion_jax.nn.attention import ATTENTIONS as KINDS
from motion_jax.nn.cells import CELLS
from motion_jax.nn.deferred_grad.products import Operand
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Model

B, S, T, N, H = 2, 4, 3, 3, 6
MASKS = {
    "free": np.zeros((B, T), bool),
    "one_step": np.ones((B, T), bool),
    "mixed": np.array([[True, False, True], [False, True, False]]),
}
TOLERANCE = {"float32": 2e-5, "float64": 1e-10}  # of a leaf's largest gradient
ATTENTIONS = ("none", *KINDS)
FIELDS = {
    "attention": ATTENTIONS,
    "cell": CELLS,
    "output": OUTPUTS,
    "bidirectional": (False, True),
    "layers": (1, 2),
    "residual": (True, False),
}
# Added to every score alike: the softmax drops these, so that their gradient is rounding.
CANCELLED = {
    "linear": (".decoder.attention.w_query", ".decoder.attention.b"),
    "scaled_dot": (".decoder.attention.key.b",),
}
# A third of the compile time; goldens and the other tests compile as users do.
QUICK: dict = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later compilers know no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False


def pairs(case: tuple) -> set:
    """Of (place, value)."""
    return set(itertools.combinations(enumerate(case), 2))


def covering() -> list[tuple]:
    """A case for every pair of the two longest fields; the others each time as they bring most new pairs."""
    first, second, *others = FIELDS.values()
    rest, seen, chosen = list(itertools.product(*others)), set(), []
    for b, a in itertools.product(second, first):
        case = max(((a, b, *tail) for tail in rest), key=lambda case: len(pairs(case) - seen))
        seen |= pairs(case)
        chosen.append(case)
    return chosen


COVERING = covering()
IN_FLOAT32 = COVERING[::12]
AT_ONCE = COVERING[::9]  # in float64; the others are slow
CASES = [(case, "float32") for case in IN_FLOAT32] + [
    pytest.param(case, "float64", marks=() if case in AT_ONCE else pytest.mark.slow) for case in COVERING
]


def build(fast: bool = True, precision: str = "float32", **fields) -> Model:
    config = model_config(**({"hidden": H, "heads": 2} | fields))
    compute = ComputeConfig(fast=fast, precision=precision)
    data = DataConfig(source_length=S, target_length=T)
    space = PoseSpace(np.zeros(N), np.ones(N), tuple(range(N)), (), H36M, 25.0)
    return make(Experiment(model=config, compute=compute, data=data, eval=EvalConfig(frames="1")), space)


def windows(dtype: str):
    """History and future."""
    rng = np.random.default_rng(0)
    return tuple(jnp.asarray(rng.normal(size=(B, length, N)), dtype) for length in (S, T))


def parameters(model: Model, dtype: str):
    rng = np.random.default_rng(1)
    template = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.asarray(rng.uniform(-0.7, 0.7, leaf.shape), dtype), template)


def saturated(params):
    """Some gates at their very ends, not the same for every gate of a unit: sigmoid is 0 at -1e4, and 1 at 60."""

    def saturate(layer):
        field = "b" if "b" in layer._fields else "b_input"
        b = getattr(layer, field)
        return layer._replace(**{field: jnp.asarray(np.resize([-1e4, 0.3, 60, 0.3, 0.3], b.shape), b.dtype)})

    layers = tuple(map(saturate, params.decoder.layers))
    return params._replace(encoder=tuple(map(saturate, params.encoder)), decoder=params.decoder._replace(layers=layers))


def run(model: Model, params, history, future, forced):
    """((loss, prediction), gradients of parameters and history)."""

    def loss(params, history):
        prediction = model.apply(params, history, future, forced)
        return mse(prediction, future), prediction

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, history)


def compare(actual, expected, attention: str, dtype: str):
    """Values, and gradients: each leaf against its own largest number."""
    (values, gradients), (expected_values, expected_gradients) = actual, expected
    for a, b in zip(values, expected_values, strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected_gradients))
    for (path, a), b in zip(jax.tree.leaves_with_path(gradients), jax.tree.leaves(expected_gradients), strict=True):
        name = jax.tree_util.keystr(path[1:])
        scale = largest if name in CANCELLED.get(attention, ()) else np.abs(b).max()
        assert a.dtype == dtype
        assert np.isfinite(a).all()
        assert np.abs(a - b).max() <= TOLERANCE[dtype] * scale, name


def test_the_cases_hold_every_pair_of_values():
    places = [[(place, value) for value in values] for place, values in enumerate(FIELDS.values())]
    wanted = {pair for a, b in itertools.combinations(places, 2) for pair in itertools.product(a, b)}
    assert set().union(*map(pairs, COVERING)) == wanted
    assert len(COVERING) == len(ATTENTIONS) * len(CELLS)  # no fewer can


@pytest.mark.parametrize(("case", "dtype"), CASES, ids=lambda value: "-".join(map(str, np.atleast_1d(value))))
def test_gradients_are_those_of_default_autodiff(case, dtype):
    """Also where gates are saturated, the reset exactly zero among them."""
    with jax.enable_x64(dtype == "float64"):
        fields = dict(zip(FIELDS, case, strict=True))
        models = [build(**fields, fast=fast) for fast in (True, False)]
        params, frames = parameters(models[0], dtype), windows(dtype)
        both = jax.jit(lambda *args: [run(model, *args) for model in models], compiler_options=QUICK)
        for forced, fill in itertools.product(MASKS.values(), (lambda params: params, saturated)):
            compare(*both(fill(params), *frames, forced), fields["attention"], dtype)


def equations(jaxpr):
    """Of a jaxpr and of all that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def traced(model: Model):
    """The loops of a training step, forward and reverse, as (reverse, shapes and types of the carry, equations)."""
    args = parameters(model, "float32"), *windows("float32"), MASKS["mixed"]
    jaxpr = jax.make_jaxpr(functools.partial(run, model))(*args).jaxpr
    for loop in (equation for equation in equations(jaxpr) if equation.primitive.name == "scan"):
        body = loop.params["jaxpr"].jaxpr
        outputs = zip(body.outvars, loop.outvars, strict=True)  # what is not carried is stacked over time
        carry = [inner.aval for inner, outer in outputs if inner.aval.shape == outer.aval.shape]
        yield loop.params["reverse"], carry, list(equations(body))


@pytest.mark.parametrize("fields", [{"bidirectional": True}, {"attention": "multi_head", "cell": "lstm", "layers": 2}])
def test_no_reverse_loop_carries_or_makes_a_weights_gradient(fields):
    for fast in (True, False):
        model = build(**fields, fast=fast)
        held = jax.tree.leaves(model.prepare(parameters(model, "float32")), is_leaf=lambda x: isinstance(x, Operand))
        weights = {tuple(sorted(operand.array.shape)) for operand in held if isinstance(operand, Operand)}
        carried, made = set(), set()
        for _, carry, body in (loop for loop in traced(model) if loop[0]):
            carried |= {tuple(sorted(value.shape)) for value in carry}
            made |= {tuple(sorted(e.outvars[0].aval.shape)) for e in body if e.primitive.name == "dot_general"}
        for shapes in (carried, made):
            assert bool(shapes & weights) == (not fast)


@pytest.mark.parametrize("attention", ["additive", "dot", "multi_head"])
def test_no_reverse_loop_evaluates_a_gate_again(attention):
    """Additive attention's own tanh it does: what that fills is large, and cheap to make again."""
    costly = {"logistic"} | (set() if attention == "additive" else {"tanh"})
    for reverse, _, body in traced(build(attention=attention)):
        assert reverse == costly.isdisjoint(equation.primitive.name for equation in body)


BF16 = [{}, {"bidirectional": True, "attention": "multi_head", "output": "full"}, {"cell": "lstm", "attention": "dot"}]


@pytest.mark.parametrize("fields", BF16)
def test_bf16_predicts_what_float32_does_and_trains(fields):
    exact, model = (build(**fields, precision=precision) for precision in ("float32", "bf16"))
    params, (history, future) = parameters(exact, "float32"), windows("float32")
    both = jax.jit(lambda *args: [run(m, *args) for m in (exact, model)], compiler_options=QUICK)
    ((_, true), _), ((before, prediction), (gradients, _)) = both(params, history, future, MASKS["free"])
    moved = true - history[:, -1:]
    error = np.linalg.norm(prediction - true) / np.linalg.norm(moved)
    assert 1e-5 < error < 3e-2
    for leaf in jax.tree.leaves(gradients):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()
    after = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradients)
    assert both(after, history, future, MASKS["free"])[1][0][0] < before


def test_bf16_keeps_states_and_softmax_in_float32():
    """Sums of products too; what is bfloat16 is what gets multiplied."""
    for _, carry, body in traced(build(precision="bf16")):
        assert {value.dtype for value in carry} == {jnp.dtype("float32")}
        for equation in body:
            dtypes = {value.aval.dtype for value in equation.invars}
            if equation.primitive.name in ("exp", "tanh", "logistic"):
                assert dtypes == {jnp.dtype("float32")}
            if equation.primitive.name == "dot_general":
                assert equation.outvars[0].aval.dtype == jnp.float32
