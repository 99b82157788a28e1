"""Sweeps: what is planned, what is trained again, and one sweep from its file to its table."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import MODES, Experiment, TrainConfig, model_config
from motion_jax.data.prepared import write_dataset
from motion_jax.errors import UserError
from motion_jax.evaluation.report import Report, combine, read_json, write_json
from motion_jax.experiments import sweep
from motion_jax.experiments.claims import claims
from motion_jax.experiments.sweep import Shard, Sweep, check_together, load_sweep, plan, run_all
from motion_jax.nn.attention import ATTENTIONS
from motion_jax.nn.cells import CELLS
from motion_jax.runtime.files import sealed
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset

ROOT = Path(__file__).absolute().parents[2]
BASE = Experiment(train=TrainConfig(steps=10))
TWO = Sweep(BASE, {"gru": {}, "lstm": {"model.cell": "lstm", "data.stride": 1}})


def test_a_run_for_each_member_and_seed(tmp_path: Path):
    runs = plan(TWO, {"model.hidden": 8, "train.seed": 5}, 2, tmp_path)
    assert [run.folder.relative_to(tmp_path).as_posix() for run in runs] == [
        "gru/seed5", "gru/seed6", "lstm/seed5", "lstm/seed6",
    ]  # fmt: skip
    for run in runs:
        name, seed = run.folder.parent.name, int(run.folder.name[-1])
        expected = dataclasses.replace(
            BASE,
            name=name,
            data=dataclasses.replace(BASE.data, stride=1 if name == "lstm" else 2),
            model=dataclasses.replace(BASE.model, hidden=8, cell=name),
            train=dataclasses.replace(BASE.train, seed=seed),
        )
        assert run.experiment == expected
    assert [run.experiment.train.seed for run in plan(TWO, {}, 3, tmp_path)] == [0, 1, 2] * 2


def test_each_run_has_a_file_for_prometheus_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for wrong in ("/", ".", "..", "told/sweep.prom"):
        with pytest.raises(UserError, match=rf"^train\.prometheus={wrong}: "):
            plan(TWO, {"train.prometheus": wrong}, 2, tmp_path)
    (tmp_path / "told").mkdir()
    runs = plan(TWO, {"train.prometheus": "told/sweep.prom"}, 2, tmp_path)
    assert [run.experiment.train.prometheus for run in runs] == [
        "told/sweep-gru-seed0.prom", "told/sweep-gru-seed1.prom",
        "told/sweep-lstm-seed0.prom", "told/sweep-lstm-seed1.prom",
    ]  # fmt: skip
    check_together(runs, 2)


def test_another_model_has_its_own_usual_values_and_what_was_set_or_is_named(tmp_path: Path):
    """`predicted=0`, all frames of dct_mixer, is not what simlpe may have; its 24 layers are not what simlpe has."""
    base = Experiment(model=model_config("dct_mixer", members=3))
    members = {"usual": {"model.name": "simlpe"}, "named": {"model.name": "simlpe", "model.predicted": 5}}
    usual, named = (run.experiment.model for run in plan(Sweep(base, members), {}, 1, tmp_path))
    assert (usual, named) == (model_config("simlpe"), model_config("simlpe", predicted=5))
    wide = dataclasses.replace(base, model=model_config("dct_mixer", layers=6, predicted=4))
    (kept,) = plan(Sweep(wide, {"kept": {"model.name": "simlpe"}}), {}, 1, tmp_path)
    assert kept.experiment.model == model_config("simlpe", layers=6, predicted=4)


WRONG = {
    "a folder's name": ({"a/b": {}}, {}, r"member 'a/b': a name must be of letters"),
    "a hidden folder": ({"..": {}}, {}, r"member '\.\.': a name must be"),
    "an option": ({"-x": {}}, {}, r"member '-x': .* must not begin with '-' or '\.'"),
    "the seed": ({"a": {"train.seed": 1}}, {}, r"member 'a': must not set train\.seed"),
    "the name": ({"a": {"name": "b"}}, {}, r"member 'a': must not set name"),
    "an unknown field": ({"a": {"model.cel": "gru"}}, {}, r"member 'a': model\.cel: model 'seq2seq' does not read it"),
    "an unknown group": ({"a": {"modle.cell": "gru"}}, {}, r"member 'a': config: unknown key modle"),
    "an unknown metric": (
        {"a": {"eval.metrics": "mpje"}},
        {},
        r"member 'a': eval\.metrics='mpje': metric 'mpje' must be",
    ),
    "a field that its model does not read": (
        {"a": {"model.name": "erd", "model.cell": "lstm"}},
        {},
        r"member 'a': model\.cell: model 'erd' does not read it \(aged, quaternet, res_sup, seq2seq do\)",
    ),
    "a value that only the base's model takes": (
        {"a": {"model.name": "simlpe", "model.predicted": 0}},
        {},
        r"member 'a': model\.predicted=0: must be at least 1",
    ),
    "an impossible value": ({"a": {"model.cell": "gur"}}, {}, r"member 'a': model\.cell='gur': must be one of"),
    "what members differ in": ({"a": {"model.cell": "gru"}}, {"model.cell": "rnn"}, r"--config\.model\.cell: the mem"),
    "the rows' name": ({"a": {}}, {"name": "b"}, r"--config\.name: the rows of a sweep are named"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_plan_that_cannot_be(case: str):
    members, changes, message = WRONG[case]
    with pytest.raises(UserError, match=message):
        plan(Sweep(BASE, members), changes, 1, "runs")


FILES = {
    "def get_sweep(:": r"SyntaxError",
    "x = 1": r"KeyError: 'get_sweep'",
    "def get_sweep(): return 3": r"must return a Sweep with members; it returns 3",
    "def get_sweep(): return int('many')": r"ValueError: invalid literal",
    "from motion_jax.config import model_config as m\ndef get_sweep(): return m(cell='gur')": r"model\.cell='gur'",
}


@pytest.mark.parametrize("text", FILES)
def test_a_file_that_is_no_sweep(text: str, tmp_path: Path):
    path = tmp_path / "file.py"
    with pytest.raises(UserError, match=r"--sweep=.*file\.py: cannot be read: No such file"):
        load_sweep(str(path))
    path.write_text(text)
    with pytest.raises(UserError, match=rf"--sweep=.*file\.py: .*{FILES[text]}"):
        load_sweep(str(path))


SHIPPED = {
    "attention": {"model.attention": {"none", *ATTENTIONS}},
    "cell": {"model.cell": set(CELLS)},
    "residual": {"model.residual": {True, False}, "model.bidirectional": {True, False}},
    "forcing": {"train.teacher_forcing": {0, 0.25, 0.5, 0.75, 1}},
    "direction": {"model.bidirectional": {True, False}},
}


ABLATIONS = {"hbrnn": 6, "deep_lstm": 5, "rulstm": 8}
"""Sweeps whose members are those of a paper's table, not every combination: how many there are."""


