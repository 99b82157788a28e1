"""Laws of every kind of attention; torch's numbers are in `goldens`."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from jax.test_util import check_grads

from motion_jax.nn import attention
from motion_jax.nn.attention import ATTENTIONS, Sizes, softmax_context
from motion_jax.nn.deferred_grad.products import Compute, make_operand

B, S, H, N = 2, 5, 4, 3
SIZES = Sizes(inputs=N, hidden=H, positions=S, heads=2)
CLOSE = {"rtol": 1e-5, "atol": 1e-6}

kinds = pytest.mark.parametrize("kind", sorted(ATTENTIONS))


def make(kind: str, dtype: str = "float32"):
    """Parameters, states, query and input, all random and so large that the weights are far from uniform."""
    rng = np.random.default_rng(5)
    template = jax.eval_shape(lambda key: ATTENTIONS[kind].init(key, SIZES), jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(dtype), template)
    return params, *(rng.normal(size=shape).astype(dtype) for shape in ((B, S, H), (B, H), (B, N)))


@functools.partial(jax.jit, static_argnums=0)
def attended(kind: str, params, states, h, x):
    """Context and weights."""
    return attention.attend(ATTENTIONS[kind], params, states, h, x)


@kinds
def test_weights_are_a_distribution_over_positions(kind):
    context, alignment = attended(kind, *make(kind))
    assert context.shape == (B, H)
    assert alignment.shape == (B, S)
    assert (np.asarray(alignment) > 0).all()
    np.testing.assert_allclose(np.sum(alignment, axis=1), 1, rtol=1e-6)
    assert np.ptp(alignment, axis=1).min() > 0.01  # the other laws would hold for a plain mean too


@kinds
def test_order_is_seen_by_location_alone(kind):
    """States in another order: the weights follow and the context stays, unless the positions are what is asked."""
    params, states, h, x = make(kind)
    order = np.array([2, 0, 4, 1, 3])
    context, alignment = attended(kind, params, states, h, x)
    moved_context, moved = attended(kind, params, states[:, order], h, x)
    if kind == "location":
        np.testing.assert_array_equal(moved, alignment)
        assert np.abs(moved_context - context).max() > 0.01
    else:
        np.testing.assert_allclose(moved, np.asarray(alignment)[:, order], **CLOSE)
        np.testing.assert_allclose(moved_context, context, **CLOSE)


@kinds
def test_equal_states_give_their_value_whatever_is_asked(kind):
    """The weights add up to one, so a constant memory is read back (through the kind's value map, if it has one)."""
    params, states, h, x = make(kind)
    states = np.broadcast_to(states[:, :1], states.shape)
    expected = states[:, 0]
    if kind == "scaled_dot":
        expected = expected @ params.value.w + params.value.b
    if kind == "multi_head":
        expected = np.einsum("bh,hnd,ndo->bo", expected, params.w_value, params.w_out)
    for query in (h, -3 * h):
        np.testing.assert_allclose(attended(kind, params, states, query, x)[0], expected, rtol=1e-4, atol=1e-5)


@kinds
def test_what_the_weights_depend_on(kind):
    """Thesis 3.20 to the letter is blind to the decoder's state; location to the encoder's; only location reads x."""
    params, states, h, x = make(kind)
    base = attended(kind, params, states, h, x)[1]
    seen = {
        "h": np.abs(attended(kind, params, states, h + 1, x)[1] - base).max() > 1e-3,
        "states": np.abs(attended(kind, params, states[:, ::-1] ** 2, h, x)[1] - base).max() > 1e-3,
        "x": np.abs(attended(kind, params, states, h, x + 1)[1] - base).max() > 1e-3,
    }
    expected = {"h": kind != "linear", "states": kind != "location", "x": kind == "location"}
    assert seen == expected


def test_only_luongs_ask_after_the_step():
    assert {kind for kind, attention in ATTENTIONS.items() if attention.after} == {"dot", "general", "concat"}


def test_general_with_the_identity_is_dot():
    params, states, h, x = make("general")
    identity = np.eye(*params.shape, dtype=np.float32)
    np.testing.assert_allclose(
        attended("general", identity, states, h, x)[0], attended("dot", None, states, h, x)[0], **CLOSE
    )


def test_general_maps_from_the_query_to_the_states():
    """h W a and not a W h: an asymmetric W tells them apart."""
    params, states, h, x = make("general")
    scores = np.einsum("bi,ij,bsj->bs", h, params, states)
    np.testing.assert_allclose(attended("general", params, states, h, x)[1], jax.nn.softmax(scores), **CLOSE)


def test_one_head_without_value_maps_is_scaled_dot():
    (query, key, _), states, h, x = make("scaled_dot")
    one = jax.eval_shape(lambda k: ATTENTIONS["multi_head"].init(k, SIZES._replace(heads=1)), jax.random.key(0))
    identity = np.eye(H, dtype=np.float32)
    many = jax.tree.map(
        lambda leaf, value: value.reshape(leaf.shape), one, type(one)(query.w, key.w, identity, identity)
    )
    no_bias = np.zeros(H, np.float32)
    single = type(make("scaled_dot")[0])(query._replace(b=no_bias), key._replace(b=no_bias), key._replace(
        w=identity, b=no_bias))  # fmt: skip
    for a, b in zip(
        attended("multi_head", many, states, h, x), attended("scaled_dot", single, states, h, x), strict=True
    ):
        np.testing.assert_allclose(a, b, **CLOSE)


@kinds
def test_gradients_are_the_numerical_ones(kind):
    with jax.enable_x64(True):
        check_grads(functools.partial(attended, kind), make(kind, "float64"), order=1, modes=["rev"])


def test_the_softmax_survives_enormous_scores():
    context, alignment = softmax_context(
        np.float32([[1e30, -1e30, 0]]), make_operand(np.float32([[[1, 2], [3, 4], [5, 6]]]), None, Compute())
    )
    np.testing.assert_array_equal(alignment, [[1, 0, 0]])
    np.testing.assert_array_equal(context, [[1, 2]])
