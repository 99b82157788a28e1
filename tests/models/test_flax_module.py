"""The Flax adapter adds nothing to a model and takes nothing away."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.losses import mse
from motion_jax.models import make
from motion_jax.models.flax_module import MotionModule
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Model

B, S, T, N = 2, 4, 3, 6
RNG = np.random.default_rng(0)
HISTORY, FUTURE = (RNG.normal(size=(B, length, N)).astype(np.float32) for length in (S, T))
FREE = np.zeros((B, T), bool)
KEY = jax.random.key(0)


def build(name: str = "seq2seq") -> Model:
    experiment = Experiment(
        model=model_config(name, **({"hidden": 5, "attention": "dot"} if name == "seq2seq" else {})),
        data=DataConfig(source_length=S, target_length=T),
        eval=EvalConfig(frames="1"),
    )
    return make(experiment, PoseSpace(np.zeros(N), np.ones(N), tuple(range(N)), (), H36M, 25.0))


MODEL = build()
MODULE = MotionModule(MODEL)
VARIABLES = jax.jit(MODULE.init)(KEY, HISTORY, FUTURE, FREE)


class Denoised(nn.Module):
    """A user's own module around it."""

    inner: Model

    @nn.compact
    def __call__(self, history, future, forced):
        history = history + nn.Dense(history.shape[-1], name="denoise")(history)
        return MotionModule(self.inner, name="motion")(history, future, forced)


def test_variables_are_the_models_own_parameters():
    params = VARIABLES["params"]["weights"]
    expected = jax.eval_shape(MODEL.init, KEY)
    assert jax.tree.structure(params) == jax.tree.structure(expected)
    assert [leaf.shape for leaf in jax.tree.leaves(params)] == [leaf.shape for leaf in jax.tree.leaves(expected)]


def test_apply_and_gradient_are_the_models():
    def through_flax(params):
        return mse(MODULE.apply({"params": {"weights": params}}, HISTORY, FUTURE, FREE), FUTURE)

    def direct(params):
        return mse(MODEL.apply(params, HISTORY, FUTURE, FREE), FUTURE)

    params = VARIABLES["params"]["weights"]
    both = jax.jit(lambda p: (jax.value_and_grad(through_flax)(p), jax.value_and_grad(direct)(p)))
    flax_side, own_side = both(params)
    assert jax.tree.structure(flax_side) == jax.tree.structure(own_side)
    for a, b in zip(jax.tree.leaves(flax_side), jax.tree.leaves(own_side), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_nests_and_trains_in_a_users_module():
    module, optimizer = Denoised(MODEL), optax.sgd(0.1)

    @jax.jit
    def step(variables, state):
        loss, gradients = jax.value_and_grad(lambda v: mse(module.apply(v, HISTORY, FUTURE, FREE), FUTURE))(variables)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(variables, updates), state, loss, gradients

    variables = jax.jit(module.init)(KEY, HISTORY, FUTURE, FREE)
    assert set(variables["params"]) == {"denoise", "motion"}
    state = optimizer.init(variables)
    variables, state, first, _ = step(variables, state)
    for _ in range(5):
        variables, state, last, gradients = step(variables, state)
    assert last < first
    # A residual model starts as zero-velocity, so that at first only its read-out has a gradient; by now all have.
    silent = [jax.tree_util.keystr(path) for path, leaf in jax.tree.leaves_with_path(gradients) if not leaf.any()]
    assert not silent


def test_a_model_without_parameters_is_a_module_without_variables():
    module = MotionModule(build("zero_velocity"))
    variables = module.init(KEY, HISTORY, FUTURE, FREE)
    assert jax.tree.leaves(variables) == []
    held = module.apply(variables, HISTORY, FUTURE, jnp.asarray(FREE))
    np.testing.assert_array_equal(held, np.repeat(HISTORY[:, -1:], T, axis=1))
