"""A root that only carries the body and the joint below it: one root for a model, two in what is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.folder import read_folder
from motion_jax.data.formats import positions, read_motion, write_motion
from motion_jax.data.motion.merge_root import fit_root, merge_root, split_root
from motion_jax.data.motion.motion import Motion, moving_joints
from motion_jax.data.motion.root_differences import integrate_root
from motion_jax.inference.continuation import continue_motions
from motion_jax.inference.predictor import Predictor
from motion_jax.pose_space import PoseSpace

HEAD = """HIERARCHY
ROOT Reference
{ OFFSET 0 0 0 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
JOINT Hips
{ OFFSET 0 0 0 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
JOINT Spine
{ OFFSET 0 20 0 CHANNELS 3 Zrotation Xrotation Yrotation
End Site { OFFSET 0 15 0 } } } }
MOTION
Frames: 200
Frame Time: 0.02
"""
LAST = "99.50 90.00 0.00"


def walk(phase: float = 0.0, reference: str = "0 0 0 0 0 0", sway: float = 10.0) -> str:
    """200 frames of hips that go 0.5 a frame under a root of these values."""
    rows = (
        f"{reference} {0.5 * frame:.2f} 90.00 0.00 {sway * np.sin(0.1 * frame + phase):.3f} 0 0 0 0 2"
        for frame in range(200)
    )
    return HEAD + "\n".join(rows) + "\n"


@pytest.fixture
def carried(make):
    """Builds a random motion below a root of which rows can be set; places move."""

    def build(parents=(-1, 0, 1, 1), **root) -> Motion:
        motion = make(parents=parents, frames=9, places=True)
        motion.frames[:, :6] = 0
        for columns, values in root.items():
            motion.frames[:, [*map(int, columns[1:])]] = values
        return motion

    return build


RAMP = np.arange(9)[:, None] * 0.3
CARRYING = {
    "still": {},
    "at a place": {"c0123": [5, 6, 7, 0.4]},
    "over a floor": {"c02": RAMP * [1, -2]},
    "over a floor, turning": {"c02": RAMP * [1, -2], "c4": RAMP},
    "over a floor, laid down": {"c01": RAMP * [1, -2], "c3": -np.pi / 2},
}
OWN_PATH = {
    "turning in place otherwise": {"c3": RAMP, "c4": RAMP},
    "through space": {"c012": RAMP * [1, 1, 1]},
    "tumbling": {"c0": RAMP, "c3": RAMP, "c5": -RAMP},
}


@pytest.mark.parametrize("case", CARRYING)
def test_joints_stay_where_they_are(carried, case):
    motion = carried(**CARRYING[case])
    merged = fit_root(motion)
    assert merged.skeleton.joints == motion.skeleton.joints[1:]
    assert merged.skeleton.parents == (-1, 0, 0)
    np.testing.assert_allclose(positions(merged), positions(motion)[:, 1:], atol=1e-9)
    assert "J0 only carries J1: the two are one root" in merged.notes


@pytest.mark.parametrize("case", CARRYING)
def test_what_was_merged_is_split_again(carried, case):
    motion = carried(**CARRYING[case])
    back = split_root(merge_root(motion), motion)
    assert back.skeleton is motion.skeleton
    np.testing.assert_allclose(positions(back)[:, 1:], positions(motion)[:, 1:], atol=1e-9)
    np.testing.assert_allclose(back.frames[-1], motion.frames[-1], atol=1e-9)
    np.testing.assert_allclose(back.places[-1, 1:], motion.places[-1, 1:], atol=1e-9)


@pytest.mark.parametrize("case", OWN_PATH)
def test_a_root_with_a_path_of_its_own_stays(carried, case):
    motion = carried(**OWN_PATH[case])
    assert fit_root(motion) is motion


def test_a_root_with_several_children_or_one_that_is_fixed_stays(carried):
    assert fit_root(several := carried(parents=(-1, 0, 1, 0))) is several
    fixed = dataclasses.replace(carried(), places=None)
    assert fit_root(fixed) is fixed


def test_a_root_that_moves_over_the_floor_goes_along(carried):
    motion = carried(**CARRYING["over a floor"])
    merged = merge_root(motion)
    step = np.array([[10, 20, 30] + [0] * 9])
    later = dataclasses.replace(merged, frames=merged.frames[-1:] + step, places=None)
    root = split_root(later, motion).frames[0, :3]
    np.testing.assert_allclose(root, motion.frames[-1, :3] + [10, 0, 30])


def test_the_models_root_decides(carried):
    motion = carried(**OWN_PATH["through space"])
    merged = merge_root(motion)
    assert fit_root(motion, motion.skeleton) is motion
    assert fit_root(motion, merged.skeleton).skeleton.joints == merged.skeleton.joints
    still = carried()
    assert fit_root(still, still.skeleton) is still


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for subject in ("S1", "S2"):
        (tmp_path / "in" / subject).mkdir(parents=True)
        for trial in (1, 2):
            (tmp_path / "in" / subject / f"walk_{trial}.bvh").write_text(walk(trial))
    return tmp_path / "in"


def test_a_folder_keeps_the_path(recordings):
    folder = read_folder(recordings)
    assert folder.findings == ()
    assert folder.dataset.skeleton.joints == ("Hips", "Spine", "Spine.Site")
    path = integrate_root(folder.dataset.clips[0].frames.astype(np.float64))[:, :3]
    np.testing.assert_allclose(np.linalg.norm(path[-1] - path[0]), 198 * 0.5, atol=1e-3)


@pytest.mark.parametrize("start", [None, 20])
@pytest.mark.parametrize("reference", ["0 0 0 0 0 0", "30 0 -10 0 0 90"])
def test_a_prediction_goes_on_in_the_channels_of_the_file(tmp_path, reference, start):
    """Zero-velocity repeats the last step: the hips go on at 0.5 a frame, the root stays, in the file's hierarchy."""
    (tmp_path / "walk.bvh").write_text(walk(reference=reference, sway=0))
    motion = read_motion(tmp_path / "walk.bvh")
    body = dataclasses.replace(fit_root(motion).skeleton, root="difference")
    columns = body.columns
    space = PoseSpace(np.zeros(columns), np.ones(columns), tuple(range(columns)), (), body, 25.0)
    data = DataConfig(name="folder", root="made", source_length=8, target_length=5)
    experiment = Experiment(data=data, model=model_config("zero_velocity"), eval=EvalConfig(frames="2"))
    future = continue_motions(Predictor((), experiment, space, step=0), [motion], start=start)[0]
    write_motion(future, tmp_path / "f.bvh")
    rows = np.loadtxt((tmp_path / "f.bvh").read_text().partition("Frame Time: 0.02\n")[2].splitlines())
    assert (tmp_path / "f.bvh").read_text().split()[:40] == HEAD.split()[:40]
    last = 99.5 if start is None else 0.5 * (20 + 15)
    np.testing.assert_allclose(rows[:, 6], last + 0.5 * np.arange(1, len(rows) + 1), atol=1e-3)
    np.testing.assert_allclose(rows[:, 7:9], [[90, 0]] * len(rows), atol=1e-3)
    np.testing.assert_allclose(rows[:, :6], [[*map(float, reference.split())]] * len(rows), atol=1e-5)


