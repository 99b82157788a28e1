"""Models that leave the library: the same numbers without it, and folders that are whole or not there."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii
from motion_jax.evaluation.scale import Scale
from motion_jax.export import export_onnx, export_stablehlo, folder, load_exported, write_export
from motion_jax.export.card import CARD, make_card, read_card
from motion_jax.export.check import check
from motion_jax.export.models import exportable
from motion_jax.export.readme import EXAMPLE, loading, readme
from motion_jax.export.stablehlo import FILE
from motion_jax.inference.predictor import Predictor
from motion_jax.models import REGISTRY, make
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.files import sealed
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state, replace_running
from motion_jax.train.workdir import Workdir

ROOT = Path(__file__).parents[2]
S, T, H = 5, 4, 8
ACTIONS = ("walking", "eating")
KEPT = (0, 1, 4, 6, 7, 8, 21, 22, 52, 76)  # of every part of the body
MODELS = {
    "seq2seq": model_config(bidirectional=True, attention="multi_head", heads=2, hidden=H),
    "srnn": model_config("srnn", hidden=H),
    "quaternet": model_config("quaternet", hidden=H),
    "res_sup": model_config("res_sup", hidden=H),
    "erd": model_config("erd", hidden=H),
    "lstm_3lr": model_config("lstm_3lr", hidden=H),
    "aged": model_config("aged", hidden=H),
    "crbm": model_config("crbm", hidden=H, order=2),
    "simlpe": model_config("simlpe", layers=1, predicted=2),
    "learn_traj_dep": model_config("learn_traj_dep", hidden=H, blocks=1, observed=3),
    "his_rep_itself": model_config("his_rep_itself", hidden=H, blocks=1, observed=2, predicted=2),
    "gcnext": model_config("gcnext", layers=1, predicted=2),
    "pgbig": model_config("pgbig", hidden=4, stages=1, decoder_blocks=1, observed=3),
    "transformer": model_config("transformer", hidden=H, layers=1, heads=2, feed_forward=H),
    "st_transformer": model_config("st_transformer", hidden=H, layers=1, heads=2, feed_forward=H),
    "conv_lstm": model_config("conv_lstm", hidden=H, layers=1, kernel=3),
    "conv_seq2seq": model_config("conv_seq2seq", hidden=H, layers=1, window=2),
    "tcn": model_config("tcn", hidden=H, layers=1),
    "dct_mixer": model_config("dct_mixer", layers=1),
    "running_average": model_config("running_average"),
    "zero_velocity": model_config("zero_velocity"),
    "constant_velocity": model_config("constant_velocity"),
}
RUN = ("seq2seq", "quaternet")  # compiled too, which is what takes long

written_as_stablehlo = pytest.mark.skipif(
    importlib.util.find_spec("flatbuffers") is None, reason="flatbuffers (extra `export`) is not installed"
)


def _experiment(name: str) -> Experiment:
    data = DataConfig(source_length=S, target_length=T)
    return Experiment(name=f"a {name}", model=MODELS[name], data=data, eval=EvalConfig(frames="1"))


def _space(actions: tuple[str, ...] = ACTIONS) -> PoseSpace:
    rng = np.random.default_rng(1)
    std = np.where(np.isin(np.arange(99), KEPT), rng.uniform(0.1, 0.4, 99), 1)
    return PoseSpace(rng.normal(0, 0.1, 99), std, KEPT, actions, H36M, 25.0)


def _predictor(name: str, actions: tuple[str, ...] = ACTIONS) -> Predictor:
    """With random parameters: a residual model's own beginning is zero-velocity."""
    experiment, space = _experiment(name), _space(actions)
    template = jax.eval_shape(make(experiment, space).init, jax.random.key(0))
    rng = np.random.default_rng(2)
    params = jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape).astype("f4"), template)
    statistics = jax.tree.map(lambda leaf: jax.numpy.ones(leaf.shape), template)
    params = replace_running(params, statistics)
    return Predictor(params, experiment, space, 7)


def _read_example(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / EXAMPLE) as example:
        return dict(example)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return _predictor("seq2seq")


