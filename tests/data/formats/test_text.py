"""Exponential-map text as a motion: CMU as it stands, Human3.6M with its walk summed and taken apart again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.data.expmap import read_expmap, write_expmap
from motion_jax.data.formats import in_unit, positions, read_motion, write_motion
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import SKELETONS

DRAW = np.random.default_rng(3)


def written(tmp_path, columns, frames=40):
    table = np.round(DRAW.normal(size=(frames, columns)) * 0.3, 7).astype(np.float32)
    write_expmap(tmp_path / "f.txt", table)
    return table


def test_cmu_is_absolute_and_comes_back_bit_for_bit(tmp_path):
    table = written(tmp_path, 117)
    motion = read_motion(tmp_path / "f.txt")
    assert (motion.fps, motion.skeleton.joints) == (120.0, SKELETONS["cmu"].joints)
    np.testing.assert_array_equal(motion.frames, table.astype(np.float64))
    write_motion(motion, tmp_path / "g.txt")
    np.testing.assert_array_equal(read_expmap(tmp_path / "g.txt", 117), table)


def test_human36m_becomes_absolute_and_comes_back(tmp_path):
    table = written(tmp_path, 99, frames=300)
    motion = read_motion(tmp_path / "f.txt")
    assert (motion.fps, motion.skeleton.root) == (50.0, "absolute")
    np.testing.assert_array_equal(motion.frames[:, 6:], table[:, 6:].astype(np.float64))
    write_motion(motion, tmp_path / "g.txt")
    back = read_expmap(tmp_path / "g.txt", 99)
    np.testing.assert_array_equal(back[:, 6:], table[:, 6:])
    np.testing.assert_allclose(back, table, rtol=1e-6, atol=1e-12)


def test_the_walk_is_summed_row_by_row(tmp_path):
    table = written(tmp_path, 99)
    motion = read_motion(tmp_path / "f.txt")
    turn, place = np.eye(3), np.zeros(3)
    for row, found in zip(table.astype(np.float64), motion.frames, strict=True):
        place = place + row[:3] @ turn
        turn = Rotation.from_rotvec(row[3:6]).as_matrix() @ turn
        np.testing.assert_allclose(found[:3], place, rtol=0, atol=1e-12)
        np.testing.assert_allclose(Rotation.from_rotvec(found[3:6]).as_matrix(), turn, rtol=0, atol=1e-12)


def test_a_still_root_stays_exactly_still(tmp_path):
    table = written(tmp_path, 99)
    table[5:, :6] = 0
    write_expmap(tmp_path / "f.txt", table)
    write_motion(read_motion(tmp_path / "f.txt"), tmp_path / "g.txt")
    np.testing.assert_array_equal(read_expmap(tmp_path / "g.txt", 99)[6:, :6], 0)


@pytest.mark.parametrize("columns", [99, 117])
def test_through_bvh_it_is_the_same_body(tmp_path, columns):
    table = written(tmp_path, columns)
    table[:, 3:] *= 0.5
    body = SKELETONS["h36m" if columns == 99 else "cmu"]
    leaves = [
        j for j in range(len(body.joints)) if j not in body.parents and body.joints[j].endswith((".Site", ".End"))
    ]
    for leaf in leaves:
        table[:, 3 + 3 * leaf : 6 + 3 * leaf] = 0
    write_expmap(tmp_path / "f.txt", table)
    motion = read_motion(tmp_path / "f.txt")
    write_motion(motion, tmp_path / "f.bvh")
    found = read_motion(tmp_path / "f.bvh", unit_mm=body.translation_mm * body.true_scale)
    assert (tmp_path / "f.bvh").read_text().count("End Site") == len(leaves)
    assert found.skeleton.parents == body.parents
    np.testing.assert_allclose(positions(found), positions(motion) * body.true_scale, rtol=0, atol=1e-9)
    write_motion(found, tmp_path / "g.txt")
    np.testing.assert_allclose(read_expmap(tmp_path / "g.txt", columns), table, rtol=1e-6, atol=1e-12)


def test_real_millimetres_are_asked_for(tmp_path):
    written(tmp_path, 117)
    motion = read_motion(tmp_path / "f.txt")
    real = in_unit(motion, 10.0)
    np.testing.assert_allclose(positions(real), positions(motion) * 56.444 / 70, rtol=1e-12, atol=1e-9)
    assert (real.skeleton.translation_mm, real.skeleton.true_scale) == (10.0, 1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3\n", "f.txt: 3 columns: it must have 99 (h36m) or 117 (cmu)"),
        ("", "f.txt: the file is empty"),
        ("\n", "f.txt: the file is empty: it must hold lines of numbers"),
        (",".join("0" * 99) + "\n" + ",".join("0" * 98) + "\n", "f.txt:2: 98 columns: it must have 99"),
        ("\n" + ",".join("0" * 99) + "\n", "f.txt:1: a blank line: it must hold 99 numbers"),
        ("The walk of Tuesday\n", "f.txt:1: column 1 is 'The walk of Tuesday': it must be a decimal number"),
    ],
)
def test_another_file_is_refused_by_line(put, content, message):
    with pytest.raises(UserError) as caught:
        read_motion(put(content, "f.txt"))
    assert message in str(caught.value)


def test_a_body_that_would_be_taken_for_another_is_not_written(make, tmp_path):
    chain = make(parents=tuple(range(-1, 31)))
    with pytest.raises(UserError, match="would be read as h36m's, whose joints have other names"):
        write_motion(chain, tmp_path / "x.txt")
    with pytest.raises(UserError, match="joints below the root move"):
        write_motion(make(places=True), tmp_path / "x.txt")
    with pytest.raises(UserError, match=r"/x\.txt: a body of 4 joints .* must have 32 \(h36m\) or 38 \(cmu\)"):
        write_motion(make(), tmp_path / "x.txt")
    assert not list(tmp_path.iterdir())


def test_lengths_and_rate_are_those_that_the_reader_takes_for_granted(tmp_path):
    """A BVH of CMU's body in cm: its walk has the same real length when it is read again."""
    written(tmp_path, 117)
    given = in_unit(read_motion(tmp_path / "f.txt"), 10.0)
    write_motion(given, tmp_path / "g.txt")
    found = in_unit(read_motion(tmp_path / "g.txt"), 10.0)
    np.testing.assert_allclose(found.frames, given.frames, rtol=1e-6, atol=1e-7)
    slow = dataclasses.replace(given, fps=30.0)
    with pytest.raises(UserError, match=r"/h\.txt: 30 frames per second .*cmu's 120: .*--fps=120"):
        write_motion(slow, tmp_path / "h.txt")
    assert not (tmp_path / "h.txt").exists()


def test_a_number_that_no_motion_has_is_named(tmp_path):
    table = written(tmp_path, 117)
    table[7, 4] = 1e30
    write_expmap(tmp_path / "f.txt", table)
    with pytest.raises(UserError, match=r"f\.txt: frame 7, column 4 is 1e\+30: must be within ±16777216"):
        read_motion(tmp_path / "f.txt")
