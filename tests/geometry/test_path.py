"""Places along a body's way: the same as by integrating its root in numpy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.data.motion.motion import Motion, positions
from motion_jax.data.motion.root_heading import from_heading, to_heading
from motion_jax.errors import UserError
from motion_jax.geometry.path import places_on_path
from motion_jax.skeletons.canonical import BODY22


def test_places_are_those_of_the_integrated_root() -> None:
    drawn = np.random.default_rng(0)
    frames = drawn.normal(scale=0.3, size=(12, BODY22.columns)).cumsum(axis=0)
    frames[:, :3] *= 200
    rows = to_heading(frames)
    body = dataclasses.replace(BODY22, root="heading")
    start = np.zeros(BODY22.columns)  # above the origin, facing z
    wanted = positions(Motion(BODY22, from_heading(rows, start), 25.0, "made"))
    np.testing.assert_allclose(places_on_path(body, rows[None].astype(np.float32))[0], wanted, atol=0.05)


def test_other_roots_have_no_path() -> None:
    with pytest.raises(UserError, match="root is not told from its heading"):
        places_on_path(BODY22, np.zeros((1, 2, BODY22.columns), np.float32))
