"""What a case costs at the least, counted by hand: multiply-adds, bytes of memory traffic, steps in sequence.

`cost_analysis` counts the body of a loop once, so the compiler cannot be asked.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import jaxprs_in_params

from motion_jax.benchmark import classifiers
from motion_jax.benchmark.case import WIDTH, Case
from motion_jax.models import make
from motion_jax.types import Batch

GATES = {"gru": 3, "gru_reset_before": 3, "lstm": 4, "rnn": 1}
TRAINING = 3  # forward, and the gradients of the inputs and of the weights, each as many multiply-adds
MEMORY_PASSES = 4  # of training over the attended states: forward; backward reads them and adds to their gradients
WEIGHT_PASSES = 6  # of training: read forward and backward; gradient written and read; parameter read and written
FLOAT = 4  # bytes of what is float32 at every precision


class Asked(NamedTuple):
    """An attention's arithmetic, in units that the docstrings of `nn.attention` lead to."""

    keys: int  # H x H maps of every encoder state, once
    maps: int  # H x H maps at every decoder step; Luong's attentional layer [c; h] -> H counts as two
    products: int  # S x H products at every decoder step: scores, context
    memories: int  # arrays [B, S, H] read at every decoder step


ATTENTIONS = {
    "none": Asked(0, 0, 0, 0),
    "linear": Asked(0, 0, 1, 1),
    "location": Asked(0, 0, 1, 1),
    "additive": Asked(1, 1, 2, 2),
    "dot": Asked(0, 2, 2, 1),
    "general": Asked(0, 3, 2, 1),
    "concat": Asked(1, 3, 2, 2),
    "scaled_dot": Asked(2, 1, 2, 2),
    "multi_head": Asked(2, 2, 2, 2),
}


def flops(case: Case) -> float:
    """Floating-point operations of one update or one call: two for each multiply-add of a matmul.

    With I the inputs of a layer, G its gates, S' = S - 1 and D directions, multiply-adds for one sequence are

        encoder     D S' (I + H) G H for each layer; I = N in the lowest, else H
        decoder     T (I + H) G H for each layer; I = N + H in the lowest (N without attention); read-out T H N
        attention   keys S' H^2 + T (maps H^2 + products S' H), by the table above

    The matmuls of a model that predicts P frames at once are read from its traced program, once for each P of the T.
    Element-wise work is not counted, and neither is what an implementation does twice to save memory.
    """
    if case.one_shot or case.recogniser:
        return 2.0 * _multiply_adds(_traced(case)) * (TRAINING if case.work == "train" else _turns(case))
    macs = _encoder(case) + _decoder(case) + _attention(case)
    return 2.0 * case.batch * macs * (TRAINING if case.work == "train" else 1)


def traffic(case: Case) -> float:
    """Bytes that one update or one call must move through memory, both ways together.

    Each weight once a call (in training `WEIGHT_PASSES` times), although a step that does not find the weights in a
    cache reads them anew. What attention reads, once for each of the T steps (in training `MEMORY_PASSES` times),
    although a small batch may find it in a cache. The encoder's projected inputs and its states, written once and read
    once (in training three times). Frames are left out. Of one-shot models weights and frames alone are counted.
    """
    if case.one_shot or case.recogniser:
        frames = case.batch * (case.source + case.target * case.one_shot) * case.columns
        return float(FLOAT * (frames + weight_count(case) * (WEIGHT_PASSES if case.work == "train" else _turns(case))))
    training, size = case.work == "train", 2 if case.precision == "bf16" else FLOAT
    states = case.batch * (case.source - 1) * case.hidden
    read = case.target * ATTENTIONS[case.attention].memories * states * size
    gates = _directions(case) * case.layers * GATES[case.cell]
    kept = 2 * (gates + _directions(case) * case.layers) * states * size
    weights = weight_count(case) * FLOAT
    if not training:
        return float(weights + read + kept)
    return float(WEIGHT_PASSES * weights + MEMORY_PASSES * read + TRAINING * kept)


def sequential_steps(case: Case) -> int:
    """Cells that run one after another: S-1 + T in every layer, and again backwards in training.

    The two directions of an encoder run side by side. Of recognisers: S in every layer, and again in training. Of
    one-shot models: the layers, for each P of the T frames.
    """
    if case.recogniser:
        return classifiers.layers(case) * case.source * (2 if case.work == "train" else 1)
    if case.one_shot:
        config: Any = case.experiment().model
        layers = 2 * config.blocks + 2 if case.model == "his_rep_itself" else config.layers
        return layers * (2 if case.work == "train" else _turns(case))
    return case.layers * (case.source - 1 + case.target) * (2 if case.work == "train" else 1)


def weight_count(case: Case) -> int:
    """Numbers among the parameters."""
    init = classifiers.network(case).init if case.recogniser else make(case.experiment(), case.space()).init
    shapes = jax.eval_shape(init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def _turns(case: Case) -> int:
    config: Any = case.experiment().model
    if case.recogniser:
        return 1
    return math.ceil(case.target / (config.predicted or case.target))


def _traced(case: Case) -> Any:
    """The program of the loss, or of a recogniser's scores, without its gradient."""
    if case.recogniser:
        return classifiers.traced(case)
    model = make(case.experiment(), case.space())
    shapes = [(case.source, case.columns), (case.target, case.columns), (case.columns,)]
    arrays: list[Any] = [jax.ShapeDtypeStruct((case.batch, *shape), jnp.float32) for shape in shapes]
    batch = Batch(*arrays)
    params = jax.eval_shape(model.init, jax.random.key(0))
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), case.batch))
    step = jax.ShapeDtypeStruct((), jnp.int32)
    assert model.train_loss is not None
    return jax.make_jaxpr(model.train_loss)(params, batch, keys, step).jaxpr


def _multiply_adds(jaxpr: Any) -> int:
    """Of every matmul, those in a loop as often as it runs."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
            total += inner * math.prod(equation.outvars[0].aval.shape)
        repeated = equation.params["length"] if equation.primitive.name == "scan" else 1
        total += repeated * sum(map(_multiply_adds, jaxprs_in_params(equation.params)))
    return total


def _encoder(case: Case) -> int:
    inputs = WIDTH + (case.layers - 1) * case.hidden
    return _directions(case) * (case.source - 1) * (inputs + case.layers * case.hidden) * _gated(case)


def _decoder(case: Case) -> int:
    seen = WIDTH if case.attention == "none" else WIDTH + case.hidden
    inputs = seen + (case.layers - 1) * case.hidden
    return case.target * ((inputs + case.layers * case.hidden) * _gated(case) + case.hidden * WIDTH)


def _attention(case: Case) -> int:
    s, t, h, asked = case.source - 1, case.target, case.hidden, ATTENTIONS[case.attention]
    own = {"linear": s * h + t * h, "location": t * (WIDTH + h) * s}.get(case.attention, 0)
    return asked.keys * s * h * h + t * (asked.maps * h * h + asked.products * s * h) + own


def _gated(case: Case) -> int:
    return GATES[case.cell] * case.hidden


def _directions(case: Case) -> int:
    return 2 if case.bidirectional else 1
