"""BVH read: what a hand can compute, every shape of channels, and what is refused by line."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.data.formats import positions, read_motion, write_motion
from motion_jax.data.motion.motion import moving_joints
from motion_jax.data.motion.report import describe_motion
from motion_jax.errors import UserError

ROOT = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n}\n"
ROWS = "MOTION\nFrames: 1\nFrame Time: 0.1\n1 2 3\n"


def test_places_are_those_computed_by_hand(put, arm):
    motion = read_motion(put(arm))
    assert motion.skeleton.joints == ("Hips", "LeftArm", "LeftArm.Site")
    assert motion.skeleton.parents == (-1, 0, 1)
    assert motion.skeleton.parts == ("spine", "left_arm", "left_arm")
    assert motion.channels is not None
    assert motion.channels[1:] == (("Zrotation", "Xrotation", "Yrotation"), ())
    assert (motion.fps, motion.root_offset, len(motion.notes)) == (25.0, (1.0, 2.0, 3.0), 1)
    still = [[0, 0, 0], [0, 100, 0], [50, 100, 0]]  # mm: the root's channels take the place of its OFFSET
    turned = [[70, 80, 90], [-30, 80, 90], [-30, 80, 40]]  # the hips by 90 about z, then the arm by 90 about y
    np.testing.assert_allclose(positions(motion), [still, turned], atol=1e-12)


def test_a_unit_scales_lengths_and_needs_no_note(put, arm):
    motion = read_motion(put(arm), unit_mm=25.4)
    np.testing.assert_allclose(positions(motion)[0, 2], [127, 254, 0])
    np.testing.assert_array_equal(motion.frames[1, :3], [7, 8, 9])
    assert motion.notes == ()


@pytest.mark.parametrize("order", ["".join(order) for order in itertools.permutations("XYZ")])
@pytest.mark.parametrize("first", ["position", "rotation"])
def test_rotations_compose_in_the_order_of_their_channels(put, order, first):
    turns, places = [f"{axis}rotation" for axis in order], ["Yposition", "Xposition", "Zposition"]
    channels = " ".join(turns + places if first == "rotation" else places + turns)
    numbers = "10 -20 30 2 1 3" if first == "rotation" else "2 1 3 10 -20 30"
    text = ROOT.replace("3 Zrotation Xrotation Yrotation", "6 " + channels) + ROWS.replace("1 2 3", numbers)
    motion = read_motion(put(text))
    expected = Rotation.from_euler(order, [10, -20, 30], degrees=True).as_rotvec()
    np.testing.assert_allclose(motion.frames, [[1, 2, 3, *-expected]], atol=1e-15)


def test_joints_may_have_any_channels_and_places_of_their_own(put):
    text = """HIERARCHY