def in_channels(offset: str, seed: int) -> str:
    """A body whose places stand in its channels, 20 above one another, whatever OFFSET says."""
    joints = "".join(
        f"JOINT {name} {{ OFFSET {offset} CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
        for name in ("Spine", "Head")
    )
    head = HEAD.split("JOINT")[0].replace("Reference", "Hips") + joints + "End Site { OFFSET 0 0 0 } } } }\n"
    bend = 4 * np.sin(np.arange(200) * 0.1 + seed)
    rows = (f"{0.1 * n:.3f} 90 0 {b:.4f} 0 0 0 20 0 {b / 2:.4f} 0 0 0 20 0 0 {b / 3:.4f} 0" for n, b in enumerate(bend))
    return head + "MOTION\nFrames: 200\nFrame Time: 0.02\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize("offsets", [("0 0 0", "0 0 0"), ("0 20 0", "0 20 0"), ("0 0 0", "0 20 0")])
def test_a_body_in_channels_is_prepared_as_it_stands(tmp_path, offsets):
    for subject, offset in zip(("S1", "S2"), offsets, strict=True):
        (tmp_path / subject).mkdir()
        for trial in (1, 2):
            (tmp_path / subject / f"walk_{trial}.bvh").write_text(in_channels(offset, trial))
    folder = read_folder(tmp_path)
    assert folder.findings == ()
    np.testing.assert_array_equal(folder.dataset.skeleton.offsets[:3], [[0, 0, 0], [0, 200, 0], [0, 200, 0]])
    for clip in folder.dataset.clips:
        np.testing.assert_allclose(np.linalg.norm(clip.frames[:, :3], axis=1), 0.1, atol=1e-6)
    assert moving_joints(read_motion(tmp_path / "S1" / "walk_1.bvh")) == ()