@pytest.fixture(scope="module")
def exported(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with StableHLO, not to be changed."""
    path = tmp_path_factory.mktemp("exported") / "model"
    write_export(predictor, path, checked=False)
    return path


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_every_model_is_here():
    assert set(MODELS) == set(REGISTRY)


@written_as_stablehlo
@pytest.mark.parametrize("name", MODELS)
def test_stablehlo_predicts_what_the_predictor_does(name: str):
    """A batch of any size, actions that are known and one that is not, on platforms that are not at hand."""
    predictor = _predictor(name)
    read = jax.export.deserialize(bytearray(export_stablehlo(predictor)))
    assert read.platforms == ("cpu", "cuda", "tpu")
    assert [str(array) for array in read.in_avals] == [f"float32[batch,{S},99]", "int32[batch]"]
    assert [str(array) for array in read.out_avals] == [f"float32[batch,{T},99]"]
    if name not in RUN:
        return
    example, run = exportable(predictor).example(), jax.jit(read.call)
    assert example["action"].tolist() == [0, 1, -1]
    assert np.ptp(example["future"], axis=0).max() > 1e-3
    np.testing.assert_allclose(run(example["history"], example["action"]), example["future"], rtol=1e-5, atol=1e-6)
    alone = run(example["history"][1:2], example["action"][1:2])
    np.testing.assert_allclose(alone, example["future"][1:2], rtol=1e-5, atol=1e-6)


@written_as_stablehlo
def test_a_number_that_is_no_action_gives_nan(predictor: Predictor):
    run = jax.jit(jax.export.deserialize(bytearray(export_stablehlo(predictor, ("cpu",)))).call)
    history = exportable(predictor).example()["history"]
    for wrong in (-2, len(ACTIONS)):
        future = np.asarray(run(history, np.array([0, wrong, -1], np.int32)))[..., list(KEPT)]
        assert np.isnan(future).all(axis=(1, 2)).tolist() == [False, True, False]
        assert np.isfinite(future[::2]).all()


@written_as_stablehlo
def test_without_actions_history_is_all(tmp_path: Path):
    predictor = _predictor("zero_velocity", actions=())
    sizes = np.random.default_rng(0).uniform(9, 99, (2, T, 32)).round(2)
    named = (H36M.joints, 25.0, "window", 9, 3, 1, ("a",), {"name": "made"}, "hash")
    scale = Scale("speed", np.where(np.arange(32) % 2, 50.0, 0.0) * np.ones((T, 1)), np.full(T, 2.0))
    predictor.radii = Radii((0.5, 0.9), sizes, 2 * sizes, sizes.mean(-1).round(2), *named, scale=scale)
    card = write_export(predictor, tmp_path / "made", platforms=("cpu",), checked=False)
    example = _read_example(tmp_path / "made")
    assert ([known.name for known in card.inputs], sorted(example)) == (["history"], ["future", "history"])
    opened = load_exported(tmp_path / "made")
    np.testing.assert_allclose(opened(example["history"]), example["future"], rtol=1e-6)
    assert opened.radii is not None
    assert opened.radii.to_json() == predictor.radii.to_json()
    around = opened.radius(example["history"])
    np.testing.assert_allclose(around, predictor.forecast(example["history"]).radius, rtol=1e-4)
    assert np.ptp(around, axis=0).max() > 1  # windows differ
    assert "`radii.json`" in (tmp_path / "made" / "README.md").read_text()
    damaged = (tmp_path / "made" / "radii.json").read_text().replace("9", "8")
    (tmp_path / "made" / "radii.json").write_text(damaged)
    with pytest.raises(UserError, match=r"radii\.json: damaged or edited"):
        load_exported(tmp_path / "made")
    assert "action" not in (tmp_path / "made" / "README.md").read_text()


def test_onnx_predicts_what_the_predictor_does(predictor: Predictor, tmp_path: Path):
    pytest.importorskip("jax2onnx", reason="jax2onnx (extra `onnx`) is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime (extra `onnx`) is not installed")
    export_onnx(predictor, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(known.name, known.shape) for known in (*session.get_inputs(), *session.get_outputs())] == [
        ("history", ["batch", S, 99]),
        ("action", ["batch"]),
        ("future", ["batch", T, 99]),
    ]
    example = exportable(predictor).example()
    for rows in (slice(3), slice(1, 2)):
        (future,) = session.run(None, {name: example[name][rows] for name in ("history", "action")})
        np.testing.assert_allclose(future, example["future"][rows], rtol=1e-5, atol=1e-6)


def test_what_does_not_convert_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By the name of the model, and nothing is left."""
    stranger = type(sys)("jax2onnx")
    stranger.to_onnx = _refuse  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "jax2onnx", stranger)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(UserError, match=r"--format=onnx: jax2onnx does not convert model\.name='zero_velocity': no op"):
        write_export(_predictor("zero_velocity"), tmp_path / "made", ("onnx",), checked=False)
    assert list(tmp_path.iterdir()) == []


def _refuse(*_: object, **__: object) -> None:
    raise NotImplementedError("no op")


