"""Live poses of any rig: futures come back on it, in its world and unit, as it moved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.data.formats import Motion
from motion_jax.data.motion.motion import positions
from motion_jax.errors import UserError
from motion_jax.inference.stream import StreamingRigPredictor
from motion_jax.skeletons.bodies import H36M
from tests.canonical_models import S, T, steady, steady_walk


def test_a_rig_that_walks_steadily_is_predicted_in_its_own_world():
    recorded = steady_walk(200, 100.0, z_up=True)
    stream = StreamingRigPredictor(steady(), recorded)
    assert stream.skeleton.joints == recorded.skeleton.joints
    answers = [stream.push(pose, number / 100) for number, pose in enumerate(recorded.frames[:101])]
    assert sum(answer is not None for answer in answers) >= 18  # one a frame of the model, once the poses reach back
    last = stream.predict()
    assert last is not None
    np.testing.assert_allclose(last.times, 1.0 + np.arange(1, T + 1) / 25)
    assert last.poses.shape == (T, recorded.skeleton.columns)
    there = dataclasses.replace(recorded, frames=recorded.frames[[104, 108, 112]])
    found = dataclasses.replace(recorded, frames=last.poses.astype(np.float64))
    np.testing.assert_allclose(positions(found), positions(there), atol=0.01)  # mm
    assert last.radii is not None
    assert stream.reach == pytest.approx((S - 1) / 25 + 1 / 50)  # and the row before the first


def test_a_broken_pose_is_left_out_and_a_wrong_one_refused():
    recorded = steady_walk(50, 50.0)
    stream = StreamingRigPredictor(steady(), recorded)
    assert not stream.observe(np.full(69, np.nan), 0.0)
    assert stream.counts.invalid == 1
    with pytest.raises(UserError, match=r"pose is float64 \[66\]: it must be real numbers \[69\]"):
        stream.push(np.zeros(66), 0.0)


def test_models_of_other_bodies_have_no_rigs():
    model = steady()
    model.space = dataclasses.replace(model.space, skeleton=H36M)
    with pytest.raises(UserError, match=r"walk\.bvh: the model is of the body 'h36m'"):
        StreamingRigPredictor(model, steady_walk(10, 50.0))


def test_a_rig_whose_file_places_its_joints_keeps_their_lengths():
    given = steady_walk(50, 50.0)
    places = np.repeat(1.1 * given.skeleton.offsets[None], 50, axis=0)
    sample = Motion(given.skeleton, given.frames, 50.0, "walk.bvh", places=places)
    stream = StreamingRigPredictor(steady(), sample)
    for number, pose in enumerate(sample.frames):
        found = stream.push(pose, number / 50)
    assert found is not None or stream.predict() is not None
    plain = StreamingRigPredictor(steady(), given)
    assert stream.rig.scale == pytest.approx(plain.rig.scale / 1.1)
