"""From motion to motion: rates, channels, roots of differences, and what is refused."""

from __future__ import annotations

import dataclasses
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.formats import Motion, read_motion, write_motion
from motion_jax.data.motion.root_differences import integrate_root
from motion_jax.errors import UserError
from motion_jax.inference import files
from motion_jax.inference.continuation import as_motion, continue_motions
from motion_jax.inference.files import predict_file
from motion_jax.inference.predictor import Predictor
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Joint, Skeleton

BODY = Skeleton.from_table(
    "made",
    (Joint("Hips", None, "spine", (0, 0, 0)), Joint("Chest", "Hips", "spine", (0, 20, 0)),
     Joint("Head", "Chest", "spine", (0, 15, 0))),
    unit_mm=10, translation_mm=10,
)  # fmt: skip
S, T, FPS = 8, 5, 25.0


MOVING = Skeleton.from_dict(BODY.to_dict() | {"root": "difference"})


def predictor(name: str = "zero_velocity", skeleton: Skeleton = BODY, std: float = 1.0) -> Predictor:
    data = DataConfig(name="folder", root="made", source_length=S, target_length=T)
    columns = skeleton.columns
    space = PoseSpace(np.zeros(columns), np.full(columns, std), tuple(range(columns)), (), skeleton, FPS)
    experiment = Experiment(data=data, model=model_config(name), eval=EvalConfig(frames="2"))
    return Predictor((), experiment, space, step=0)


def motion(count: int, fps: float, skeleton: Skeleton = BODY) -> Motion:
    seconds = np.arange(count)[:, None] / fps
    return Motion(skeleton, 0.3 * np.sin(seconds + np.arange(skeleton.columns)), fps, "walk.bvh")


@pytest.mark.parametrize("fps", [25.0, 50.0, 120.0, 30.0, 12.5])
def test_what_follows_has_the_rate_of_the_file_and_the_length_of_the_prediction(fps):
    given = motion(int(2 * fps), fps)
    future = continue_motions(predictor(), [given])[0]
    assert future.fps == fps
    assert len(future.frames) == int(T / FPS * fps + 1e-9)
    np.testing.assert_allclose(future.frames, np.repeat(given.frames[-1:], len(future.frames), 0), atol=1e-6)


@pytest.mark.parametrize("seconds", [0.016667, 0.0166667, 1 / 60])
def test_what_follows_is_not_a_frame_short_where_the_file_rounds_its_rate(seconds):
    assert T / FPS == 0.2
    assert len(continue_motions(predictor(), [motion(200, 1 / seconds)])[0].frames) == 12


def test_the_last_frames_are_read_whatever_the_rate():
    """Of 121 frames at 120 per second the last is at a whole second; of 130 it is not on the grid from the start."""
    given = motion(130, 120.0)
    model = predictor("running_average")  # the mean of the last two
    expected = continue_motions(model, [dataclasses.replace(given, frames=given.frames[-121:])])[0]
    np.testing.assert_allclose(continue_motions(model, [given])[0].frames, expected.frames, atol=1e-6)


def test_a_start_in_the_file_chooses_what_is_read():
    given = motion(200, 50.0)
    cut = dataclasses.replace(given, frames=given.frames[30 : 30 + 2 * S - 1])
    chosen = continue_motions(predictor(), [given], start=30)[0]
    np.testing.assert_allclose(chosen.frames, continue_motions(predictor(), [cut])[0].frames, atol=1e-6)


def test_channels_stay_those_of_the_file():
    channels = (("Xposition", "Yposition", "Zposition", "Yrotation", "Xrotation", "Zrotation"), ("Zrotation",), ())
    given = dataclasses.replace(motion(60, 50.0), channels=channels)
    assert continue_motions(predictor(), [given])[0].channels == channels


def test_several_files_of_several_rates_are_one_call():
    given = [motion(60, 50.0), motion(100, 120.0)]
    together = continue_motions(predictor(), given)
    for alone, future in zip(given, together, strict=True):
        np.testing.assert_allclose(future.frames, continue_motions(predictor(), [alone])[0].frames, atol=1e-6)


