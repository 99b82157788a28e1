"""C3D: labelled markers as they lie in the bytes, gaps as NaN; contradictions are settled, broken files refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import Markers, read_markers, read_motion, write_markers
from motion_jax.errors import UserError
from tests.data.formats.c3d_bytes import FRAMES, POINTS, build, integer, number, text, usual


@pytest.fixture
def read(put):
    """Reads the file that `build` makes."""

    def made(*arguments, options=None, **keywords) -> Markers:
        return read_markers(put(build(*arguments, **keywords), "x.c3d"), **(options or {}))

    return made


def assert_five_frames(markers: Markers, first: int = 1) -> None:
    assert (markers.names, markers.fps, markers.first_frame) == (("LASI", "RASI"), 100.0, first)
    np.testing.assert_array_equal(markers.points, POINTS)


@pytest.mark.parametrize("processor", [84, 85, 86], ids=["intel", "dec", "mips"])
@pytest.mark.parametrize("scale", [-1.0, 0.5], ids=["floats", "integers"])
def test_places_are_those_of_the_bytes(read, processor, scale):
    order = ">" if processor == 86 else "<"
    entries = [
        integer("POINT", "USED", 2, order=order),
        number("POINT", "SCALE", scale, processor),
        number("POINT", "RATE", 250.0, processor),
        text("POINT", "LABELS", "A", "B"),
        text("POINT", "UNITS", "cm"),
    ]
    residuals = np.zeros((FRAMES, 2, 1))
    residuals[2, 1] = -1
    markers = read(entries=entries, scale=scale, processor=processor, first=17, residuals=residuals, others=3)
    assert (markers.names, markers.fps, markers.first_frame) == (("A", "B"), 250.0, 17)
    wanted = POINTS * 10
    wanted[2, 1] = np.nan
    np.testing.assert_array_equal(markers.points, wanted)


def test_a_recording_agrees_with_its_bytes(shared_data: Path):
    """Floats of Intel's order: in each frame 55 points of x, y, z and a word, then 690 numbers of other devices."""
    path = shared_data / "formats" / "c3d" / "ezc3d_Qualisys.c3d"
    markers = read_markers(path)
    assert (markers.points.shape, markers.fps, markers.first_frame) == ((340, 55, 3), 200, 705)
    assert markers.names[:3] == ("L_IAS", "L_IPS", "R_IPS")
    data = path.read_bytes()
    start = 512 * (int.from_bytes(data[16:18], "little") - 1)
    rows = np.frombuffer(data[start:], "<f4", 340 * (220 + 690)).reshape(340, 910)[:, :220].reshape(340, 55, 4)
    np.testing.assert_array_equal(markers.points, np.where(rows[..., 3:] < 0, np.nan, rows[..., :3]))


def test_it_is_what_another_reader_finds(put):
    c3d = pytest.importorskip("c3d", reason="the package c3d is not installed")
    path = put(build(np.random.default_rng(0).normal(size=(9, 2, 3)) * 300, first=4), "x.c3d")
    markers = read_markers(path)
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = c3d.Reader(file)
        rows = np.stack([points[:, :3] for _, points, _ in reader.read_frames()])
        assert (reader.first_frame, reader.point_rate) == (markers.first_frame, markers.fps)
    np.testing.assert_array_equal(markers.points, rows)


def test_of_a_parameter_that_stands_twice_the_first_counts(read):
    twice = [number("PROCESSING", "BODYMASS", 70.0)] * 2 + [number("POINT", "RATE", 7.0)]
    assert_five_frames(read(entries=[*usual(), *twice]))


def test_without_a_unit_lengths_are_mm_and_that_is_noted(read):
    unitless = usual()[:-1]
    markers = read(entries=unitless)
    assert_five_frames(markers)
    assert markers.notes == ("unit of length 1 mm, taken for granted: POINT:UNITS is missing",)
    np.testing.assert_array_equal(read(entries=unitless, options={"unit_mm": 10}).points, POINTS * 10)


@pytest.mark.parametrize(("word", "unit"), [("metre", 1000), ("Meters", 1000), ("millimetres", 1), ("centimeter", 10)])
def test_units_are_known_by_their_names(read, word, unit):
    found = read(entries=[*usual()[:-1], text("POINT", "UNITS", word)])
    np.testing.assert_array_equal(found.points, POINTS * unit)


def test_an_unknown_unit_is_refused_unless_another_is_told(read):
    pixels = [*usual()[:-1], text("POINT", "UNITS", "px")]
    with pytest.raises(UserError, match=r"x\.c3d: POINT:UNITS is 'px': it must be one of mm.*--unit_mm"):
        read(entries=pixels)
    assert_five_frames(read(entries=pixels, options={"unit_mm": 1}))


@pytest.mark.parametrize("padded", [True, False])
def test_frames_are_counted_from_0_too(read, padded):
    assert_five_frames(read(first=0, padded=padded), first=0)


def test_a_count_of_points_may_fill_its_16_bits(read):
    many = np.zeros((65535, 1, 3))
    many[:, 0, 0] = np.arange(65535)
    markers = read(many)
    np.testing.assert_array_equal(markers.points, many)
    assert not markers.notes


