from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.formats import Motion
from motion_jax.data.motion.root_differences import integrate_root
from motion_jax.errors import UserError
from motion_jax.inference.continuation import as_motion, continue_motions
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


def predictor(name: str = "zero_velocity", skeleton: Skeleton = BODY, mean: float = 0.0) -> Predictor:
    data = DataConfig(name="folder", root="made", source_length=S, target_length=T)
    columns = skeleton.columns
    space = PoseSpace(np.full(columns, mean), np.ones(columns), tuple(range(columns)), (), skeleton, FPS)
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
    with pytest.raises(UserError, match=r"walk\.bvh: its skeleton is not 'made'.*'Chest' lies at .*--retarget"):
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
    assert not result.skeleton.root_is_difference
    assert not result.skeleton.mismatch(dataclasses.replace(H36M, root_is_difference=False))


def test_a_walk_goes_on_from_where_it_is():
    """Zero-velocity repeats the last difference of the root: a steady walk and turn stay steady."""
    moving = Skeleton.from_dict(BODY.to_dict() | {"root_is_difference": True})
    seconds = np.arange(120) / 50.0
    frames = np.zeros((120, BODY.columns))
    frames[:, 4] = 0.5 * seconds
    frames[:, 0], frames[:, 2] = 240 * np.cos(0.5 * seconds), 240 * np.sin(0.5 * seconds)  # on a circle, as it turns
    future = continue_motions(predictor(skeleton=moving), [Motion(BODY, frames, 50.0, "walk.bvh")])[0].frames
    after = seconds[-1] + np.arange(1, 11) / 50.0
    np.testing.assert_allclose(future[:, 4], 0.5 * after, atol=1e-5)
    places = np.stack([240 * np.cos(0.5 * after), 240 * np.sin(0.5 * after)], axis=1)
    np.testing.assert_allclose(future[:, [0, 2]], places, atol=0.02)  # straight lines between the model's frames
