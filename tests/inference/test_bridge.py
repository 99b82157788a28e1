"""Bridges over what is missing from a live stream: short faults cost little time, and what was bridged is flagged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.inference.stream import PoseCounts, Prediction, StreamingPredictor
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.skeleton import Joint, Skeleton

S, T, FPS, RATE = 50, 10, 25.0, 50.0
FRAME, POSE, MAX_GAP, MAX_BRIDGE = 1 / FPS, 1 / RATE, 0.2, 0.5
JOINTS = (Joint("Hips", None, "spine", (0, 0, 0)), Joint("Chest", "Hips", "spine", (0, 300, 0)))
START = 1.7e9  # s


class Stub:
    """Says of each frame what it read: the "prediction" is the last T frames of the history."""

    def __init__(self, difference: bool = False) -> None:
        skeleton = Skeleton.from_table("stub", JOINTS, root="difference" if difference else "absolute")
        self.space = PoseSpace(np.zeros(9), np.ones(9), tuple(range(9)), (), skeleton, FPS)
        self.experiment = SimpleNamespace(data=SimpleNamespace(stride=2))
        self.source_length, self.target_length = S, T
        self.history = np.zeros((S, 9))
        self.radii = None

    def compile(self, batch: int) -> None:
        """Nothing to compile."""

    def predict_raw(self, history: np.ndarray, *_: Any) -> np.ndarray:
        self.history = history[0].copy()
        return history[:, -T:]


def stream(difference: bool = False, **options: Any) -> StreamingPredictor:
    return StreamingPredictor(Stub(difference), **options)  # type: ignore[arg-type]


def read(one: StreamingPredictor) -> np.ndarray:
    """`[S, D]` what the model was given last."""
    return one.predictor.history  # type: ignore[attr-defined]


def pose(seconds: float) -> np.ndarray:
    """Even motion: the root goes along x, the chest turns about y."""
    return np.array([seconds, 0, 0, 0, 0, 0, 0, 0.8 * seconds, 0])


def feed(one: StreamingPredictor, stamps: np.ndarray) -> list[Prediction | None]:
    return [one.push(pose(stamp), START + stamp) for stamp in stamps.tolist()]


FULL = np.arange(0, 3, POSE)  # the stream is at 2.98 s, and predicts
NOW = FULL[-1]


def fault(name: str) -> np.ndarray:
    """The stamps of the 3 s after `FULL`."""
    even = NOW + np.arange(1, 150) * POSE
    if name == "none":
        return even
    if name == "one stamp 1 s ahead":
        return np.insert(even[1:], 0, even[0] + 1)
    if name == "one pose 0.3 s late":
        return np.insert(even, 1, NOW - 0.3)
    if name == "three poses 0.3 s late":
        return np.insert(even, 1, NOW - 0.3 + np.arange(3) * POSE)
    assert name.startswith("a gap of")
    return even[even > NOW + float(name.split()[3])]


FAULTS = ["none", "one stamp 1 s ahead", "one pose 0.3 s late", "three poses 0.3 s late", "a gap of 0.25 s",
          "a gap of 0.45 s"]  # fmt: skip


@pytest.mark.parametrize("difference", [False, True])
@pytest.mark.parametrize("name", FAULTS)
def test_a_short_fault_costs_at_most_a_bridge_and_a_period(name: str, difference: bool):
    """The longest time between two predictions, by the stamps of the poses that brought them."""
    one = stream(difference)
    feed(one, FULL)
    stamps = fault(name)
    times = [stamp for stamp, made in zip(stamps, feed(one, stamps), strict=True) if made is not None]
    longest = np.diff([NOW, *times]).max()
    lost = float(name.split()[3]) if name.startswith("a gap") else 0.0
    assert lost <= longest <= min(lost, MAX_BRIDGE) + FRAME + 2 * POSE + 1e-6
    if name == "none":
        assert longest <= FRAME + 1e-6


def test_each_fault_is_counted():
    expected = {
        "one stamp 1 s ahead": PoseCounts(taken=150 + 148, ahead=1),
        "one pose 0.3 s late": PoseCounts(taken=150 + 149, late=1),
        "three poses 0.3 s late": PoseCounts(taken=150 + 149, late=3),
        "a gap of 0.25 s": PoseCounts(taken=150 + 137, bridged=1),
    }
    for name, counts in expected.items():
        one = stream()
        feed(one, np.concatenate([FULL, fault(name)]))
        assert one.counts == counts, name


def test_frames_within_a_gap_are_interpolated_and_flagged():
    """Even motion is interpolated exactly; the flags go back with the gap and leave with it."""
    one = stream(period=0)
    feed(one, FULL)
    back = NOW + 0.3
    held, made, *_ = feed(one, back + np.arange(2) * POSE)
    assert held is None
    assert made is not None
    frames = back + POSE + np.arange(1 - S, 1) * FRAME
    np.testing.assert_array_equal(made.bridged, (frames > NOW + 1e-6) & (frames < back - 1e-6))
    assert made.bridged.sum() == 7
    np.testing.assert_allclose(read(one), [pose(frame) for frame in frames], atol=1e-6)
    after = feed(one, back + np.arange(2, 120) * POSE)
    counts = [int(prediction.bridged.sum()) for prediction in after if prediction is not None]
    assert set(counts[:80]) == {7}
    assert counts[-1] == 0


def test_a_gap_longer_than_the_bridge_begins_anew():
    for options, gap in (({}, 0.6), ({"bridge": None}, 0.3), ({"max_bridge": 0.25}, 0.3)):
        one = stream(**options)
        feed(one, FULL)
        made = [answer is not None for answer in feed(one, NOW + gap + np.arange(110) * POSE)]
        first = made.index(True)
        assert first * POSE == pytest.approx(one.reach, abs=POSE), options
        assert one.counts == PoseCounts(taken=150 + 110, gaps=1)


def test_a_clock_that_is_set_back_begins_anew():
    """After `max_gap` of poses that follow each other, of which the last two are used."""
    one = stream()
    feed(one, FULL)
    made = [answer is not None for answer in feed(one, 1.0 + np.arange(130) * POSE)]
    assert made.index(True) * POSE == pytest.approx(one.reach + MAX_GAP, abs=2 * POSE)
    assert (one.counts.set_back, one.counts.taken + one.counts.late) == (1, 150 + 130)


def test_a_wrong_first_stamp_does_not_block_the_stream():
    one = stream()
    one.push(pose(0), START + 500)
    assert any(feed(one, FULL))


def test_bridges_change_nothing_where_nothing_is_missing():
    """Bitwise, with jitter and lost poses below `max_gap`."""
    rng = np.random.default_rng(0)
    stamps = np.sort(rng.uniform(0, 4, 150))
    assert np.diff(stamps).max() < MAX_GAP
    answers = [feed(stream(bridge=bridge), stamps) for bridge in ("hold", "extrapolate", None)]
    assert sum(answer is not None for answer in answers[0]) > 20
    for rows in zip(*answers, strict=True):
        made = [row for row in rows if row is not None]
        assert len(made) in (0, 3)
        for row in made:
            np.testing.assert_array_equal(row.poses, made[0].poses)
            assert not row.bridged.any()


@pytest.mark.parametrize("bridge", ["hold", "extrapolate"])
@pytest.mark.parametrize("late", [0.01, 0.1, 0.3, 0.5])
def test_predictions_go_on_while_no_pose_comes(bridge: str, late: float):
    one = stream(bridge=bridge)
    feed(one, FULL)
    made = one.predict(START + NOW + late)
    assert made is not None
    np.testing.assert_allclose(made.times - START, NOW + late + np.arange(1, T + 1) * FRAME, atol=1e-6)
    frames = NOW + late + np.arange(1 - S, 1) * FRAME
    np.testing.assert_array_equal(made.bridged, frames > NOW + 1e-4)
    ends = np.minimum(frames, NOW) if bridge == "hold" else frames
    np.testing.assert_allclose(read(one), [pose(end) for end in ends], atol=1e-5)


@pytest.mark.parametrize("bridge", ["hold", "extrapolate"])
def test_what_stood_for_poses_is_forgotten_when_they_come(bridge: str):
    """Asked any number of times, on a ring that is full of poses as close as `rate` allows."""
    one, other = stream(bridge=bridge, period=0, rate=RATE), stream(bridge=bridge, period=0, rate=RATE)
    close = 0.5 / RATE * 1.001
    stamps = np.arange(0, 6, close)
    for each in (one, other):
        feed(each, stamps)
    for late in np.linspace(0.01, 0.5, 30):
        assert one.predict(START + stamps[-1] + late) is not None
    later = stamps[-1] + close + np.arange(20) * close
    for found, expected in zip(feed(one, later), feed(other, later), strict=True):
        assert found is not None
        assert expected is not None
        np.testing.assert_array_equal(found.poses, expected.poses)


def test_no_prediction_beyond_the_bridge():
    one = stream()
    assert one.predict(START) is None
    feed(one, FULL)
    assert one.predict(START + NOW + MAX_BRIDGE + 0.01) is None
    assert one.predict(START + NOW - 5) is not None  # the newest pose's
    without = stream(bridge=None)
    feed(without, FULL)
    assert without.predict(START + NOW + 0.01) is None
    assert without.predict() is not None


def test_an_extrapolated_turn_goes_on_past_half_a_turn():
    """At 20 rad/s for 0.5 s, and on the branch of the newest pose."""
    one = stream(bridge="extrapolate")
    for stamp in FULL.tolist():
        one.push(np.array([0, 0, 0, 0, 0, 0, 0, 20 * (stamp - NOW) + 6.0, 0]), START + stamp)
    assert one.predict(START + NOW + 0.5) is not None
    angles = read(one)[-10:, 7]
    np.testing.assert_allclose(np.diff(angles), 20 * FRAME, atol=1e-4)
    wanted = Rotation.from_rotvec([0, 6.0 + 20 * 0.5, 0])
    assert (Rotation.from_rotvec(read(one)[-1, 6:9]) * wanted.inv()).magnitude() == pytest.approx(0, abs=1e-4)
