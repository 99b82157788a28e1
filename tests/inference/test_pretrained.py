"""Packed runs and the model that is shipped."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import read_motion, write_motion
from motion_jax.data.motion.motion import Motion, positions
from motion_jax.errors import UserError
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.pretrained import DEFAULT, open_predictor, pack, pretrained, pretrained_names
from motion_jax.skeletons.bodies import CMU
from motion_jax.train.packed_run import find_packed


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return pretrained()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_packed(DEFAULT), tmp_path / "packed"))


def _walk(frames: int = 200) -> Motion:
    drawn = np.random.default_rng(0).normal(scale=0.004, size=(frames, CMU.columns)).cumsum(axis=0)
    return Motion(dataclasses.replace(CMU, root="absolute", translation_mm=10.0), drawn, 100.0, "made")


def test_the_shipped_model_predicts_any_rig_in_its_own_channels(shipped: Predictor, tmp_path: Path) -> None:
    assert DEFAULT in pretrained_names()
    write_motion(_walk(), tmp_path / "walk.bvh")
    given = read_motion(tmp_path / "walk.bvh")
    after = shipped.continue_motion(given)
    assert after.skeleton is given.skeleton
    assert after.channels == given.channels
    assert (len(after.frames), after.fps) == (100, given.fps)
    steps = np.linalg.norm(np.diff(positions(given)[-50:], axis=0), axis=-1).max(axis=0)
    first = np.linalg.norm(positions(after)[0] - positions(given)[-1], axis=-1)
    assert (first <= steps + 1e-9).all()


def test_heading_and_place_do_not_matter(shipped: Predictor) -> None:
    motion = _walk()
    moved = dataclasses.replace(motion, frames=motion.frames + np.eye(CMU.columns)[0] * 1000.0)
    there, here = shipped.continue_motions([moved, motion])
    moves = np.broadcast_to([10_000.0, 0, 0], (100, 38, 3))
    np.testing.assert_allclose(positions(there) - positions(here), moves, atol=0.1)


def test_a_recording_too_short_is_refused_with_what_is_needed(shipped: Predictor) -> None:
    short = dataclasses.replace(_walk(), frames=_walk().frames[:15])
    with pytest.raises(UserError, match=r"too few: the model needs 1 s"):
        shipped.continue_motion(short)


def test_packing_keeps_predictions_bit_for_bit(shipped: Predictor, tmp_path: Path) -> None:
    pack(shipped, tmp_path / "again", "# card")
    again = open_predictor(tmp_path / "again")
    np.testing.assert_array_equal(again.continue_motion(_walk()).frames, shipped.continue_motion(_walk()).frames)
    np.testing.assert_array_equal(again.radius, shipped.radius)
    assert (shipped.experiment.name, again.experiment.name) == (DEFAULT, "again")


@pytest.mark.parametrize("name", ["params.npz", "radii.json", "card.json"])
def test_a_flipped_byte_is_named(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 4
    (copied / name).write_bytes(bytes(content))
    with pytest.raises(UserError, match=rf"{name}: damaged"):
        open_predictor(copied)


def test_another_version_and_another_name_are_refused(copied: Path) -> None:
    card = json.loads((copied / "card.json").read_text())
    (copied / "card.json").write_text(json.dumps(card | {"version": 99}))
    with pytest.raises(UserError, match="version 99: this motion_jax reads version 1"):
        open_predictor(copied)
    with pytest.raises(UserError, match=r"no pretrained model \(cmu-body-25\)"):
        pretrained("no-such-model")
