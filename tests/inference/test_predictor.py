"""Raw frames in, raw frames out: as a function, and as a command."""

from __future__ import annotations

import dataclasses
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.config import ComputeConfig, DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.expmap import read_expmap, write_expmap
from motion_jax.data.formats import Motion, in_unit, read_motion, write_motion
from motion_jax.data.frame_files import read_frames, write_frames
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import evaluate, select
from motion_jax.inference import predictor as module
from motion_jax.inference.predictor import Predictor, load_predictor, padded_batch
from motion_jax.models import make
from motion_jax.models.raw import raw_predict
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Joint, Skeleton
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import TrainState, init_state
from motion_jax.train.workdir import Workdir
from motion_jax.types import Clip, Dataset, Model

S, T, STRIDE = 6, 3, 2
ACTIONS = ("walking", "eating")
BODY = H36M.with_absolute_root  # as motion files have it
EXPERIMENT = Experiment(
    data=DataConfig(name="h36m", root="absent", source_length=S, target_length=T, stride=STRIDE),
    model=model_config(hidden=4, attention="none"),
    eval=EvalConfig(protocols="srnn", metrics="euler_error_rad", frames="1,3", batch=16),
)


def _frames(count: int, seed: int = 0) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0, 0.02, (count, 99))
    return np.cumsum(steps, axis=0).astype(np.float32)


@pytest.fixture(scope="module")
def space() -> PoseSpace:
    """Columns 10 to 59 move; the others are dropped, and come back as their mean."""
    rng = np.random.default_rng(1)
    kept = tuple(range(10, 60))
    std = np.where(np.isin(np.arange(99), kept), rng.uniform(0.1, 2, 99), 1)
    return PoseSpace(rng.normal(0, 0.3, 99), std, kept, ACTIONS, H36M, 25.0)


def _state(space: PoseSpace, seed: int) -> TrainState:
    """Every parameter is moved by noise: a new network may be one that holds still."""
    state = init_state(make(EXPERIMENT, space), make_optimizer(EXPERIMENT), seed)
    rng = np.random.default_rng(seed)
    return state.replace(
        params=jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype("f4"), state.params)
    )


