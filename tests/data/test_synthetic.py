from __future__ import annotations

import jax
import numpy as np
import pytest

from motion_jax.data import synthetic
from motion_jax.data.datasets import h36m
from motion_jax.data.datasets.synthetic import PEOPLE
from motion_jax.data.synthetic import SUBJECTS, make_clip, make_synthetic
from motion_jax.data.synthetic.actions import ACTIONS
from motion_jax.data.synthetic.body import JOINTS, SKELETON, index, plant_feet, to_columns
from motion_jax.data.synthetic.gait import gait_pose, swing
from motion_jax.data.synthetic.postures import ARMS, BODIES, HEADS, body_posture
from motion_jax.data.synthetic.signals import minimum_jerk, phase_of, plan_moves, visit, wander
from motion_jax.errors import UserError
from motion_jax.geometry.field_euler import field_euler
from motion_jax.geometry.kinematics import frame_positions, integrate_root
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Dataset

FPS = 50
SHORTEST = 1500
# The columns that move in Human3.6M (computed from its files; every other one is exactly 0 in every file).
KEPT = [*range(10), *range(12, 16), *range(21, 25), *range(27, 31), *range(36, 48), *range(51, 58), *range(60, 63),
        *range(75, 82), *range(84, 87)]  # fmt: skip
DROPPED = sorted(set(range(99)) - set(KEPT))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_synthetic(0)


def select(dataset, action, subject=None):
    return [clip for clip in dataset.clips if clip.action == action and subject in (None, clip.subject)]


@jax.jit
def in_space(frames):
    return frame_positions(SKELETON, integrate_root(SKELETON, frames))


def walk(clips):
    """Joint places `[clips, F, J, 3]` mm in space."""
    return np.stack([in_space(clip.frames[:SHORTEST]) for clip in clips])


def pose_places(angles):
    """Joint places `[J, 3]` mm of one pose, `[J, 3]` anatomical angles, around the root."""
    frames = to_columns(angles[None], heading=np.zeros(1), swinging=np.zeros((1, 2)))
    return np.asarray(in_space(frames))[0]


def feet(places):
    """Places of the points that stand on the ground: ankles and balls of both feet `[..., 4, 3]`."""
    return places[..., [index(joint) for joint in ("RightFoot", "RightToeBase", "LeftFoot", "LeftToeBase")], :]


def ahead(places, joint):
    """How far a joint is in front of the hips, `[..., F]` mm; the hips' line and the vertical tell where front is."""
    across = places[..., index("LeftUpLeg"), :] - places[..., index("RightUpLeg"), :]
    front = np.cross(across, [0.0, 1.0, 0.0])
    front /= np.linalg.norm(front, axis=-1, keepdims=True)
    return ((places[..., index(joint), :] - places[..., 0, :]) * front).sum(-1)


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def stride_of(signal, lags=range(30, 90)):
    """The lag in frames of the greatest autocorrelation, and that correlation."""
    values = [correlation(signal[:-lag], signal[lag:]) for lag in lags]
    return lags[int(np.argmax(values))], max(values)


# --- the set


def test_has_the_layout_of_human36m(dataset):
    assert (dataset.name, dataset.skeleton, dataset.fps) == ("synthetic", H36M, 50.0)
    assert dataset.actions == h36m.ACTIONS
    expected = [(s, a, t) for s in ("S1", "S5", "S6", "S7", "S8", "S9", "S11") for a in h36m.ACTIONS for t in (1, 2)]
    assert [(clip.subject, clip.action, clip.trial) for clip in dataset.clips] == expected
    assert {clip.subject for clip in dataset.split("test")} == {"S5"}
    assert len(dataset.split("test")) + len(dataset.split("train")) == len(dataset.clips) == 210
    assert {clip.source for clip in dataset.clips} == {"synthetic"}


def test_more_people_are_held_out_and_the_first_seven_are_those_of_the_small_set(dataset, monkeypatch):
    monkeypatch.setattr(synthetic, "make_synthetic", lambda seed: dataset)
    monkeypatch.setattr(synthetic, "ACTIONS", {"walking": synthetic.ACTIONS["walking"]})
    people = synthetic.make_people(0)
    assert people.clips[: len(dataset.clips)] == dataset.clips
    assert people.key != dataset.key
    more = {clip.subject: clip.split for clip in people.clips[len(dataset.clips) :]}
    assert more == {f"S{n}": ("train" if n % 2 else "test") for n in range(12, 45)}
    assert set(PEOPLE.validation.split(",")) == {"S11", *(name for name, part in more.items() if part == "train")}


