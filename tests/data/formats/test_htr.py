"""HTR: base and motion compose as the format defines, and what is broken is named by file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import positions, read_motion
from motion_jax.errors import UserError

SAMPLE = Path(__file__).parent / "samples" / "small.htr"


@pytest.fixture
def htr(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path))


def change(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_joints_lie_where_a_hand_puts_them(htr: Path):
    motion = read_motion(htr)
    assert motion.skeleton.joints == ("Hips", "Tail", "Tail.Site", "Chest", "Chest.Site")
    assert motion.fps == 60
    assert motion.places is None
    # First frame: the hips do not turn, the chest's base turns its y to -x, the tail's its y to -z.
    first = np.array([[10, 100, 5], [10, 95, -5], [10, 95, -35], [10, 150, 5], [-70, 150, 5]])
    # Second: the hips turn z to x and x to -z; before, the chest's y has gone to z, and the tail's end leans to -x.
    lean = 30 / np.sqrt(2)
    second = np.array([[12, 101, 6], [2, 96, 6], [2 - lean, 96, 6 + lean], [12, 151, 6], [92, 151, 6]])
    np.testing.assert_allclose(positions(motion), 2 * np.stack([first, second]), atol=1e-9)


def test_with_no_base_turn_it_is_what_bvh_says(put):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(4, 9)).round(4) * 40
    bvh = "HIERARCHY\nROOT A\n{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition Yrotation Zrotation Xrotation\n"
    bvh += "JOINT B\n{\nOFFSET 3 4 5\nCHANNELS 3 Yrotation Zrotation Xrotation\nEnd Site\n{\nOFFSET 0 0 7\n}\n}\n}\n"
    numbers = "\n".join(" ".join(map(repr, row.tolist())) for row in rows)
    bvh += f"MOTION\nFrames: 4\nFrame Time: 0.01\n{numbers}\n"
    htr = SAMPLE.read_text().split("[SegmentNames")[0]
    for old, new in (
        ("NumFrames 2", "NumFrames 4"),
        ("Segments 3", "Segments 2"),
        ("Order ZYX", "Order YZX"),
        ("LengthAxis Y", "LengthAxis Z"),
    ):
        htr = htr.replace(old, new)
    htr += "[SegmentNames&Hierarchy]\nA GLOBAL\nB A\n[BasePosition]\nA 0 0 0 0 0 0 1\nB 3 4 5 0 0 0 7\n"
    for name, place, turn in (("A", slice(0, 3), [5, 3, 4]), ("B", slice(0, 0), [8, 6, 7])):
        htr += f"[{name}]\n"
        for number, row in enumerate(rows):
            values = [*(row[place].tolist() or [0, 0, 0]), *row[turn].tolist(), 1]
            htr += f"{number} {' '.join(map(repr, values))}\n"
    motion, same = read_motion(put(htr + "[EndOfFile]\n", "f.htr")), read_motion(put(bvh), unit_mm=2)
    np.testing.assert_allclose(positions(motion), positions(same), atol=1e-9)
    np.testing.assert_allclose(motion.frames, same.frames, atol=1e-12)


def test_base_and_motion_turns_multiply_in_that_order(htr: Path):
    """Rb Rf with Rb = Rz(90), Rf = Rx(90) takes the chest's own z to the x of its parent, and Rf Rb would not."""
    change(htr, "BoneLengthAxis Y", "BoneLengthAxis Z")
    change(htr, "2\t12\t1\t6\t0\t90\t0", "2\t0\t0\t0\t0\t0\t0")
    places = positions(read_motion(htr))[1]
    np.testing.assert_allclose(places[4] - places[3], [160, 0, 0], atol=1e-9)


def test_segments_that_move_in_their_parent_keep_their_places(htr: Path):
    change(htr, "2\t0\t0\t0\t90\t0\t0\t1.01", "2\t1\t2\t3\t90\t0\t0\t1.01")
    motion = read_motion(htr)
    np.testing.assert_array_equal(motion.places[:, 3], [[0, 50, 0], [1, 52, 3]])
    np.testing.assert_allclose(positions(motion)[1, 3], 2 * np.array([12 + 3, 101 + 52, 6 - 1]))