ROOT hip
{ OFFSET 0 5 0 CHANNELS 2 Xposition Yrotation
JOINT rail
{ OFFSET 1 0 0 CHANNELS 1 Zposition
JOINT no channels
{ OFFSET 0 1 0 CHANNELS 0 } }
JOINT free
{ CHANNELS 6 Xrotation Yposition Yrotation Xposition Zrotation Zposition OFFSET 9 9 9
End Site { OFFSET 0 0 2 } End Site { OFFSET 0 0 4 } } }
MOTION
Frames: 2
Frame Time: .5
0 0 7  0 1 0 2 0 3
4 90 8  0 4 90 5 0 6
"""
    motion = read_motion(put(text), unit_mm=1)
    assert motion.skeleton.joints == ("hip", "rail", "no channels", "free", "free.Site", "free.Site2")
    first = [[0, 5, 0], [1, 5, 7], [1, 6, 7], [2, 6, 3], [2, 6, 5], [2, 6, 7]]
    second = [[4, 5, 0], [12, 5, -1], [12, 6, -1], [10, 9, -5], [10, 9, -7], [10, 9, -9]]
    np.testing.assert_allclose(positions(motion), [first, second], atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(" ", "\t").replace("ROOT\t", "ROOT ").replace("End\t", "End "),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("{", " { ").replace("\n  {", "{").replace("CHANNELS", "Channels").upper(),
        lambda text: text.replace("Frames: 2", "Frames:\t2\n").replace("0.04\n", "0.04\n\n  \n").rstrip(),
        lambda text: text.replace("Frame Time:", "Frame Time :  "),
        lambda text: text.replace("Frames:", "Frames").replace("Frame Time:", "Frame Time"),
        lambda text: "# of a tool\n" + text.replace("MOTION\n", "// rows\nMOTION\n# two\n"),
        lambda text: text + "\x1a",
        lambda text: text + "\x1a\r\n",
        lambda text: text.replace("OFFSET 5 0 0", "OFFSET 5 0 0 CHANNELS 0"),
    ],
    ids=["crlf", "cr", "tabs", "mark", "upper", "blank", "colon", "no_colon", "comment", "dos", "dos_line", "site"],
)
def test_ways_of_writing_do_not_matter(put, arm, change):
    motion, expected = read_motion(put(change(arm), "g.bvh")), read_motion(put(arm))
    np.testing.assert_array_equal(motion.frames, expected.frames)
    assert motion.fps == expected.fps
    assert motion.channels == expected.channels


def test_rotations_after_offsets_are_not_used(put, arm):
    """SOMA's files repeat at OFFSET the rotation at rest that is part of the channels."""
    plain = read_motion(put(arm))
    motion = read_motion(put(re.sub(r"(OFFSET \S+ \S+ \S+)(?=\s+CHANNELS)", r"\1 90 0 -4e-6", arm), "g.bvh"))
    np.testing.assert_array_equal(motion.frames, plain.frames)
    np.testing.assert_array_equal(motion.skeleton.offsets, plain.skeleton.offsets)
    (warning,) = set(motion.warnings) - set(plain.warnings)
    assert warning == "rotations that stand after OFFSET's three numbers are not used: Hips, LeftArm"
    with pytest.raises(UserError, match="where OFFSET's six numbers must stand"):
        read_motion(put(re.sub(r"(OFFSET \S+ \S+ \S+)(?=\s+CHANNELS)", r"\1 90", arm), "four.bvh"))


@pytest.mark.parametrize("declared", [1, 3, 4000000000000])
def test_whole_rows_count_whatever_frames_says(put, arm, declared):
    motion = read_motion(put(arm.replace("Frames: 2", f"Frames: {declared}")))
    np.testing.assert_array_equal(motion.frames, read_motion(put(arm, "g.bvh")).frames)
    assert motion.warnings == (f"Frames: {declared}, but the whole rows that follow are 2: all of them are read",)


@pytest.mark.parametrize(
    ("name", "encoding", "read_as"),
    [("Wirbels\xe4ule", "utf-8", "Wirbels\xe4ule"), ("Wirbels\xe4ule", "latin-1", "Wirbels\xe4ule"),
     ("\u8170g\u3000h", "shift-jis", "\x8d\x98g\x81@h"), ("\u8170", "utf-8", "\u8170")],
)  # fmt: skip
def test_names_are_of_any_encoding_and_come_back(put, arm, tmp_path, name, encoding, read_as):
    motion = read_motion(put(arm.replace("LeftArm", name).encode(encoding)))
    assert motion.skeleton.joints == ("Hips", read_as, f"{read_as}.Site")
    assert motion.warnings == (() if encoding == "utf-8" else ("names are not UTF-8: read as latin-1, byte by byte",))
    write_motion(motion, tmp_path / "again.bvh")
    assert read_motion(tmp_path / "again.bvh").skeleton.joints == motion.skeleton.joints


def test_joints_of_one_name_are_numbered(put):
    text = "".join(f"JOINT {name} {{ OFFSET 0 1 0\n" for name in ("a", "b", "b.001", "b", "a"))
    motion = read_motion(put(ROOT.replace("}", text + "End Site { OFFSET 0 1 0 }" + "}" * 6) + ROWS))
    assert motion.skeleton.joints == ("a", "a.001", "b", "b.001", "b.002", "a.002", "a.002.Site")
    assert motion.warnings[0] == "several joints are called 'a': another is read as 'a.001'"
    assert len(motion.warnings) == 3


