"""C3D: labelled markers as the package reads them, gaps as NaN; a broken file is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import read_markers, read_motion, write_markers
from motion_jax.errors import UserError

RATE = 100.0


@pytest.fixture
def points() -> np.ndarray:
    """Where three markers are in four frames, `[4, 3, 3]`."""
    return np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32) * 100


@pytest.fixture
def c3d_file(tmp_path: Path, points: np.ndarray) -> Path:
    """A file of those, in cm; the second marker is not seen in the third frame."""
    c3d = pytest.importorskip("c3d", reason="the package c3d is not installed (extra c3d)")
    writer = c3d.Writer(point_rate=RATE)
    rows = np.zeros((4, 3, 5), np.float32)
    rows[..., :3] = points
    rows[2, 1, 3:] = -1
    writer.add_frames([(frame, np.zeros((0, 0))) for frame in rows])
    writer.set_point_labels(["LASI", "RASI", "C7"])
    writer.point_group.add_str("UNITS", "", "cm", 2)
    writer.set_start_frame(17)
    path = tmp_path / "small.c3d"
    with path.open("wb") as file, pytest.warns(UserWarning, match="No analog data"):
        writer.write(file)
    return path


def test_markers_come_back_in_mm_with_gaps(c3d_file: Path, points: np.ndarray):
    markers = read_markers(c3d_file)
    assert (markers.names, markers.fps, markers.first_frame) == (("LASI", "RASI", "C7"), RATE, 17)
    points[2, 1] = np.nan
    np.testing.assert_allclose(markers.points, points * 10.0, rtol=1e-6)


def test_a_recording_agrees_with_its_bytes(shared_data: Path):
    """Floats of Intel's order: in each frame 55 points of x, y, z and a word, then 690 numbers of other devices."""
    pytest.importorskip("c3d", reason="the package c3d is not installed (extra c3d)")
    path = shared_data / "formats" / "c3d" / "ezc3d_Qualisys.c3d"
    markers = read_markers(path)
    assert (markers.points.shape, markers.fps, markers.first_frame) == ((340, 55, 3), 200, 705)
    assert markers.names[:3] == ("L_IAS", "L_IPS", "R_IPS")
    data = path.read_bytes()
    start = 512 * (int.from_bytes(data[16:18], "little") - 1)
    rows = np.frombuffer(data[start:], "<f4", 340 * (220 + 690)).reshape(340, 910)[:, :220].reshape(340, 55, 4)
    np.testing.assert_array_equal(markers.points, np.where(rows[..., 3:] < 0, np.nan, rows[..., :3]))


def test_markers_are_kept_as_an_archive(c3d_file: Path, tmp_path: Path):
    markers = read_markers(c3d_file)
    write_markers(markers, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as archive:
        np.testing.assert_array_equal(archive["points"], markers.points)
        assert archive["names"].tolist() == ["LASI", "RASI", "C7"]
        assert (archive["fps"], archive["first_frame"]) == (RATE, 17)
    with pytest.raises(UserError, match="BVH cannot hold markers"):
        write_markers(markers, tmp_path / "out.bvh")


def test_markers_are_no_motion(tmp_path: Path):
    with pytest.raises(UserError, match="C3D holds positions of markers, and a motion needs the rotations of joints"):
        read_motion(tmp_path / "walk.c3d")


def test_without_the_package_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "c3d", None)
    with pytest.raises(UserError, match=r"walk.c3d: C3D is read by the package c3d: pip install 'motion-jax\[c3d\]'"):
        read_markers(tmp_path / "walk.c3d")


def test_a_unit_that_is_not_known_is_refused(c3d_file: Path):
    c3d_file.write_bytes(c3d_file.read_bytes().replace(b"\x02cm", b"\x02px"))
    with pytest.raises(UserError, match=r"small.c3d: POINT:UNITS is 'px': it must be one of mm"):
        read_markers(c3d_file)


def test_a_file_cut_anywhere_is_refused(c3d_file: Path):
    data = c3d_file.read_bytes()
    frames = data.rindex(np.float32(0).tobytes(), 0, len(data))  # the last block is filled up with zeros
    for length in range(0, min(frames, len(data) - 512), 41):
        c3d_file.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"small\.c3d: "):
            read_markers(c3d_file)
