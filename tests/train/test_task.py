"""The loop serves any task: that of docs/adding_a_task.md, with its own batches, is trained, resumed and restored."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.train.log import Progress, read_metrics
from motion_jax.train.loop import train
from motion_jax.train.task import Task
from motion_jax.train.workdir import Workdir
from motion_jax.types import Dataset

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding_a_task.md"
FORECASTING = ("data", "evaluation", "geometry", "losses", "models", "nn", "pose_space", "teacher_forcing")
Digest = dict[str, str]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """The page's files, by name, imported."""
    folder = tmp_path_factory.mktemp("page")
    blocks = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE))
    for name, block in blocks.items():
        (folder / f"{name}.py").write_text(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield {name: importlib.import_module(name) for name in blocks}
        for name in blocks:
            del sys.modules[name]


@pytest.fixture(scope="module")
def experiment(page: dict[str, ModuleType], configure: Callable[..., Experiment]) -> Experiment:
    """The page's, on a small data set, in microbatches of 4."""
    small = configure(micro_batch=4)
    return dataclasses.replace(page["train_action_recognition"].experiment, **{
        name: getattr(small, name) for name in ("data", "compute", "train", "eval")
    })  # fmt: skip


@pytest.fixture(scope="module")
def task(page: dict[str, ModuleType], experiment: Experiment, dataset: Dataset) -> Task:
    return page["action_recognition"].ActionRecognition.of(experiment, dataset)


@pytest.fixture(scope="module")
def whole(task: Task, experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Workdir:
    """20 steps that nothing disturbed."""
    folder = Workdir(tmp_path_factory.mktemp("runs") / "whole")
    assert train(task, experiment, folder.path) == 20
    return folder


def _digest(folder: Workdir, step: int = 20) -> Digest:
    return json.loads((folder.last / str(step) / "digest" / "metadata").read_text())["leaves"]


def _rows(folder: Workdir) -> list[dict[str, Any]]:
    vary = ("ms_per_step", "mean_loss", "train_seconds")
    return [{k: v for k, v in row.items() if k not in vary} for row in read_metrics(folder.metrics)]


def test_a_run_is_measured_recorded_and_learns(whole: Workdir):
    rows = read_metrics(whole.metrics)
    reports = [row for row in rows if row["kind"] == "report"]
    assert [row["step"] for row in reports] == [10, 20]
    assert reports[1]["validation_score"] < reports[0]["validation_score"]
    assert reports[1]["mean_loss"] < reports[0]["mean_loss"]
    assert json.loads((whole.path / "actions.json").read_text()) == ["walking", "eating"]
    assert not whole.space.exists()


def test_a_killed_run_ends_as_the_whole_one(
    task: Task, experiment: Experiment, whole: Workdir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Bit by bit: parameters, moments, key and log."""
    folder, update = Workdir(tmp_path / "run"), Progress.update

    def crash(progress: Progress, step: int, loss: float, rate: float) -> None:
        update(progress, step, loss, rate)
        if step == 15:
            raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "update", crash)
        with pytest.raises(ZeroDivisionError):
            train(task, experiment, folder.path)
    assert max(int(path.name) for path in folder.last.iterdir()) == 10
    train(task, experiment, folder.path)
    assert _digest(folder) == _digest(whole)
    assert _rows(folder) == _rows(whole)


def test_parts_of_a_batch_have_the_gradient_of_the_whole(
    page: dict[str, ModuleType], task: Any, experiment: Experiment, tmp_path: Path
):
    """Where the task says that its loss is no mean over rows, it sees all of them."""
    seen = []

    class Whole(page["action_recognition"].ActionRecognition):
        whole_batch = True

        def loss_and_grad(self, params: Any, batch: Any, key: Any, step: Any) -> Any:
            seen.append(len(batch.action))
            return super().loss_and_grad(params, batch, key, step)

    fields = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    losses = []
    for number, each in enumerate((task, Whole(**fields))):
        folder = Workdir(tmp_path / str(number))
        train(each, experiment, folder.path)
        losses.append([row["loss"] for row in read_metrics(folder.metrics) if row["kind"] == "train"])
    assert set(seen) == {8}
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_the_best_parameters_come_back(page: dict[str, ModuleType], task: Task, experiment: Experiment, whole: Workdir):
    params = page["restore_action_recognition"].best_parameters(task, experiment, whole)
    best = min(row["validation_score"] for row in read_metrics(whole.metrics) if row["kind"] == "report")
    assert task.measure(params, 20)["validation_score"] == pytest.approx(best, rel=1e-6)


def test_other_data_is_refused(task: Any, experiment: Experiment, whole: Workdir):
    with pytest.raises(UserError, match="Different are the data set's content"):
        train(dataclasses.replace(task, data_key="other"), experiment, whole.path)


def test_the_callback_gets_each_report_and_quiet_prints_nothing(
    task: Task, experiment: Experiment, whole: Workdir, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    calls = []
    train(task, experiment, tmp_path / "run", callback=lambda step, row: calls.append((step, row)), quiet=True)
    assert capfd.readouterr() == ("", "")
    assert [step for step, _ in calls] == [10, 20]
    reports = [row for row in _rows(whole) if row["kind"] == "report"]
    for (_, row), told in zip(calls, reports, strict=True):
        assert {"accuracy", "validation_score", "mean_loss", "ms_per_step", "learning_rate"} == set(row)
        assert row["accuracy"] == told["accuracy"]


def test_the_loop_knows_no_task():
    """Everything below it serves each of them."""
    tasks = ("forecasting.py", "recognition.py", "anticipation.py")
    for path in (ROOT / "motion_jax" / "train").glob("*.py"):
        names = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        known = {name for name in names if name and name.split(".")[:2][-1] in FORECASTING}
        if path.name not in (
            *tasks,
            "labelled.py",
            "packed_run.py",
            "workdir.py",
        ):  # of two tasks; of forecasting; its records
            assert not known, path.name
        assert path.name in tasks or "motion_jax.train.forecasting" not in names


def test_a_task_without_parameters_is_refused(task: Any, experiment: Experiment, tmp_path: Path):
    empty = type("Empty", (type(task),), {"init": lambda self, key: ()})
    fields = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    with pytest.raises(UserError, match="has nothing to train"):
        train(empty(**fields), experiment, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert jax.tree.leaves(task.init(jax.random.key(0)))
