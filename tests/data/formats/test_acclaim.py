"""Acclaim: bones end where a computation of another kind says, and what is broken is named by file and line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import Motion, positions, read_motion, write_motion
from motion_jax.data.formats.acclaim import find_asf
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import SKELETONS

SAMPLES = Path(__file__).parent / "samples"
CMU_UNIT_MM = 25.4 / 0.45

ONE_BONE = """\
:units
  length 0.5
  angle deg
:root
  order TX TY TZ RX RY RZ
:bonedata
  begin
    name arm
    direction 1 0 0
    length 3
    axis 0 0 90 XYZ
    dof rx
  end
:hierarchy
  begin
    root arm
  end
"""


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """The small motion, its skeleton beside it."""
    shutil.copy(SAMPLES / "small.asf", tmp_path)
    return Path(shutil.copy(SAMPLES / "small.amc", tmp_path))


def reference(asf: Path, amc: Path, most: int) -> np.ndarray:
    """The ends of the bones, `[F, B, 3]` mm, by the frames of their axes instead of turns of the body.

    A bone's frame is W = W_parent (C_parent^-1 C) M, and it points along W C^-1 direction: nothing is conjugated.
    """
    text = re.sub("#.*", "", asf.read_text())
    bones = {}
    for block in re.findall(r"begin(.*?)end", text.split(":bonedata")[1].split(":hierarchy")[0], re.DOTALL):
        field = {line.split()[0]: line.split()[1:] for line in block.strip().splitlines() if line.split()}
        *angles, order = field["axis"]
        own = np.eye(3)
        for letter in order:
            own = about(letter, float(angles["XYZ".index(letter)])) @ own
        bones[field["name"][0]] = (
            own,
            np.array(field["direction"], float) * float(field["length"][0]),
            field.get("dof", []),
        )
    parents = {}
    for line in text.split(":hierarchy")[1].splitlines()[2:]:
        parents |= dict.fromkeys(line.split()[1:], line.split()[0] if line.split() else "")
    ends = []
    for frame in re.split(r"(?m)^\s*\d+\s*$", re.sub("[#:].*", "", amc.read_text()))[1 : most + 1]:
        values = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in frame.strip().splitlines()}
        move, (x, y, z) = np.array(values["root"][:3]), values["root"][3:]
        at = {"root": (about("Z", z) @ about("Y", y) @ about("X", x), np.eye(3), move)}
        for name, (own, way, moves) in bones.items():  # the files name parents before children
            above, above_own, start = at[parents[name]]
            turned = np.eye(3)
            for letter, angle in zip(moves, values.get(name, []), strict=True):
                turned = about(letter[1].upper(), angle) @ turned
            frame_of = above @ np.linalg.inv(above_own) @ own @ turned
            at[name] = (frame_of, own, start + frame_of @ np.linalg.inv(own) @ way)
        ends.append([at[name][2] for name in bones])
    return np.array(ends) * CMU_UNIT_MM


def about(axis: str, degrees: float) -> np.ndarray:
    """The rotation matrix about one axis, on column vectors."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rows = {"X": [[1, 0, 0], [0, c, -s], [0, s, c]], "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]]}
    return np.array(rows.get(axis, [[c, -s, 0], [s, c, 0], [0, 0, 1]]))


def bone_ends(motion: Motion, names: list[str]) -> np.ndarray:
    """Where the bones of these names end: at a child's joint, or at the joint .Site."""
    body = motion.skeleton
    joints = [body.parents.index(body.joints.index(name)) for name in names]
    return positions(motion)[:, joints]


def compare(amc: Path, asf: Path, frames: int) -> float:
    """The largest difference to the reference, as a part of the body's size."""
    names = re.findall(r"name (\w+)", asf.read_text().split(":bonedata")[1])
    motion, wanted = read_motion(amc), reference(asf, amc, frames)
    return np.abs(bone_ends(motion, names)[: len(wanted)] - wanted).max() / np.ptp(wanted[0], axis=0).max()


def test_bones_end_where_the_reference_says(pair: Path):
    assert compare(pair, pair.with_suffix(".asf"), 3) < 1e-12