def test_clips_are_long_enough_for_the_test_protocol_and_of_various_lengths(dataset):
    lengths = [len(clip.frames) for clip in dataset.clips]
    assert all(clip.frames.dtype == np.float32 and clip.frames.shape[1] == 99 for clip in dataset.clips)
    assert min(lengths) >= 1500
    assert max(lengths) <= 3000
    assert np.std(lengths) > 300


def test_moves_exactly_the_columns_that_move_in_human36m(dataset):
    for clip in dataset.clips:
        assert np.isfinite(clip.frames).all()
        assert not clip.frames[:, DROPPED].any()
    train = np.concatenate([clip.frames for clip in dataset.split("train")])
    assert train.std(axis=0, dtype=np.float64)[KEPT].min() > 1e-3


def test_same_seed_same_frames(dataset):
    for clip in (dataset.clips[0], *select(dataset, "greeting", "S5"), dataset.clips[-1]):
        again = make_clip(0, clip.subject, clip.action, clip.trial)
        np.testing.assert_array_equal(again.frames, clip.frames)


def test_another_seed_another_set(dataset):
    clip = dataset.clips[0]
    other = make_clip(1, clip.subject, clip.action, clip.trial)
    shared = min(len(other.frames), len(clip.frames))
    assert np.abs(other.frames[:shared, 6:] - clip.frames[:shared, 6:]).mean() > 0.02


def test_key_tells_seeds_apart(dataset, monkeypatch):
    monkeypatch.setattr("motion_jax.data.synthetic.SUBJECTS", ())
    assert make_synthetic(0).key == dataset.key
    assert make_synthetic(1).key != dataset.key


def test_negative_seed_is_a_users_mistake():
    with pytest.raises(UserError, match=r"data\.synthetic_seed=-1: must be at least 0"):
        make_synthetic(-1)


def test_no_stretch_occurs_twice(dataset):
    chunks = [clip.frames[i : i + 10].tobytes() for clip in dataset.clips for i in range(0, SHORTEST, 100)]
    assert len(set(chunks)) == len(chunks)


def test_people_differ_and_are_recognised_in_their_other_trial(dataset):
    first, second = (
        np.stack([select(dataset, "walking", subject)[trial].frames[:, 6:].mean(0) for subject in SUBJECTS])
        for trial in (0, 1)
    )
    distance = np.linalg.norm(first[:, None] - second[None], axis=-1)
    assert distance.argmin(axis=1).tolist() == list(range(7))


def test_the_test_subject_is_no_outlier(dataset):
    means = {s: np.mean([c.frames[:, 6:].mean(0) for c in dataset.clips if c.subject == s], axis=0) for s in SUBJECTS}
    everyone = np.stack([means[s] for s in SUBJECTS])
    spread = np.linalg.norm(everyone - np.median(everyone, axis=0), axis=1)
    assert spread[SUBJECTS.index("S5")] < 2 * np.median(spread)


# --- signals


def test_minimum_jerk_starts_and_ends_at_rest_and_is_symmetric():
    s = np.linspace(0, 1, 1001)
    way = minimum_jerk(s)
    np.testing.assert_allclose(way + way[::-1], 1, atol=1e-12)
    assert (np.diff(way) > 0).all()
    velocity, acceleration = np.gradient(way, s), np.gradient(np.gradient(way, s), s)
    np.testing.assert_allclose(velocity[[0, -1]], 0, atol=1e-4)
    np.testing.assert_allclose(acceleration[[0, -1]], 0, atol=0.1)
    assert velocity.max() == pytest.approx(1.875, abs=1e-4)  # 15/8 of the mean speed, Flash and Hogan 1985
    np.testing.assert_array_equal(minimum_jerk(np.array([-1.0, 2.0])), [0, 1])


