"""The first state is the one that its definition gives, however it is compiled."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from motion_jax.config import Experiment
from motion_jax.data.normalize import pose_space
from motion_jax.data.splits import split_clips
from motion_jax.models import make
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import abstract_state, first_state, init_state
from motion_jax.types import Dataset


def test_one_program_is_its_parts(configure: Callable[..., Experiment], dataset: Dataset):
    experiment = configure(model={"attention": "additive", "bidirectional": True})
    space = pose_space(dataset, split_clips(dataset, experiment.data).train, experiment.data)
    model, optimizer = make(experiment, space), make_optimizer(experiment)
    state = init_state(model, optimizer, 3)
    parts = first_state(model, optimizer, jax.random.key(3))  # one operation after the other
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-7)  # a product and a sum may be rounded once or twice
    other = init_state(model, optimizer, 4)
    assert (np.asarray(other.key) != np.asarray(state.key)).any()
    assert jax.tree.structure(abstract_state(model, optimizer)) == jax.tree.structure(state)
    same = jax.tree.map(lambda leaf, shape: (leaf.shape, leaf.dtype) == (shape.shape, shape.dtype), state,
                        abstract_state(model, optimizer))  # fmt: skip
    assert all(jax.tree.leaves(same))