@pytest.mark.parametrize("trial", ["01_01", "02_01", "02_02"])
def test_recordings_of_cmu_agree_with_the_reference(shared_data: Path, trial: str):
    folder = shared_data / "formats" / "asf_amc"
    assert compare(folder / f"{trial}.amc", folder / f"{trial[:2]}.asf", 40) < 1e-10


@pytest.mark.parametrize("trial", ["01_01", "02_01", "02_02"])
def test_recordings_of_cmu_are_people_on_a_floor(shared_data: Path, trial: str):
    motion = read_motion(shared_data / "formats" / "asf_amc" / f"{trial}.amc")
    places = positions(motion)
    assert motion.skeleton.parents == SKELETONS["cmu"].parents
    assert (motion.fps, motion.skeleton.translation_mm) == (120, pytest.approx(56.4444, abs=1e-4))
    assert any("120" in note for note in motion.notes)
    rest = positions(type(motion)(motion.skeleton, np.zeros((1, motion.skeleton.columns)), 1.0, "rest"))[0]
    assert 1500 < np.ptp(rest[:, 1]) < 2000  # y is up
    assert -100 < places[..., 1].min() < 100


def test_a_turn_about_a_bones_own_axis_by_hand(tmp_path: Path):
    (tmp_path / "one.asf").write_text(ONE_BONE)
    (tmp_path / "one.amc").write_text("1\nroot 1 2 3 0 0 0\narm 90\n2\nroot 0 0 0 0 0 90\narm 0\n")
    motion = read_motion(tmp_path / "one.amc")
    assert motion.skeleton.joints == ("root", "arm", "arm.Site")
    # The own x axis lies along y: a quarter turn about it takes x to -z. One unit is 1/0.5 inches.
    wanted = np.array([[[1, 2, 3], [1, 2, 3], [1, 2, 0]], [[0, 0, 0], [0, 0, 0], [0, 3, 0]]]) * 50.8
    np.testing.assert_allclose(positions(motion), wanted, atol=1e-9)


def test_lines_of_a_frame_come_in_any_order(pair: Path, tmp_path: Path):
    lines = pair.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line == "1")
    lines[first + 1 : first + 6] = lines[first + 5 : first : -1]
    other = tmp_path / "small_2.amc"
    other.write_text("\n".join(lines) + "\n")
    np.testing.assert_array_equal(read_motion(other).frames, read_motion(pair).frames)


def test_radians_mean_the_same(pair: Path, tmp_path: Path):
    def in_radians(words: list[str], start: int) -> str:
        return " ".join(words[:start] + [repr(np.radians(float(word)).item()) for word in words[start:]])

    text = pair.with_suffix(".asf").read_text().replace("angle deg", "angle rad")
    text = re.sub(r"axis (\S+ \S+ \S+) (\w+)", lambda m: f"axis {in_radians(m[1].split(), 0)} {m[2]}", text)
    (tmp_path / "radians.asf").write_text(text)
    lines = pair.read_text().replace(":DEGREES\n", "").splitlines()
    lines = [in_radians(line.split(), 4 if "root" in line else 1) if line[0].isalpha() else line for line in lines]
    (tmp_path / "radians.amc").write_text("\n".join(lines) + "\n")
    np.testing.assert_allclose(read_motion(tmp_path / "radians.amc").frames, read_motion(pair).frames, atol=1e-12)


def test_a_motion_becomes_bvh_and_back(pair: Path, tmp_path: Path):
    motion = read_motion(pair)
    write_motion(motion, tmp_path / "out.bvh")
    again = read_motion(tmp_path / "out.bvh", unit_mm=motion.skeleton.translation_mm)
    assert again.skeleton.joints == motion.skeleton.joints
    np.testing.assert_allclose(positions(again), positions(motion), atol=1e-6)


def test_units_and_rate_can_be_told(pair: Path):
    pair.write_text(pair.read_text().replace(":DEGREES", ":DEGREES\n:SAMPLES-PER-SECOND 60"))
    motion = read_motion(pair, unit_mm=10)
    assert motion.fps == 60
    assert not any("per second" in note for note in motion.notes)
    np.testing.assert_allclose(positions(motion)[0, 0], [15, 172.5, -30])


