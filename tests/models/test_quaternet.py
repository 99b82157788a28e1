"""QuaterNet: quaternions and their signs, the residual connection in rotation, the penalty, the two networks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.config import DataConfig, EvalConfig, Experiment, TrainConfig, model_config
from motion_jax.errors import UserError
from motion_jax.losses import make_loss
from motion_jax.models import make, quaternet
from motion_jax.models.quaternions import align_sequence, layout, to_frames, to_quaternions, turn
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Batch, Model

B, S, T, H, LAYERS = 2, 6, 4, 8, 2  # two convolutions see four frames
COLUMNS, ACTIONS = 15, ("walking", "eating")
KEPT = (0, 1, 3, 4, 5, 6, 7, 8, 12, 14)  # of four joints: two wholly, one not at all, one but for a column
RNG = np.random.default_rng(0)
SPACE = PoseSpace(
    RNG.normal(size=COLUMNS, scale=0.2),
    np.where(np.isin(np.arange(COLUMNS), KEPT), 0.7, 1),
    KEPT,
    ACTIONS,
    H36M,
    25.0,
)
PARTS = layout(SPACE)
WINDOWS = Batch(*(RNG.normal(size=(B, length, SPACE.width)) for length in (S, T)))
FREE, MIXED = np.zeros((B, T), bool), np.array([[True, False, True, True], [False, True, False, False]])
# A third of the compile time; the other tests compile as users do.
QUICK: dict = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later compilers know no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False
quick = functools.partial(jax.jit, compiler_options=QUICK)
networks = pytest.mark.parametrize("convolutional", [False, True], ids=["recurrent", "convolutional"])


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def experiment(**fields: Any) -> Experiment:
    config = model_config(**({"name": "quaternet", "hidden": H, "layers": LAYERS} | fields))
    data = DataConfig(source_length=S, target_length=T)
    return Experiment(model=config, data=data, train=TrainConfig(loss="euler"), eval=EvalConfig(frames="1"))


@functools.cache
def build(convolutional: bool) -> Model:
    return make(experiment(convolutional=convolutional), SPACE)


@functools.cache
def learner(convolutional: bool):
    """(params, windows, forced) -> loss, gradient."""
    loss_and_grad = build(convolutional).loss_and_grad
    return quick(lambda params, *args: loss_and_grad(params, *args, jax.random.key(0), jnp.zeros((), int)))


@functools.cache
def runner(convolutional: bool):
    """(params, windows, forced) -> frames, what joints were turned by."""
    model, core = build(convolutional), quaternet._core(experiment(convolutional=convolutional).model)
    return quick(lambda params, windows, forced: quaternet.run(core, PARTS, model.prepare(params), windows, forced))


def fresh(convolutional: bool):
    return jax.tree.map(lambda leaf: leaf.astype(np.float64), build(convolutional).init(jax.random.key(0)))


def random(convolutional: bool):
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape), fresh(convolutional))


def test_frames_survive_the_way_through_quaternions():
    frames = WINDOWS.history / 2  # angles below pi
    quaternions = quick(functools.partial(to_quaternions, PARTS))(frames)
    assert quaternions.shape == (B, S, 3, 4)
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=-1), 1, rtol=1e-12)
    back = quick(functools.partial(to_frames, PARTS))
    for sign in (1, -1):
        same = back(sign * quaternions, frames[..., PARTS.translation], frames[..., PARTS.code])
        np.testing.assert_allclose(same, frames, atol=1e-12)


def test_a_turn_beyond_pi_makes_no_jump():
    angles = np.linspace(0.1, 6, 40)
    wrapped = np.where(angles > np.pi, angles - 2 * np.pi, angles)
    frames = np.zeros((40, 1, SPACE.width))
    frames[..., 5] = ((wrapped - SPACE.mean[6]) / SPACE.std[6])[:, None]  # about x, of the second joint
    quaternions = quick(functools.partial(to_quaternions, PARTS))(frames)
    aligned = quick(align_sequence)(quaternions)
    assert np.abs(np.diff(quaternions, axis=0)).max() > 1
    assert np.abs(np.diff(aligned, axis=0)).max() < 0.2
    np.testing.assert_array_equal(np.abs(aligned), np.abs(quaternions))


def test_turning_keeps_unit_length():
    change = RNG.normal(size=(50, 4)) * np.geomspace(1e-3, 1e3, 50)[:, None]
    change[0] = 0
    unit = np.array([0.5, -0.5, 0.5, 0.5])
    both = quick(jax.value_and_grad(lambda change: (turn(change, unit).sum(), turn(change, unit)), has_aux=True))
    (_, turned), gradient = both(change)
    np.testing.assert_allclose(np.linalg.norm(turned[1:], axis=-1), 1, rtol=1e-12)
    assert np.isfinite(gradient).all()


@networks
def test_a_silent_read_out_is_zero_velocity(convolutional):
    held = np.concatenate([WINDOWS.history[:, -1:], WINDOWS.future[:, :-1]], axis=1) / 2
    windows = Batch(WINDOWS.history / 2, WINDOWS.future / 2)
    for forced, expected in ((FREE, np.repeat(held[:, :1], T, axis=1)), (~FREE, held)):
        prediction = runner(convolutional)(fresh(convolutional), windows, forced)[0]
        np.testing.assert_allclose(prediction, expected, atol=1e-9)


@networks
def test_a_prediction_is_the_frame_before_turned(convolutional):
    """By scipy, of the joints that are wholly kept; the penalty is that of what they were turned by."""
    frames, changes = runner(convolutional)(random(convolutional), WINDOWS, MIXED)
    known = np.concatenate([WINDOWS.history[:, -1:], WINDOWS.future[:, :-1]], axis=1)
    own = np.concatenate([WINDOWS.history[:, -1:], frames[:, :-1]], axis=1)
    before = np.where(MIXED[..., None], known, own)

    def rotations(x: np.ndarray) -> Rotation:
        return Rotation.from_rotvec(np.asarray(SPACE.decode(jnp.asarray(x)))[..., 3:9].reshape(-1, 3))

    by = Rotation.from_quat(np.asarray(changes)[:, :, :2].reshape(-1, 4), scalar_first=True)
    np.testing.assert_allclose((rotations(frames).inv() * (by * rotations(before))).magnitude(), 0, atol=1e-7)
    assert by.magnitude().min() > 1e-3
    np.testing.assert_allclose(frames[..., PARTS.code], before[..., PARTS.code], atol=1e-12)
    assert np.abs(frames[..., PARTS.translation] - before[..., PARTS.translation]).max() > 1e-3
    lengths = np.sum(np.asarray(changes) ** 2, axis=-1)
    np.testing.assert_allclose(quaternet.penalty(changes), ((lengths - 1) ** 2).mean(), rtol=1e-12)


@networks
def test_the_penalty_is_in_the_loss_and_its_gradient(convolutional):
    params = random(convolutional)
    value, gradient = learner(convolutional)(params, WINDOWS, MIXED)
    frames, changes = runner(convolutional)(params, WINDOWS, MIXED)
    error, penalty = make_loss("euler", SPACE)(frames, WINDOWS.future), quaternet.penalty(changes)
    assert penalty > 1e-3
    np.testing.assert_allclose(value, error + 0.01 * penalty, rtol=1e-12)
    rng = np.random.default_rng(2)
    way = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), params)
    up, down = (float(learner(convolutional)(jax.tree.map(lambda p, w, s=s: p + s * w, params, way), WINDOWS, MIXED)[0])
                for s in (1e-7, -1e-7))  # fmt: skip
    along = sum(jax.tree.leaves(jax.tree.map(lambda g, w: float(np.sum(g * w)), gradient, way)))
    np.testing.assert_allclose(along, (up - down) / 2e-7, rtol=1e-5)


@networks
def test_one_window_is_learned(convolutional):
    optimizer, params = optax.adam(0.02), fresh(convolutional)
    state, update = optimizer.init(params), quick(optimizer.update)
    slow = np.linspace(0, 0.5, T)[:, None] * RNG.normal(size=SPACE.width) * (np.arange(SPACE.width) < len(KEPT))
    windows = Batch(WINDOWS.history / 2, WINDOWS.history[:, -1:] / 2 + slow)
    values = []
    for _ in range(60):
        value, gradient = learner(convolutional)(params, windows, FREE)
        change, state = update(gradient, state)
        params = jax.tree.map(np.add, params, change)
        values.append(float(value))
    assert values[-1] < 0.2 * values[0]


@networks
def test_how_far_back_a_prediction_looks(convolutional):
    """Convolutions see their last four frames, a recurrent network all."""
    before = runner(convolutional)(random(convolutional), WINDOWS, FREE)[0]
    for frame, seen in ((1, not convolutional), (2, True)):
        history = WINDOWS.history.copy()
        history[:, frame] *= 0.9
        after = runner(convolutional)(random(convolutional), WINDOWS._replace(history=history), FREE)[0]
        assert (np.abs(after[:, 0] - before[:, 0]).max() > 1e-9) == seen


def test_what_cannot_be_built_is_refused():
    with pytest.raises(UserError, match=r"model\.layers=3: .* over 8 frames need data\.source_length .* it is 6"):
        make(experiment(convolutional=True, layers=3), SPACE)
    still = dataclasses.replace(SPACE, kept=(0, 1))
    with pytest.raises(UserError, match=r"model\.name='quaternet' needs a joint that moves"):
        make(dataclasses.replace(experiment(), train=TrainConfig(loss="mse")), still)


def test_the_penalty_can_be_left_out():
    assert make(experiment(unit_penalty=0.0), SPACE).loss_and_grad is None
    assert quaternet.penalty(jnp.eye(4)[None]) == 0
