"""What a file holds, in words."""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.data.formats import Markers, read_motion
from motion_jax.data.motion.report import describe_markers, describe_motion


def test_a_bvh_file_is_described(put, arm):
    motion = read_motion(put(arm))
    lines = describe_motion(motion, "BVH").splitlines()
    assert lines[1:] == [
        "format       BVH",
        "body         f: 3 joints, 2 of them turn; root Hips",
        "channels     9; ZXY on 2; root Xposition Yposition Zposition Zrotation Xrotation Yrotation",
        "frames       2 at 25 per second: 0.040 s",
        "unit         10 mm",
        "size         0.100 m, the longest side of the body; no human has this size: is the unit right (--unit_mm)?",
        "root         travels 0.14 m",
        "places       only the root moves from its place",
        "note         unit of length 10 mm, taken for granted: BVH names none",
    ]


def test_a_body_of_human_size_raises_no_doubt(put, arm):
    text = describe_motion(read_motion(put(arm), unit_mm=170.0), "BVH")
    assert "size         1.700 m, the longest side of the body\n" in text
    assert "note" not in text


def test_joints_that_move_from_their_place_are_named(make):
    motion = make(places=True)
    motion.places[:, 2] = motion.skeleton.offsets[2] / motion.skeleton.translation_mm
    text = describe_motion(dataclasses.replace(motion, channels=((), ("Xposition",), ("Yposition",), ())), "BVH")
    assert "places       2 joints below the root have positions; 2 of them move: J1, J3" in text
    assert "channels     2; no rotation on 2; root " in text


def test_markers_are_described():
    points = np.zeros((4, 15, 3))
    points[1, :3] = np.nan
    text = describe_markers(Markers(tuple(f"M{n}" for n in range(15)), points, 200.0, 705, "x.c3d"), "C3D")
    assert "format       C3D: positions of labelled markers, no body and no rotations" in text
    assert "frames       4 at 200 per second: 0.015 s, the first is number 705" in text
    assert "M11 and 3 more" in text
    assert "seen         95.0 % of all places" in text