def test_the_skeleton_is_looked_for_by_name(tmp_path: Path):
    for name in ("01.asf", "HDM_bd.ASF"):
        (tmp_path / name).touch()
    assert find_asf(tmp_path / "01_01.amc").name == "01.asf"
    assert find_asf(tmp_path / "HDM_bd_01-01_120.amc").name == "HDM_bd.ASF"
    with pytest.raises(UserError, match=r"02_07.asf and 02.asf are not in .*, which has 2 \.asf files"):
        find_asf(tmp_path / "02_07.amc")
    (tmp_path / "01.asf").unlink()
    assert find_asf(tmp_path / "02_07.amc").name == "HDM_bd.ASF"


BROKEN_MOTION = {
    "unknown bone": ("lfoot 10", "rfoot 10", r"amc:15: bone 'rfoot' has no values.*root, spine"),
    "bone twice": ("lleg 40", "spine 1 2 3", "amc:13: bone 'spine' a second time in frame 2"),
    "bone missing": ("lfoot 10 -6 2\n", "", "amc:15: frame 2 has no line for bone 'lfoot'"),
    "frame missing": ("2\nroot", "3\nroot", "amc:10: frame 3 follows frame 1"),
    "too few values": ("larm 65 -47.5", "larm 65", "amc:14: '65': it must be 2 numbers, rz rx"),
    "too large": ("lleg 40", "lleg 1e8", "amc:13: rx is '1e8': it must be a decimal number within ±16777216"),
    "no number": ("lleg 40", "lleg forty", "amc:13: rx is 'forty': it must be a decimal number"),
    "NaN": ("lleg 40", "lleg nan", "amc:13: rx is 'nan'"),
    "underscore": ("lleg 40", "lleg 4_0", "amc:13: rx is '4_0'"),
    "out of reach": ("lleg 40", "lleg 1e300", "amc:13: rx is '1e300'"),
    "torn": ("4.5\nlfoot 8 -4 1E-1\n", "4.5\n", "amc:20: frame 3 ends here without bone 'lfoot'"),
    "torn number": ("8 -4 1E-1\n", "8 -4", "amc:21: '8 -4': it must be 3 numbers"),
    "other digits": ("lleg 40", "lleg \u0664\u0660", "amc:13: rx is '\u0664\u0660': it must be a decimal number"),
    "comma": ("lleg 40", "lleg 4,0", "amc:13: rx is '4,0': .* with a decimal point, not a comma"),
    "no frame": ("1\nroot", ":x\nroot", "amc:5: the number of the first frame is"),
}


