"""Positions of joints: rotations that put the joints back where they were, markers where the body is not known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import holds_markers, positions, read_markers, read_motion, write_motion
from motion_jax.data.motion.motion import Motion
from motion_jax.errors import UserError
from motion_jax.skeletons.smpl import BODY, SMPL_H


@pytest.fixture
def walker() -> Motion:
    draw = np.random.default_rng(0)
    frames = draw.normal(size=(7, SMPL_H.columns), scale=0.5)
    frames[0, 3:6] = 0, 3.0, 0  # nearly backwards, and one bone exactly
    frames[1, 3 + 3 * 4 : 6 + 3 * 4] = np.pi, 0, 0
    return Motion(SMPL_H, frames, 25.0, "made")


@pytest.mark.parametrize("name", ["a.positions.npz", "a.npy"])
def test_joints_are_put_where_they_were_measured(walker, tmp_path, name):
    write_motion(walker, tmp_path / name)
    found = read_motion(tmp_path / name, fps=25 if name.endswith("npy") else None)
    assert (found.skeleton.joints, found.fps, found.skeleton.translation_mm) == (SMPL_H.joints, 25.0, 1000.0)
    np.testing.assert_allclose(positions(found), positions(walker), atol=1e-8)
    pelvis = slice(0, 6)  # of several bones, and so seen in full
    np.testing.assert_allclose(found.frames[:, pelvis], walker.frames[:, pelvis], atol=1e-9)
    assert any("rotations are fitted" in note for note in found.notes)
    write_motion(found, tmp_path / f"b{name[1:]}")
    again = read_motion(tmp_path / f"b{name[1:]}", fps=25)
    np.testing.assert_allclose(positions(again), positions(walker), atol=1e-8)


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_names_decide_in_any_order_and_unit(walker, tmp_path):
    order = np.random.default_rng(1).permutation(22)
    places = positions(walker)[:, order] / 10
    names = np.array([BODY.joints[joint].replace("_", " ").title() for joint in order] + ["Hat"])
    with_hat = np.concatenate([places, places[:, :1]], axis=1)
    path = save(tmp_path / "a.npz", positions=with_hat, joint_names=names, fps=np.array(25))
    found = read_motion(path)
    np.testing.assert_allclose(positions(found), positions(walker)[:, :22], atol=1e-8)
    assert found.skeleton.joints == BODY.joints
    assert found.skeleton.translation_mm == 10
    assert found.notes[0].startswith("unit of length cm, taken for granted")
    assert found.notes[-1] == "not kept: Hat"
    assert not holds_markers(path)


def test_joints_of_an_unknown_body_are_markers(walker, tmp_path):
    places = positions(walker)
    others = {
        "17": (places[:, :17], None, "17 joints, and there is no array of their names"),
        "names": (places[:, :5], np.array(list("abcde")), "their names are those of no known body"),
        "order": (places[:, np.r_[0, 1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12:22]], None, "in SMPL's order the bone"),
    }
    for name, (points, joints, message) in others.items():
        arrays = {"positions": points, "fps": np.array(25), "unit_mm": np.array(1.0)}
        path = save(tmp_path / f"{name}.npz", **arrays if joints is None else {**arrays, "names": joints})
        with pytest.raises(UserError, match=message):
            read_motion(path)
        assert holds_markers(path)
        markers = read_markers(path)
        np.testing.assert_array_equal(markers.points, points)
        assert markers.names == (tuple("abcde") if joints is not None else markers.names)
        assert "kept as markers" in markers.notes[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda places: places.astype(np.float32), "does not say its frames per second"),
        (lambda places: places.astype(object), "is object: it must be numbers or text; objects are a pickle"),
        (lambda places: places[..., :2], r"holds float64 \[7, 22, 2\]: it must be joint positions"),
        (lambda places: places * 1e7, "the body is .* long, which is no human's size in m, cm or mm: give --unit_mm"),
        (lambda places: np.where(np.arange(22)[:, None] == 4, np.nan, places), "none of its 7 frames has a place"),
        (lambda places: np.stack([places, places]), "holds 2 people: choose one with --person=1 to 2"),
        (lambda places: places[:0], r"its array is \[0, 22, 3\]: it must be frames"),
    ],
)  # fmt: skip
def test_broken_arrays_are_refused(walker, tmp_path, change, message):
    changed = change(positions(walker)[:, :22] / 1000)
    np.save(tmp_path / "a.npy", changed, allow_pickle=True)
    with pytest.raises(UserError, match=message) as caught:
        read_motion(tmp_path / "a.npy", fps=None if changed.dtype == np.float32 else 25)
    assert "\n" not in str(caught.value)


def test_one_gap_is_named(walker, tmp_path):
    places = positions(walker)[:, :22]
    places[3, 4] = np.nan
    np.save(tmp_path / "a.npy", places)
    with pytest.raises(UserError, match="frame 3 has no finite place of left_knee: a motion needs all"):
        read_motion(tmp_path / "a.npy", fps=25)
