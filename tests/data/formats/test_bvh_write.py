"""BVH written: read again it is the same motion."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_jax.data.formats import Motion, positions, read_motion, write_motion
from motion_jax.data.formats._parsing.body_parts import guess_body_parts
from motion_jax.data.motion.rotations_np import quaternion_from_euler, rotvec_from_quaternion
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

TURN = 1e-13  # rad; twelve decimals of a degree are 1e-14


def again(motion, tmp_path):
    write_motion(motion, tmp_path / "again.bvh")
    return read_motion(tmp_path / "again.bvh", unit_mm=motion.skeleton.translation_mm)


def assert_same(found, motion):
    assert found.skeleton.joints == motion.skeleton.joints
    assert found.skeleton.parents == motion.skeleton.parents
    assert (found.fps, found.channels, found.root_offset) == (motion.fps, motion.channels, motion.root_offset)
    np.testing.assert_array_equal(found.skeleton.offsets, motion.skeleton.offsets)
    np.testing.assert_array_equal(found.frames[:, :3], motion.frames[:, :3])
    np.testing.assert_allclose(found.frames, motion.frames, rtol=0, atol=TURN)
    np.testing.assert_array_equal(found.file_offsets, motion.file_offsets)
    assert (found.places is None) == (motion.places is None)
    if motion.places is not None:
        np.testing.assert_array_equal(found.places, motion.places)


def test_a_file_comes_back_word_for_word_but_for_white_space(put, arm, tmp_path):
    write_motion(read_motion(put(arm)), tmp_path / "again.bvh")
    assert (tmp_path / "again.bvh").read_text().split() == arm.split()


def test_read_write_read_is_the_identity(put, arm, tmp_path):
    motion = read_motion(put(arm))
    assert_same(again(motion, tmp_path), motion)


@st.composite
def _files(draw) -> str:
    """Bodies of up to five joints with any channels, three frames of any numbers that print in short."""
    count = draw(st.integers(1, 5))
    kinds = [f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")]
    channels = [draw(st.permutations(kinds))[: draw(st.integers(j == 0, 6))] for j in range(count)]
    parents = [-1] + [draw(st.integers(0, j - 1)) for j in range(1, count)]
    lengths = st.decimals(-999, 999, places=4).map(str)
    angles = st.one_of(st.decimals(-360, 360, places=5), st.sampled_from([0, 90, -90, 180, -180, 270, 360])).map(str)

    def block(joint: int) -> str:
        inner = "".join(block(child) for child in range(count) if parents[child] == joint)
        inner = inner or "End Site { OFFSET 0 0.1 0 }\n" * draw(st.integers(0, 2))
        offset = " ".join(draw(lengths) for _ in range(3))
        words = " ".join((str(len(channels[joint])), *channels[joint]))
        return f"{'JOINT' if joint else 'ROOT'} j{joint} {{ OFFSET {offset} CHANNELS {words}\n{inner} }}\n"

    body, order = block(0), []
    open_ = [0]
    while open_:
        order.append(open_.pop())
        open_ += [child for child in range(count - 1, 0, -1) if parents[child] == order[-1]]
    words = [word for joint in order for word in channels[joint]]
    rows = [" ".join(draw(lengths if word.endswith("position") else angles) for word in words) for _ in range(3)]
    return "\n".join(["HIERARCHY", body + "MOTION", "Frames: 3", "Frame Time: 0.0083333", *rows, ""])


@settings(max_examples=40, deadline=None)
@given(text=_files())
def test_any_body_with_any_channels_comes_back(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("bvh")
    (folder / "f.bvh").write_text(text)
    motion = read_motion(folder / "f.bvh")
    found = again(motion, folder)
    # Half a turn has two rotation vectors: compare the rotations by what they do.
    np.testing.assert_allclose(positions(found), positions(motion), rtol=0, atol=1e-7)
    wrapped = np.abs(np.abs(found.frames) - np.abs(motion.frames)) < 1e-7
    assert wrapped.all()
    turned = dataclasses.replace(found, frames=np.concatenate([found.frames[:, :3], motion.frames[:, 3:]], axis=1))
    assert_same(turned, motion)


@pytest.mark.parametrize("order", ["".join(order) for order in itertools.permutations("XYZ")])
def test_the_poles_are_survived(tmp_path, order):
    angles = np.deg2rad([[12, 90, 34], [56, -90, 78], [0, 90, 0], [1, 90 - 1e-9, 2], [180, 0, 180], [90, 90, 90]])
    turns = -rotvec_from_quaternion(quaternion_from_euler(angles, order))
    motion = Motion(
        Skeleton("one", ("a",), (-1,), ("spine",), np.zeros((1, 3)), translation_mm=10.0),
        np.concatenate([np.zeros((len(turns), 3)), turns], axis=1),
        30.0,
        "made",
        (tuple(f"{axis}rotation" for axis in order),),
    )
    np.testing.assert_allclose(again(motion, tmp_path).frames, motion.frames, rtol=0, atol=1e-12)


def test_joints_are_written_depth_first(make, tmp_path):
    motion = make(parents=(-1, 0, 0, 1, 2, 1))
    found = again(motion, tmp_path)
    assert found.skeleton.joints == ("J0", "J1", "J3", "J5", "J2", "J4")
    order = [0, 1, 3, 5, 2, 4]
    np.testing.assert_allclose(positions(found), positions(motion)[:, order], atol=1e-9)
    assert found.channels is not None
    assert [len(words) for words in found.channels] == [6, 3, 3, 3, 3, 3]


def test_places_of_joints_without_channels_get_some(make, tmp_path):
    motion = make(places=True)
    np.testing.assert_allclose(positions(again(motion, tmp_path)), positions(motion), atol=1e-9)


def test_channels_are_added_only_where_those_of_the_file_do_not_hold_the_motion(put, arm, tmp_path):
    text = arm.replace("3 Zrotation Xrotation Yrotation", "2 Zrotation Yrotation")
    text = text.replace("0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0 10 170").replace("90 0 0 0 0 90", "90 0 0 -100 200")
    motion = read_motion(put(text))
    assert_same(again(motion, tmp_path), motion)
    motion.frames[1, 6] = 0.25
    motion.frames[1, 9:] = 0.5
    found = again(motion, tmp_path)
    assert found.channels is not None
    assert found.channels[1:] == (("Zrotation", "Yrotation", "Xrotation"), _JOINT)
    np.testing.assert_allclose(found.frames, motion.frames, rtol=0, atol=TURN)


_JOINT = ("Zrotation", "Xrotation", "Yrotation")


@pytest.mark.parametrize("seconds", [".0083333", "0.016666666666666666", "0.033333", "0.0417083750417", "1e-3", "3"])
def test_the_frame_time_is_the_files(put, arm, tmp_path, seconds):
    motion = read_motion(put(arm.replace("0.04", seconds)))
    assert again(motion, tmp_path).fps == motion.fps == 1 / float(seconds)


def test_numbers_have_no_exponent(make, tmp_path):
    motion = make()
    motion.frames[0] = 1e-7
    motion.frames[1] = -1.5e7
    motion.frames[1, 3:] = -0.0
    found = again(motion, tmp_path)
    body = (tmp_path / "again.bvh").read_text().partition("Frame Time")[2]
    assert "e" not in body.partition("\n")[2]
    np.testing.assert_array_equal(found.frames[:, :3], motion.frames[:, :3])


@pytest.mark.parametrize("name", ["", "a{b", "a  b", "a\nb", " a", "a\tb"])
def test_a_name_that_cannot_be_written_is_refused(make, tmp_path, name):
    motion = make(parents=(-1,))
    body = dataclasses.replace(motion.skeleton, joints=(name,), parts=guess_body_parts([name], [-1]))
    with pytest.raises(UserError, match="cannot be written: it must be printable"):
        write_motion(dataclasses.replace(motion, skeleton=body), tmp_path / "x.bvh")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_leaves_nothing(make, tmp_path):
    with pytest.raises(UserError, match=r"Acclaim motion \(AMC\) is not written: it must be one of .bvh, .txt, .npz"):
        write_motion(make(), tmp_path / "x.amc")
    with pytest.raises(UserError, match="cannot be written: No such file"):
        write_motion(make(), tmp_path / "none" / "x.bvh")
    assert not list(tmp_path.iterdir())
