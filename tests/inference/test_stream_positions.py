"""Live joint positions: what a stream says of them is what is said of the same places read from a recording."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.formats import Motion, write_motion
from motion_jax.data.labelled import msr_action3d, ntu, sbu
from motion_jax.data.labelled.one_file import read_one
from motion_jax.data.labelled.sequences import Sequence
from motion_jax.data.positions import to_positions
from motion_jax.errors import UserError
from motion_jax.geometry.fit_rotations import root_in_place
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.recogniser import Recogniser
from motion_jax.inference.recordings import read_sequence
from motion_jax.inference.stream import PoseCounts, StreamingAnticipator, StreamingPredictor, StreamingRecogniser
from motion_jax.inference.stream.layout import PoseLayout
from motion_jax.inference.stream.replay import Recording
from motion_jax.inference.stream.ring import Ring
from motion_jax.inference.stream.source import read_source
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.skeletons.skeleton import Joint, Skeleton
from tests.labelled_runs import FPS, STEP, WINDOW, experiment, make_run, motion_rows, space, write_run

ROOT = Path(__file__).parents[2]
S, T, RATE = 6, 3, 25.0
EPOCH = 1.7e9  # s, where today's clocks are
MSR = msr_action3d.SKELETON
MSR_RUN: dict[str, Any] = {"body": MSR, "data": "msr_action3d", "inputs": "positions,velocities"}

Forked = Callable[..., list[Any]]  # see conftest.py


def fixed_hips(rows: np.ndarray) -> np.ndarray:
    """Frames of CMU's body in which what carries the hips does not turn, as in its recordings."""
    for joint in ("LHipJoint", "RHipJoint"):
        first = 3 + 3 * CMU.index(joint)
        rows[:, first : first + 3] = 0
    return rows


def places_of(count: int, body: Skeleton = CMU) -> np.ndarray:
    """`[F, 3 J]` mm, the root in place: a slow random walk about the rest pose."""
    return to_positions(body, fixed_hips(motion_rows(count, body))).astype(np.float64)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """Of CMU's body: hips that do not lie on a line with the root."""
    places = places_of(300)
    std = places.std(axis=0)
    kept = tuple(np.flatnonzero(std > 0.1).tolist())
    data = DataConfig(name="cmu", root="absent", representation="positions", source_length=S, target_length=T)
    model = model_config("simlpe", layers=1, predicted=3)
    made = Experiment(data=data, model=model, eval=EvalConfig(frames="1,3"))
    known = PoseSpace(places.mean(axis=0), np.where(std > 0.1, std, 1.0), kept, ("walking",), CMU.of_positions, RATE,
                      "positions")  # fmt: skip
    rng = np.random.default_rng(0)
    params = jax.jit(make(made, known).init)(jax.random.key(0))
    return Predictor(jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype("f4"), params),
                     made, known, 0)  # fmt: skip


def push_all(stream: Any, rows: np.ndarray, rate: float = RATE) -> list[Any]:
    return [stream.push(pose, EPOCH + number / rate) for number, pose in enumerate(rows)]


def moved(places: np.ndarray, turn: Rotation, by: np.ndarray) -> np.ndarray:
    """Rows `[F, 3 J]` turned about the origin and shifted by `[3]` or `[F, 3]`."""
    joints = turn.apply(places.reshape(-1, 3)).reshape(len(places), -1, 3)
    return (joints + np.broadcast_to(by, (len(places), 3))[:, None]).reshape(len(places), -1)


SOMEWHERE = np.array([1200.0, 900.0, -3500.0])


