"""Laws of the decoder, whatever it is made of; torch's numbers are in `goldens`."""

from __future__ import annotations

import functools
import itertools

import jax
import numpy as np
import pytest

from motion_jax.nn.attention import ATTENTIONS, Sizes
from motion_jax.nn.cells import CELLS
from motion_jax.nn.decoder import Decoder, DecoderInputs, decode, decoder_weights, init_decoder
from motion_jax.nn.deferred_grad.products import Compute

B, S, T, H, N = 2, 4, 3, 5, 3
SIZES = Sizes(inputs=N, hidden=H, positions=S, heads=1)
RNG = np.random.default_rng(7)
ENCODED, FIRST, TEACHER = (RNG.normal(size=shape).astype(np.float32) for shape in ((B, S, H), (B, N), (T, B, N)))
STATE = RNG.uniform(-1, 1, (B, H)).astype(np.float32)
FREE = np.zeros((T, B), bool)
CLOSE = {"rtol": 1e-5, "atol": 1e-6}
# Before and after the step, and without attention; every output.
PARTS = list(itertools.product([None, "additive", "general"], ["hidden", "full", "combine"]))

parts = pytest.mark.parametrize(("attention", "output"), PARTS)


def randomise(tree):
    rng = np.random.default_rng(8)
    return jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape).astype(leaf.dtype), tree)


@functools.cache
def build(attention: str | None, output: str, residual: bool = True):
    """Parameters and the compiled decoder (of parameters, teacher and mask)."""
    decoder = Decoder(CELLS["gru"], ATTENTIONS[attention] if attention else None, output, residual)
    params = randomise(jax.eval_shape(lambda key: init_decoder(key, decoder, SIZES, 1), jax.random.key(0)))

    @jax.jit
    def run(params, teacher, forced, first=FIRST):
        weights = decoder_weights(decoder, params, Compute())
        return decode(decoder, weights, (STATE,), ENCODED, first, DecoderInputs(teacher, forced))

    return params, run


def test_parameters_that_the_parts_lack_are_none():
    for attention, output in PARTS:
        decoder = Decoder(CELLS["gru"], ATTENTIONS[attention] if attention else None, output, residual=False)
        params = jax.eval_shape(lambda key, decoder=decoder: init_decoder(key, decoder, SIZES, 2), jax.random.key(0))
        seen = N + H if attention else N
        assert (params.attention is None) == (attention is None)
        assert (params.attend is None) == (attention != "general")
        assert (params.combine is None) == (output != "combine")
        assert [layer.w_input.shape[0] for layer in params.layers] == [H if output == "combine" else seen, H]
        assert params.read_out.w.shape == (seen + H if output == "full" else H, N)


@parts
def test_shapes_and_weights(attention, output):
    params, run = build(attention, output)
    frames, alignment = run(params, TEACHER, FREE)
    assert frames.shape == (T, B, N)
    if attention is None:
        assert alignment is None
    else:
        assert alignment.shape == (T, B, S)
        np.testing.assert_allclose(np.sum(alignment, axis=-1), 1, rtol=1e-6)


@parts
def test_free_running_is_being_taught_ones_own_predictions(attention, output):
    params, run = build(attention, output)
    frames, alignment = run(params, TEACHER, FREE)
    own = np.concatenate([FIRST[None], frames[:-1]])
    taught = run(params, own, ~FREE)
    np.testing.assert_allclose(taught[0], frames, **CLOSE)
    if alignment is not None:
        np.testing.assert_allclose(taught[1], alignment, **CLOSE)
    assert np.abs(run(params, TEACHER, ~FREE)[0] - frames).max() > 1e-3  # and teaching something else matters


def test_step_zero_reads_the_teacher_only_where_forced():
    """The caller puts the last observed frame into both places; the decoder keeps them apart."""
    params, run = build("additive", "hidden")
    frames = run(params, TEACHER, FREE)[0]
    forced = FREE.copy()
    forced[0, 1] = True
    mixed = run(params, TEACHER, forced)[0]
    np.testing.assert_allclose(mixed[:, 0], frames[:, 0], **CLOSE)
    started = run(params, TEACHER, FREE, TEACHER[0])[0]
    np.testing.assert_allclose(mixed[:, 1], started[:, 1], **CLOSE)
    assert np.abs(mixed[:, 1] - frames[:, 1]).max() > 1e-3


@pytest.mark.parametrize(("attention", "output"), [(None, "combine"), ("additive", "hidden"), ("general", "full")])
def test_a_silent_read_out_holds_the_frame_with_residual_and_is_zero_without(attention, output):
    for residual, expected in ((True, np.broadcast_to(FIRST, (T, B, N))), (False, np.zeros((T, B, N)))):
        params, run = build(attention, output, residual)
        silent = params._replace(read_out=jax.tree.map(np.zeros_like, params.read_out))
        np.testing.assert_array_equal(run(silent, TEACHER, FREE)[0], expected)


def test_a_residual_decoder_begins_as_zero_velocity_and_another_does_not():
    """That a silent read-out is zero-velocity is the law above."""

    def begin(key, residual):
        return init_decoder(key, Decoder(CELLS["gru"], None, "hidden", residual), SIZES, 1).read_out

    for residual in (True, False):
        read_out = jax.jit(begin, static_argnums=1)(jax.random.key(0), residual)
        assert read_out.w.any() == read_out.b.any() == (not residual)


def test_without_attention_the_encoders_outputs_are_not_read():
    decoder = Decoder(CELLS["gru"], None, "hidden", residual=False)
    params, _ = build(None, "hidden", residual=False)
    weights = decoder_weights(decoder, params, Compute())
    run = jax.jit(lambda encoded: decode(decoder, weights, (STATE,), encoded, FIRST, DecoderInputs(TEACHER, FREE))[0])
    np.testing.assert_array_equal(run(ENCODED), run(np.full_like(ENCODED, np.nan)))


def test_luong_feeds_the_attentional_vector_to_the_next_step():
    """Silence it: what step 0 asks stays, for it was fed zeros anyway; what step 1 asks changes (frames given)."""
    params, run = build("general", "full")
    silent = params._replace(attend=jax.tree.map(np.zeros_like, params.attend))
    heard, deaf = run(params, TEACHER, ~FREE), run(silent, TEACHER, ~FREE)
    np.testing.assert_allclose(heard[1][0], deaf[1][0], **CLOSE)
    assert np.abs(heard[1][1] - deaf[1][1]).max() > 1e-3


def test_layers_are_stacked():
    """A second layer whose weights ignore the first makes the prediction independent of x, but for its own state."""
    decoder = Decoder(CELLS["rnn"], None, "hidden", residual=False)
    params = randomise(jax.eval_shape(lambda key: init_decoder(key, decoder, SIZES, 2), jax.random.key(0)))
    low, high = params.layers

    @jax.jit
    def run(layers, first):
        inputs = DecoderInputs(TEACHER, FREE)
        weights = decoder_weights(decoder, params._replace(layers=layers), Compute())
        return decode(decoder, weights, (STATE, STATE), ENCODED, first, inputs)[0]

    deaf = (low, high._replace(w_input=np.zeros_like(high.w_input)))
    np.testing.assert_array_equal(run(deaf, FIRST), run(deaf, FIRST + 1))
    assert np.abs(run((low, high), FIRST) - run((low, high), FIRST + 1)).max() > 1e-4