def test_every_shipped_sweep_is_told_of_here():
    assert {path.stem for path in (ROOT / "configs" / "sweeps").glob("*.py")} == {*SHIPPED, *ABLATIONS}


@pytest.mark.parametrize("name", ABLATIONS)
def test_members_of_an_ablation_differ(name: str):
    found = load_sweep(str(ROOT / "configs" / "sweeps" / f"{name}.py"))
    models = {(run.experiment.model, run.experiment.labels) for run in plan(found, {}, 1, "runs")}
    assert len(models) == len(found.members) == ABLATIONS[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_sweeps_have_each_value_once(name: str):
    found = load_sweep(str(ROOT / "configs" / "sweeps" / f"{name}.py"))
    plan(found, {}, 1, "runs")
    fields = SHIPPED[name]
    assert {tuple(member) for member in found.members.values()} == {tuple(found.members[next(iter(found.members))])}
    for field, values in fields.items():
        assert {member[field] for member in found.members.values()} == values
    combinations = [tuple(member.values()) for member in found.members.values()]
    assert len(set(combinations)) == len(combinations) == np.prod([len(values) for values in fields.values()])


def report(experiment: Experiment, key: str = "key") -> Report:
    data = {"name": "synthetic", "files": 1, "frames": 1, "key": key}
    error = [1.0 + experiment.train.seed]
    return Report(experiment.name, "free_running", "srnn", "euler_error_rad", [2], [80.0], [80], {"walking": error},
                  error, [], 8, 1, None, experiment.to_dict(), data)  # fmt: skip


class Trained:
    """A procedure of another task, which trains nothing and fails for the member "bad"."""

    combine = staticmethod(combine)
    read_json = staticmethod(read_json)
    write_json = staticmethod(write_json)

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.together: list[list[str]] = []

    def data_key(self, experiment: Experiment) -> str:
        return experiment.data.root or "key"

    def train_and_score(self, run: sweep.Run) -> list[Report]:
        if run.experiment.name == "bad":
            raise UserError("training stopped")
        self.folders.append(f"{run.experiment.name}/{run.folder.name}")
        return [report(run.experiment)]

    def train_together(self, runs: Sequence[sweep.Run]) -> None:
        self.together.append([f"{run.experiment.name}/{run.folder.name}" for run in runs])

    def baseline(self, run: sweep.Run) -> list[Report]:
        return [report(run.experiment)]


@pytest.fixture
def trained() -> Trained:
    return Trained()


def test_finished_runs_are_neither_trained_nor_scored_again(tmp_path: Path, trained: Trained):
    runs = plan(TWO, {}, 2, tmp_path)
    first = run_all(runs, trained)
    assert trained.folders == ["gru/seed0", "gru/seed1", "lstm/seed0", "lstm/seed1"]
    assert [(r.model, r.seeds, r.average) for r in first.reports[:2]] == [("gru", 2, [1.5]), ("lstm", 2, [1.5])]
    trained.folders.clear()
    assert run_all(runs, trained).reports == first.reports
    assert trained.folders == []


def test_scores_of_something_else_do_not_count(tmp_path: Path, trained: Trained):
    runs = plan(TWO, {}, 1, tmp_path)
    run_all(runs, trained)
    trained.folders.clear()
    write_json([report(runs[0].experiment, key="other data")], runs[0].folder / "report.json")
    (runs[1].folder / "report.json").write_text('{"reports": [')
    run_all(runs, trained)
    assert trained.folders == ["gru/seed0", "lstm/seed0"]
    trained.folders.clear()
    run_all(plan(TWO, {"train.steps": 11}, 1, tmp_path), trained)
    assert trained.folders == ["gru/seed0", "lstm/seed0"]


def test_a_run_that_fails_does_not_stop_the_others(tmp_path: Path, trained: Trained):
    runs = plan(Sweep(BASE, {"bad": {}, "good": {}}), {}, 2, tmp_path)
    found = run_all(runs, trained)
    assert [r.model for r in found.reports] == ["good", "good"]  # and what stands for zero-velocity
    assert found.failed == [run.folder for run in runs[:2]]
    with pytest.raises(UserError, match="none of its 2 runs"):
        run_all(runs[:2], trained)


def test_a_worker_leaves_what_another_one_trains(tmp_path: Path, trained: Trained):
    runs = plan(TWO, {}, 2, tmp_path)
    with claims() as others:
        assert others.claim(runs[2].folder, needed=True)
        found = run_all(runs, trained, Shard(2, 2))
    assert trained.folders == ["lstm/seed1", "gru/seed0", "gru/seed1"]  # its own half first
    assert (found.reports, found.failed, found.elsewhere) == ([], [], [runs[2].folder])
    assert [report.model for report in run_all(runs, trained, Shard(1, 2)).reports[:2]] == ["gru", "lstm"]
    assert trained.folders[3:] == ["lstm/seed0"]


def test_what_cannot_be_trained_together_is_named(tmp_path: Path, trained: Trained):
    with pytest.raises(UserError, match=r"--together=8: nothing can be trained together with member 'gru': it and "
                                        r"'lstm' differ in data\.stride"):  # fmt: skip
        run_all(plan(TWO, {}, 1, tmp_path), trained, together=8)
    assert not trained.folders
    run_all(plan(TWO, {}, 3, tmp_path), trained, together=2)
    assert trained.together == [["gru/seed0", "gru/seed1"], ["lstm/seed0", "lstm/seed1"]]
    assert len(trained.folders) == 6


SWEEP = """
from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config, TrainConfig
from motion_jax.experiments.sweep import Sweep
def get_sweep():
    base = Experiment(
        data=DataConfig(name="h36m", root="data", validation="none", source_length=8, target_length=4),
        model=model_config(hidden=4, attention="none"),
        train=TrainConfig(steps=100, batch=2, steps_per_dispatch=2),
        eval=EvalConfig(protocols="srnn", metrics="euler_error_rad", frames="2,4"),
    )
    return Sweep(base, {"rnn": {"model.cell": "rnn"}, "long": {"data.source_length": 1000}})
"""


Done = tuple[Path, dict[str, subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A sweep of which one member cannot be trained; then all runs scored anew, one of them damaged."""
    folder = tmp_path_factory.mktemp("sweep")
    frames = (0.3 * np.sin(np.arange(420)[:, None] * 0.02 + np.arange(99))).astype(np.float32)
    cases = [("S1", 1, "train"), ("S5", 1, "test"), ("S5", 2, "test")]
    clips = tuple(Clip(frames * (1 + n), subject, "walking", trial, split, f"{subject}/walking_{trial}")
                  for n, (subject, trial, split) in enumerate(cases))  # fmt: skip
    write_dataset(Dataset("h36m", clips, ("walking",), H36M, 50.0, "made-up"), folder / "data", {}, ())
    (folder / "sweep.py").write_text(SWEEP)
    (folder / "runs" / "torn").mkdir(parents=True)
    (folder / "runs" / "torn" / "config.json").write_text("{")
    done = {
        "sweep": run("sweep", "--sweep=sweep.py --workdir=~/runs --seeds=2 --together=2 --config.train.steps=2", folder)
    }
    shutil.copytree(folder / "runs" / "rnn" / "seed0", folder / "runs" / "moved")
    config = folder / "runs" / "moved" / "config.json"
    record = json.loads(config.read_text().replace(str(folder / "data"), "gone"))
    config.write_text(sealed({name: value for name, value in record.items() if name != "digest"}))
    done["evaluate"] = run("evaluate", "--workdir=~/runs --json=~/all.json --plot=~/all.png", folder)
    flags = "--workdir=runs/rnn/seed0,~/runs/rnn/seed1 --metrics=mpjpe_mm --mode=one_step --nobaseline"
    done["otherwise"] = run("evaluate", flags, folder)
    return folder, done


def run(name: str, flags: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    environment |= {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", f"launch.{name}", *flags.split()]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_sweep_ends_in_one_table_and_tells_of_what_is_not_in_it(done: Done):
    folder, process = done[0], done[1]["sweep"]
    assert process.returncode == 2, process
    free, one_step = process.stdout.partition("Mean over actions")[2].split("\n\n")[1:3]
    for mode, text in zip(MODES, (free, one_step), strict=True):
        (row,) = [r for r in read_json(folder / "runs" / "sweep.json") if (r.model, r.mode) == ("rnn", mode)]
        assert (row.seeds, row.config["train"]["steps"]) == (2, 2)
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(row.average, row.spread("average"), strict=True)]
        assert " ".join(["rnn (mean ± std of 2 runs)", *cells]) in " ".join(text.split())
        assert "Zero-velocity  " in text
    long = folder / "runs" / "long"
    assert f"error: the table is without 2 of 4 runs: {long}/seed0, {long}/seed1" in process.stderr
    for name in ("sweep.csv", "sweep.md"):
        assert "rnn" in (folder / "runs" / name).read_text()


@pytest.mark.slow
def test_a_folder_of_runs_is_scored_as_the_sweep_was(done: Done):
    folder, process = done[0], done[1]["evaluate"]
    assert process.returncode == 0, process
    scored, found = (read_json(folder / name) for name in ("all.json", "runs/sweep.json"))
    assert [(r.row, r.seeds, r.average) for r in scored] == [(r.row, r.seeds, r.average) for r in found]
    torn = folder / "runs" / "torn"
    assert f"left out: {torn}: {torn}/config.json: damaged" in process.stderr
    assert "left out: rnn, seed 0: data.root='gone'" in process.stderr
    assert (folder / "all.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_terminal_is_given_one_table_and_told_of_the_rest(done: Done):
    folder, processes = done
    (row, *_) = read_json(folder / "all.json")
    lines = processes["evaluate"].stdout.splitlines()
    assert len(lines) < 20
    assert not any(line.startswith(("|", "#")) for line in lines)
    assert ["milliseconds", "80", "160"] in [line.split() for line in lines]
    cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(row.average, row.spread("average"), strict=True)]
    assert " ".join(["rnn (mean ± std of 2 runs)", *cells]) in [" ".join(line.split()) for line in lines]
    assert f"wrote {folder / 'all.json'}" in lines
    assert "Every action, and published results beside them: --markdown=FILE" in processes["otherwise"].stdout


@pytest.mark.slow
def test_a_run_is_measured_by_other_metrics_than_it_was_trained_with(done: Done):
    process = done[1]["otherwise"]
    assert process.returncode == 0, process
    assert "One-step, SRNN protocol: MPJPE (mm)" in process.stdout
    assert "rnn (mean ± std of 2 runs)" in process.stdout
    assert "Euler" not in process.stdout


@pytest.mark.slow
def test_another_base_than_the_sweep_s_own_is_refused(done: Done):
    process = run("sweep", f"--sweep=sweep.py --workdir=runs --config={ROOT / 'configs' / 'crbm.py'}", done[0])
    assert process.returncode == 2
    assert "crbm.py: a sweep's file holds its base" in process.stderr