@written_as_stablehlo
def test_loading(exported: Path):
    example = _read_example(exported)
    for path in (exported, exported / FILE):
        future = load_exported(path)(example["history"].astype(float), example["action"].tolist())
        assert future.dtype == np.float32
        np.testing.assert_allclose(future, example["future"], rtol=1e-5, atol=1e-6)


HISTORY = np.zeros((2, S, 99), np.float32)
WRONG_ARRAYS = {
    "one": ((HISTORY,), "1 arrays: the model reads 2: history, action"),
    "columns": ((HISTORY[..., 1:], [0, 0]), "history: float32 [2, 5, 98]: must be float32 [B, 5, 99]"),
    "no batch": ((HISTORY[0], [0]), "history: float32 [5, 99]: must be float32 [B, 5, 99]"),
    "empty": ((HISTORY[:0], []), "history: float32 [0, 5, 99]: must be"),
    "counts": ((HISTORY, [0]), "action: int64 [1]: must be int32 [B]"),
    "names": ((HISTORY, ["walking", "eating"]), "action: <U7 [2]: must be int32 [B]"),
    "fractions": ((HISTORY, [0.5, 0]), "action: float64 [2]: must be int32"),
    "nan": ((HISTORY + np.nan, [0, 0]), "history: every value must be finite in float32"),
    "too large": ((HISTORY.astype(float) + 1e39, [0, 0]), "history: every value must be finite in float32"),
    "unknown": ((HISTORY, [0, 2]), "action: [0, 2]: must be -1 (unknown) or below 2"),
}


@written_as_stablehlo
def test_wrong_arrays_are_told(exported: Path):
    call = load_exported(exported)
    assert call.radii is None
    for arrays, message in WRONG_ARRAYS.values():
        with pytest.raises(UserError, match=re.escape(message)):
            call(*arrays)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _flip_digit(path: Path) -> None:
    card = path.with_name(CARD)
    card.write_text(card.read_text().replace('"fps": 25.0', '"fps": 24.0'))


def _card(**fields: object) -> Callable[[Path], None]:
    """Writes other fields into the card beside a path."""

    def edit(path: Path) -> None:
        card = path.with_name(CARD)
        changed = json.loads(card.read_text()) | fields
        card.write_text(sealed({name: value for name, value in changed.items() if name != "digest"}))

    return edit


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (_cut, rf"{FILE}: has \d+ bytes: it must have \d+"),
    "flipped": (_flip, f"{FILE}: damaged or edited: its sha256 is not the one in {CARD}"),
    "gone": (Path.unlink, f"{FILE}: cannot be read: No such file"),
    "no card": (lambda path: path.with_name(CARD).unlink(), f"{CARD}: cannot be read: No such file"),
    "no JSON": (lambda path: path.with_name(CARD).write_text("{"), f"{CARD}: damaged: not the card of an export"),
    "deep": (lambda path: path.with_name(CARD).write_text("[" * 100_000), f"{CARD}: damaged: not the card"),
    "a list": (lambda path: path.with_name(CARD).write_text("[]"), f"{CARD}: not the card of an export of format 3"),
    "another format": (_card(format=1), f"{CARD}: not the card of an export of format 3"),
    "a flipped digit": (_flip_digit, f"{CARD}: damaged or edited: its content does not match its digest"),
    "a card without files": (_card(files={}), f"{FILE}: is none of the files that {CARD} names"),
    "a card of other arrays": (_card(inputs=[{"name": "x", "shape": [], "dtype": "object"}]), f"{CARD}: damaged"),
}


@written_as_stablehlo
@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_told(copied: Path, case: str):
    spoil, message = DAMAGE[case]
    spoil(copied / FILE)
    with pytest.raises(UserError, match=message):
        load_exported(copied)


@written_as_stablehlo
def test_bytes_of_another_jax_are_told(predictor: Predictor, copied: Path):
    (copied / FILE).write_bytes(b"of another age" * 9)
    _card(files=_card_of(predictor, copied)["files"])(copied / FILE)
    with pytest.raises(UserError, match=f"{FILE}: JAX {re.escape(jax.__version__)} does not read what"):
        load_exported(copied)


def _card_of(predictor: Predictor, path: Path) -> dict:
    return json.loads(make_card(exportable(predictor), [path / FILE], ("cpu",), {}).to_json())


