"""Models that predict the next frame from all before: what is computed at once is what is computed one by one."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.losses import mse
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Batch, Model

B, S, T, H = 2, 6, 4, 4
KEPT, ACTIONS = (0, 3, 4, 5, 7, 8), ("walking", "eating")
N = len(KEPT) + len(ACTIONS)
MODELS = {
    "transformer": {"heads": 2, "feed_forward": 6, "layers": 2},
    "st_transformer": {"heads": 2, "feed_forward": 6},
    "conv_lstm": {"kernel": 3},
    "conv_seq2seq": {"window": 3},
    "tcn": {"layers": 2, "kernel": 3},
}
models = pytest.mark.parametrize("name", sorted(MODELS))
RNG = np.random.default_rng(0)
BATCH = Batch(*(RNG.normal(size=(B, length, N)).astype(np.float32) for length in (S, T)))


def build(name: str, **fields) -> Model:
    space = PoseSpace(np.zeros(9), np.ones(9), KEPT, ACTIONS, H36M, 25.0)
    data = DataConfig(source_length=S, target_length=T)
    config = model_config(name, hidden=H, **(MODELS[name] | fields))
    return make(Experiment(model=config, data=data, eval=EvalConfig(frames="1")), space)


def parameters(name: str):
    rng = np.random.default_rng(2)
    template = jax.eval_shape(build(name).init, jax.random.key(0))
    return jax.tree.map(lambda leaf: rng.uniform(-0.7, 0.7, leaf.shape).astype(np.float32), template)


def train_loss(name: str, keys, **fields) -> float:
    model = build(name, **fields)
    assert model.train_loss is not None
    return float(jax.jit(model.train_loss)(parameters(name), BATCH, keys, 0)[0])


KEYS = [jax.random.split(jax.random.key(seed), B) for seed in (0, 1)]


@models
def test_learning_is_predicting_as_in_use(name):
    """The parallel pass over true frames is one-step prediction, which keeps what it has read; the other, free."""
    apply = jax.jit(build(name).apply)
    for share, forced in ((0.0, np.ones((B, T), bool)), (1.0, np.zeros((B, T), bool))):
        right = mse(apply(parameters(name), *BATCH[:2], forced), BATCH.future)
        np.testing.assert_allclose(train_loss(name, KEYS[0], free_running=share), right, rtol=1e-5)


@models
def test_dropout_is_drawn_from_the_keys_in_training_alone(name):
    for share in (0.0, 1.0):
        first, again, other = (
            train_loss(name, keys, free_running=share, dropout=0.5) for keys in (KEYS[0], KEYS[0], KEYS[1])
        )
        assert first == again
        assert abs(first - other) > 1e-4
    free = np.zeros((B, T), bool)
    plain, dropped = (build(name, dropout=rate).apply(parameters(name), *BATCH[:2], free) for rate in (0.0, 0.5))
    np.testing.assert_array_equal(plain, dropped)


@models
def test_a_fresh_model_holds_the_last_frame(name):
    model = build(name)
    prediction = model.apply(model.init(jax.random.key(0)), *BATCH[:2], np.zeros((B, T), bool))
    np.testing.assert_array_equal(prediction, np.broadcast_to(BATCH.history[:, -1:], (B, T, N)))


WRONG = [
    ({"name": "transformer", "hidden": 6, "heads": 4}, r"model\.heads=4: must divide model\.hidden=6"),
    ({"name": "tcn", "dropout": 1.0}, r"model\.dropout=1\.0: must be below 1"),
    ({"name": "tcn", "kernel": 1}, r"model\.kernel=1"),
    ({"name": "tcn", "free_running": 1.5}, r"model\.free_running=1\.5"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_wrong_fields_are_named(fields, message):
    with pytest.raises(UserError, match=message):
        model_config(**fields)
