"""BVA: segments lie in space where the file says, and what is broken is named by file and line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import positions, read_motion, write_motion
from motion_jax.data.motion.rotations_np import matrix_from_rotvec
from motion_jax.errors import UserError

SAMPLE = Path(__file__).parent / "samples" / "small.bva"


@pytest.fixture
def bva(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path))


def change(path: Path, old: str, new: str, count: int = 1) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, count))


def numbers() -> np.ndarray:
    """The rows of the sample, `[F, J, 9]`."""
    rows = re.findall(r"(?m)^[-\d.\t]+$", SAMPLE.read_text())
    return np.array([row.split() for row in rows], float).reshape(3, 2, 9).swapaxes(0, 1)


def about(axis: int, degrees: float) -> np.ndarray:
    """A turn about one axis, on column vectors."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn, (a, b) = np.eye(3), [(1, 2), (2, 0), (0, 1)][axis]
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
    return turn


def test_segments_are_where_the_file_puts_them(bva: Path):
    motion = read_motion(bva)
    assert motion.skeleton.joints == ("Hips", "Chest", "LeftLeg")
    assert motion.fps == pytest.approx(30, abs=1e-4)
    np.testing.assert_allclose(positions(motion), numbers()[..., :3] * 25.4, atol=1e-9)


def test_segments_are_turned_as_the_file_turns_them(bva: Path):
    motion = read_motion(bva)
    rotvecs = motion.frames[:, 3:].reshape(2, 3, 3)
    for frame, rows in enumerate(numbers()):
        root, *others = (matrix_from_rotvec(-rotvec) for rotvec in rotvecs[frame])
        for turn, (x, y, z) in zip([root, *(root @ other for other in others)], rows[:, 3:6], strict=True):
            np.testing.assert_allclose(turn, about(2, z) @ about(0, x) @ about(1, y), atol=1e-12)


def test_a_motion_becomes_bvh_and_back(bva: Path, tmp_path: Path):
    motion = read_motion(bva)
    write_motion(motion, tmp_path / "out.bvh")
    again = read_motion(tmp_path / "out.bvh", unit_mm=25.4)
    np.testing.assert_allclose(positions(again), positions(motion), atol=1e-6)


def test_columns_and_units_are_read_by_their_names(bva: Path):
    wanted = read_motion(bva)
    change(bva, "XROT\tYROT\tZROT\tXSCALE\tYSCALE\tZSCALE", "ZROT\tXROT\tYROT", 3)
    change(bva, "DEGREES\tDEGREES\tDEGREES\tINCHES\tINCHES\tINCHES", "RADIANS\tRADIANS\tRADIANS", 3)
    lines = []
    for line in bva.read_text().splitlines():
        if re.fullmatch(r"[-\d.\t]+", line):
            *place, x, y, z = line.split()[:6]
            line = "\t".join([*place, *(repr(np.radians(float(angle)).item()) for angle in (z, x, y))])
        lines.append(line)
    bva.write_text("\n".join(lines) + "\n")
    np.testing.assert_allclose(read_motion(bva).frames, wanted.frames, atol=1e-12)
    np.testing.assert_allclose(positions(read_motion(bva, unit_mm=50.8)), 2 * positions(wanted))


BROKEN = {
    "nothing": ("Segment:\tHips", "Hips", "bva:1: 'Hips' where 'Segment: ...' must stand"),
    "huge count": ("Frames:\t2", "Frames:\t4000000000000", "bva:2: Frames: is '4000000000000': it must be a whole"),
    "many frames": ("Frames:\t2", "Frames:\t900000000", "bva: 900000000 frames of 4 joints: it must have at most"),
    "no rate": ("Time:\t0.0333333", "Time:\t0", "bva:3: Frame Time: is 0: it must be at least"),
    "columns": ("XTRAN", "XTRAM", "bva:4: columns .*XTRAM.*: they must be XTRAN YTRAN ZTRAN"),
    "units": ("INCHES", "PARSECS", "bva:5: unit of length 'PARSECS': it must be one of mm"),
    "mixed units": ("INCHES", "CM", "bva:5: translations, and rotations, must have one unit each"),
    "few units": ("INCHES\n", "\n", "bva:5: 8 units: it must be one for each of the 9 columns"),
    "few rows": ("Frames:\t2", "Frames:\t3", "bva:8: 'Segment: Chest': it must be 9 numbers"),
    "many rows": ("Frames:\t2", "Frames:\t1", "bva:7: '8.5 35.25 88 .*' where 'Segment: ...' must stand"),
    "short row": ("\t5.25\n", "\n", "bva:6: .*: it must be 9 numbers"),
    "no number": ("88.5", "88,5", "bva:6: ZTRAN is '88,5': it must be a decimal number"),
    "segment twice": ("Segment:\tChest", "Segment:\tHips", "bva:8: segment 'Hips': each has one block"),
    "other rate": (
        "Chest\nFrames:\t2\nFrame Time:\t0.03",
        "Chest\nFrames:\t2\nFrame Time:\t0.04",
        "bva:8: .*the first",
    ),
    "torn": ("\t17\t17\t17\n11.25", "\t17\t17\t17\n#", "bva:20: segment 'LeftLeg' has 1 rows: it must be Frames: 2"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_line(bva: Path, case: str):
    old, new, message = BROKEN[case]
    change(bva, old, new)
    with pytest.raises(UserError, match=message):
        read_motion(bva)


def test_a_file_cut_anywhere_is_refused_or_ends_with_a_whole_segment(bva: Path):
    data, whole = bva.read_bytes(), positions(read_motion(bva))
    for length in {*range(0, len(data), 4), *(end.end() for end in re.finditer(b"\n", data))} - {len(data)}:
        bva.write_bytes(data[:length])
        try:
            places = positions(read_motion(bva))
        except UserError:
            continue
        assert data[length:].startswith(b"Segment:")
        np.testing.assert_allclose(places, whole[:, : places.shape[1]])


def test_the_last_line_needs_no_line_end(bva: Path):
    whole = read_motion(bva)
    bva.write_bytes(bva.read_bytes().rstrip())
    motion = read_motion(bva)
    np.testing.assert_array_equal(motion.frames, whole.frames)
    assert len(motion.warnings) == 1
    assert "does not end with a line end" in motion.warnings[0]