@pytest.mark.parametrize("case", BROKEN_MOTION)
def test_a_broken_motion_is_named_with_its_line(pair: Path, case: str):
    old, new, message = BROKEN_MOTION[case]
    assert old in pair.read_text()
    pair.write_text(pair.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        read_motion(pair)


BROKEN_SKELETON = {
    "no section": (":hierarchy", ":hierarchies", "asf: has no :hierarchy"),
    "section twice": (":hierarchy", ":root\n:hierarchy", "asf:62: a second :root"),
    "unknown unit": ("angle deg", "angle grad", "asf:7: unit of angles 'grad': it must be degrees or radians"),
    "no unit": ("length 0.45", "length 0", "asf:6: length is 0: it must be at least"),
    "order": ("order TX TY", "order TX TX", "asf:11: order 'TX TX TZ RX RY RZ': it must be of TX TY TZ RX RY RZ, each"),
    "turned root": ("orientation 0 0 0", "orientation 0 90 0", "asf:14: orientation 0 90 0: it must be 0 0 0"),
    "long direction": ("direction 0 1 0", "direction 0 2 0", "asf:19: direction 0 2 0: it must have length 1"),
    "axis order": ("0 0 20 XYZ", "0 0 20 XYY", "asf:21: axis in order 'XYY': it must be X, Y and Z"),
    "sliding bone": ("dof rz rx", "dof rz tx", "asf:34: dof 'rz tx': it must be of rx ry rz"),
    "no length": ("     length 8\n", "", "asf:25: a bone without length"),
    "bone twice": ("name larm", "name spine", "asf:37: bone 'spine': names must differ"),
    "two parents": (
        "spine larm",
        "spine larm lhip",
        "asf:65: bone 'lhip' has a second parent: the first is in line 64",
    ),
    "circle": ("root spine lhip", "root spine\n  lfoot lhip", "asf:65: bone 'lhip' does not hang on the root"),
    "own parent": ("lleg lfoot", "lfoot lfoot", "asf:67: bone 'lfoot' does not hang on the root"),
    "root again": ("lleg lfoot", "lleg root lfoot", "asf:67: bone 'root' is not in :bonedata"),
    "unknown bone": ("lleg lfoot", "lleg rfoot", "asf:67: bone 'rfoot' is not in :bonedata"),
    "lost bone": ("    lleg lfoot\n", "", "asf: bone 'lfoot' does not hang on the root"),
    "torn": ("lfoot\n  end\n", "lfoot\n", "asf: :hierarchy is not closed by a line end"),
}


@pytest.mark.parametrize("case", BROKEN_SKELETON)
def test_a_broken_skeleton_is_named_with_its_line(pair: Path, case: str):
    old, new, message = BROKEN_SKELETON[case]
    asf = pair.with_suffix(".asf")
    assert old in asf.read_text()
    asf.write_text(asf.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        read_motion(pair)


def test_a_motion_cut_anywhere_is_refused_or_ends_with_a_whole_frame(pair: Path):
    data, whole = pair.read_bytes(), read_motion(pair).frames
    ends = {end.end() for end in re.finditer(rb"\n", data)} - {len(data)}
    for length in {*range(0, len(data), 3), *ends}:
        pair.write_bytes(data[:length])
        try:
            frames = read_motion(pair).frames
        except UserError:
            continue
        assert data[length:].split(b"\n")[0] in (b"2", b"3")
        np.testing.assert_array_equal(frames, whole[: len(frames)])


def test_the_last_line_needs_no_line_end(pair: Path):
    whole = read_motion(pair)
    pair.write_bytes(pair.read_bytes().rstrip())
    motion = read_motion(pair)
    np.testing.assert_array_equal(motion.frames, whole.frames)
    assert whole.warnings == ()
    assert motion.warnings == ("line 21: the file does not end with a line end: '1E-1' may be cut short",)


@pytest.mark.parametrize(("last", "warned"), [("2.25", None), ("225", None), ("2", True), ("2.2", None)])
def test_numbers_above_tell_whether_the_last_one_is_whole(tmp_path: Path, last: str, warned: bool | None):
    (tmp_path / "one.asf").write_text(ONE_BONE)
    before = "7" if warned else "7.25"
    (tmp_path / "one.amc").write_text(f"1\nroot 1 2 3 0 0 0\narm {before}\n2\nroot 0 0 0 0 0 90\narm {last}")
    if warned or last == "2.25":
        assert len(read_motion(tmp_path / "one.amc").warnings) == bool(warned)
    else:
        with pytest.raises(UserError, match=rf"one\.amc:6: the last number, '{last}', is cut short: it must have 2"):
            read_motion(tmp_path / "one.amc")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_are_of_any_encoding(tmp_path: Path, encoding: str):
    (tmp_path / "one.asf").write_bytes(ONE_BONE.replace("arm", "H\xfcfte\xa0").encode(encoding))
    (tmp_path / "one.amc").write_bytes("1\nroot 1 2 3 0 0 0\nH\xfcfte\xa0 90\n".encode(encoding))
    assert read_motion(tmp_path / "one.amc").skeleton.joints[1] == "H\xfcfte\xa0"


def test_a_skeleton_cut_before_its_end_is_refused(pair: Path):
    asf = pair.with_suffix(".asf")
    data = asf.read_bytes()
    for length in [*range(0, len(data), 11), len(data) - 2]:
        asf.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"small\.asf"):
            read_motion(pair)