def test_units_and_angles_of_the_file_are_kept(htr: Path):
    wanted = positions(read_motion(htr))
    change(htr, "CalibrationUnits mm", "CalibrationUnits cm")
    np.testing.assert_allclose(positions(read_motion(htr)), 10 * wanted)
    np.testing.assert_allclose(positions(read_motion(htr, unit_mm=1)), wanted)
    change(htr, "RotationUnits Degrees", "RotationUnits Radians")
    for degrees in ("-90", "90", "90", "90", "45"):
        change(htr, f"\t{degrees}\t", f"\t{np.radians(float(degrees)).item()!r}\t")
    np.testing.assert_allclose(positions(read_motion(htr)), 10 * wanted, atol=1e-9)


BROKEN = {
    "no header": ("[Header]\n", "", r"htr:2: 'filetype htr' where \[header\] must stand"),
    "global rows": ("DataType HTRS", "DataType GTRS", "htr:4: DataType is 'GTRS': it must be one of HTRS"),
    "order": ("Order ZYX", "Order ZYZ", "htr:9: EulerRotationOrder is 'ZYZ': it must be one of XYZ, XZY"),
    "unit": ("Units mm", "Units furlong", "htr:10: unit of length 'furlong': it must be one of mm"),
    "missing field": ("ScaleFactor 2.0\n", "", r"htr: \[Header\] has no ScaleFactor"),
    "no scale": ("ScaleFactor 2.0", "ScaleFactor 0", "htr:14: ScaleFactor is 0: it must be at least"),
    "huge count": ("NumFrames 2", "NumFrames 4000000000000", "htr:7: NumFrames is '4000000000000': it must be a whole"),
    "many frames": ("NumFrames 2", "NumFrames 900000000", "htr: 900000000 frames of 6 joints: it must have at most"),
    "few rows": ("NumFrames 2", "NumFrames 3", "htr:30: 2 rows before this line: it must be NumFrames, 3"),
    "many rows": ("NumFrames 2", "NumFrames 1", r"htr:29: 2 12 1 6 0 90 0 1: it must be a segment"),
    "row missing": ("2\t12", "3\t12", "htr:29: row 3: it must be 2, the next of 2"),
    "two roots": ("Tail\tHips", "Tail\tGLOBAL", "htr: 2 segments have the parent GLOBAL"),
    "other count": (
        "NumSegments 3",
        "NumSegments 4",
        "htr: NumSegments is 4, and the hierarchy has 3: they must agree",
    ),
    "circle": ("Tail\tHips", "Tail\tTail", "htr: segment 'Tail' does not hang on the root"),
    "two parents": ("Tail\tHips", "Tail\tHips\nTail\tChest", "htr: segment 'Tail' does not hang on the root by one"),
    "no base": ("Tail\t0\t-5\t-10\t-90\t0\t0\t30\n", "", r"htr: \[BasePosition\] has no segment 'Tail'"),
    "short base": ("-90\t0\t0\t30", "-90\t0\t0", "htr:24: '0 -5 -10 -90 0 0': it must be 7 numbers, Tx"),
    "unknown block": ("[Chest]", "[Chess]", r"htr:30: \[Chess\]: it must be a segment of the hierarchy"),
    "no block": ("[Tail]\n1\t0\t0\t0\t0\t0\t0\t1\n2\t0\t0\t0\t0\t0\t45\t1\n", "", "htr: has no rows of segment 'Tail'"),
    "unseen": ("2\t12\t1", "2\t9999999.0\t1", "htr:29: 9999999 says that the segment was not seen"),
    "infinite": ("2\t12\t1", "2\tinf\t1", "htr:29: Tx is 'inf': it must be a decimal number"),
    "torn": ("45\t1\n[EndOfFile]\n", "45\t1", "htr:35: the file ends within this line: it is torn"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_line(htr: Path, case: str):
    old, new, message = BROKEN[case]
    change(htr, old, new)
    with pytest.raises(UserError, match=message):
        read_motion(htr)


def test_a_file_cut_before_its_end_mark_is_refused(htr: Path):
    data = htr.read_bytes()
    whole = data.index(b"[EndOfFile]")
    for length in {*range(0, whole, 3), *range(whole - 9, len(data) - 2)} - {whole}:  # there, nothing is lost
        htr.write_bytes(data[:length])
        with pytest.raises(UserError, match="small"):
            read_motion(htr)
