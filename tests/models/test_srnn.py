"""SRNN against its graph written out part by part in numpy; that parts share what they should; that it can learn."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from motion_jax.config import ComputeConfig, DataConfig, EvalConfig, Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.models import make
from motion_jax.models.srnn import part_selections
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M, SKELETONS
from motion_jax.skeletons.skeleton import PARTS, Joint, Skeleton
from motion_jax.types import Batch, Model

B, S, T, H = 2, 4, 3, 16
ACTIONS = ("walking", "eating")
# The columns that move on Human3.6M, and on CMU's recordings.
MOVING = {
    "h36m": [*range(10), *range(12, 16), *range(21, 25), *range(27, 31), *range(36, 48), *range(51, 58), *range(60, 63),
             *range(75, 82), *range(84, 87)],
    "cmu": [*range(6), *range(9, 14), *range(15, 20), *range(27, 32), *range(33, 38), *range(42, 60), *range(66, 69),
            *range(70, 73), *range(75, 78), 80, *range(84, 87), *range(93, 96), *range(97, 100), *range(102, 105), 107,
            *range(111, 114)],
}  # fmt: skip
# Two columns of the spine, two of each arm, of each leg one and a second that the other lacks, and the action.
KEPT = (1, 4, 6, 8, 21, 22, 52, 57, 76, 81)
FEATURES = {"spine": (0, 1, 10, 11), "left_arm": (6, 7), "right_arm": (8, 9), "left_leg": (4, 5, None),
            "right_leg": (2, None, 3)}  # fmt: skip
N = len(KEPT) + len(ACTIONS)
FREE = np.zeros((B, T), bool)
RNG = np.random.default_rng(0)
BATCH = Batch(*(RNG.normal(size=(B, length, N)).astype(np.float32) for length in (S, T)))
# A third of the compile time.
QUICK: dict = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later compilers know no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False


def space(kept=KEPT, body: Skeleton = H36M, actions=ACTIONS) -> PoseSpace:
    columns = body.columns
    return PoseSpace(np.zeros(columns), np.ones(columns), tuple(kept), actions, body, 25.0)


def build(where: PoseSpace | None = None, hidden: int = H, fast: bool = True) -> Model:
    data, config = DataConfig(source_length=S, target_length=T), model_config("srnn", hidden=hidden)
    experiment = Experiment(model=config, compute=ComputeConfig(fast=fast), data=data, eval=EvalConfig(frames="1"))
    return make(experiment, where or space())


def parameters(model: Model):
    rng = np.random.default_rng(1)
    template = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: rng.uniform(-0.7, 0.7, leaf.shape).astype(np.float32), template)


@pytest.mark.parametrize("body", sorted(MOVING))
def test_every_column_belongs_to_one_part(body):
    where = space(MOVING[body], SKELETONS[body])
    selections = part_selections(where)
    assert tuple(selections) == PARTS
    np.testing.assert_array_equal(sum(selection.sum(axis=1) for selection in selections.values()), 1)
    names = [SKELETONS[body].parts[(column - 3) // 3] if column > 2 else "spine" for column in MOVING[body]]
    for part, selection in selections.items():
        own = [part == name for name in names] + [part == "spine"] * len(ACTIONS)
        np.testing.assert_array_equal(selection.sum(axis=1), own)


@pytest.mark.parametrize("body", sorted(MOVING))
def test_left_and_right_see_the_same_columns_in_the_same_order(body):
    joints, selections = SKELETONS[body].joints, part_selections(space(MOVING[body], SKELETONS[body]))

    def described(part: str) -> list[str | None]:
        """The joint without its side, and the axis, of each feature."""
        columns = [MOVING[body][int(row.argmax())] if row.any() else None for row in selections[part].T]
        return [c and joints[(c - 3) // 3].removeprefix(part[0].upper()).removeprefix(part[1 : part.index("_")])
                + "xyz"[c % 3] for c in columns]  # fmt: skip

    for kind in ("arm", "leg"):
        left, right = described(f"left_{kind}"), described(f"right_{kind}")
        assert len(left) == len(right) > 2
        assert all(None in pair or pair[0] == pair[1] for pair in zip(left, right, strict=True))
        assert all(any(pair) for pair in zip(left, right, strict=True))


def test_a_column_of_one_side_stands_empty_on_the_other():
    selections = part_selections(space())
    for part, features in FEATURES.items():
        expected = [[feature == own for own in features] for feature in range(N)]
        np.testing.assert_array_equal(selections[part], expected)


def test_a_body_without_moving_arms_is_refused():
    with pytest.raises(UserError, match=r"model\.name='srnn'.*'arm'"):
        build(space((0, 6, 21)))


def test_a_body_whose_sides_differ_is_refused():
    table = [Joint("Hips", None, "spine", (0, 0, 0))]
    table += [Joint(name, "Hips", part, (0, 1, 0)) for name, part in (
        ("LeftArm", "left_arm"), ("RightArm", "right_arm"), ("RightHand", "right_arm"), ("LeftLeg", "left_leg"),
        ("RightLeg", "right_leg"))]  # fmt: skip
    with pytest.raises(UserError, match="odd: left_arm and right_arm"):
        build(space(range(21), Skeleton.from_table("odd", table)))


def test_the_layers_are_those_of_the_paper():
    params = jax.eval_shape(build(space(MOVING["h36m"]), hidden=512).init, jax.random.key(0))
    widths = {"spine": 18 + len(ACTIONS), "arm": 10, "leg": 8}
    assert set(params.edges) == {"spine", "arm", "leg", "spine_arm", "spine_leg", "arm_arm", "leg_leg"}
    for name, edge in params.edges.items():
        seen = sum(widths[kind] for kind in name.split("_"))
        assert [layer.w.shape for layer in edge.before] == [(seen, 256), (256, 256)]
        assert (edge.cell.w_input.shape, edge.cell.w_hidden.shape) == ((256, 2048), (512, 2048))
    assert set(params.nodes) == set(widths)
    for kind, node in params.nodes.items():
        assert (node.cell.w_input.shape, node.cell.w_hidden.shape) == ((3 * 512, 2048), (512, 2048))
        assert [layer.w.shape for layer in node.after] == [(512, 256), (256, 100), (100, widths[kind])]


def chain(layers, x):
    for layer in layers[:-1]:
        x = np.maximum(x @ layer.w + layer.b, 0)
    return x @ layers[-1].w + layers[-1].b


def lstm(cell, state, x):
    h, c = state
    i, f, g, o = np.split(x @ cell.w_input + h @ cell.w_hidden + cell.b, 4, axis=-1)
    i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
    c = f * c + i * np.tanh(g)
    return o * np.tanh(c), c


def kind_of(part: str) -> str:
    return part.split("_")[-1]


def edges_of(part: str, features: dict) -> dict:
    """By kind of edge, what the edges of a part read: that of the part itself first, then the graph's own order."""
    join = lambda *parts: np.concatenate([features[p] for p in parts], axis=-1)  # noqa: E731
    if part == "spine":
        return {"spine": join("spine"),
                "spine_arm": join("spine", "left_arm") + join("spine", "right_arm"),
                "spine_leg": join("spine", "left_leg") + join("spine", "right_leg")}  # fmt: skip
    kind, side = kind_of(part), part.split("_")[0]
    other = {"left": "right", "right": "left"}[side] + f"_{kind}"
    return {kind: join(part), f"spine_{kind}": join("spine", part), f"{kind}_{kind}": join(part, other)}