def test_frames_beyond_the_headers_largest_number_are_read(read):
    many = np.ones((70000, 1, 3))
    many[:, 0, 0] = np.arange(70000)
    markers = read(many, last=65535)
    np.testing.assert_array_equal(markers.points, many)
    assert markers.notes == (
        "the header ends at frame 65535, the largest number that it can hold; 70000 are in the file",
    )


def test_a_late_start_is_told_by_two_words(read):
    late = [integer("TRIAL", "ACTUAL_START_FIELD", 4464, 1), integer("TRIAL", "ACTUAL_END_FIELD", 4468, 1)]
    assert_five_frames(read(entries=[*usual(), *late], first=65535, last=65535), first=70000)
    assert_five_frames(read(first=65535, last=65535), first=65535)


def test_words_may_stand_in_a_table(read):
    start = integer("TRIAL", "ACTUAL_START_FIELD", 1, 0, dimensions=(2, 1))
    end = integer("TRIAL", "ACTUAL_END_FIELD", 5, 0, dimensions=(2, 1))
    assert_five_frames(read(entries=[*usual(), start, end]))


@pytest.mark.parametrize(
    ("told", "channels"), [(4, 4), (2, 2), (6, 2)], ids=["header is right", "parameter is right", "header too large"]
)
def test_of_two_counts_that_of_the_files_length_is_right(read, told, channels):
    """Four numbers of other instruments in each frame: two channels, sampled twice."""
    markers = read(entries=[*usual(), integer("ANALOG", "USED", channels)], others=4, others_told=told, per_frame=2)
    assert_five_frames(markers)
    assert "2 points and 4 other numbers a frame make the length of the file right" in markers.notes[0]


def test_the_count_of_points_is_checked_alike(read):
    assert_five_frames(read(header_points=1))


def test_counts_of_which_none_is_right_are_refused(read):
    with pytest.raises(
        UserError, match=r"x\.c3d: header and parameters contradict each other: .*2 other.* or .*6 other"
    ):
        read(entries=[*usual(), integer("ANALOG", "USED", 3)], others=1, others_told=2, per_frame=2, padded=False)


def test_two_scales_are_refused_with_both(read):
    entries = [number("POINT", "SCALE", 0.1), *(entry for entry in usual() if entry[1] != "SCALE")]
    with pytest.raises(UserError, match=r"x\.c3d: POINT:SCALE is 0\.1, and the header says 0\.05: they must agree"):
        read(entries=entries, scale=0.05)


def test_a_file_that_is_a_frame_short_says_how_many_are_whole(read):
    with pytest.raises(UserError, match="5 frames of 2 points need 1184: it is torn; 4 frames are whole"):
        read(POINTS[:4], entries=usual(), last=5, padded=False)


def test_the_header_counts_where_the_parameter_has_one_frame_more(read):
    assert_five_frames(read(entries=usual(frames=6), padded=False))


def test_labels_are_of_any_encoding_and_numbered_where_missing(read):
    entries = [*usual()[:4], text("POINT", "LABELS", "Hüfte".encode("latin-1"), "Knie\0")]
    points = np.concatenate([POINTS, POINTS[:, :1]], axis=1)
    assert read(points, [integer("POINT", "USED", 3), *entries[1:]]).names == ("Hüfte", "Knie", "point 3")


def test_markers_are_kept_as_an_archive(read, tmp_path):
    markers = read(residuals=np.where(np.arange(FRAMES) == 3, -1.0, 0.0)[:, None, None])
    write_markers(markers, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as archive:
        np.testing.assert_array_equal(archive["points"], markers.points)
        assert archive["names"].tolist() == ["LASI", "RASI"]
        assert (archive["fps"], archive["first_frame"]) == (100.0, 1)
    with pytest.raises(UserError, match="BVH cannot hold markers"):
        write_markers(markers, tmp_path / "out.bvh")


def test_markers_are_no_motion(tmp_path: Path):
    with pytest.raises(UserError, match="C3D holds positions of markers, and a motion needs the rotations of joints"):
        read_motion(tmp_path / "walk.c3d")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "the file is empty"),
        (lambda data: data[:9], "has 9 bytes: C3D has 1024 or more"),
        (lambda data: b"PK" + data[2:], "is not C3D: its second byte must be 0x50"),
        (lambda data: b"\xff" + data[1:], "no parameters of a known processor lie at block 255"),
        (lambda data: data[:16] + b"\0\0" + data[18:], "5 frames of 2 points from block 0 on"),
        (lambda data: data[:2] + b"\0\0" + data[4:], "5 frames of 0 points from block 3 on"),
        (lambda data: data[:6] + b"\x09\0" + data[8:], "-3 frames of 2 points"),
        (lambda data: data[:12] + bytes(4) + data[16:], "POINT:SCALE is -1, and the header says 0"),
    ],
)
def test_a_broken_file_is_named(put, change, message):
    with pytest.raises(UserError, match=r"x\.c3d: ") as caught:
        read_markers(put(change(build(padded=False)), "x.c3d"))
    assert message in str(caught.value)


def test_a_file_cut_anywhere_is_refused(put):
    data = build(padded=False)
    for length in range(0, len(data), 41):
        with pytest.raises(UserError, match=r"x\.c3d: "):
            read_markers(put(data[:length], "x.c3d"))
