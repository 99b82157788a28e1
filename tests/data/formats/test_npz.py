"""Motions in numpy's archive: bit for bit, and no bomb is opened."""

from __future__ import annotations

import dataclasses
import io
import zipfile

import numpy as np
import pytest

from motion_jax.data.formats import Markers, read_markers, read_motion, write_markers, write_motion
from motion_jax.data.frame_files import read_frames, write_frames
from motion_jax.errors import UserError


def assert_equal(found, motion):
    for name in ("fps", "channels", "root_offset"):
        assert getattr(found, name) == getattr(motion, name)
    assert found.skeleton.to_dict() == motion.skeleton.to_dict()
    np.testing.assert_array_equal(found.frames, motion.frames)
    np.testing.assert_array_equal(found.places, motion.places)
    np.testing.assert_array_equal(found.file_offsets, motion.file_offsets)


@pytest.mark.parametrize("places", [False, True])
def test_a_motion_comes_back_bit_for_bit(make, tmp_path, places):
    motion = dataclasses.replace(make(places=places), root_offset=(0.1, -2.0, 3e-9), fps=1 / 0.0083333)
    if places:
        motion = dataclasses.replace(motion, file_offsets=motion.places[1])
    write_motion(motion, tmp_path / "m.npz")
    assert_equal(read_motion(tmp_path / "m.npz"), motion)


def test_what_only_a_file_has_is_kept(put, arm, tmp_path):
    motion = read_motion(put(arm))
    write_motion(motion, tmp_path / "m.npz")
    assert_equal(read_motion(tmp_path / "m.npz"), motion)


def test_markers_are_written_for_others_to_read(tmp_path):
    points = np.array([[[1.0, 2, 3], [np.nan, np.nan, np.nan]]])
    write_markers(Markers(("LKNE", "RKNE"), points, 200.0, 705, "x.c3d"), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as found:
        assert found["names"].tolist() == ["LKNE", "RKNE"]
        np.testing.assert_array_equal(found["points"], points)
        assert (found["fps"], found["first_frame"]) == (200.0, 705)
    again = read_markers(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.points, points)
    assert (again.names, again.fps, again.first_frame) == (("LKNE", "RKNE"), 200.0, 705)
    with pytest.raises(UserError, match=r"holds markers .names, points., and a motion needs the rotations of joints"):
        read_motion(tmp_path / "m.npz")


def changed(make, path, **arrays):
    """A sound archive but for some arrays; None leaves one out."""
    write_motion(make(), path)
    with np.load(path) as sound:
        content = {name: value for name, value in {**sound, **arrays}.items() if value is not None}
    np.savez(path, **content)
    return path


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"joints": None}, "holds no array 'joints': a motion needs frames, fps, joints"),
        ({"frames": np.array([[1, "x"]])}, "frames is <U21 [1, 2]: it must be numbers with 2 axes"),
        ({"frames": np.zeros((2, 4))}, "frames (2, 4): it must be [F, 15]"),
        ({"frames": np.zeros((0, 15))}, "frames (0, 15): it must be [F, 15]"),
        ({"frames": np.full((2, 15), np.nan)}, "frames must be finite numbers"),
        ({"fps": np.float64(0)}, "fps is 0.0: it must be a finite number above 0"),
        ({"fps": np.zeros(2)}, "fps is float64 [2]: it must be numbers with 0 axes"),
        ({"translation_mm": np.float64(np.inf)}, "translation_mm is inf"),
        ({"parents": np.array([-1, 0, 3, 0])}, "joint 'J2' (number 2) comes before its parent (number 3)"),
        ({"parts": np.array(["spine"] * 3 + ["tail"])}, "joint 'J3' has part 'tail'"),
        ({"offsets": np.zeros((3, 3))}, "needs a parent, a part and an offset"),
        ({"places": np.zeros((5, 3, 3))}, "places (5, 3, 3): must be (5, 4, 3)"),
        ({"channels": np.array(["Xrotation"])}, "channels of 1 joints: the skeleton has 4"),
        ({"channels": np.array(["Xrotation", "spin", "", ""])}, "channels spin: must be different ones of Xposition, "),
        ({"root_offset": np.zeros(2)}, "root_offset [0.0, 0.0]: it must be 3 finite numbers"),
        ({"frames": np.array([{"a": 1}], dtype=object)}, "array 'frames.npy' is object: it must be numbers or text"),
        ({f"x{n}": np.zeros(1) for n in range(60)}, "it must be 64 at most"),
    ],
)  # fmt: skip
def test_a_broken_archive_is_named(make, tmp_path, arrays, message):
    path = changed(make, tmp_path / "m.npz", **arrays)
    with pytest.raises(UserError) as caught:
        read_motion(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def header(shape: str, dtype: str = "<f8") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header("(4000000000000, 15)"), "claims another size than 128 bytes"),
        (header("(-1, 15)"), "claims another size"),
        (header("(" + "9" * 3000 + ",)"), "claims another size"),
        (header("(2, 2)", "|O"), "is object: it must be numbers or text"),
        (header("(2, 2)", "<f8")[:60], "is not a file of numpy's"),
        (b"", "is not a file of numpy's"),
        (bytes(1 << 20) + b"1", "1 arrays of 1048577 bytes: it must be 64 at most, of 1048576 together"),
    ],
    ids=["huge", "negative", "digits", "pickle", "cut", "empty", "bomb"],
)
def test_a_bomb_is_refused_before_memory_is_taken(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr("motion_jax.data.formats._parsing.arrays.MAX_BYTES", 1 << 20)
    path = tmp_path / "b.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frames.npy", content)
    with pytest.raises(UserError) as caught:
        read_motion(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"\x93NUMPY", b"x" * 1000])
def test_what_is_no_archive_is_refused(put, content):
    with pytest.raises(UserError):
        read_motion(put(content, "x.npz"))


def test_an_archive_cut_anywhere_is_refused(make, tmp_path):
    buffer, path = io.BytesIO(), tmp_path / "c.npz"
    write_motion(make(), tmp_path / "m.npz")
    buffer.write((tmp_path / "m.npz").read_bytes())
    for end in range(0, len(buffer.getvalue()) - 1, 97):
        path.write_bytes(buffer.getvalue()[:end])
        with pytest.raises(UserError):
            read_motion(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_rows_are_read_as_carefully(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    content = header("(4000000000000, 15)")
    if suffix == ".npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("frames.npy", content)
    with pytest.raises(UserError, match="claims another size than 128 bytes"):
        read_frames(path, 15)
    rows = np.arange(6, dtype=np.uint8).reshape(2, 3)
    write_frames(path, rows)
    np.testing.assert_array_equal(read_frames(path, 3), rows)