def expected(params) -> np.ndarray:
    """The observed frames, then its own predictions: one network a node and an edge, each with its own state."""
    states, frames = {}, []
    for t in range(S + T - 1):
        x = BATCH.history[:, t] if t < S else frames[-1]
        padded = np.concatenate([x, np.zeros((B, 1), np.float32)], axis=-1)
        features = {part: padded[:, [N if f is None else f for f in own]] for part, own in FEATURES.items()}
        frame = np.full((B, N), np.nan)
        for part in PARTS:
            seen = []
            for name, read in edges_of(part, features).items():
                zero = (np.zeros((B, H)), np.zeros((B, H)))
                edge, key = params.edges[name], (part, name)
                states[key] = lstm(edge.cell, states.get(key, zero), chain(edge.before, read))
                seen.append(states[key][0])
            node = params.nodes[kind_of(part)]
            states[part] = lstm(node.cell, states.get(part, zero), np.concatenate(seen, axis=-1))
            written = chain(node.after, states[part][0])
            for slot, feature in enumerate(FEATURES[part]):
                if feature is not None:
                    frame[:, feature] = written[:, slot]
        frames.append(frame)
    return np.stack(frames[S - 1 :], axis=1)


def test_it_is_its_graph_written_out():
    model = build()
    params = parameters(model)
    prediction = jax.jit(model.apply, compiler_options=QUICK)(params, *BATCH[:2], FREE)
    np.testing.assert_allclose(prediction, expected(params), rtol=1e-4, atol=1e-5)