def test_a_visit_holds_at_each_station_in_turn():
    progress = plan_moves(np.random.default_rng(0), 3000, hold_s=2.0, move_s=0.5)
    stations = np.arange(progress.moves + 1.0) ** 2
    path = visit(stations, progress)
    reached = int(progress.move[-1])
    assert reached > 10
    assert (np.diff(path) >= 0).all()
    for station in stations[:reached]:
        assert np.isclose(path, station, atol=1e-9).any()
    assert (np.diff(path) == 0).mean() > 0.5  # held longer than moved


@pytest.mark.parametrize("seconds", [0.04, 0.5, 2.0])
def test_wandering_has_unit_variance_and_its_own_time(seconds):
    x = wander(np.random.default_rng(0), 3000, 200, seconds)
    assert x.shape == (3000, 200)
    assert np.mean(x**2) == pytest.approx(1, rel=0.1)
    lag = round(seconds * FPS)
    # Matern 5/2 at a lag of one time constant: (1 + 1 + 1/3) exp(-1).
    assert np.mean(x[:-lag] * x[lag:]) == pytest.approx(7 / 3 * np.exp(-1), abs=0.1)


def test_phase_counts_the_cycles():
    frequency = np.full(101, 1.5)
    assert phase_of(frequency, 0.25)[-1] == pytest.approx(0.25 + 2 * np.pi * 1.5 * 2)  # 100 steps are 2 s


# --- bodies


@pytest.mark.parametrize(
    ("joint", "axis", "end", "direction"),
    [
        ("RightUpLeg", 0, "RightFoot", (0, 0, 1)),
        ("LeftUpLeg", 0, "LeftFoot", (0, 0, 1)),
        ("RightUpLeg", 1, "RightFoot", (-1, 0, 0)),
        ("LeftUpLeg", 1, "LeftFoot", (1, 0, 0)),
        ("RightUpLeg", 2, "RightToeBase", (1, 0, 0)),
        ("LeftUpLeg", 2, "LeftToeBase", (-1, 0, 0)),
        ("RightLeg", 0, "RightFoot", (0, 0, -1)),
        ("LeftLeg", 0, "LeftFoot", (0, 0, -1)),
        ("RightFoot", 0, "RightToeBase", (0, 1, 0)),
        ("LeftFoot", 0, "LeftToeBase", (0, 1, 0)),
        ("Spine", 0, "Head", (0, 0, 1)),
        ("Spine", 1, "Head", (-1, 0, 0)),
        ("Spine1", 2, "LeftArm", (0, 0, -1)),
        ("RightShoulder", 1, "RightArm", (0, 1, 0)),
        ("LeftShoulder", 1, "LeftArm", (0, 1, 0)),
        ("RightShoulder", 2, "RightArm", (0, 0, 1)),
        ("LeftShoulder", 2, "LeftArm", (0, 0, 1)),
        ("RightArm", 0, "RightHand", (0, 0, 1)),
        ("LeftArm", 0, "LeftHand", (0, 0, 1)),
        ("RightArm", 1, "RightHand", (-1, 0, 0)),
        ("LeftArm", 1, "LeftHand", (1, 0, 0)),
        ("RightForeArm", 0, "RightHand", (0, 0, 1)),
        ("LeftForeArm", 0, "LeftHand", (0, 0, 1)),
    ],
)
def test_anatomical_angles_turn_the_body_as_anatomy_says(joint, axis, end, direction):
    pose = np.zeros((JOINTS, 3))
    pose[index(joint), axis] = 0.3
    moved = (pose_places(pose) - pose_places(np.zeros((JOINTS, 3))))[index(end)]
    assert moved @ direction > 0.85 * np.linalg.norm(moved)
    assert moved @ direction > 30


def test_at_zero_a_person_stands_with_hanging_arms():
    places = pose_places(np.zeros((JOINTS, 3)))
    for side, sign in (("Left", 1), ("Right", -1)):
        shoulder, wrist = places[index(side + "Arm")], places[index(side + "Hand")]
        np.testing.assert_allclose(wrist - shoulder, [0, -(278.9 + 251.7), 0], atol=0.1)
        np.testing.assert_allclose(shoulder - places[index("Neck")], [sign * 151.03, 0, 0], atol=0.1)


