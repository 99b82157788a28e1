"""Lengths that nobody means: units and bodies, where they are told and where they are made."""

from __future__ import annotations

import re

import numpy as np
import pytest

from motion_jax.data.datasets.spec import MotionFiles
from motion_jax.data.finite import LARGEST
from motion_jax.data.folder import read_folder
from motion_jax.data.formats import read_motion, write_motion
from motion_jax.data.motion.units import LEAST_MM, MOST_MM, check_unit
from motion_jax.errors import UserError


@pytest.mark.parametrize("unit", [None, 1, LEAST_MM, MOST_MM, np.float32(25.4)])
def test_a_unit_of_length_passes(unit):
    check_unit(unit)


@pytest.mark.parametrize("unit", [0.0, -1.0, 1e-4, 1e7, 1e30, float("nan"), float("inf"), "cm"])
def test_what_is_no_unit_is_named_by_its_value(unit):
    shown = repr(unit) if isinstance(unit, str) else f"{unit:g}"
    message = re.escape(f"unit_mm={shown}: it must be a number of mm from 0.001 to 1000000")
    with pytest.raises(UserError, match=message):
        check_unit(unit, "--unit_mm")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match=f"^{message}"):  # before the folder is looked for
        read_folder("nowhere", MotionFiles(unit_mm=unit))  # pyright: ignore[reportArgumentType]


def test_a_body_beyond_the_bound_is_told_with_its_file_and_joint(put, arm, tmp_path):
    """Its numbers and its unit are within theirs, and their product is not."""
    motion = read_motion(put(arm))
    joint = int(np.abs(motion.skeleton.offsets).max(axis=1).argmax())
    longest = np.abs(motion.skeleton.offsets).max() / motion.skeleton.translation_mm
    most = 0.999 * min(MOST_MM, LARGEST / longest)
    assert np.abs(read_motion(put(arm), unit_mm=most).skeleton.offsets).max() < LARGEST
    told = rf"f\.bvh: skeleton f: offsets of joint '{motion.skeleton.joints[joint]}' are .* mm: must be finite"
    with pytest.raises(UserError, match=told):
        read_motion(put(arm.replace("OFFSET 0 10 0", "OFFSET 0 1e6 0")), unit_mm=1000)
    write_motion(motion, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        arrays = dict(archive)
    for name, value, message in (
        ("translation_mm", 1e30, r"a\.npz: translation_mm=1e\+30: it must be a number of mm"),
        ("offsets", arrays["offsets"] + 1e30, r"a\.npz: skeleton f: offsets of joint .* are \[1e\+30, "),
    ):
        np.savez(tmp_path / "a.npz", **arrays | {name: np.array(value)})  # pyright: ignore[reportArgumentType]
        with pytest.raises(UserError, match=message):
            read_motion(tmp_path / "a.npz")