def test_turns_are_read_on_the_branch_of_the_training():
    """A hip that stood at 6 rad in training is at 6 rad here, though the file says 6 - 2 pi."""
    frames = np.zeros((60, BODY.columns))
    frames[:, 3] = 6.0 - 2 * np.pi
    given = Motion(BODY, frames, FPS, "walk.bvh")
    model = predictor()
    model.space.mean[3] = 5.5
    np.testing.assert_allclose(continue_motions(model, [given])[0].frames[:, 3], 6.0, atol=1e-5)


def test_another_body_is_refused_or_retargeted():
    small = Skeleton.from_table(
        "small",
        (Joint("Hips", None, "spine", (0, 0, 0)), Joint("Chest", "Hips", "spine", (0, 10, 0)),
         Joint("Head", "Chest", "spine", (0, 7.5, 0))),
        unit_mm=10, translation_mm=10,
    )  # fmt: skip
    given = motion(60, 50.0, small)
    with pytest.raises(
        UserError,
        match=r"walk\.bvh: its skeleton is not 'made'.*'Chest' lies at .*--retarget .*retargeted=True",
    ):
        continue_motions(predictor(), [given])
    future = continue_motions(predictor(), [given], retargeted=True)[0]
    np.testing.assert_allclose(future.frames[:, :3], 2 * np.repeat(given.frames[-1:, :3], 10, 0), atol=1e-6)


def test_too_short_a_motion_is_refused_by_name():
    with pytest.raises(UserError, match=r"walk\.bvh: 10 frames at 50 per second are too few: the model needs 0.28 s"):
        continue_motions(predictor(), [motion(10, 50.0)])
    with pytest.raises(UserError, match=r"from --start=90"):
        continue_motions(predictor(), [motion(60, 50.0)], start=90)


def test_differences_of_the_root_are_summed_for_other_programs():
    model = predictor(skeleton=H36M)
    future = np.random.default_rng(0).normal(0, 0.1, (T, 99))
    result = as_motion(model, future)
    twice = integrate_root(np.repeat(future, 2, axis=0))  # data.stride
    np.testing.assert_allclose(result.frames, np.hstack([twice[1::2, :6], future[:, 6:]]), atol=1e-9)
    assert result.skeleton.root == "absolute"
    assert not result.skeleton.mismatch(H36M.with_absolute_root)


@pytest.mark.parametrize("root", ["difference", "heading"])
def test_a_walk_goes_on_from_where_it_is(root):
    """Zero-velocity repeats the last step of the root: a steady walk and turn stay steady."""
    moving = dataclasses.replace(BODY, root=root)
    seconds = np.arange(120) / 50.0
    frames = np.zeros((120, BODY.columns))
    frames[:, 4] = 0.5 * seconds
    frames[:, 0], frames[:, 2] = 240 * np.cos(0.5 * seconds), 240 * np.sin(0.5 * seconds)  # on a circle, as it turns
    future = continue_motions(predictor(skeleton=moving), [Motion(BODY, frames, 50.0, "walk.bvh")])[0].frames
    after = seconds[-1] + np.arange(1, 11) / 50.0
    np.testing.assert_allclose(future[:, 4], 0.5 * after, atol=1e-5)
    places = np.stack([240 * np.cos(0.5 * after), 240 * np.sin(0.5 * after)], axis=1)
    np.testing.assert_allclose(future[:, [0, 2]], places, atol=0.02)  # straight lines between the model's frames


def walk(count: int = 60, fps: float = 50.0) -> Motion:
    """A body that walks along z, 900 mm above the floor, and looks sideways."""
    frames = np.zeros((count, BODY.columns))
    frames[:, 1], frames[:, 2], frames[:, 4] = 90, 120 * np.arange(count) / fps, 1.5
    return Motion(BODY, frames, fps, "walk.bvh")


def test_a_motion_is_not_an_array():
    with pytest.raises(UserError, match=r"history is a Motion \(walk\.bvh\), not an array: call .*continue_motion"):
        predictor()(walk())  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, "walk.bvh", np.zeros((60, 12))])
def test_a_continuation_is_of_a_motion(given):
    with pytest.raises(UserError, match=r" is no motion: .*a Motion, as motion_jax\.read_motion\(path\) gives it"):
        predictor().continue_motion(given)


def test_an_absolute_root_is_not_taken_for_differences():
    """In the array of a motion the root is a place: 1332 mm at each of 50 rows a second are 67 m/s."""
    model = predictor(skeleton=MOVING)
    expected = r"column 2 is 133.2 a row \(50 rows per second\), faster than any body moves: .*continue_motion"
    with pytest.raises(UserError, match=expected):
        model(walk().frames)
    future = model.continue_motion(walk())  # zero velocity of differences: it walks on
    np.testing.assert_allclose(future.frames[:, 2], 120 * (59 + np.arange(1, 11)) / 50, atol=1e-3)