def test_places_go_straight_and_keep_to_scale_and_shift():
    """Over a ring that has closed; what is read of scaled and shifted poses is scaled and shifted."""
    rng = np.random.default_rng(1)
    stamps, poses = np.cumsum(rng.uniform(0.01, 0.2, 40)), rng.normal(0, 500, (40, 6))
    times = np.sort(rng.uniform(stamps[-9], stamps[-1], 15))

    def read(rows: np.ndarray) -> np.ndarray:
        ring, found = Ring(9, PoseLayout(6, people=1), 15), np.zeros((15, 6))
        for stamp, row in zip(stamps, rows, strict=True):
            ring.append(stamp, row)
        ring.read(times, found)
        return found

    expected = np.stack([np.interp(times, stamps, column) for column in poses.T], axis=1)
    np.testing.assert_allclose(read(poses), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(read(3 * poses + SOMEWHERE.repeat(2)), 3 * expected + SOMEWHERE.repeat(2), atol=1e-9)


def test_who_comes_is_not_halfway_from_nowhere():
    ring, found = Ring(4, PoseLayout(6, people=2), 2), np.zeros((2, 6))
    ring.append(0.0, np.array([100.0, 0, 0, 0, 0, 0]))
    ring.append(1.0, np.array([200.0, 0, 0, 900, 900, 900]))
    ring.read(np.array([0.4, 0.6]), found)
    np.testing.assert_allclose(found, [[140, 0, 0, 0, 0, 0], [160, 0, 0, 900, 900, 900]])


@pytest.mark.parametrize("body", [CMU, H36M])
def test_wherever_a_body_is_it_is_put_in_the_same_place(body: Skeleton):
    places = places_of(20, body) if body is CMU else to_positions(H36M, motion_rows(20)).astype(np.float64)
    joints = places.reshape(20, -1, 3)
    own = root_in_place(body, joints)
    np.testing.assert_array_equal(own.places, joints)
    turn = Rotation.from_rotvec([0.4, 2.0, -0.3])
    there = moved(places, turn, SOMEWHERE).reshape(joints.shape)
    found, again = root_in_place(body, there), root_in_place(body, moved(places, Rotation.identity(), SOMEWHERE)
                                                             .reshape(joints.shape))  # fmt: skip
    np.testing.assert_allclose(found.places, again.places, atol=1e-6)
    np.testing.assert_allclose(found.back(found.places[-1:]), there[-1:], atol=1e-6)
    hips = [body.index(name) for name in ("LeftUpLeg", "RightUpLeg")]
    np.testing.assert_allclose(found.places[:, [0, *hips]], joints[:, [0, *hips]], atol=1e-3)
    if body is CMU:  # hips tell all
        np.testing.assert_allclose(found.places, joints, atol=1e-2)
        np.testing.assert_allclose(found.turns, np.broadcast_to(turn.as_matrix().T, (20, 3, 3)), atol=1e-5)


def test_a_body_without_hips_is_told():
    trunk = Skeleton.from_table("trunk", (Joint("Hips", None, "spine", (0, 0, 0)),
                                          Joint("Chest", "Hips", "spine", (0, 300, 0))))  # fmt: skip
    with pytest.raises(UserError, match="skeleton trunk: it has no two hips"):
        root_in_place(trunk, np.ones((2, 2, 3)))


def test_at_the_models_rate_a_stream_predicts_what_the_predictor_does(predictor: Predictor):
    places = places_of(30)
    found = push_all(StreamingPredictor(predictor, "walking"), places)
    assert [answer is None for answer in found] == [True] * (S - 1) + [False] * (31 - S)
    for number in (S - 1, 17, 29):
        expected = predictor(places[number - S + 1 : number + 1], "walking")
        np.testing.assert_allclose(found[number].poses, expected, rtol=1e-5, atol=1e-2)
    assert np.ptp([answer.poses for answer in found[S:]], axis=0).max() > 10  # mm: they differ
    last = found[-1]
    np.testing.assert_allclose(last.times - EPOCH, 29 / RATE + np.arange(1, T + 1) / RATE, atol=1e-6)
    assert (last.poses.dtype, last.poses.shape) == (np.float32, (T, CMU.of_positions.columns))


def test_a_body_that_walks_and_turns_is_predicted_where_it_is(predictor: Predictor):
    """The model sees it in place; what comes is seen from where the root was last. At another rate than the model's."""
    places = places_of(60)
    walk = SOMEWHERE + np.outer(np.arange(60), [0, 0, 20.0])
    turn = Rotation.from_rotvec([0.1, -2.5, 0.2])
    still = push_all(StreamingPredictor(predictor, period=0), places, 50.0)[-1]
    there = push_all(StreamingPredictor(predictor, period=0), moved(places, turn, walk), 50.0)[-1]
    np.testing.assert_allclose(there.poses, moved(still.poses, turn, walk[-1]), atol=0.5)  # mm


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_pose_that_shows_nobody_changes_no_prediction(predictor: Predictor, value: float):
    places = places_of(12)
    one, other = StreamingPredictor(predictor), StreamingPredictor(predictor)
    for stream in (one, other):
        push_all(stream, places[:10])
    broken = np.full(114, value)
    assert one.push(broken, EPOCH + 9.5 / RATE) is None
    assert one.counts == PoseCounts(taken=10, invalid=1)
    expected, found = (stream.push(places[10], EPOCH + 10 / RATE) for stream in (other, one))
    assert found is not None
    assert expected is not None
    np.testing.assert_array_equal(found.poses, expected.poses)
    with pytest.raises(UserError, match=r"pose is float64 \[117\]: it must be real numbers \[114\]"):
        one.push(np.zeros(117), 0.0)


@pytest.mark.parametrize("bridge", ["extrapolate", "hold"])
def test_while_no_pose_comes_places_go_on_or_stay(predictor: Predictor, bridge: Any):
    stream = StreamingPredictor(predictor, bridge=bridge)
    walk = places_of(1) + np.outer(np.arange(12), np.tile([10.0, 0, 5.0], 38))
    push_all(stream, walk)
    found = stream.predict(EPOCH + 14 / RATE)
    assert found is not None
    ahead = 3 if bridge == "extrapolate" else 0
    np.testing.assert_allclose(
        stream._stream.rows[-1] - walk[-1], np.tile([10.0 * ahead, 0, 5.0 * ahead], 38), atol=1e-3
    )
    assert found.bridged.tolist() == [False] * 3 + [True] * 3


def seen(rows: np.ndarray, name: str = "positions") -> Sequence:
    return Sequence({name: rows.astype(np.float32)}, (), "", "test", "made")


def camera(count: int, body: Skeleton = MSR) -> np.ndarray:
    """`[F, 3 J]` mm before a camera: nothing is in place."""
    own = to_positions(body, motion_rows(count, body)).astype(np.float64)
    return moved(own, Rotation.from_rotvec([0, 0.7, 0]), SOMEWHERE + np.outer(np.arange(count), [3.0, 0, -2.0]))


ROWS = (WINDOW - 1) * STEP + 1  # recorded frames of a window


@pytest.fixture(scope="module")
def msr_recogniser() -> Recogniser:
    return make_run("recognition", **MSR_RUN)


def test_a_live_label_of_positions_is_that_of_a_recording_of_its_window(msr_recogniser: Recogniser):
    rows = camera(30)
    stream = StreamingRecogniser(msr_recogniser, period=0)
    assert stream.layout == PoseLayout(60, people=1)
    found = push_all(stream, rows, FPS)
    assert [answer is None for answer in found] == [True] * (ROWS - 1) + [False] * (31 - ROWS)
    for number in (ROWS - 1, 20, 29):
        (label,) = msr_recogniser.label_sequence(seen(rows[number - ROWS + 1 : number + 1]))
        np.testing.assert_allclose(found[number].probabilities, label.probabilities, atol=5e-5)
    assert np.ptp([answer.probabilities for answer in found[ROWS:]], axis=0).max() > 1e-3
    with pytest.raises(UserError, match=r"poses='rotations': must be 'positions'"):
        StreamingRecogniser(msr_recogniser, poses="rotations")


def test_what_comes_is_told_of_two_people_of_whom_one_may_leave():
    run = make_run("anticipation", ntu.SKELETON, "ntu", 2, inputs="positions,velocities", preprocess="center")
    rows = np.concatenate([camera(20, ntu.SKELETON), camera(20, ntu.SKELETON) + 700], axis=1)
    rows[8:, 75:] = 0
    stream = StreamingAnticipator(run, period=0)
    found = push_all(stream, rows, FPS)
    frames = round(stream.reach * FPS)
    for number in (frames, 19):
        for live, one in zip(found[number].coming, run.anticipate_sequence(seen(rows[number - frames : number + 1])),
                             strict=True):  # fmt: skip
            np.testing.assert_allclose(live.probabilities, one.probabilities, atol=5e-5)


def test_a_network_of_rotations_that_reads_positions_takes_both():
    run = make_run("recognition", H36M.with_absolute_root, inputs="positions", preprocess="center")
    rows = motion_rows(ROWS)
    turned = push_all(StreamingRecogniser(run, period=0), rows, FPS)[-1]
    stream = StreamingRecogniser(run, poses="positions", period=0)
    placed = push_all(stream, to_positions(H36M, rows), FPS)[-1]
    np.testing.assert_allclose(placed.probabilities, turned.probabilities, atol=5e-5)
    assert stream.layout.columns == 96


def test_feature_arrays_are_streamed_side_by_side():
    run = make_run("recognition", None, "feature_arrays", inputs="rgb,obj", preprocess="")
    rows = np.random.default_rng(4).normal(0, 1, (ROWS, 4))
    found = push_all(StreamingRecogniser(run, period=0), rows, FPS)[-1]
    arrays = {"rgb": rows[:, :2].astype(np.float32), "obj": rows[:, 2:].astype(np.float32)}
    (label,) = run.label_sequence(dataclasses.replace(seen(rows), arrays=arrays))
    np.testing.assert_allclose(found.probabilities, label.probabilities, atol=5e-5)


# Files


def msr_file(folder: Path, frames: int = 30) -> Path:
    path = folder / f"a01_s02_e{frames}_skeleton3D.txt"
    rows = np.empty((frames, 20, 3))
    rows[:, msr_action3d._ROWS] = camera(frames).reshape(frames, 20, 3) / 1000
    path.write_text("".join(f"{x} {y} {z} 1\n" for x, y, z in rows.reshape(-1, 3)))
    return path


def untrained(body: Skeleton | None, data: str, people: int = 1, **labels: Any) -> Recogniser:
    """For its inputs alone."""
    made = experiment("recognition", data, **labels)
    return Recogniser({}, made, space(made, body, people), 0)  # type: ignore[arg-type]


def test_files_of_the_data_set_are_fed_as_they_are_read(msr_recogniser: Recogniser, tmp_path: Path):
    rows = np.random.default_rng(5).uniform(0, 1, (4, 90))
    numbered = [",".join(map(str, [number, *row])) for number, row in enumerate(rows)]
    (tmp_path / "skeleton_pos.txt").write_text("\n".join(numbered))
    body = "1 0\n25\n" + "1 2 3\n" * 24 + "1 2 4\n"
    (tmp_path / "S001C001P001R001A008.skeleton").write_text(f"2\n1\n{body}1\n{body}")
    np.savez(tmp_path / "clip.npz", obj=rows[:, :2], rgb=rows[:, 2:4], more=rows, fps=FPS)
    places = {"inputs": "positions", "preprocess": "center"}
    runs = {
        msr_file(tmp_path).name: (msr_recogniser, 60),
        "skeleton_pos.txt": (untrained(sbu.SKELETON, "sbu", 2, **places), 90),
        "S001C001P001R001A008.skeleton": (untrained(ntu.SKELETON, "ntu", 2, **places), 150),
    }
    for name, (run, columns) in runs.items():
        source = read_source(tmp_path / name, run)
        assert (source.form, source.fps, source.frames.shape[1]) == ("positions", FPS, columns)
        expected = read_one(run.experiment.data.name, tmp_path / name, FPS).arrays["positions"]
        np.testing.assert_array_equal(source.frames, expected)
    features = untrained(None, "feature_arrays", inputs="rgb,obj", preprocess="")
    np.testing.assert_allclose(read_source(tmp_path / "clip.npz", features).frames, rows[:, [2, 3, 0, 1]], rtol=1e-6)
    with pytest.raises(UserError, match=r"S001\S+: called like a file of NTU RGB\+D: the model was trained on 'msr"):
        read_source(tmp_path / "S001C001P001R001A008.skeleton", msr_recogniser)
    with pytest.raises(UserError, match=r"walk\.bvh: the network reads feature arrays"):
        read_source(tmp_path / "walk.bvh", features)


def cmu_motion(count: int = 40) -> Motion:
    return Motion(CMU.with_absolute_root, fixed_hips(motion_rows(count, CMU)), 50.0, "made")


def test_files_of_positions_fit_by_name_or_number(predictor: Predictor, msr_recogniser: Recogniser, tmp_path: Path):
    """In real mm, in any order of joints; what the model does not know is left out."""
    given = camera(40, CMU).reshape(40, -1, 3)
    order = np.random.default_rng(6).permutation(39)
    points, names = np.concatenate([given, given[:, :1]], axis=1)[:, order], np.array([*CMU.joints, "Nose"])[order]
    np.savez(tmp_path / "named.npz", positions=points * CMU.true_scale, joint_names=names, fps=50.0, unit_mm=1.0)
    np.save(tmp_path / "bare.npy", given * CMU.true_scale)
    np.save(tmp_path / "few.npy", given[:, :20])
    for name in ("named.npz", "bare.npy"):
        source = read_source(tmp_path / name, predictor, 50.0)
        assert (source.form, source.fps) == ("positions", 50.0)
        np.testing.assert_allclose(source.frames, given.reshape(40, -1), atol=1e-3)
    assert read_source(tmp_path / "few.npy", msr_recogniser, 15.0).frames.shape == (40, 60)
    with pytest.raises(UserError, match=r"few\.npy: holds positions of 20 joints without names .*'cmu' has 38"):
        read_source(tmp_path / "few.npy", predictor, 50.0)
    np.savez(tmp_path / "named.npz", positions=points[:, 1:], joint_names=names[1:], fps=50.0, unit_mm=1.0)
    with pytest.raises(UserError, match=r"named\.npz: holds positions of 38 joints, none called .*needs all its 38"):
        read_source(tmp_path / "named.npz", predictor)
    turning = untrained(H36M, "synthetic", inputs="angles")
    with pytest.raises(UserError, match=r"few\.npy: holds joint positions .* the model reads rotations"):
        read_source(tmp_path / "few.npy", turning, 50.0)


def test_a_motion_is_fed_to_a_model_of_positions(predictor: Predictor, tmp_path: Path):
    motion = cmu_motion()
    write_motion(motion, tmp_path / "walk.motion.npz")
    source = read_source(tmp_path / "walk.motion.npz", predictor)
    np.testing.assert_allclose(source.frames, to_positions(CMU, motion.frames), atol=1e-3)
    stream = StreamingPredictor(predictor)
    pose = Recording(source.frames, source.fps, stream.layout).at(0.01)
    np.testing.assert_allclose(pose, source.frames[:2].mean(axis=0), atol=1e-6)


def test_arrays_of_other_columns_are_named_wherever_they_come_in(tmp_path: Path):
    run = untrained(None, "feature_arrays", inputs="rgb,obj", preprocess="")
    rows = np.ones((9, 3), np.float32)
    np.savez(tmp_path / "clip.npz", rgb=rows[:, :2], obj=rows, fps=FPS)
    said = r"array 'obj' is \[9, 3\]: must be \[F, 2\], as what was trained on"
    for take in (run.inputs, run.label_sequence, lambda _: read_source(tmp_path / "clip.npz", run)):
        with pytest.raises(UserError, match=said):
            take(read_one("feature_arrays", tmp_path / "clip.npz", FPS))
    turned = untrained(MSR, "msr_action3d", inputs="positions,velocities")
    with pytest.raises(UserError, match=r"made: array 'positions' is \[9, 3\]: must be \[F, 60\]"):
        turned.inputs(seen(rows))
    for wrong in (turned.label, turned.label_sequence, make_run("anticipation").anticipate):
        with pytest.raises(UserError, match=r"^ndarray \[9, 3\] is no (motion|Sequence): "):
            wrong(rows)


def test_places_of_the_runs_body_are_labelled_as_a_stream_takes_them(tmp_path: Path):
    """At another rate, with a frame in which nobody is."""
    run = untrained(MSR, "msr_action3d", inputs="positions")
    given = camera(41)
    given[7] = 0
    np.save(tmp_path / "j20.npy", given.reshape(41, 20, 3))
    found = read_sequence(tmp_path / "j20.npy", run, 2 * FPS).arrays["positions"]
    assert found.shape == (21, 60)
    np.testing.assert_allclose(found, given[::2], rtol=1e-6)  # the 7th is between
    kinds = {"rest": (0.0, "nobody is in any of its 9 frames"), "torn": (np.nan, "none of its 9 frames has a place")}
    for name, (value, said) in kinds.items():
        np.save(tmp_path / f"{name}.npy", np.full((9, 20, 3), value))
        for take in (read_source, read_sequence):
            with pytest.raises(UserError, match=rf"{name}\.npy: {said}"):
                take(tmp_path / f"{name}.npy", run, FPS)


@pytest.mark.parametrize(("body", "data", "people", "name", "pattern"), [
    (MSR, "msr_action3d", 1, "wave.txt", "a??_s??_e??_skeleton*.txt"),
    (ntu.SKELETON, "ntu", 2, "wave.skeleton", "s???c???p???r???a???.skeleton"),
    (sbu.SKELETON, "sbu", 2, "wave.txt", "skeleton_pos.txt"),
])  # fmt: skip
def test_a_file_of_another_name_is_told_what_it_must_be_called(body, data, people, name, pattern, tmp_path: Path):
    run = untrained(body, data, people, inputs="positions")
    (tmp_path / name).write_text("1 2 3 1\n" * 40)
    for take in (read_source, read_sequence):
        with pytest.raises(UserError) as error:
            take(tmp_path / name, run)
        assert str(error.value).endswith(f": these are read by their names, {pattern}")
        assert "\n" not in str(error.value)


STREAM = "from motion_jax.commands import stream\ncli.run(stream.main)"
RECOGNISE = "from motion_jax.commands import recognise\ncli.run(recognise.main)"


def test_the_command_labels_msr_files_and_names_what_does_not_fit(tmp_path: Path, forked: Forked):
    run, path = write_run(tmp_path / "run", "recognition", **MSR_RUN), msr_file(tmp_path)
    few, brief = tmp_path / "few.npy", msr_file(tmp_path, 10)
    np.save(few, np.random.default_rng(7).normal(0, 500, (9, 19, 3)))
    inputs = [(path,), (brief,), (few, "--input_fps=15")]
    lines = [[f"--workdir={run}", f"--input={file}", *more] for file, *more in inputs]
    labels, short, refused = forked(STREAM, lines, ROOT)
    assert (labels.status, labels.complaints) == (0, "")
    assert labels.out.splitlines()[0].endswith("skeleton3D.txt: 50 poses/s for 0.6 s to a model of 25 frames/s")
    assert re.search(r"^latency ms: p50 \S+  p99 \S+  max \S+$", labels.out, re.MULTILINE)
    assert "\n1 labels, 0 of them" in short.out  # shorter than the windows of training: all of it
    (whole,) = forked(RECOGNISE, [lines[1]], ROOT)
    assert whole.out.removeprefix(str(brief)).strip() == short.out.splitlines()[1].strip()
    assert (refused.status, refused.out) == (2, "")
    assert re.fullmatch(
        r"error: \S+few\.npy: holds positions of 19 joints without names .* has 20\n", refused.complaints
    )


MISTAKES = {
    "--rate=0": "must be above 0 and at most 10000 poses a second",
    "--rate=nan": "must be above 0 and at most 10000 poses a second",
    "--seconds=nan": "must be a finite number above 0",
    "--seconds=0": "must be a finite number above 0",
    "--seconds=1e+09": "must be at most 400000 at 50 poses a second",
    "--window=nan": "must be a finite number above 0",
    "--window=0.01": "a window must hold two frames, 0.08 s, or more",
    "--window=100": "must be at most 0.6 s, in which the poses come",
    "--drop=1": "must be 0 or above, and less than 1",
    "--drop=0.999999": "leaves none of the poses of 0.6 s",
    "--jitter_ms=inf": "must be a finite number, 0 or above",
    "--period=nan": "must be a finite number, 0 or above",
    "--max_gap=0.001": "must be longer than half a pose, 0.00416667 s",
    "--max_bridge=nan": "must be from 0 to 10 s",
    "--person=5": "nothing reads it: ",
    "--input_fps=30": "nothing reads it: ",
    "--joint_map=missing.csv": "nothing reads it: ",
}


def test_a_flag_that_is_out_of_range_or_that_nothing_reads_is_refused(tmp_path: Path, forked: Forked):
    known = [f"--workdir={write_run(tmp_path / 'run', 'recognition', **MSR_RUN)}", f"--input={msr_file(tmp_path)}"]
    for done, (flag, said) in zip(
        forked(STREAM, [[*known, flag] for flag in MISTAKES], ROOT), MISTAKES.items(), strict=True
    ):
        assert (done.status, done.out, done.complaints.count("\n")) == (2, "", 1), done
        assert done.complaints.startswith(f"error: {flag}: {said}"), done.complaints
    flags = ("--seconds=0", "--hop=0", "--input_fps=30", "--retarget")
    for done, flag in zip(forked(RECOGNISE, [[*known, flag] for flag in flags], ROOT), flags, strict=True):
        assert (done.status, done.complaints.count("\n")) == (2, 1)
        assert done.complaints.startswith(f"error: {flag}: "), done.complaints