def test_its_fast_gradient_is_the_plain_one():
    models = [build(fast=fast) for fast in (True, False)]
    loss_and_grad = jax.jit(
        lambda params: [model.loss_and_grad(params, BATCH, FREE, jax.random.key(0), jnp.array(0)) for model in models],
        compiler_options=QUICK,
    )
    (_, fast), (_, plain) = loss_and_grad(parameters(models[0]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), fast, plain)


def test_left_and_right_share_their_weights():
    """Symmetric columns: exchanging left and right exchanges the predictions, and both sides teach the same leaves."""
    model = build(space((1, 4, 6, 21, 52, 57, 76, 81)), hidden=48)
    sides = {"left_arm": [4, 5], "right_arm": [6, 7], "left_leg": [3], "right_leg": [2]}
    of_part = np.array([[feature in features for features in sides.values()] for feature in range(10)], np.float32)
    swap = np.array([0, 1, 3, 2, 6, 7, 4, 5, 8, 9])
    params, (history, future) = parameters(model), (frames[..., :10] for frames in BATCH[:2])

    def run(params, history):
        def sums(params):
            prediction = model.apply(params, history, future[:, :1], FREE[:, :1])
            return (prediction @ of_part).sum(axis=(0, 1)), prediction

        return jax.jacrev(sums, has_aux=True)(params)

    run = jax.jit(run, compiler_options=QUICK)
    gradients, prediction = run(params, history)
    np.testing.assert_allclose(run(params, history[..., swap])[1], prediction[..., swap], rtol=1e-5, atol=1e-6)
    assert np.abs(prediction - prediction[..., swap]).max() > 1e-2
    for side, part in enumerate(sides):
        taught = {name for networks in gradients for name, network in networks.items()
                  if all(np.abs(leaf[side]).max() > 0 for leaf in jax.tree.leaves(network))}  # fmt: skip
        assert taught == {*edges_of(part, dict.fromkeys(PARTS, np.zeros(1))), kind_of(part)}


@pytest.mark.slow
def test_it_can_learn_a_window():
    model, optimizer = build(hidden=40), optax.adam(0.01)
    batch = Batch(*(frames[:1, :2] for frames in BATCH[:2]))

    def update(carry, step):
        params, state = carry
        loss, gradient = model.loss_and_grad(params, batch, FREE, jax.random.key(1), step)
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, change), state), loss

    def train(key):
        params = model.init(key)
        return jax.lax.scan(update, (params, optimizer.init(params)), jnp.arange(100))[1]

    losses = jax.jit(train, compiler_options=QUICK)(jax.random.key(0))
    assert losses[-1] < 0.1 * losses[0]
