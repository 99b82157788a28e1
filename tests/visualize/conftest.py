"""A show without models: random motion of a body, what happened and two guesses of it, one with attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.scene import Guess, Scene, Show

S, T = 5, 3


def make_show(skeleton: Skeleton = H36M, s: int = S, t: int = T, models: int = 2, scenes: int = 2) -> Show:
    rng = np.random.default_rng(0)

    def motion(frames: int) -> np.ndarray:
        return rng.normal(0, 0.3, (frames, skeleton.columns)).astype(np.float32)

    def guess(attends: bool) -> Guess:
        weights = rng.dirichlet(np.ones(s - 1), t) if attends else None
        return Guess(motion(t), rng.uniform(0, 2, t), rng.uniform(0, 200, t), weights)

    names = tuple(f"model {number}" for number in range(models))

    def scene(number: int) -> Scene:
        guesses = tuple(guess(model == 0) for model in range(models))
        return Scene("walking", number, f"test/walking_1, row {number}", motion(s), motion(t), guesses)

    return Show("h36m", "srnn", skeleton, 25.0, 2, names, tuple(map(scene, range(scenes))))


@pytest.fixture
def show() -> Show:
    return make_show()


@pytest.fixture
def blind() -> Show:
    """No model has attention."""
    show = make_show(scenes=1)
    (scene,) = show.scenes
    guesses = tuple(dataclasses.replace(guess, attention=None) for guess in scene.guesses)
    return dataclasses.replace(show, scenes=(dataclasses.replace(scene, guesses=guesses),))


@pytest.fixture
def maker() -> Callable[..., Show]:
    """`(skeleton, s, t, models, scenes) -> Show`."""
    return make_show
