"""Live prediction: what a stream says is what the predictor says of the same frames, whatever way the poses came."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.expmap import write_expmap
from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import differentiate_root, integrate_root
from motion_jax.inference.joint_angles import joint_angles
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.stream import PoseCounts, StreamingPredictor
from motion_jax.inference.stream.layout import PoseLayout
from motion_jax.inference.stream.replay import Feed, Recording, replay
from motion_jax.inference.stream.ring import Ring
from motion_jax.models import make
from motion_jax.models.raw import raw_predict
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Joint, Skeleton
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state
from motion_jax.train.workdir import Workdir
from motion_jax.types import Model

ROOT = Path(__file__).parents[2]
S, T, STRIDE, FPS = 6, 3, 2, 25.0
JOINTS = (
    Joint("Hips", None, "spine", (0, 0, 0)),
    Joint("RightArm", "Hips", "right_arm", (0, 300, 0)),
    Joint("RightForeArm", "RightArm", "right_arm", (300, 0, 0)),
)
TURNING = PoseLayout(3, 3)  # their poses
EPOCH = 1.7e9  # s, where today's clocks are: stamps have 0.2 microseconds there


def _predictor(skeleton: Skeleton, model: str = "seq2seq") -> Predictor:
    """Every column is kept; parameters are moved by noise, as a new network may be one that holds still."""
    rng = np.random.default_rng(0)
    data = DataConfig(name="h36m", root="absent", source_length=S, target_length=T, stride=STRIDE)
    network = model_config(model, **({"hidden": 8, "attention": "none"} if model == "seq2seq" else {}))
    experiment = Experiment(data=data, model=network, eval=EvalConfig(frames="1,3"))
    columns = skeleton.columns
    space = PoseSpace(rng.normal(0, 0.3, columns), rng.uniform(0.5, 2, columns), tuple(range(columns)), ("walking",),
                      skeleton, FPS)  # fmt: skip
    params = jax.jit(make(experiment, space).init)(jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype("f4"), params)
    return Predictor(params, experiment, space, 0)


@pytest.fixture(scope="module")
def absolute() -> Predictor:
    return _predictor(Skeleton.from_table("absolute", JOINTS))


@pytest.fixture(scope="module")
def differing() -> Predictor:
    return _predictor(Skeleton.from_table("differing", JOINTS, root="difference"))


def _even_motion(times: np.ndarray) -> np.ndarray:
    """`[F, 12]`: every joint turns about an axis of its own at even speed, the root goes straight on."""
    rng = np.random.default_rng(1)
    begin, axis, place, speed = rng.normal(0, 0.5, (3, 3)), rng.normal(0, 1, (3, 3)), *rng.normal(0, 1, (2, 3))
    turns = [Rotation.from_rotvec(np.outer(times, axis[j])) * Rotation.from_rotvec(begin[j]) for j in range(3)]
    return np.concatenate([place + np.outer(times, speed), *(turn.as_rotvec() for turn in turns)], axis=1)


def _push_all(stream: StreamingPredictor, times: np.ndarray, poses: np.ndarray, start: float = EPOCH) -> list:
    return [stream.push(pose, start + stamp) for stamp, pose in zip(times.tolist(), poses, strict=True)]


def test_between_two_poses_the_way_is_straight_and_the_turn_even():
    """Against scipy's slerp, over a ring that has closed several times."""
    rng = np.random.default_rng(2)
    stamps = np.cumsum(rng.uniform(0.01, 0.2, 100))
    poses = rng.normal(0, 1, (100, 9))
    ring = Ring(17, PoseLayout(3, 2), 40)
    for stamp, pose in zip(stamps, poses, strict=True):
        ring.append(stamp, pose)
    np.testing.assert_array_equal(ring.stamps, stamps[-17:])
    times = np.sort(rng.uniform(stamps[-17], stamps[-1], 40))
    found = np.zeros((40, 9))
    ring.read(times, found)
    after = stamps.searchsorted(times)
    share = ((times - stamps[after - 1]) / np.diff(stamps)[after - 1])[:, None]
    straight = (1 - share) * poses[after - 1, :3] + share * poses[after, :3]
    np.testing.assert_allclose(found[:, :3], straight, rtol=0, atol=1e-12)
    for columns in (slice(3, 6), slice(6, 9)):
        expected = Slerp(stamps, Rotation.from_rotvec(poses[:, columns]))(times)
        apart = (expected * Rotation.from_rotvec(found[:, columns]).inv()).magnitude()
        np.testing.assert_allclose(apart, 0, atol=1e-7)


