"""The status of a run tells what lies in its folder, and changes nothing there."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.train.checkpoint import COMMIT_MARK, Checkpoints
from motion_jax.train.log import MetricsLog
from motion_jax.train.status import TRAINING, Status, StatusFile, describe, prometheus_text, read_status
from motion_jax.train.workdir import Workdir

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Workdir:
    """A run at step 20 of 100,000 with two checkpoints."""
    folder = Workdir(tmp_path / "run")
    with folder.locked():
        folder.begin(Experiment(), {}, "key")
    with closing(Checkpoints(folder.last, keep=2)) as checkpoints:
        for step in (10, 20):
            checkpoints.save(step, {"w": np.full(3, step, np.float32)})
    with closing(MetricsLog(folder.metrics, 0)) as log:
        log.write("train", 20, {"loss": 0.5, "train_seconds": 2.0})
        log.write("report", 20, {"validation_score": 0.75})
    return folder


def test_a_running_run_and_one_that_died(folder: Workdir):
    with folder.locked():
        told = StatusFile(folder, Status("mine", 100_000), "")
        told.tell(TRAINING, step=15, seconds_per_step=0.1, loss=0.6)
        watched = read_status(folder.path)
    assert (watched.alive, watched.phase) == (True, TRAINING)
    assert (watched.status.step, watched.status.loss, watched.status.best_score) == (20, 0.5, 0.75)  # the log is newer
    assert watched.status.seconds_left == pytest.approx(9998)
    assert [(saved.step, saved.sound) for saved in watched.checkpoints] == [(10, True), (20, True)]
    assert "20 of 100000 (0%), loss 0.50000, 10.0 steps/s, 2:46:38 left" in describe(watched)
    assert watched.to_dict()["checkpoints"][1]["sound"] is True
    after = read_status(folder.path)
    assert (after.alive, after.phase, after.status.seconds_left) == (False, "died", None)
    assert "not running, it was killed" in describe(after)


def test_a_damaged_checkpoint_is_told(folder: Workdir):
    path = next((folder.last / "20" / "state").rglob("d/*"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert [saved.sound for saved in read_status(folder.path).checkpoints] == [True, False]
    (folder.last / "20" / "files.json").unlink()  # then the arrays' own checksums tell
    assert "last/20: DAMAGED" in describe(read_status(folder.path))


def test_a_checkpoint_by_the_number_of_another_is_told(folder: Workdir):
    (folder.last / "20").rename(folder.last / "25")
    for name in ("010", "²", "x"):  # nobody saves by such names
        (folder.last / name).mkdir()
    assert [(saved.step, saved.sound) for saved in read_status(folder.path).checkpoints] == [(10, True), (25, False)]


def test_a_checkpoint_that_has_lost_its_mark_is_sound_and_a_pipe_is_passed_over(folder: Workdir):
    (folder.last / "20" / COMMIT_MARK).unlink()
    (folder.last / "10" / COMMIT_MARK).unlink()
    (folder.last / "10" / "files.json").unlink()
    os.mkfifo(folder.last / "10" / "files.json")
    shutil.rmtree(folder.last / "10" / "state")
    os.mkfifo(folder.status)
    assert [saved.sound for saved in read_status(folder.path).checkpoints] == [None, True]
    folder.metrics.unlink()
    folder.metrics.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="it is a pipe or a device"):
        read_status(folder.path)


def test_the_name_of_a_folder_forges_no_line(folder: Workdir):
    renamed = folder.path.rename(folder.path.with_name("a\n  running (process 1 on b)\r\x1b[Kc"))
    lines = describe(read_status(renamed)).split("\n")
    assert lines[0].endswith(r"/a\n  running (process 1 on b)\r\x1b[Kc")
    assert lines[1].startswith("  not running")


def test_no_run_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="holds no trained run"):
        read_status(tmp_path)


def test_prometheus_reads_it(folder: Workdir, tmp_path: Path):
    told = StatusFile(folder, Status('a "name"', 100), str(tmp_path / "run.prom"))
    told.tell(TRAINING, step=7, loss=0.25)
    text = (tmp_path / "run.prom").read_text()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    labels = f'{{run="a \\"name\\"",workdir="{folder.path}"}}'
    assert f"motion_jax_step{labels} 7" in samples
    assert f"motion_jax_loss{labels} 0.25" in samples
    assert not [line for line in samples if "None" in line or "nan" in line]
    assert "motion_jax_running" in prometheus_text(told.status, "w")


def test_a_file_for_prometheus_that_cannot_be_is_refused_at_once(folder: Workdir, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for wrong, told in (
        ("/", "is a folder: it must be a file in one"),
        (".", "is a folder"),
        ("..", "is a folder"),
        (f"{tmp_path}", "is a folder"),
        (f"{tmp_path}/new/", "is a folder"),
        (f"{tmp_path}/absent/run.prom", f"its folder {tmp_path}/absent is not there"),
        (f"{tmp_path}/file/run.prom", f"its folder {tmp_path}/file is not there"),
        (f"{tmp_path}/pipe", "is a pipe or a device"),
    ):
        with pytest.raises(UserError, match=f"^train.prometheus={re.escape(wrong)}: {told}"):
            StatusFile(folder, Status("mine", 100), wrong)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe", "run"]


def test_prometheus_is_told_of_a_folder_whose_name_is_no_text(folder: Workdir, tmp_path: Path):
    renamed = folder.path.rename(tmp_path / os.fsdecode(b"w\xff"))
    told = StatusFile(Workdir(renamed), Status("mine", 100), str(tmp_path / "run.prom"))
    told.tell(TRAINING, step=7)
    assert rf'workdir="{tmp_path}/w\\udcff"' in (tmp_path / "run.prom").read_text("utf-8")


def test_a_status_that_cannot_be_written_does_not_end_the_run(folder: Workdir, caplog: pytest.LogCaptureFixture):
    folder.status.mkdir()
    told = StatusFile(folder, Status("mine", 100), "")
    told.tell(TRAINING, step=1)
    told.tell("saving", step=2)
    (record,) = caplog.records
    assert "status.json" in record.getMessage()
    assert "training goes on" in record.getMessage()
