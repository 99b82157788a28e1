"""AGED: each player's gradient is that of its own loss, discriminators tell, and the predictor learns to fool them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from motion_jax.config import DataConfig, EvalConfig, Experiment, TrainConfig, model_config
from motion_jax.losses import make_loss
from motion_jax.models import make
from motion_jax.models.aged import (
    AGEDParams,
    Discriminators,
    discriminate,
    discriminator_loss,
    generator_loss,
    init_discriminators,
)
from motion_jax.nn.deferred_grad.products import DEFAULT
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Batch, Model

B, S, T, H = 8, 4, 3, 8
COLUMNS, ACTIONS = 9, ("walking", "eating")
KEPT = (0, 1, 3, 4, 5, 7, 8)
P = len(KEPT)
RNG = np.random.default_rng(0)
SPACE = PoseSpace(
    np.zeros(COLUMNS), np.where(np.isin(np.arange(COLUMNS), KEPT), 0.6, 1), KEPT, ACTIONS, H36M, 25.0
)  # fmt: skip
WINDOWS = Batch(*(RNG.normal(size=(B, length, SPACE.width)).astype(np.float32) for length in (S, T)))
POSES = Batch(*(frames[..., :P] for frames in WINDOWS[:2]))
FREE = np.zeros((B, T), bool)
# A third of the compile time; the other tests compile as users do.
QUICK: dict = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later compilers know no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False
quick = functools.partial(jax.jit, compiler_options=QUICK)


def build(loss: str = "geodesic", **fields: Any) -> Model:
    data = DataConfig(source_length=S, target_length=T)
    config = model_config(**({"name": "aged", "hidden": H} | fields))
    return make(Experiment(model=config, data=data, train=TrainConfig(loss=loss), eval=EvalConfig(frames="1")), SPACE)


MODEL = build()


@quick
def loss_and_grad_of(params: AGEDParams, windows: Batch):
    return MODEL.loss_and_grad(params, windows, FREE, jax.random.key(0), jnp.zeros((), int))


@quick
def told(discriminators: Discriminators, poses: Batch, guess):
    """The discriminators' loss, its gradient for them, and both kinds of verdict of the fidelity discriminator."""
    loss, gradient = jax.value_and_grad(discriminator_loss)(discriminators, poses, guess, DEFAULT)
    return loss, gradient, [discriminate(discriminators.fidelity, frames, DEFAULT) for frames in (poses.future, guess)]


@quick
def fooled(discriminators: Discriminators, history, guess):
    """The adversarial loss and its gradient for the predicted frames."""
    return jax.value_and_grad(generator_loss, argnums=2)(discriminators, history, guess, DEFAULT)


def parameters() -> AGEDParams:
    rng = np.random.default_rng(1)
    template = jax.eval_shape(MODEL.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape).astype(np.float32), template)


def assert_equal(one: Any, other: Any) -> None:
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-6)


def test_each_player_gets_the_gradient_of_its_own_loss():
    """Apart and with the other one fixed by hand: nothing passes from one's loss to the other's parameters."""
    params, loss = parameters(), make_loss("geodesic", SPACE)

    @quick
    def predictor(own, discriminators):
        def value(own):
            prediction = MODEL.apply(AGEDParams(own, None), *WINDOWS[:2], FREE)
            adversarial = generator_loss(discriminators, POSES.history, prediction[..., :P], DEFAULT)
            return loss(prediction, WINDOWS.future) + 0.6 * adversarial, (prediction, adversarial)

        return jax.value_and_grad(value, has_aux=True)(own)

    (value, (prediction, adversarial)), of_predictor = predictor(params.predictor, params.judges)
    _, of_discriminators, _ = told(params.judges, POSES, prediction[..., :P])
    learned, gradient = loss_and_grad_of(params, WINDOWS)
    np.testing.assert_allclose(learned, value, rtol=1e-5)
    assert adversarial > 0.1
    assert_equal(gradient.predictor, of_predictor)
    assert_equal(gradient.judges, of_discriminators)
    assert all(np.abs(leaf).max() > 1e-6 for leaf in jax.tree.leaves(of_discriminators))


def test_discriminators_learn_to_tell_and_predictions_follow_their_gradient_to_fool_them():
    """Recorded futures move on in the direction of the past, the others in the opposite one."""
    way = RNG.normal(size=(B, 1, P))
    frames = np.linspace(-1, 1, S + T)[:, None] * way
    poses = Batch(*np.split(frames.astype(np.float32), [S], axis=1))
    guess = np.broadcast_to(2 + poses.history[:, -1:], poses.future.shape) - poses.future
    discriminators = init_discriminators(jax.random.key(3), P, H)
    optimizer = optax.adam(0.02)
    state, update = optimizer.init(discriminators), quick(optimizer.update)
    losses = []
    for _ in range(60):
        loss, gradient, _ = told(discriminators, poses, guess)
        change, state = update(gradient, state)
        discriminators = jax.tree.map(np.add, discriminators, change)
        losses.append(float(loss))
    assert abs(losses[0] - 4 * np.log(2)) < 0.5  # two of two kinds, at chance
    assert losses[-1] < 0.1 * losses[0]
    _, _, (recorded, predicted) = told(discriminators, poses, guess)
    assert recorded.min() > 0 > predicted.max()

    before, gradient = fooled(discriminators, poses.history, guess)
    assert (np.abs(gradient).max(axis=(1, 2)) > 1e-6).all()
    nearer = guess - 0.1 * gradient / np.abs(gradient).max()
    after, _ = fooled(discriminators, poses.history, nearer)
    _, _, (_, later) = told(discriminators, poses, nearer)
    assert after < before
    assert later.sum() > predicted.sum()


def test_continuity_reads_the_past_and_fidelity_does_not():
    """Other pasts behind the same predictions: only one of the two terms changes."""
    discriminators = parameters().judges
    mute = jax.tree.map(np.zeros_like, discriminators.continuity)
    for pair, changes in ((discriminators, True), (discriminators._replace(continuity=mute), False)):
        losses = [fooled(pair, history, POSES.future)[0] for history in (POSES.history, POSES.history[::-1])]
        assert (abs(losses[0] - losses[1]) > 1e-5) == changes


def test_one_window_is_learned():
    slow = np.linspace(0.4, 1, T)[:, None] * RNG.normal(size=SPACE.width)
    history = np.repeat(WINDOWS.history[:1] / 2, B, axis=0)
    windows = Batch(history, (history[:, -1:] + slow).astype(np.float32))
    loss = make_loss("geodesic", SPACE)
    error = quick(lambda params: loss(MODEL.apply(params, *windows[:2], FREE), windows.future))
    optimizer, params = optax.adam(0.02), MODEL.init(jax.random.key(0))
    state, update, first = optimizer.init(params), quick(optimizer.update), error(params)
    for _ in range(100):  # against an opponent, so with ups and downs
        change, state = update(loss_and_grad_of(params, windows)[1], state)
        params = jax.tree.map(np.add, params, change)
    assert first > 0.5
    assert error(params) < 0.35 * first


def test_the_variants_are_fields():
    alone = build(adversarial=0.0)
    assert alone.loss_and_grad is None
    assert alone.init(jax.random.key(0)).judges is None
    other = build(loss="mse")
    structures = [jax.tree.structure(jax.eval_shape(model.init, jax.random.key(0))) for model in (other, MODEL)]
    assert structures[0] == structures[1]
