"""The pose space: encode and decode undo each other where they can, and the text is exact."""

from __future__ import annotations

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M

RNG = np.random.default_rng(0)
KEPT = (0, 2, 3)
SPACE = PoseSpace(
    mean=RNG.normal(size=5) * 100, std=np.array([2.0, 1, 0.5, 3, 1]), kept=KEPT,
    actions=("walking", "eating"), skeleton=H36M, fps=25.0,
)  # fmt: skip
FRAMES = RNG.normal(size=(2, 3, 5)).astype(np.float32)
CODES = np.broadcast_to(np.float32([0, 1]), (2, 3, 2))


def test_widths():
    assert (SPACE.columns, SPACE.width) == (5, 5)
    assert dataclasses.replace(SPACE, actions=()).width == 3


def test_encode_is_its_formula():
    encoded = SPACE.encode(FRAMES, CODES)
    assert encoded.shape == (2, 3, 5)
    assert encoded.dtype == jnp.float32
    for place, column in enumerate(KEPT):
        expected = (FRAMES[..., column] - SPACE.mean[column]) / SPACE.std[column]
        np.testing.assert_allclose(encoded[..., place], expected, rtol=1e-5)
    np.testing.assert_array_equal(encoded[..., 3:], CODES)


def test_decode_undoes_encode_where_columns_are_kept_and_gives_the_mean_elsewhere():
    decoded = SPACE.decode(SPACE.encode(FRAMES, CODES))
    np.testing.assert_allclose(decoded[..., KEPT], FRAMES[..., KEPT], rtol=1e-4, atol=1e-4)
    for column in (1, 4):
        np.testing.assert_array_equal(decoded[..., column], np.float32(SPACE.mean[column]))


def test_encode_undoes_decode():
    x = RNG.normal(size=(4, SPACE.width)).astype(np.float32)
    np.testing.assert_allclose(SPACE.encode(SPACE.decode(x), x[:, 3:]), x, rtol=1e-4, atol=1e-4)


def test_decode_ignores_the_action():
    x = RNG.normal(size=(4, SPACE.width)).astype(np.float32)
    np.testing.assert_array_equal(SPACE.decode(x), SPACE.decode(np.concatenate([x[:, :3], 0 * x[:, 3:]], axis=1)))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_decode_keeps_the_type(dtype):
    assert SPACE.decode(jnp.zeros((2, SPACE.width), dtype)).dtype == dtype


def test_a_space_without_actions():
    space = dataclasses.replace(SPACE, actions=())
    encoded = space.encode(FRAMES, np.zeros((2, 3, 0), np.float32))
    np.testing.assert_array_equal(encoded, SPACE.encode(FRAMES, CODES)[..., :3])
    assert space.one_hot("walking").shape == (0,)


def test_one_hot():
    np.testing.assert_array_equal(SPACE.one_hot("eating"), [0, 1])
    np.testing.assert_array_equal(SPACE.one_hot(None), [0, 0])
    with pytest.raises(UserError, match=r"'dancing' is unknown: it must be one of walking, eating"):
        SPACE.one_hot("dancing")


def test_the_text_is_exact():
    awkward = dataclasses.replace(SPACE, mean=SPACE.mean / 3, std=SPACE.std * np.pi)
    back = PoseSpace.from_json(awkward.to_json(), "here")
    np.testing.assert_array_equal(back.mean, awkward.mean)
    np.testing.assert_array_equal(back.std, awkward.std)
    assert back.mean.dtype == back.std.dtype == np.float64
    for field in ("kept", "actions", "fps"):
        assert getattr(back, field) == getattr(awkward, field)
    assert back.skeleton.to_dict() == awkward.skeleton.to_dict()


def test_a_published_skeleton_may_be_named():
    """As earlier versions wrote it."""
    text = json.dumps(json.loads(SPACE.to_json()) | {"skeleton": "h36m"})
    assert PoseSpace.from_json(text, "here").skeleton is H36M


FIELDS = json.loads(SPACE.to_json())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "null", '"text"', json.dumps(FIELDS | {"mean": "abc"}), json.dumps(FIELDS | {"kept": None}),
     json.dumps(FIELDS | {"mean": [0, 0]}), json.dumps(FIELDS | {"kept": [5]}),
     json.dumps({name: value for name, value in FIELDS.items() if name != "std"})],
)  # fmt: skip
def test_other_text_is_refused_by_the_name_of_its_file(text):
    with pytest.raises(UserError, match=r"^runs/space\.json: not a pose space"):
        PoseSpace.from_json(text, "runs/space.json")