def test_scales_have_columns_and_are_named(put, arm):
    text = arm.replace("6 Xposition", "9 Xscale Xposition").replace(
        "Yrotation\n  JOINT", "Yrotation Yscale Zscale\n  JOINT"
    )
    text = text.replace("0 0 0 0 0 0 0 0 0", "9 0 0 0 0 0 0 9 9 0 0 0").replace("7 8 9 90 0 0", "9 7 8 9 90 0 0 9 9")
    motion, expected = read_motion(put(text)), read_motion(put(arm, "g.bvh"))
    np.testing.assert_array_equal(motion.frames, expected.frames)
    assert motion.channels == expected.channels
    assert motion.warnings == ("scales of joints are not used: Hips",)


def test_the_channels_of_an_end_site_are_read(put, arm):
    text = arm.replace("OFFSET 5 0 0", "OFFSET 5 0 0 CHANNELS 1 Zrotation")
    text = text.replace("0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0 0 0 0 0").replace("0 0 90", "0 0 90 45")
    motion, expected = read_motion(put(text)), read_motion(put(arm, "g.bvh"))
    np.testing.assert_array_equal(motion.frames[:, :9], expected.frames[:, :9])
    np.testing.assert_allclose(motion.frames[:, 11], [0, -np.pi / 4])
    np.testing.assert_array_equal(positions(motion), positions(expected))


@pytest.mark.parametrize("offset", ["0 0 0", "0 20 0", "900 -4 1"])
def test_the_body_is_where_its_places_are(put, tmp_path, offset):
    """Places in channels take the place of OFFSET: their median over time is the body."""
    text = ROOT.replace("}", f"JOINT b {{ OFFSET {offset} CHANNELS 3 Xposition Yposition Zposition\n}} }}")
    rows = "MOTION\nFrames: 3\nFrame Time: 0.1\n" + "1 2 3 0 20 0\n" * 3
    motion = read_motion(put(text + rows), unit_mm=10)
    np.testing.assert_array_equal(motion.skeleton.offsets, [[0, 0, 0], [0, 200, 0]])
    assert moving_joints(motion) == ()
    assert "1 joints below the root have positions; 0 of them move" in describe_motion(motion, "BVH")
    write_motion(motion, tmp_path / "again.bvh")
    assert (tmp_path / "again.bvh").read_text().split() == (text + rows).split()


def test_a_joint_that_moves_is_named_and_rests_at_its_median(put):
    text = ROOT.replace("}", "JOINT b { OFFSET 0 5 0 CHANNELS 2 Xposition Zrotation\n} }")
    motion = read_motion(
        put(text + "MOTION\nFrames: 3\nFrame Time: 0.1\n1 2 3 7 0\n1 2 3 8 0\n1 2 3 70 0\n"), unit_mm=1
    )
    np.testing.assert_array_equal(motion.skeleton.offsets[1], [8, 5, 0])
    assert moving_joints(motion) == ("b",)