@pytest.mark.parametrize("name", ["stand", "stand_left", "lean", "bend", "crouch", "sit", "sit_back", "sit_forward"])
def test_planted_soles_lie_flat(name):
    places = pose_places(plant_feet(body_posture(name)[None])[0])
    for side in ("Right", "Left"):
        sole = places[index(side + "ToeBase")] - places[index(side + "Foot")]
        assert abs(sole[1]) < 0.05 * np.linalg.norm(sole)


def test_the_root_turns_by_the_heading_and_feet_stay_on_the_ground():
    heading = np.linspace(0, 7, 200)  # past pi and past a full turn
    frames = to_columns(np.zeros((200, JOINTS, 3)), heading, swinging=np.zeros((200, 2)))
    places = np.asarray(in_space(frames))
    across = places[:, index("LeftUpLeg")] - places[:, index("RightUpLeg")]
    np.testing.assert_allclose(np.unwrap(np.arctan2(-across[:, 2], across[:, 0])), heading, atol=1e-3)
    np.testing.assert_allclose(feet(places)[..., 1], -897.1, atol=0.1)  # the length of the legs below the start


def test_every_named_posture_exists_and_is_visited():
    actions = ACTIONS.values()
    assert {name for action in actions for name in action.body} == set(BODIES)
    assert {name for action in actions for name in action.left + action.right} == set(ARMS)
    assert {name for action in actions for name in action.head} == set(HEADS)


def test_one_half_of_the_gait_mirrors_the_other():
    phase = np.linspace(0, 7, 50)
    pose, half_later = gait_pose(phase), gait_pose(phase + np.pi)
    mirrored = half_later.copy()
    for joint in SKELETON.joints:
        if joint.startswith(("Right", "Left")):
            other = joint.replace("Right", "L-").replace("Left", "Right").replace("L-", "Left")
            mirrored[:, index(joint)] = half_later[:, index(other)]
        else:
            mirrored[:, index(joint), 1:] *= -1  # bends and turns change sides, flexion does not
    np.testing.assert_allclose(pose, mirrored, atol=1e-12)


def test_one_foot_at_least_bears_weight_at_any_phase():
    swinging = swing(np.linspace(0, 2 * np.pi, 200))
    assert swinging.min(axis=1).max() == 0
    assert 0.3 < (swinging[:, 0] > 0.5).mean() < 0.42  # a leg swings for about 38 % of its cycle
    np.testing.assert_allclose(swinging[:100, 0], swinging[100:, 1], atol=0.15)


def test_knees_and_elbows_bend_one_way_and_no_further_than_they_can(dataset):
    hinges = [3 + 3 * index(joint) for joint in ("RightLeg", "LeftLeg", "RightForeArm", "LeftForeArm")]
    for clip in dataset.clips:
        flexion = -clip.frames[:, hinges]  # row vectors: the negative of the turn
        assert flexion.min() > 0
        assert flexion.max() < np.radians(150)


def test_nothing_moves_faster_than_people_do(dataset):
    for clip in dataset.clips:
        joints = clip.frames[:, 6:].astype(np.float64)
        assert np.abs(np.diff(joints, axis=0)).max() * FPS < 16, clip.name  # rad/s
        assert np.abs(np.diff(joints, n=2, axis=0)).max() * FPS**2 < 400, clip.name  # rad/s^2
        assert np.linalg.norm(clip.frames[1:, :3], axis=1).max() * FPS < 3500, clip.name  # mm/s
        assert np.linalg.norm(clip.frames[1:, 3:6], axis=1).max() * FPS < 3, clip.name  # rad/s


# --- walking


@pytest.mark.parametrize("action", ["walking", "walkingtogether"])
def test_walkers_walk_upright_on_a_plane_at_human_speed(dataset, action):
    clips = select(dataset, action)
    places = walk(clips)
    lowest = feet(places)[..., 1].min(axis=-1)
    assert (lowest.std(axis=1) < 10).all()
    assert (np.ptp(lowest, axis=1) < 60).all()
    hips, head = places[:, :, 0], places[:, :, index("Head")]
    assert (head[..., 1] - hips[..., 1] > 500).all()
    bounce = np.percentile(hips[..., 1], 97, axis=1) - np.percentile(hips[..., 1], 3, axis=1)
    assert ((bounce > 15) & (bounce < 90)).all()
    speed = np.stack([clip.frames[1:SHORTEST, :3] for clip in clips])[..., 2].mean(axis=1) * FPS
    assert ((speed > 600) & (speed < 1500)).all()


