"""Curves for TensorBoard say what `metrics.jsonl` says, each step once, however often a run was resumed."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.train.forecasting import fit
from motion_jax.train.log import read_metrics
from motion_jax.train.tensorboard import TENSORBOARD, TensorBoardWriter, check_tensorboard, scalars
from motion_jax.types import Dataset

ROOT = Path(__file__).absolute().parents[2]
WITHOUT = """
import sys
sys.modules["tensorboardX"] = None  # as if it were not installed
from motion_jax.commands import train
from motion_jax.commands import cli
cli.run(train.main)
"""


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every scalar in a folder's files, by tag, in the order of the files."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:  # TFRecord: length, its checksum, the event, its checksum
            (length,) = struct.unpack("<Q", content[:8])
            event = proto.Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_tags_are_grouped_by_what_is_measured():
    row = {"kind": "report", "step": 3, "learning_rate": 0.1, "mean_loss": 0.2, "validation_loss": 0.3,
           "validation_score": 0.4, "test_loss_one_step": 0.5, "srnn_error_rad_free_running": [0.6, 0.7]}  # fmt: skip
    assert dict(scalars("report", row, (2, 10))) == {
        "train/mean_loss": 0.2,
        "validation/loss": 0.3,
        "validation/score": 0.4,
        "one_step/test_loss": 0.5,
        "free_running/srnn_error_rad_frame_02": 0.6,
        "free_running/srnn_error_rad_frame_10": 0.7,
    }
    assert dict(scalars("train", {"loss": 1.0, "learning_rate": 0.1}, ())) == {
        "train/loss": 1.0, "train/learning_rate": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf")])
def test_what_is_not_finite_is_left_out(bad: float | None):
    row = {"loss": bad, "srnn_error_rad_one_step": [0.5, bad]}
    assert list(scalars("train", row, (2, 4))) == [("one_step/srnn_error_rad_frame_02", 0.5)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_told_and_waited_for_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("tensorboardX")
    board = TensorBoardWriter(tmp_path / "board", [], (2, 4))
    board._events.close()
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(board._events._py_recordio_writer, "_writer", full)
        with pytest.raises(UserError, match=r"board: TensorBoard's files cannot be written: No space left on device"):
            board.write("train", 1, {"loss": 0.5})
        board.close()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match=r"--tensorboard: needs tensorboardX: pip install 'motion-jax\[tensorboard\]'"):
        check_tensorboard()


def test_without_the_package_nothing_is_computed(tmp_path: Path):
    command = [sys.executable, "-c", WITHOUT, f"--config={ROOT / 'configs/quickstart.py'}", "--workdir=run"]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, "--tensorboard"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --tensorboard: needs tensorboardX: pip install 'motion-jax[tensorboard]'\n"
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_shows_each_step_once(configure: Callable[..., Experiment], dataset: Dataset, tmp_path: Path):
    """The first part ran without a board and ends after its last checkpoint."""
    pytest.importorskip("tensorboardX")
    fit(configure(steps=10), dataset, tmp_path)
    board = TensorBoardWriter(
        tmp_path / TENSORBOARD, [{"kind": "train", "step": step, "loss": 9.0} for step in (5, 15)], (2, 4)
    )
    board.close()
    fit(configure(), dataset, tmp_path, board=True)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    found = events(tmp_path / TENSORBOARD)
    for kind, name, tag in (
        ("train", "loss", "train/loss"),
        ("train", "learning_rate", "train/learning_rate"),
        ("report", "validation_error_rad_one_step", "one_step/validation_error_rad"),
    ):
        told = [(row["step"], pytest.approx(row[name])) for row in rows if row["kind"] == kind]
        assert found[tag] == told
        assert told
    last = [row for row in rows if row["kind"] == "report"][-1]["srnn_error_rad_free_running"]
    assert found["free_running/srnn_error_rad_frame_04"][-1] == (20, pytest.approx(last[1]))


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    pytest.importorskip("tensorboardX")
    (tmp_path / TENSORBOARD).touch()
    with pytest.raises(UserError, match="tensorboard: TensorBoard's files cannot be written: File exists"):
        TensorBoardWriter(tmp_path / TENSORBOARD, [], ())