def test_vectors_keep_their_whole_turns():
    """A vector longer than pi comes back as it is; a moment outside gets the pose at that end."""
    ring, frames = Ring(4, PoseLayout(3, 3), 3), np.zeros((3, 12))
    long = np.array([0, 0, 0, 0.1, 3.0, 4.0, 0, 0, -6.2, 2.0, -3.0, 9.0])
    ring.append(1.0, long)
    ring.append(2.0, long * 1.01)
    ring.read(np.array([0.5, 1.5, 2.5]), frames)
    np.testing.assert_allclose(frames, long * np.array([1, 1.005, 1.01])[:, None], rtol=1e-9)


@pytest.mark.parametrize("rate", [25.0, 50.0, 120.0, 17.0])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_the_rate_and_jitter_of_the_poses_do_not_matter(absolute: Predictor, rate: float, jitter: float):
    stream = StreamingPredictor(absolute, "walking", period=0)
    times = (np.arange(40) + jitter * np.random.default_rng(3).uniform(-1, 1, 40)) / rate
    last = _push_all(stream, times, _even_motion(times))[-1]
    grid = times[-1] + np.arange(1 - S, 1) / FPS
    np.testing.assert_allclose(last.poses, absolute(_even_motion(grid), "walking"), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(last.times - EPOCH, times[-1] + np.arange(1, T + 1) / FPS, atol=1e-6)
    assert (last.poses.dtype, last.poses.shape, stream.counts) == (np.float32, (T, 12), PoseCounts(taken=40))


@pytest.mark.parametrize("rate", [25.0, 50.0, 120.0])
def test_a_root_of_differences_is_made_here_and_undone(differing: Predictor, rate: float):
    """The model sees differences over one recorded row, 20 ms; predictions go on from the newest place."""
    stream = StreamingPredictor(differing, period=0)
    times = np.arange(40) / rate
    last = _push_all(stream, times, _even_motion(times))[-1]
    skeleton = differing.space.skeleton
    rows = times[-1] + np.arange(1 - STRIDE * S, 1) / (FPS * STRIDE)
    recorded = np.asarray(differentiate_root(skeleton, _even_motion(rows)))
    future = differing(recorded[1::STRIDE])
    walk = np.concatenate([_even_motion(times[-1:]), np.repeat(future, STRIDE, axis=0)])
    expected = np.asarray(integrate_root(skeleton, walk))[STRIDE::STRIDE]
    np.testing.assert_allclose(last.poses[:, 6:], expected[:, 6:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(last.poses[:, :3], expected[:, :3], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(_matrices(last.poses[:, 3:6]), _matrices(expected[:, 3:6]), atol=1e-4)


def _matrices(vectors: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(vectors).as_matrix()


@pytest.mark.parametrize("root", ["difference", "heading"])
def test_a_body_that_walks_on_is_predicted_to_walk_on(root):
    """Zero velocity of steps is an even walk: the predicted root is where an even motion is then."""
    predictor = _predictor(Skeleton.from_table("stepping", JOINTS, root=root), "zero_velocity")
    times = np.arange(40) / 50
    walk = _even_motion(times)
    walk[:, :3] *= 100
    speed = np.array([0.1, 0.5, 0.2]) * ([1, 1, 1] if root == "difference" else [0, 1, 0])
    turn = walk[:, 3:6] = np.outer(times, speed)
    along = turn[-1] * (root == "difference")  # the axis: a screw, even in the body's own frame; else height stays
    walk[:, :3] = walk[0, :3] + np.outer(times, along)
    last = _push_all(StreamingPredictor(predictor), times, walk)[-1]
    ahead = np.arange(1, T + 1)[:, None] / FPS
    np.testing.assert_allclose(last.poses[:, :3], walk[-1, :3] + ahead * along, atol=1e-4)
    np.testing.assert_allclose(last.poses[:, 3:6], walk[-1, 3:6] + ahead * speed, atol=1e-5)


def test_none_until_the_poses_reach_back(absolute: Predictor, differing: Predictor):
    times = np.arange(12) / FPS
    for predictor, first in ((absolute, S - 1), (differing, S)):
        stream = StreamingPredictor(predictor)
        made = [answer is not None for answer in _push_all(stream, times, _even_motion(times))]
        assert made == [False] * first + [True] * (12 - first)
        assert stream.reach == pytest.approx(times[S - 1] + (predictor is differing) / (FPS * STRIDE))


@pytest.mark.parametrize(
    ("rate", "jitter", "period", "made"),
    [
        (50, 0, None, 101),
        (120, 0, None, 101),
        (25, 0.2, None, 101),
        (50, 0, 0, 202),
        (50, 0, 0.2, 21),
        (25, 0, 0.01, 101),
    ],
)
def test_predictions_come_once_a_period(absolute: Predictor, rate, jitter, period, made):
    """In the 4 s after the first."""
    stream = StreamingPredictor(absolute, period=period)
    count = round((4 + stream.reach) * rate) + 1
    times = (np.arange(count) + jitter * np.random.default_rng(4).uniform(-1, 1, count)) / rate
    answers = _push_all(stream, times, _even_motion(times))
    assert sum(answer is not None for answer in answers) == pytest.approx(made, abs=1)


STEP = 1 / FPS
FATES = {
    "nan": (0.9, np.nan, "invalid"),
    "infinite": (0.9, -np.inf, "invalid"),
    "beyond float32": (0.9, 1e39, "invalid"),
    "no stamp": (np.nan, 0.5, "invalid"),
    "endless stamp": (np.inf, 0.5, "invalid"),
    "duplicate": (0.0, 0.5, "duplicate"),
    "late": (-0.5, 0.5, "late"),
    "late by max_gap": (-4.9, 0.5, "late"),
    "later still": (-5.1, 0.5, "held"),
    "a long way back": (-EPOCH, 0.5, "held"),
    "crowded": (0.05, 0.5, "crowded"),
    "ahead": (25.0, 0.5, "held"),
    "ahead by little more than max_gap": (5.1, 0.5, "held"),
}
"""When, in frames after the newest; what the pose holds; the count. max_gap is 5 frames."""


@pytest.mark.parametrize("name", FATES)
def test_one_odd_pose_changes_no_prediction(absolute: Predictor, name: str):
    frames, value, fate = FATES[name]
    stream, other = StreamingPredictor(absolute, max_gap=5 * STEP), StreamingPredictor(absolute, max_gap=5 * STEP)
    times = np.arange(10) * STEP
    for one in (stream, other):
        _push_all(one, times, _even_motion(times))
    assert stream.push(np.full(12, value), EPOCH + times[-1] + frames * STEP) is None
    assert stream.counts == PoseCounts(taken=10)._replace(**{fate: 1})
    later = EPOCH + times[-1] + STEP
    expected, found = (one.push(_even_motion(np.array([0.4]))[0], later) for one in (other, stream))
    np.testing.assert_array_equal(found.poses, expected.poses)
    assert not found.bridged.any()


@pytest.mark.parametrize(
    "pose", [np.zeros(11), np.zeros((1, 12)), np.zeros(12, complex), np.zeros(12, bool), ["a"] * 12]
)
def test_a_pose_of_another_kind_is_told(absolute: Predictor, pose):
    with pytest.raises(UserError, match=r"pose is .*: it must be real numbers \[12\]"):
        StreamingPredictor(absolute).push(pose, 0.0)


@pytest.mark.parametrize("stamp", ["now", None, [0.0], 1j, np.zeros(1)])
def test_a_stamp_that_is_no_number_is_told(absolute: Predictor, stamp):
    with pytest.raises(UserError, match=r"stamp is .*: it must be a number of seconds"):
        StreamingPredictor(absolute).push(np.zeros(12), stamp)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0}, "rate=0: must be above 0"),
        ({"rate": np.nan}, "rate=nan: must be above 0"),
        ({"rate": 1e9}, "at most 10000 poses a second"),
        ({"max_gap": 0.004}, "max_gap=0.004: must be a finite number of seconds, longer than half a pose, 0.004"),
        ({"max_gap": np.inf}, "max_gap=inf: must be a finite"),
        ({"period": -1}, "period=-1: must be 0 or a finite number"),
        ({"bridge": "guess"}, "bridge='guess': must be 'hold', 'extrapolate' or None"),
        ({"max_bridge": -1}, "max_bridge=-1: must be from 0 to 10 s"),
        ({"action": "flying"}, "action 'flying' is unknown"),
    ],
)
def test_a_wrong_argument_is_told(absolute: Predictor, arguments, message: str):
    with pytest.raises(UserError, match=re.escape(message)):
        StreamingPredictor(absolute, **arguments)


def test_compiled_once_in_the_constructor(absolute: Predictor):
    model, traced = make(absolute.experiment, absolute.space), []

    def apply(params, history, future, forced):
        traced.append(history.shape[0])
        return model.apply(params, history, future, forced)

    counted = Predictor(absolute.params, absolute.experiment, absolute.space, 0)
    counted._predict = raw_predict(Model(model.init, apply), absolute.space, Experiment())
    stream = StreamingPredictor(counted, "walking", period=0)
    assert traced == [1]
    times = np.cumsum(np.random.default_rng(5).uniform(0.01, 0.3, 60))
    _push_all(stream, times, _even_motion(times))
    assert (traced, stream.counts.bridged > 0) == ([1], True)


@pytest.mark.parametrize("difference", [False, True])
def test_a_pose_leaves_nothing_behind(difference: bool):
    """Whatever a push needs beyond its result is small beside what it works on, and is given back."""
    body = dataclasses.replace(H36M, root="difference" if difference else "absolute")
    stream = StreamingPredictor(_predictor(body, "zero_velocity"), rate=1000)
    poses = np.random.default_rng(7).normal(0, 0.1, (600, 99))
    _push_all(stream, np.arange(300) / 50, poses[:300])
    peaks = {True: 0, False: 0}
    tracemalloc.start()
    for number in range(300, 600):
        tracemalloc.reset_peak()
        begin = tracemalloc.get_traced_memory()[0]
        made = stream.push(poses[number], EPOCH + number / 50) is not None
        peaks[made] = max(peaks[made], tracemalloc.get_traced_memory()[1] - begin)
    ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/motion_jax/inference/stream/*")])
    tracemalloc.stop()
    assert sum(trace.size for trace in ours.statistics("filename")) < 2_000  # a prediction has 1,188 bytes of poses
    assert peaks[False] < 6_000  # the store has a million bytes, a slerp at work 30,000
    assert peaks[True] < 16_000


def test_a_feed_is_uneven_and_has_holes_as_asked():
    even = Feed(50.0, 2.0).stamps()
    np.testing.assert_allclose(even, np.arange(100) / 50)
    uneven = Feed(50.0, 200.0, jitter_s=0.005, drop=0.1).stamps()
    assert len(uneven) == pytest.approx(9000, abs=100)
    assert np.std(uneven * 50 - np.rint(uneven * 50)) == pytest.approx(0.25, abs=0.02)


def test_a_recording_runs_to_its_end_and_back():
    times = np.arange(11) / 10
    recording = Recording(_even_motion(times), 10.0, TURNING)
    for moment, expected in ((0.25, 0.25), (1.0, 1.0), (1.3, 0.7), (2.0, 0.0), (2.4, 0.4), (-0.1, 0.1)):
        np.testing.assert_allclose(recording.at(moment), _even_motion(np.array([expected]))[0], atol=1e-9)
    with pytest.raises(UserError, match="has 1 frame"):
        Recording(np.zeros((1, 12)), 10.0, TURNING)


def test_a_replay_tells_what_happened(absolute: Predictor):
    stream = StreamingPredictor(absolute)
    recording = Recording(_even_motion(np.arange(50) / 50), 50.0, TURNING)
    told = replay(stream, recording, Feed(100.0, 0.5))
    assert (told.poses, told.counts.taken) == (50, 50)
    assert 1 <= len(told.latency_ms) == len(told.processor_ms) <= 8
    assert "latency ms: p50" in str(told)
    with pytest.raises(UserError, match=r"no prediction in 0.1 s: the poses must reach back 0.2 s; 10 taken"):
        replay(StreamingPredictor(absolute), recording, Feed(100.0, 0.1))


def test_a_replay_that_falls_behind_passes_poses_over():
    """A stream that needs five poses' time: it is given the newest, and what it missed is counted."""
    observed = []

    def push(_, stamp):
        time.sleep(0.05)
        return SimpleNamespace(times=np.array([stamp + 0.02]), bridged=np.zeros(6, bool))

    slow = SimpleNamespace(push=push, observe=lambda _, stamp: observed.append(stamp), counts=PoseCounts(), reach=0.0)
    told = replay(slow, Recording(np.zeros((2, 12)), 1.0, TURNING), Feed(100.0, 1.0))  # type: ignore[arg-type]
    assert told.passed_over == len(observed) == 100 - len(told.latency_ms)
    assert told.late_frame == told.late_pose + 1 == len(told.latency_ms) <= 21  # after the last no pose is due


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the body of Human3.6M, and a motion of it."""
    folder = Workdir(tmp_path_factory.mktemp("live") / "run")
    predictor = _predictor(H36M)
    state = init_state(make(predictor.experiment, predictor.space), make_optimizer(predictor.experiment), 0)
    with folder.locked():
        folder.begin(predictor.experiment, {"space.json": predictor.space.to_json()}, "key")
        checkpoints = Checkpoints(folder.last, run=folder.run_key())
        checkpoints.save(1, state)
        checkpoints.close()
    steps = np.random.default_rng(6).normal(0, 0.01, (60, 99))
    write_expmap(folder.path / "walk.txt", np.cumsum(steps, axis=0))
    write_expmap(folder.path / "other.txt", np.zeros((60, 117)))
    return folder.path


Forked = Callable[..., list[Any]]  # see conftest.py


def _command(forked: Forked, workdir: Path, *arguments: str) -> Any:
    """At home in the folder of the run."""
    code = "from motion_jax.commands import stream\ncli.run(stream.main)"
    return forked(code, [[f"--workdir={workdir}", *arguments]], ROOT, HOME=str(workdir))[0]


def test_the_command_feeds_a_file(workdir: Path, forked: Forked):
    """--input_fps is the rate of its 60 frames, --rate that of the poses; `~` is the home folder."""
    done = _command(
        forked, workdir, "--input=~/walk.txt", "--action=walking", "--input_fps=100", "--rate=50", "--jitter_ms=1"
    )
    assert (done.status, done.complaints) == (0, "")
    first, poses, *_ = done.out.splitlines()
    assert first.endswith("walk.txt: 50 poses/s for 0.6 s to a model of 25 frames/s")
    assert poses.startswith("30 poses: taken ")


def test_another_body_is_told(workdir: Path, forked: Forked):
    done = _command(forked, workdir, f"--input={workdir / 'other.txt'}")
    expected = r"error: --input=\S+other.txt: does not fit --workdir=\S+: 38 joints where 32 .* --retarget .*\n"
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(expected, done.complaints), done.complaints


def test_the_robots_example_of_the_guide(monkeypatch: pytest.MonkeyPatch):
    """With stand-ins for ROS's messages: times go on from the stamp, angles are the joints', nothing is compiled."""
    stream = StreamingPredictor(_predictor(H36M, "zero_velocity"))
    times = np.arange(10) / FPS
    prediction = _push_all(stream, times, np.random.default_rng(9).normal(0, 0.3, (10, 99)))[-1]

    def record(**fields):
        return SimpleNamespace(**fields)

    def trajectory():
        return SimpleNamespace(header=SimpleNamespace(), points=[])

    for name, members in {
        "builtin_interfaces": {"Duration": record, "Time": record},
        "trajectory_msgs": {"JointTrajectory": trajectory, "JointTrajectoryPoint": record},
    }.items():
        module = ModuleType(f"{name}.msg")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, f"{name}.msg", module)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "streaming.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(next(block for block in blocks if "def joint_trajectory" in block), names)
    stamp = EPOCH + times[-1]
    events: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(note := lambda event, *_, **__: events.append(event))
    message = names["joint_trajectory"](prediction, H36M, stamp)
    jax.monitoring.unregister_event_duration_listener(note)
    assert not events
    assert (len(message.points), len(message.joint_names)) == (T, 3)
    ahead = [point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec for point in message.points]
    np.testing.assert_allclose(ahead, np.arange(1, T + 1) / FPS, atol=1e-6)
    expected = joint_angles(H36M, prediction.poses, ["r_shoulder_pitch", "r_shoulder_roll", "r_elbow"])
    expected = np.clip(np.unwrap(expected, axis=0), [-2, -0.3, 0], [2, 1.3, 2.5])
    np.testing.assert_allclose([point.positions for point in message.points], expected, atol=1e-9)
