"""What a scan means: a loop; and what a direction means: a reversal of time. Torch's numbers are in `goldens`."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from motion_jax.nn.cells import CELLS, step_cell
from motion_jax.nn.deferred_grad.products import Compute
from motion_jax.nn.scans import bidirectional_scan, encode, init_layer, init_layers, scan, scan_layer, scan_side_by_side

T, B, I, H = 4, 2, 3, 5
INPUTS = np.random.default_rng(0).normal(size=(T, B, I)).astype(np.float32)
CLOSE = {"rtol": 1e-5, "atol": 1e-6}

kinds = pytest.mark.parametrize("kind", sorted(CELLS))
states = pytest.mark.parametrize("kind", ["gru", "lstm"])  # one array, and several
directions = pytest.mark.parametrize("bidirectional", [False, True])


def initial(kind: str, *leading: int):
    return randomise(CELLS[kind].zeros((*leading, B, H), np.float32), seed=3)


def parameters(kind: str, layers: int, bidirectional: bool) -> tuple:
    def init(key):
        return init_layers(key, CELLS[kind], I, H, layers, bidirectional=bidirectional)

    return randomise(jax.eval_shape(init, jax.random.key(0)), seed=4)


def randomise(tree, seed: int):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.uniform(-1, 1, leaf.shape).astype(leaf.dtype), tree)


@functools.partial(jax.jit, static_argnames=("kind", "reverse"))
def run(kind: str, params, inputs, state, reverse: bool = False):
    return scan(CELLS[kind], CELLS[kind].weights(params, Compute()), inputs, state, reverse=reverse)


@functools.partial(jax.jit, static_argnums=0)
def run_both(kind: str, params, inputs, state):
    return bidirectional_scan(CELLS[kind], CELLS[kind].weights(params, Compute()), inputs, state)


@functools.partial(jax.jit, static_argnames=("kind", "bidirectional"))
def run_layers(kind: str, params, inputs, mask, bidirectional: bool):
    """Alone one after another, and side by side."""
    weights = [CELLS[kind].weights(layer, Compute()) for layer in params]
    options = {"bidirectional": bidirectional, "mask": mask}
    alone = [
        scan_layer(CELLS[kind], w, x, H, concatenate=True, **options) for w, x in zip(weights, inputs, strict=True)
    ]
    return alone, scan_side_by_side(CELLS[kind], weights, inputs, H, **options)


@functools.partial(jax.jit, static_argnums=2)
def run_stack(layers, inputs, bidirectional: bool):
    weights = tuple(CELLS["lstm"].weights(layer, Compute()) for layer in layers)
    return encode(CELLS["lstm"], weights, inputs, H, bidirectional=bidirectional)


def pick(tree, index: int):
    """One direction of what is stacked."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def assert_trees_close(actual, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), actual, expected)


@kinds
def test_scan_is_a_loop(kind):
    cell, (params,), state = CELLS[kind], parameters(kind, 1, False), initial(kind)
    step = jax.jit(lambda state, x: step_cell(cell, cell.weights(params, Compute()), state, x))
    last, outputs = run(kind, params, INPUTS, state)
    assert outputs.shape == (T, B, H)
    for t in range(T):
        state = step(state, INPUTS[t])
        np.testing.assert_allclose(outputs[t], cell.output(state), **CLOSE)
    assert_trees_close(last, state)


@states
def test_reverse_is_forward_in_reversed_time(kind):
    (params,), state = parameters(kind, 1, False), initial(kind)
    last, outputs = run(kind, params, INPUTS, state, reverse=True)
    expected_last, flipped = run(kind, params, INPUTS[::-1], state)
    np.testing.assert_allclose(outputs, flipped[::-1], **CLOSE)
    assert_trees_close(last, expected_last)


