"""Folders of runs: what counts as one, and which are left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from motion_jax.config import Experiment, TrainConfig
from motion_jax.errors import UserError
from motion_jax.experiments import runs
from motion_jax.experiments.runs import find_runs, open_runs
from motion_jax.train.log import encode_row


def make_run(folder: Path, logged: int = 10, steps: int = 10, best: bool = False) -> Path:
    """The records of a run that has logged so many of its steps."""
    (folder / "checkpoints" / "last").mkdir(parents=True)
    if best:
        (folder / "checkpoints" / "best").mkdir()
    experiment = dataclasses.replace(Experiment(), name=folder.name, train=TrainConfig(steps=steps))
    runs.Workdir(folder).begin(experiment, {}, "abc")
    (folder / "metrics.jsonl").write_text(encode_row({"kind": "report", "step": logged}))
    return folder


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Stands in for the opening of a run: its best checkpoint is of step 4, its last of what the log says."""
    calls = []

    def load(path: Path, checkpoint: str) -> SimpleNamespace:
        calls.append((Path(path).name, checkpoint))
        folder = runs.Workdir(path)
        experiment = folder.read_experiment()
        step = 4 if folder.best.is_dir() and checkpoint != "last" else runs.read_metrics(folder.metrics)[-1]["step"]
        return SimpleNamespace(experiment=experiment, step=step)

    monkeypatch.setattr(runs, "open_predictor", load)
    return calls


def names(found: list) -> list[str]:
    return [run.experiment.name for run in found]


def test_runs_are_found_at_any_depth_in_order(tmp_path: Path):
    made = [make_run(tmp_path / part) for part in ("b/seed1", "b/seed0", "a", "c/d/e")]
    (tmp_path / "pictures").mkdir()
    make_run(tmp_path / "a" / "checkpoints" / "inside")  # of a run nothing else is looked at
    assert find_runs(tmp_path) == sorted(made)
    assert names(open_runs([tmp_path / "b", tmp_path / "a"])) == ["seed0", "seed1", "a"]


def test_linked_runs_are_found_once_and_circles_end(tmp_path: Path):
    made = make_run(tmp_path / "store" / "a")
    folder = tmp_path / "runs"
    make_run(folder / "b")
    (folder / "a").symlink_to(made)
    (folder / "all").symlink_to(tmp_path / "store")
    (folder / "round").symlink_to(folder)
    (folder / "lost").symlink_to(tmp_path / "absent")
    assert find_runs(folder) == [folder / "a", folder / "b"]


def test_a_folder_that_cannot_be_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    made = make_run(tmp_path / "b")
    (tmp_path / "a").mkdir()
    monkeypatch.setattr(Path, "iterdir", refusing(tmp_path / "a", Path.iterdir))
    assert find_runs(tmp_path) == [made]
    assert f"passed over: {tmp_path / 'a'}: cannot be read: Permission denied" in caplog.text
    with pytest.raises(UserError, match=r"--workdir=.*a: cannot be read: Permission denied"):
        find_runs(tmp_path / "a")


def refusing(folder: Path, iterdir: Callable[[Path], Iterator[Path]]) -> Callable[[Path], Iterator[Path]]:
    """`iterdir` of a user who may not read `folder`."""

    def listing(path: Path) -> Iterator[Path]:
        if path == folder:
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    return listing


def test_a_folder_that_is_a_run_is_one_run_however_far_it_is(tmp_path: Path, opened: list):
    make_run(tmp_path / "run", logged=3)
    make_run(tmp_path / "run" / "older")
    assert names(open_runs([tmp_path / "run"], "last")) == ["run"]
    assert opened == [("run", "last")]


def test_damaged_and_unfinished_runs_are_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    make_run(tmp_path / "good")
    make_run(tmp_path / "short", logged=9)
    (make_run(tmp_path / "torn") / "config.json").write_text("{")
    (make_run(tmp_path / "lost") / "config.json").unlink()
    (make_run(tmp_path / "unread") / "config.json").write_bytes(b"\xff\xfe")
    assert names(open_runs([tmp_path])) == ["good"]
    said = [record.getMessage() for record in caplog.records]
    assert [message.split(": ")[1] for message in said] == [
        str(tmp_path / name) for name in ("lost", "short", "torn", "unread")
    ]
    assert "config.json is missing" in said[0]
    assert "unfinished, at step 9 of 10" in said[1]
    assert "damaged" in said[2]
    assert "damaged: not text" in said[3]


@pytest.mark.parametrize(
    ("logged", "checkpoint", "whole"), [(10, "auto", True), (9, "auto", False), (9, "last", False)]
)
def test_a_best_checkpoint_is_older_than_the_run(tmp_path: Path, logged: int, checkpoint: str, whole: bool):
    make_run(tmp_path / "other")
    make_run(tmp_path / "run", logged, best=True)
    assert names(open_runs([tmp_path], checkpoint)) == ["other", *["run"] * whole]


def test_nothing_that_can_be_scored(tmp_path: Path):
    with pytest.raises(UserError, match="holds no trained run"):
        open_runs([tmp_path])
    for name in ("a", "b"):
        make_run(tmp_path / name, logged=5)
    with pytest.raises(UserError, match="of its 2 runs none is whole and finished"):
        open_runs([tmp_path])
    with pytest.raises(UserError, match=r"holds no trained run \(config\.json is missing\)"):
        open_runs([tmp_path / "absent"])