def test_a_walkers_standing_foot_does_not_slide(dataset):
    velocity = np.linalg.norm(np.diff(feet(walk(select(dataset, "walking"))), axis=1), axis=-1) * FPS
    slowest = velocity.min(axis=-1)  # mm/s, where the body moves at 900 and a swinging foot at 3000
    assert (np.median(slowest, axis=1) < 100).all()
    assert (np.percentile(slowest, 95, axis=1) < 400).all()


def test_walked_paths_curve(dataset):
    path = walk(select(dataset, "walking"))[:, :, 0][..., [0, 2]]
    straight = np.linalg.norm(path[:, -1] - path[:, 0], axis=-1)
    length = np.linalg.norm(np.diff(path, axis=1), axis=-1).sum(axis=1)
    assert np.median(straight / length) < 0.7


def test_walking_is_periodic_with_limbs_locked_to_one_phase(dataset):
    places = walk(select(dataset, "walking"))
    for right, left, hand in zip(*(ahead(places, j) for j in ("RightFoot", "LeftFoot", "RightHand")), strict=True):
        window = slice(100, 500)
        stride, likeness = stride_of(right[window])
        assert 0.9 * FPS <= stride <= 1.4 * FPS
        assert likeness > 0.7
        later = slice(100 + stride // 2, 500 + stride // 2)
        assert correlation(right[window], left[later]) > 0.8
        assert correlation(right[window], left[window]) < -0.7
        assert correlation(right[window], hand[window]) < -0.6


def test_sitting_lowers_the_hips(dataset):
    def height(action):
        places = walk(select(dataset, action))
        return np.median(places[:, :, 0, 1] - feet(places)[..., 1].min(axis=-1), axis=1)

    assert (height("walking") > 800).all()
    assert (height("sitting") < 600).all()
    assert (height("sitting") > 250).all()


# --- how hard it is to predict


def windows(dataset, action, count=48):
    """Windows of 125 frames at 25 Hz of the test subject, `[count, 125, 99]`."""
    rng = np.random.default_rng(7)
    clips = [clip.frames[::2] for clip in select(dataset, action, "S5")]
    picks = [(clips[i % 2], rng.integers(16, len(clips[i % 2]) - 125)) for i in range(count)]
    return np.stack([frames[start : start + 125] for frames, start in picks])


def error(prediction, truth):
    """The field's Euler error without the root, mean over windows, `[T]`."""
    angles = [np.asarray(field_euler(x[..., 6:].reshape(*x.shape[:2], -1, 3))) for x in (prediction, truth)]
    return np.sqrt(((angles[0] - angles[1]) ** 2).sum(axis=(-2, -1))).mean(axis=0)


def zero_velocity(data):
    return error(np.repeat(data[:, 99:100], 25, axis=1), data[:, 100:])


def last_stride(data):
    """Repeats what was seen one stride ago; the stride is that of the right hip in the history."""
    repeated = [frames[100 - stride_of(frames[:100, 6], range(22, 40))[0] :][:25] for frames in data]
    return error(np.stack([np.resize(frames, (25, 99)) for frames in repeated]), data[:, 100:])


@pytest.mark.slow
def test_zero_velocity_errs_about_as_much_as_on_real_motion(dataset):
    errors = np.stack([zero_velocity(windows(dataset, action))[[1, 3, 7, 9]] for action in dataset.actions])
    assert (np.diff(errors, axis=1) > 0).all()
    real = np.array([0.40, 0.71, 1.07, 1.21])  # zero-velocity, Human3.6M, average over actions
    ratio = errors.mean(axis=0) / real
    assert ((ratio > 0.5) & (ratio < 1.5)).all()
    walking = errors[dataset.actions.index("walking")]
    np.testing.assert_allclose(walking, [0.39, 0.68, 0.99, 1.15], rtol=0.35)


def test_a_walk_is_predictable_and_a_gesture_is_not(dataset):
    walking, discussion = windows(dataset, "walking"), windows(dataset, "discussion")
    assert last_stride(walking)[9] < 0.6 * zero_velocity(walking)[9]
    assert last_stride(discussion)[9] > zero_velocity(discussion)[9]