@states
def test_bidirectional_is_two_scans(kind):
    (params,), state = parameters(kind, 1, True), initial(kind, 2)
    last, outputs = run_both(kind, params, INPUTS, state)
    forward = run(kind, pick(params, 0), INPUTS, pick(state, 0))
    backward = run(kind, pick(params, 1), INPUTS, pick(state, 1), reverse=True)
    assert_trees_close(outputs, (forward[1], backward[1]))
    assert_trees_close((pick(last, 0), pick(last, 1)), (forward[0], backward[0]))


def test_bidirectional_commutes_with_time_reversal_and_exchange_of_directions():
    (params,), state = parameters("gru", 1, True), initial("gru", 2)
    last, (forward, backward) = run_both("gru", params, INPUTS, state)
    exchanged = jax.tree.map(lambda leaf: leaf[::-1], params)
    mirrored_last, mirrored = run_both("gru", exchanged, INPUTS[::-1], state[::-1])
    assert_trees_close((backward, forward), tuple(y[::-1] for y in mirrored))
    np.testing.assert_allclose(last, mirrored_last[::-1], **CLOSE)


@directions
@pytest.mark.parametrize("kind", ["gru", "lstm"])  # of which padding alone would not leave the zero state of the first
def test_masked_layers_are_layers_of_shorter_sequences_alone_and_side_by_side(kind, bidirectional):
    inputs = [INPUTS, INPUTS[..., :2]]
    params = [
        randomise(jax.eval_shape(lambda key, x=x: init_layer(key, CELLS[kind], x.shape[-1], H,
                                                             bidirectional=bidirectional), jax.random.key(0)), seed)
        for seed, x in enumerate(inputs)
    ]  # fmt: skip
    mask = np.ones((T, B), np.float32)
    mask[T - 2 :, 1] = 0
    padded, beside = run_layers(kind, params, inputs, mask, bidirectional)
    short = [x[: T - 2, 1:] for x in inputs]
    cut, _ = run_layers(kind, params, short, np.ones((T - 2, 1), np.float32), bidirectional)
    whole, _ = run_layers(kind, params, inputs, None, bidirectional)
    for n in range(2):
        last, outputs = padded[n]
        np.testing.assert_allclose(beside[n], outputs, **CLOSE)
        np.testing.assert_allclose(outputs[:, 0], whole[n][1][:, 0], **CLOSE)
        np.testing.assert_allclose(outputs[: T - 2, 1], cut[n][1][:, 0], **CLOSE)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b[0], **CLOSE), last, cut[n][0])


@directions
def test_which_inputs_reach_which_outputs(bidirectional):
    """Forward: output t depends on every input up to t and on none after; both directions: on all."""
    layers = tuple(CELLS["gru"].weights(layer, Compute()) for layer in parameters("gru", 1, bidirectional))
    jacobian = jax.jit(
        jax.jacrev(lambda x: encode(CELLS["gru"], layers, x, H, bidirectional=bidirectional)[1].sum((1, 2)))
    )(INPUTS)
    reached = np.abs(jacobian).max(axis=(2, 3)) > 0
    np.testing.assert_array_equal(reached, np.ones((T, T)) if bidirectional else np.tril(np.ones((T, T))))


@directions
def test_a_stack_feeds_each_layer_with_the_outputs_below(bidirectional):
    layers = parameters("lstm", 2, bidirectional)
    both, outputs = run_stack(layers, INPUTS, bidirectional)
    (low,), between = run_stack(layers[:1], INPUTS, bidirectional)
    (high,), top = run_stack(layers[1:], between, bidirectional)
    assert_trees_close((both, outputs), ((low, high), top))


def test_layers_and_directions_begin_apart_with_the_widths_of_what_they_read():
    low, high = jax.jit(lambda key: init_layers(key, CELLS["rnn"], I, H, 2, bidirectional=True))(jax.random.key(0))
    assert low.w_input.shape == (2, I, H)
    assert high.w_input.shape == (2, H, H)
    assert (low.w_hidden != high.w_hidden).all()
    assert (low.w_hidden[0] != low.w_hidden[1]).all()