def test_a_root_far_from_the_training_is_warned_about():
    """A place 100 mm from the origin could be a very fast body; in training it was 100 times slower."""
    frames = np.zeros((S, BODY.columns))
    frames[:, 2] = 10.0
    with pytest.warns(UserWarning, match=r"column 2 is 10, 100 standard deviations .*continue_motion"):
        predictor(skeleton=MOVING, std=0.1)(frames)


@pytest.mark.parametrize("skeleton", [BODY, MOVING])
def test_frames_in_the_layout_of_the_training_are_taken(skeleton: Skeleton):
    frames = walk().frames
    if skeleton is MOVING:
        frames = np.diff(frames, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor(skeleton=skeleton)(frames)


def test_a_predictor_says_what_it_is_and_pickles():
    model = predictor("running_average")
    expected = "step=0, body='made', fps=25, S=8, T=5)"
    assert repr(model) == f"Predictor(running_average, {expected}"
    model.workdir = Path("runs/x")
    assert repr(model) == f"Predictor(running_average, workdir='runs/x', {expected}"
    copy = pickle.loads(pickle.dumps(model))
    assert repr(copy) == repr(model)
    np.testing.assert_array_equal(copy(walk().frames), model(walk().frames))


def test_a_file_in_and_a_file_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "open_predictor", lambda *_: predictor())
    monkeypatch.setenv("HOME", str(tmp_path))
    write_motion(walk(), tmp_path / "walk.bvh")
    future = predict_file("~/walk.bvh", workdir="run", output="~/next.bvh")
    assert (len(future.frames), future.fps) == (10, 50)
    np.testing.assert_allclose(read_motion(tmp_path / "next.bvh").frames, future.frames, atol=1e-5)
    with pytest.raises(UserError, match=r"next\.bvh is there already"):
        predict_file("~/walk.bvh", workdir="run", output="~/next.bvh")
    slower = predict_file("~/walk.bvh", workdir="run", output="~/next.bvh", input_fps=25, overwrite=True)
    assert (len(slower.frames), slower.fps, len(read_motion(tmp_path / "next.bvh").frames)) == (5, 25, 5)
    with pytest.raises(UserError, match=r"next\.amc: Acclaim motion \(AMC\) is not written"):
        predict_file("~/walk.bvh", workdir="run", output="~/next.amc")


def test_the_path_of_hips_below_a_still_root_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From file to file: a Reference that stands still above hips that walk is read as one root and written as two."""
    above = Skeleton.from_table(
        "above",
        (Joint("Reference", None, "spine", (0, 0, 0)), Joint("Hips", "Reference", "spine", (0, 90, 0)),
         Joint("Chest", "Hips", "spine", (0, 20, 0)), Joint("Head", "Chest", "spine", (0, 15, 0))),
        unit_mm=10, translation_mm=10,
    )  # fmt: skip
    six = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
    places = np.repeat(above.offsets[None] / 10, 60, axis=0)
    places[:, 0], places[:, 1, 0] = 0, np.arange(60) * 0.5
    given = Motion(above, np.zeros((60, above.columns)), 50.0, "a", channels=(six, six, six[3:], ()), places=places)
    write_motion(given, tmp_path / "walk.bvh")
    monkeypatch.setattr(files, "open_predictor", lambda *_: predictor(skeleton=MOVING))
    predict_file(tmp_path / "walk.bvh", workdir="run", output=tmp_path / "next.bvh")
    rows = [(tmp_path / name).read_text().splitlines() for name in ("walk.bvh", "next.bvh")]
    heads = [[line.split() for line in lines[: lines.index("MOTION")]] for lines in rows]
    assert heads[0] == heads[1]
    values = np.array([line.split() for line in rows[1][-10:]], float)
    np.testing.assert_allclose(values[:, 6], 59 * 0.5 + 0.5 * np.arange(1, 11), atol=1e-3)
    np.testing.assert_allclose(values[:, [0, 1, 2, 3, 4, 5, 7, 8]], [[0, 0, 0, 0, 0, 0, 90, 0]] * 10, atol=1e-3)