@written_as_stablehlo
def test_the_card(predictor: Predictor, exported: Path):
    card = read_card(exported / CARD)
    assert (card.source_length, card.target_length, card.fps, card.step) == (S, T, 25.0, 7)
    assert (card.actions, card.platforms, card.checks) == (ACTIONS, ("cpu", "cuda", "tpu"), {})
    assert len(card.columns) == len(set(card.columns)) == 99
    assert card.columns[:4] == (*(f"root.translation.{axis}" for axis in "xyz"), "Hips.rotation.x")
    assert sorted(card.files) == sorted({EXAMPLE, FILE})
    assert Experiment.from_config_dict(card.experiment) == predictor.experiment
    assert type(predictor.space.skeleton).from_dict(card.skeleton).mismatch(H36M) == ""
    assert json.loads(card.to_json()) == json.loads((exported / CARD).read_text())
    assert (exported / "README.md").read_text() == readme(card, ["stablehlo"])
    assert loading("stablehlo", ("history", "action"), "future") in readme(card, ["stablehlo"])


@written_as_stablehlo
@written_as_stablehlo
def test_a_file_that_predicts_something_else_is_told(tmp_path: Path):
    predictor, copied = _predictor("zero_velocity"), tmp_path / "made"
    write_export(predictor, copied, platforms=("cpu",), checked=False)
    example = _read_example(copied)
    np.savez(copied / EXAMPLE, **(example | {"future": example["future"] + 1}))  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match=r"--format=stablehlo: its output is .* away from the original's"):
        check(exportable(predictor), copied, "stablehlo")


MISTAKES = {
    "format": ({"formats": ("stablehlo", "tflite")}, "--format='stablehlo,tflite': must be some of stablehlo, onnx"),
    "no format": ({"formats": ()}, "--format='': must be some of"),
    "platform": ({"platforms": ("cpu", "gpu")}, "--platforms='cpu,gpu': must be some of cpu, cuda, rocm, tpu"),
    "elsewhere": ({"platforms": ("tpu",)}, "--platforms=tpu: this machine is cpu, so give that too, or --nocheck"),
    "taken": ({"folder": "taken"}, "taken: holds 'mine.txt': it must be new or empty"),
    "a file": ({"folder": "taken/mine.txt"}, "mine.txt: cannot be written: it is a file, not a folder"),
    "below a file": ({"folder": "taken/mine.txt/made"}, "made: cannot be written: "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_before_anything_is_computed(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    changes, message = MISTAKES[case]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr("motion_jax.export.folder._fill", lambda *_: pytest.fail("it began"))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    request = {"trained": None, "folder": "made", "formats": ("stablehlo",)} | changes
    with pytest.raises(UserError, match=re.escape(message)):
        write_export(**request | {"folder": tmp_path / request["folder"]})
    assert [path.name for path in tmp_path.rglob("*")] == ["taken", "mine.txt"]


@pytest.mark.parametrize(("name", "extra"), [("stablehlo", "export"), ("onnx", "onnx")])
def test_a_missing_package_is_told(name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"format {name}: needs \w+: pip install 'motion-jax\[{extra}\]'"):
        folder.check_request(tmp_path / "made", [name], ["cpu"], True)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_an_export_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither by a mistake nor by a full disk; an empty folder stays one."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    (tmp_path / "made").mkdir()
    for error, message in (
        (UserError("away"), "^away$"),
        (OSError(28, "No space left"), "made: cannot be written: No"),
    ):
        monkeypatch.setattr("motion_jax.export.stablehlo.serialized", _raiser(error))
        with pytest.raises(UserError, match=message):
            write_export(_predictor("zero_velocity"), tmp_path / "made")
        assert list(tmp_path.rglob("*")) == [tmp_path / "made"]


def _raiser(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.slow
@written_as_stablehlo
def test_the_command(tmp_path: Path):
    run = Workdir(tmp_path / "run")
    experiment, space = _experiment("res_sup"), _space()
    with run.locked():
        run.begin(experiment, {"space.json": space.to_json()}, "key")
        checkpoints = Checkpoints(run.last)
        state = init_state(make(experiment, space), make_optimizer(experiment), 0)
        checkpoints.save(7, state.replace(params=_predictor("res_sup").params))
        checkpoints.close()
    arguments = [f"--workdir={run.path}", f"--output={tmp_path / 'made'}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "launch.export", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^stablehlo: largest difference \d\.\de[-+]\d\d, \d+\.\d\d ms", done.stdout, re.MULTILINE)
    assert done.stdout.endswith(f"wrote {tmp_path / 'made'}\n")
    example = _read_example(tmp_path / "made")
    future = load_exported(tmp_path / "made")(example["history"], example["action"])
    np.testing.assert_allclose(future, example["future"], rtol=1e-5, atol=1e-6)
    assert sorted(read_card(tmp_path / "made" / CARD).checks) == ["jit", "stablehlo"]