BROKEN = {
    "empty": ("", "f.bvh: the file is empty"),
    "blank": ("\n", "f.bvh:1: the hierarchy ends where HIERARCHY must stand"),
    "other": ("BM\x01\x02", "f.bvh:1: byte 0x01 is not text"),
    "utf16": (ROOT.encode("utf-16"), "f.bvh:1: begins with the mark of UTF-16"),
    "no_hierarchy": ("ROOT a {", "f.bvh:1: 'ROOT' where HIERARCHY must stand"),
    "no_name": (ROOT.replace("ROOT a", "ROOT"), "f.bvh:3: ROOT without a name"),
    "no_brace": (ROOT.replace("{\n", "}\n"), "f.bvh:3: '}' where '{' must stand"),
    "unclosed": (ROOT[:-2] + ROWS, "f.bvh:5: the hierarchy ends where '}' must stand"),
    "no_offset": (ROOT.replace("OFFSET 0 0 0\n", "") + ROWS, "f.bvh:5: ROOT a has no OFFSET"),
    "two_offsets": (ROOT.replace("0 0 0", "0 0 0 OFFSET 1 1 1"), "f.bvh:4: OFFSET a second time"),
    "short_offset": (ROOT.replace("0 0 0", "0 0"), "f.bvh:5: 'CHANNELS' where OFFSET's three numbers must stand"),
    "nan_offset": (ROOT.replace("0 0 0", "0 nan 0"), "f.bvh:4: 'nan' where OFFSET's three numbers"),
    "count": (ROOT.replace("CHANNELS 3", "CHANNELS 7"), "f.bvh:6: channel '}': CHANNELS 7 must be followed by 7"),
    "count_12": (ROOT.replace("CHANNELS 3", "CHANNELS 12"), "f.bvh:5: CHANNELS 12: the count must be 0 to 6, or to 9"),
    "channel": (ROOT.replace("Yrotation", "Wrotation"), "f.bvh:5: channel 'Wrotation': CHANNELS 3 must be"),
    "too_few": (ROOT.replace("CHANNELS 3", "CHANNELS 4"), "f.bvh:6: channel '}': CHANNELS 4 must be followed by 4"),
    "too_many": (ROOT.replace("CHANNELS 3", "CHANNELS 2"), "f.bvh:5: 'YROTATION': it must be OFFSET, CHANNELS, JOINT"),
    "twice": (ROOT.replace("Yrotation", "Zrotation"), "f.bvh:5: channel Zrotation twice in one joint"),
    "second_root": (ROOT + ROOT[10:] + ROWS, "f.bvh:7: 'ROOT' after the body: a file must hold one ROOT"),
    "in_a_site": (ROOT.replace("}", "End Site { JOINT b"), "f.bvh:6: JOINT within an End Site: it holds no joint"),
    "no_motion": (ROOT, "f.bvh:7: the hierarchy is not followed by a line MOTION"),
    "no_channels": (ROOT.replace("3 Zrotation Xrotation Yrotation", "0") + ROWS, "no joint has CHANNELS"),
    "no_frames": (ROOT + "MOTION\n", "f.bvh:8: ends where 'Frames:' must stand"),
    "frames_word": (ROOT + ROWS.replace("Frames", "Rows"), "f.bvh:8: 'Rows' where 'Frames:' must stand"),
    "frames_none": (ROOT + ROWS.replace(": 1", ": 0"), "f.bvh:8: Frames: '0': it must be a whole number above 0"),
    "frames_float": (ROOT + ROWS.replace(": 1", ": 1e3"), "f.bvh:8: Frames: '1e3': it must be a whole number"),
    "no_row": (ROOT + ROWS.replace("1 2 3", ""), "f.bvh:8: Frames: 1, but no row follows"),
    "torn": (ROOT + ROWS.replace(": 1", ": 2").rstrip(), "f.bvh:8: Frames: 2, but 1 rows follow, and the last has no"),
    "no_time": (ROOT + "MOTION\nFrames: 1\n1 2 3\n", "f.bvh:9: '1 2 3' where 'Frame Time:' must stand"),
    "time_0": (ROOT + ROWS.replace("0.1", "0"), "f.bvh:9: Frame Time: '0': it must be seconds from 1e-6 to 3600"),
    "time_nan": (ROOT + ROWS.replace("0.1", "nan"), "f.bvh:9: Frame Time: 'nan'"),
    "short_row": (ROOT + ROWS.replace("1 2 3", "1 2"), "f.bvh:10: 2 numbers: it must have 3, one for each channel"),
    "long_row": (ROOT + ROWS.replace("1 2 3", "1 2 3 4"), "f.bvh:10: 4 numbers: it must have 3"),
    "ragged": (ROOT + ROWS + "\n4 5\n", "f.bvh:12: 2 numbers"),
    "word": (ROOT + ROWS.replace("1 2 3", "1 x 3"),
             "f.bvh:10: number 2 (Xrotation of a) is 'x': it must be a decimal number"),
    "comma": (ROOT + ROWS.replace("1 2 3", "1,5 2 3"), "within ±16777216; with a decimal point, not a comma"),
    "comma_offset": (ROOT.replace("0 0 0", "0 0,5 0"), "f.bvh:4: '0,5' where OFFSET's three numbers must stand; "),
    "comma_time": (ROOT + ROWS.replace("0.1", "0,1"), "seconds from 1e-6 to 3600; with a decimal point, not a comma"),
    "digits": (ROOT.replace("0 0 0", "0 \u0663 0"), "f.bvh:4: '\u0663' where OFFSET's three numbers must stand"),
    "behind": (ROOT + ROWS + "END\n", "f.bvh:11: number 1 (Zrotation of a) is 'END'"),
    "nan": (ROOT + ROWS.replace("1 2 3", "1 2 nan"), "f.bvh:10: number 3 (Yrotation of a) is 'nan'"),
    "infinite": (ROOT + ROWS.replace("1 2 3", "1 1e39 3"), "f.bvh:10: number 2 (Xrotation of a) is '1e39'"),
    "large": (ROOT + ROWS.replace("1 2 3", "1 3e38 3"),  # its rotation would be one of 0 to pi
              "f.bvh:10: number 2 (Xrotation of a) is '3e38': it must be a decimal number within ±16777216"),
    "large_offset": (ROOT.replace("0 0 0", "0 1e30 0"), "'1e30': OFFSET's three numbers must be within ±16777216"),
    "byte": ((ROOT + ROWS).encode().replace(b"1 2 3", b"1 2\xff 3"),
             "f.bvh:10: number 2 (Xrotation of a) is '2\\\\xff'"),
    "endless_line": (ROOT + ROWS.replace("1 2 3", "1 " * 1000), "f.bvh:10: a line of more than"),
    "cut_number": (ROOT + ROWS.replace(": 1", ": 2").replace("1 2 3", "1.25 2.25 3.25\n1.25 2.25 3.2").rstrip(),
                   "f.bvh:11: the last number, '3.2', is cut short: it must have 2 characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_line(put, case):
    content, message = BROKEN[case]
    with pytest.raises(UserError) as caught:
        read_motion(put(content))
    assert message in str(caught.value)


def test_a_file_cut_at_any_byte_is_refused_or_whole(put, arm):
    whole = read_motion(put(arm))
    read = 0
    for end in (*range(0, len(arm) - 60, 7), *range(len(arm) - 60, len(arm))):
        try:
            motion = read_motion(put(arm[:end], "cut.bvh"))
        except UserError:
            continue
        read += 1
        assert len(motion.frames) == len(whole.frames) or motion.warnings
    assert read == 3  # after a row, with a warning; without the last line end; and 9 for 90, which nothing tells


def test_a_tree_5000_deep_is_refused(put):
    text = "HIERARCHY\nROOT j\n{\nOFFSET 0 0 0\n" + "".join(f"JOINT j{n} {{ OFFSET 0 1 0\n" for n in range(5000))
    with pytest.raises(UserError, match=r"f.bvh:1028: more than 1024 joints"):
        read_motion(put(text + "}\n" * 5001 + ROWS))


def test_numbers_without_end_are_refused(put, monkeypatch):
    monkeypatch.setattr("motion_jax.data.formats._parsing.rows.MAX_NUMBERS", 3000)
    with pytest.raises(UserError, match=r"more than 3000 numbers: the file must be cut"):
        read_motion(put(ROOT + ROWS + "1 2 3\n" * 2000))


@pytest.mark.parametrize("unit", [0, -1, 1e30, float("nan"), float("inf")])
def test_a_unit_must_be_a_length(put, arm, unit):
    with pytest.raises(UserError, match=r"unit_mm="):
        read_motion(put(arm), unit_mm=unit)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none.bvh: cannot be read: No such file"):
        read_motion(tmp_path / "none.bvh")
    with pytest.raises(UserError, match=r"suffix '.xyz' is unknown: it must be one of .bvh"):
        read_motion(tmp_path / "a.xyz")


def test_joints_without_channels_count_too(put, monkeypatch):
    monkeypatch.setattr("motion_jax.data.formats._parsing.rows.MAX_NUMBERS", 30000)
    ends = "End Site { OFFSET 0 1 0 }\n" * 100
    with pytest.raises(UserError, match=r"more than 30000 numbers"):
        read_motion(put(ROOT.replace("}", ends + "}") + ROWS.replace(": 1", ": 200") + "1 2 3\n" * 199))