@pytest.fixture(scope="module")
def workdir(space: PoseSpace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training leaves: parameters of seed 3 as the best, at step 30, and of seed 4 as the last, at step 40."""
    folder = Workdir(tmp_path_factory.mktemp("runs") / "run")
    with folder.locked():
        folder.begin(EXPERIMENT, {"space.json": space.to_json()}, "key")
        for path, step, seed in ((folder.best, 30, 3), (folder.last, 40, 4)):
            checkpoints = Checkpoints(path)
            checkpoints.save(step, _state(space, seed))
            checkpoints.close()
    return folder.path


@pytest.fixture(scope="module")
def predictor(workdir: Path) -> Predictor:
    return load_predictor(workdir)


def test_auto_is_best_where_one_was_chosen(workdir: Path, predictor: Predictor, space: PoseSpace):
    steps = {name: load_predictor(workdir, name).step for name in ("best", "last")}
    assert (steps, predictor.step) == ({"best": 30, "last": 40}, 30)
    expected = _state(space, 3).params
    for one, other in zip(jax.tree.leaves(predictor.params), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_emptied_best_is_not_read_as_last(workdir: Path, tmp_path: Path):
    run = Path(shutil.copytree(workdir, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints" / "best" / "30")
    (run / "checkpoints" / "best" / "30").mkdir()
    with pytest.raises(UserError, match=r"best/30: damaged: .* is empty\. The last checkpoint is sound"):
        load_predictor(run)
    assert load_predictor(run, "last").step == 40


def test_what_was_loaded_says_so_pickles_and_may_lie_at_home(
    predictor: Predictor, workdir: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = f"Predictor(seq2seq, workdir='{workdir}', step=30, body='h36m', fps=25, S=6, T=3)"
    copy = pickle.loads(pickle.dumps(predictor))
    assert repr(predictor) == repr(copy) == expected
    jax.tree.map(np.testing.assert_array_equal, copy.params, predictor.params)
    monkeypatch.setenv("HOME", str(workdir.parent))
    assert load_predictor(f"~/{workdir.name}").workdir == workdir


def test_auto_is_last_where_none_was_chosen_yet(space: PoseSpace, tmp_path: Path):
    folder = Workdir(tmp_path)
    folder.begin(EXPERIMENT, {"space.json": space.to_json()}, "key")
    folder.best.mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no finished checkpoint \(auto\); has the run saved one yet"):
        load_predictor(tmp_path)
    checkpoints = Checkpoints(folder.last)
    checkpoints.save(40, _state(space, 4))
    checkpoints.close()
    assert load_predictor(tmp_path).step == 40


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("newest", "'newest': must be auto, best or last"),
        ("auto", r"holds no trained run \(config.json is missing\)"),
    ],
)
def test_what_cannot_be_opened(checkpoint: str, message: str, tmp_path: Path):
    with pytest.raises(UserError, match=message):
        load_predictor(tmp_path / "absent", checkpoint)
    assert not (tmp_path / "absent").exists()


def test_shapes(predictor: Predictor):
    history = _frames(S)
    one = predictor(history, "walking")
    assert (one.shape, one.dtype) == ((T, 99), np.float32)
    two = predictor(np.stack([history, history]), "walking")
    assert two.shape == (2, T, 99)
    np.testing.assert_allclose(two[1], one, rtol=1e-5, atol=1e-6)


def test_dropped_columns_come_back_as_their_mean(predictor: Predictor, space: PoseSpace):
    predicted = predictor(_frames(S), "walking")
    dropped = np.setdiff1d(np.arange(99), space.kept)
    np.testing.assert_array_equal(predicted[:, dropped], np.broadcast_to(space.mean[dropped].astype("f4"), (T, 49)))
    assert np.ptp(predicted[:, list(space.kept)], axis=0).min() > 0


def test_only_the_last_frames_are_read(predictor: Predictor):
    frames = _frames(S + 9)
    np.testing.assert_array_equal(predictor(frames, "walking"), predictor(frames[-S:], "walking"))
    moved = frames.copy()
    moved[:9] += 1
    np.testing.assert_array_equal(predictor(frames, "walking"), predictor(moved, "walking"))
    moved[9, 20] += 1
    assert (predictor(frames, "walking") != predictor(moved, "walking")).any()


def test_actions_matter_by_name(predictor: Predictor):
    pair = np.stack([_frames(S)] * 2)
    mixed = predictor(pair, ["eating", None])
    for i, name in enumerate(("eating", None)):
        np.testing.assert_array_equal(mixed[i], predictor(pair, name)[i])
    assert (mixed[0] != mixed[1]).any()
    assert (predictor(pair, "walking")[0] != mixed[0]).any()


WRONG = {
    "columns": (np.zeros((S, 98)), "walking", "history has shape [6, 98]: must be [F, 99] or [B, F, 99]"),
    "no time": (np.zeros(99), "walking", "history has shape [99]: must be"),
    "too deep": (np.zeros((1, 1, S, 99)), "walking", "history has shape [1, 1, 6, 99]: must be"),
    "too short": (np.zeros((S - 1, 99)), "walking", "history has 5 frames: the model reads the last 6"),
    "no sequence": (np.zeros((0, S, 99)), "walking", "history holds no sequence: its first dimension is 0"),
    "ragged": ([[1, 2], [3]], "walking", "history is no array, its rows differ in length: must be [F, 99] or"),
    "masked": (np.ma.masked_array(np.zeros((S, 99)), np.eye(S, 99)), "walking", "history is a masked array"),
    "text": (np.full((S, 99), "a"), "walking", "history is of type <U1: must be real numbers"),
    "truth values": (np.zeros((S, 99), bool), "walking", "history is of type bool: must be real numbers"),
    "complex": (np.zeros((S, 99), complex), "walking", "history is of type complex128: must be real numbers"),
    "nan": (np.where(np.arange(99) == 7, np.nan, np.zeros((S, 99))), "walking", "history[0, 7] is nan: every value"),
    "inf": (np.full((2, S, 99), -np.inf), "walking", "history[0, 0, 0] is -inf: every value must be finite"),
    "too large": (np.full((S, 99), 1e39), "walking", "history[0, 0] is 1e+39: every value must be finite, within"),
    "no motion": (
        np.where(np.arange(99) == 7, 1e30, np.zeros((S, 99))),
        "walking",
        "history[0, 7] is 1e+30: every value",
    ),
    "action": (np.zeros((S, 99)), "flying", "action 'flying' is unknown: it must be one of walking, eating"),
    "number": (np.zeros((S, 99)), 3, "action is 3: must be a name, a name for each sequence, or None"),
    "numbers": (np.zeros((1, S, 99)), [3], "action is 3: must be a name, a name for each sequence, or None"),
    "actions": (np.zeros((2, S, 99)), ["walking"], "action names 1 sequences, history holds 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_told(predictor: Predictor, case: str):
    history, action, message = WRONG[case]
    with pytest.raises(UserError, match=re.escape(message)):
        predictor(history, action)


def test_a_prediction_that_is_not_finite_is_told(predictor: Predictor, space: PoseSpace):
    spoilt = Predictor(jax.tree.map(lambda leaf: leaf * np.nan, predictor.params), EXPERIMENT, space, 0)
    with pytest.raises(
        UserError, match=r"the prediction is not finite, at \[0, \d+\] first: the parameters are damaged"
    ):
        spoilt(_frames(S))


def test_many_sequences_are_computed_in_parts(predictor: Predictor, space: PoseSpace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    history = np.stack([_frames(S, seed) for seed in range(7)])
    names = ["walking", "eating", None, "walking", None, "eating", "eating"]
    found, sizes = predictor(history, names), []
    parted = Predictor(predictor.params, EXPERIMENT, space, 0)
    compute = parted._predict
    parted._predict = lambda *given: sizes.append(len(given[1])) or compute(*given)
    np.testing.assert_array_equal(parted(history, names), found)
    assert sizes == [4, 4]
    one_by_one = [predictor(frames, name) for frames, name in zip(history, names, strict=True)]
    np.testing.assert_allclose(found, one_by_one, rtol=1e-5, atol=1e-6)


def test_compiled_once_for_each_batch_shape(predictor: Predictor, space: PoseSpace):
    model, traced = make(EXPERIMENT, space), []

    def apply(params, history, future, forced):
        traced.append(history.shape[0])
        return model.apply(params, history, future, forced)

    counted = Predictor(predictor.params, EXPERIMENT, space, 0)
    counted._predict = raw_predict(Model(model.init, apply), space, Experiment())
    for length in (S, S + 1, S + 5):
        for action in ("walking", "eating", None):
            counted(_frames(length), action)
            counted(np.stack([_frames(length)] * 2), action)
    assert traced == [1, 2]
    counted.compile(3)
    assert traced == [1, 2, 4]
    for count in (3, 4):
        assert counted(np.stack([_frames(S)] * count)).shape == (count, T, 99)
    assert traced == [1, 2, 4]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_batch_in_parts_is_predicted_as_the_whole(predictor: Predictor, size: int):
    parted = Predictor(
        predictor.params, dataclasses.replace(EXPERIMENT, compute=ComputeConfig(micro_batch=size)), predictor.space, 0
    )
    history = np.stack([_frames(S, seed) for seed in range(7)])
    whole = predictor(history)
    assert np.abs(whole[:-1] - whole[1:]).max(axis=(1, 2)).min() > 1e-3
    np.testing.assert_allclose(parted(history), whole, atol=1e-5)


def test_what_is_predicted_does_not_depend_on_the_batch(predictor: Predictor):
    history = np.stack([_frames(S, seed) for seed in range(3)])
    names = ["walking", "eating", None]
    together = predictor(history, names)
    for frames, name, predicted in zip(history, names, together, strict=True):
        np.testing.assert_allclose(predictor(frames, name), predicted, rtol=1e-5, atol=1e-6)


def test_batches_are_few_and_large_enough():
    sizes = [padded_batch(count) for count in range(1, 1000)]
    assert all(count <= size < max(2 * count, count + 64) for count, size in enumerate(sizes, 1))
    assert sorted(set(sizes)) == [1, 2, 4, 8, 16, 32, *range(64, 1025, 64)]


def test_compiling_when_asked(workdir: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(Predictor, "compile", lambda self, batch: asked.append(batch))
    load_predictor(workdir)
    assert asked == []
    load_predictor(workdir, batch=5)
    assert asked == [5]
    monkeypatch.undo()
    with pytest.raises(UserError, match="batch=0: must be at least 1"):
        load_predictor(workdir, batch=0)


def test_weights_are_prepared_once(predictor: Predictor, space: PoseSpace, monkeypatch: pytest.MonkeyPatch):
    """`apply` is given what `prepare` made, here the parameters as zeros; `params` stay what they were."""
    model, prepared = make(EXPERIMENT, space), []

    def prepare(params):
        prepared.append(True)
        return jax.tree.map(lambda leaf: 0 * leaf, params)

    made = SimpleNamespace(init=model.init, apply=model.apply, prepare=prepare, attend=None)
    monkeypatch.setattr("motion_jax.inference.predictor.make", lambda *_: made)
    changed = Predictor(predictor.params, EXPERIMENT, space, 0)
    still = changed(_frames(S))
    np.testing.assert_array_equal(still, changed(_frames(S)))
    np.testing.assert_allclose(still[:, 10:60], np.broadcast_to(_frames(S)[-1, 10:60], (T, 50)), rtol=1e-4, atol=1e-5)
    assert prepared == [True]
    assert changed.params is predictor.params


def test_evaluation_sees_the_same_predictions(predictor: Predictor, space: PoseSpace):
    """The function that users call, and what is scored in free-running mode."""
    clips = tuple(
        Clip(_frames(400 + 20 * trial, trial), "S5", action, trial, "test", f"{action}_{trial}")
        for action in ACTIONS
        for trial in (1, 2)
    )
    dataset = Dataset("h36m", clips, ACTIONS, skeleton=H36M, fps=50.0, key="key")
    windows = select("srnn", dataset, space, EXPERIMENT)
    seen = []

    def predict(history, future, codes, mode):
        seen.append(np.asarray(predictor.predict_raw(history, future, codes, mode)))
        return seen[-1]

    evaluate(predict, dataset, space, EXPERIMENT, "model", ["free_running"])
    names = [name for name, chosen in windows.actions.items() for _ in range(chosen.stop - chosen.start)]
    np.testing.assert_array_equal(predictor(windows.history, names), np.concatenate(seen))


@pytest.mark.parametrize("suffix", [".txt", ".npy", ".npz"])
def test_frame_files_keep_every_bit(tmp_path: Path, suffix: str):
    frames = _frames(5)
    write_frames(tmp_path / f"a{suffix}", frames)
    again = read_frames(tmp_path / f"a{suffix}", 99)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, frames)


BAD_FILES = {
    "a.csv": (b"", "suffix '.csv' is unknown: it must be one of .txt, .npy, .npz"),
    "a": (b"", "suffix '' is unknown"),
    "a.txt": (b"1,2\n", "2 columns: it must have 3"),
    "a.npy": (b"not numpy's", "is not a file of numpy's"),
    "a.npz": (b"PK\x03\x04", "is not a file of numpy's"),
    "b.npy": (np.zeros((4, 2)), "holds float64 [4, 2]: it must hold real numbers [F, 3]"),
    "c.npy": (np.full((4, 3), "x"), "holds <U1 [4, 3]: it must"),
    "d.npy": (np.array([[1, 2, 3], [4, np.nan, 6]]), "frame 1, column 1 is nan: must be within"),
    "g.npy": (np.array([[1, 2, 3], [4, 5, 1e30]]), "frame 1, column 2 is 1e+30: must be within ±16777216"),
    "h.txt": (b"1,2,3\n4,5,1e30\n", "frame 1, column 2 is 1e+30: must be within ±16777216"),
    "e.npz": ({"other": np.zeros((4, 3))}, "holds no array 'frames'"),
    "f.npy": (None, "cannot be read: No such file or directory"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_without_frames_is_told(tmp_path: Path, name: str):
    content, message = BAD_FILES[name]
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(UserError, match=re.escape(f"{path}") + ".*" + re.escape(message)):
        read_frames(path, 3)


class Command:
    def __init__(self, workdir: Path, folder: Path, forked: Callable[..., list[Any]]) -> None:
        self._workdir, self._folder, self._forked = workdir, folder, forked

    def __call__(self, arguments: str) -> tuple[int, str]:
        """Exit status and output."""
        code = "from motion_jax.commands import predict\ncli.run(predict.main)"
        line = [f"--workdir={self._workdir}", *arguments.split()]
        [(status, out, complaints)] = self._forked(code, [line], self._folder, HOME=str(self._folder))
        return status, out + complaints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_expmap(folder / "a.txt", _frames(30, 1))
    write_expmap(folder / "b.txt", _frames(40, 2))
    write_expmap(folder / "short.txt", _frames(10, 3))
    (folder / "narrow.txt").write_text("1,2,3\n" * 30)
    (folder / "sub").mkdir()
    write_expmap(folder / "sub" / "a.txt", _frames(30, 4))
    return folder


@pytest.fixture(scope="module")
def command(workdir: Path, folder: Path, forked: Callable[..., list[Any]]) -> Command:
    return Command(workdir, folder, forked)


def test_the_command_predicts_what_the_function_does(command: Command, predictor: Predictor, folder: Path):
    status, said = command("--input=a.txt --output=made/last.txt --action=walking")
    begun = r"first prediction \d+\.\d\d s after the process began\n"
    assert status == 0
    assert re.fullmatch(begun + "wrote made/last.txt: 3 frames at 25 per second\n", said), said
    frames = _frames(30, 1)
    expected = predictor(frames[30 - 11 :: 2], "walking")  # rows 19, 21, ... 29
    np.testing.assert_allclose(read_expmap(folder / "made" / "last.txt", 99), expected, rtol=1e-5, atol=1e-6)
    assert command("--input=a.txt --output=begin.npz --start=3 --checkpoint=last")[0] == 0
    expected = load_predictor(command._workdir, "last")(frames[3:14:2])
    np.testing.assert_allclose(read_frames(folder / "begin.npz", 99), expected, rtol=1e-5, atol=1e-6)


def test_several_files_are_one_batch(command: Command, predictor: Predictor, folder: Path):
    status, said = command("--input=a.txt,b.txt --output=many --action=walking,eating")
    assert (status, said.count("wrote many/")) == (0, 2)
    history = np.stack([_frames(30, 1)[19::2], _frames(40, 2)[29::2]])
    for name, expected in zip("ab", predictor(history, ["walking", "eating"]), strict=True):
        np.testing.assert_allclose(read_expmap(folder / "many" / f"{name}.txt", 99), expected, rtol=1e-5, atol=1e-6)


def test_a_pattern_a_folder_and_home(command: Command, folder: Path):
    """Each file keeps its name; motions that `convert` wrote to .npz are motions, not rows. `~` is the home folder."""
    (folder / "moving" / "deep").mkdir(parents=True)
    for name, seed in (("one.bvh", 1), ("two.bvh", 2), ("deep/three.npz", 3)):
        frames = np.cumsum(np.random.default_rng(seed).normal(0, 0.01, (60, 99)), axis=0)
        write_motion(in_unit(Motion(BODY, frames, 60.0, name), 10.0), folder / "moving" / name)
    for given, made in (("moving/*.bvh", "one.bvh,two.bvh"), ("moving", "one.bvh,two.bvh,deep/three.npz")):
        output = f"to/{len(made)}"
        status, said = command(f"--input={given} --output={output} --start=0 --input_fps=50 --retarget")
        assert status == 0, said
        assert said.count("6 frames at 50 per second") == len(made.split(","))
        for name in made.split(","):
            assert len(read_motion(folder / output / name).frames) == 2 * T
    status, said = command("--input=~/moving/one.bvh --output=~/home.bvh --retarget")
    assert (status, "home.bvh: 7 frames at 60 per second" in said) == (0, True), said
    assert (folder / "home.bvh").exists()
    assert not (folder / "~").exists()


def test_a_prediction_opens_elsewhere(command: Command, folder: Path):
    status, said = command("--input=a.txt --output=next.bvh")
    assert status == 0, said
    motion = read_motion(folder / "next.bvh")
    assert (motion.frames.shape, motion.skeleton.joints) == ((T, 99), H36M.joints)


def test_a_file_that_cannot_be_used_is_told_and_passed_over(command: Command, predictor: Predictor, folder: Path):
    """The others keep their own actions."""
    status, said = command("--input=short.txt,a.txt,b.txt --output=partly --action=walking,eating,walking")
    assert (status, said.count("wrote partly/")) == (2, 2), said
    assert "error: short.txt: has 10 rows; the model needs 11" in said
    assert said.endswith("error: --input=short.txt,a.txt,b.txt: 1 of 3 files failed, named above\n")
    expected = predictor(_frames(30, 1)[19::2], "eating")
    np.testing.assert_allclose(read_expmap(folder / "partly" / "a.txt", 99), expected, rtol=1e-5, atol=1e-6)
    (folder / "bodies").mkdir()
    other = Skeleton.from_table("other", (Joint("Hips", None, "spine", (0, 0, 0)),))
    for name, body in (("fits.npz", BODY), ("other.bvh", other)):
        write_motion(Motion(body, np.zeros((60, body.columns)), 50.0, name), folder / "bodies" / name)
    status, said = command("--input=bodies --output=two --action=walking")
    assert (status, said.count("wrote two/fits.npz"), said.count("wrote")) == (2, 1, 1), said
    assert re.search(r"error: bodies/other\.bvh: its skeleton is not", said), said


def test_without_an_action_those_of_the_model_are_told(command: Command):
    said = command("--input=a.txt --output=unnamed.npy")[1]
    assert "warning: without --action, which the model was trained with: it can be walking, eating\n" in said
    assert "warning" not in command("--input=a.txt --output=named.npy --action=eating")[1]


def test_what_is_there_stays(command: Command, folder: Path):
    (folder / "mine.npy").write_text("mine")
    status, said = command("--input=a.txt --output=mine.npy")
    assert (status, said) == (2, "error: --output: mine.npy is there already; --overwrite replaces it\n")
    assert (folder / "mine.npy").read_text() == "mine"
    assert command("--input=a.txt --output=mine.npy --overwrite")[0] == 0
    assert read_frames(folder / "mine.npy", 99).shape == (T, 99)


MISTAKES = {
    "--input=a.txt --output=x.csv": "x.csv: suffix '.csv' is unknown: it must be one of .bvh, .txt, .npz",
    "--input=a.txt --output=x.amc": r"x.amc: Acclaim motion \(AMC\) is not written: it must be one of .bvh, .txt, .npz",
    "--input=a.bvh --output=x.xyz": "x.xyz: suffix '.xyz' is unknown",
    "--input=a.bvh --output=x.bvh": "a.bvh: cannot be read: No such file or directory",
    "--input=a.bvh,b.txt --output=x": "a.bvh,b.txt: all must be rows, as b.txt is, or motion files, as a.bvh is",
    "--input=absent.txt --output=x.txt": "absent.txt: cannot be read: No such file or directory",
    "--input=narrow.txt --output=x.txt": "narrow.txt:1: 3 columns: it must have 99",
    "--input=short.txt --output=x.txt": r"short.txt: has 10 rows; the model needs 11 \(data.stride=2\)",
    "--input=a.txt --output=x.txt --start=20": r"a.txt: has 30 rows; the model needs 11 from --start=20",
    "--input=a.txt --output=x.txt --start=-1": "flag --start=-1: -1 is not an integer 0 or greater|flag --start=-1",
    "--input=a.txt --output=x.txt --action=flying": "action 'flying' is unknown: it must be one of walking, eating",
    "--input=a.txt,b.txt --output=x --action=walking,eating,walking": (
        r"--action=walking,eating,walking: 3 names for 2 files \(a.txt, b.txt\): it must be one for all"
    ),
    "--input=a.txt,b.txt --output=fut.bvh": "--output: fut.bvh names a file: it must be a folder for several inputs",
    "--input=short.txt,a.txt --output=strict --strict --action=walking": "short.txt: has 10 rows; the model needs 11",
    "--input=a.txt,sub/a.txt --output=x": "--input=a.txt,sub/a.txt: the files must have different names",
    "--input=a.txt,b.txt --output=a.txt": "--output: a.txt is a file: it must be a folder for several inputs",
    "--input=*.htr --output=x": r"--input=\*.htr: no motion file there: looked for .bvh, ",
    "--input=a.txt --output=x.txt --input_fps=60": "--input_fps=60: a.txt holds rows, whose rate is the data set's",
    "--input=a.bvh --output=x.bvh --input_fps=0": "--input_fps=0: it must be a finite number of frames per second",
    "--input=a.txt": "flag --output=None: Flag --output must have a value|--output",
    "--input=a.txt --output=x.txt --workdir=absent": "--workdir=absent: holds no trained run",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_the_commands_mistakes(command: Command, folder: Path, arguments: str):
    before = sorted(path.name for path in folder.rglob("*.*"))
    status, said = command(arguments)
    assert status == 2, said
    assert re.fullmatch(f"error: .*({MISTAKES[arguments]}).*\n", said), said
    assert sorted(path.name for path in folder.rglob("*.*")) == before
