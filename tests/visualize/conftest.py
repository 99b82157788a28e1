"""A comparison without models: random motion of a body, what happened and two predictions of it, one with attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from motion_jax.evaluation.conformal import Radii
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.comparison import Comparison, Prediction, Scene

S, T = 5, 3


def make_comparison(skeleton: Skeleton = H36M, s: int = S, t: int = T, models: int = 2, scenes: int = 2) -> Comparison:
    rng = np.random.default_rng(0)

    def motion(frames: int) -> np.ndarray:
        return rng.normal(0, 0.3, (frames, skeleton.columns)).astype(np.float32)

    def prediction(attends: bool) -> Prediction:
        weights = rng.dirichlet(np.ones(s - 1), t) if attends else None
        return Prediction(motion(t), rng.uniform(0, 2, t), rng.uniform(0, 200, t), weights)

    names = tuple(f"model {number}" for number in range(models))

    def scene(number: int) -> Scene:
        predictions = tuple(prediction(model == 0) for model in range(models))
        return Scene("walking", number, "test/walking_1", 100 * number, motion(s), motion(t), predictions)

    shape = (t, len(skeleton.joints))
    radius = np.stack([level * rng.uniform(50, 200, shape) for level in (1, 2)])
    joints = skeleton.joints
    radii = Radii((0.5, 0.9), radius, radius, radius.mean(-1), joints, 25.0, "window", 9, 3, 1, ("a",), {}, "hash")
    baseline = (False,) * (models - 1) + (True,)
    known = (radii, *[None] * (models - 1))
    return Comparison(
        "h36m", "srnn", skeleton, 25.0, 2, names, baseline, tuple(map(scene, range(scenes))), known[:models]
    )


@pytest.fixture
def comparison() -> Comparison:
    return make_comparison()


@pytest.fixture
def blind() -> Comparison:
    """No model has attention."""
    comparison = make_comparison(scenes=1)
    (scene,) = comparison.scenes
    predictions = tuple(dataclasses.replace(prediction, attention=None) for prediction in scene.predictions)
    return dataclasses.replace(comparison, scenes=(dataclasses.replace(scene, predictions=predictions),))


@pytest.fixture
def maker() -> Callable[..., Comparison]:
    """`(skeleton, s, t, models, scenes) -> Comparison`."""
    return make_comparison
