"""However a run ends, and however often, it goes on as if nothing had happened; what it cannot survive it says."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.config import Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.inference.predictor import load_predictor
from motion_jax.train import loop
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.forecasting import Forecasting, fit
from motion_jax.train.log import Progress, read_metrics
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.replay import read_batch, replay, write_batch
from motion_jax.train.step import init_state
from motion_jax.train.stop import Interrupted
from motion_jax.train.task import Stream
from motion_jax.train.workdir import Workdir
from motion_jax.types import Dataset
from tests.training_server import Server

Configure = Callable[..., Experiment]
Digest = Callable[[Path], tuple[int, str]]
Fit = Callable[..., int]


@pytest.fixture(scope="module")
def whole(configure: Configure, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 steps that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    assert fit(configure(), dataset, workdir) == 20
    return workdir


@pytest.fixture(scope="module")
def train(configure: Configure, dataset: Dataset) -> Fit:
    """The same run in another folder, also with other numbers of steps: one task, so that its programs are shared."""
    task = Forecasting.of(configure(), dataset)
    return lambda workdir, **fields: loop.train(task, configure(**fields), workdir)


def _rows(workdir: Path) -> list[dict[str, Any]]:
    """The log without what depends on the clock or on where a run was interrupted."""
    vary = ("ms_per_step", "mean_loss", "train_seconds")
    return [{k: v for k, v in row.items() if k not in vary} for row in read_metrics(workdir / "metrics.jsonl")]


def _steps(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _assert_as_whole(workdir: Path, whole: Path, digest: Digest) -> None:
    assert digest(workdir) == digest(whole)
    assert _rows(workdir) == _rows(whole)
    assert digest(whole)[0] == 20


def _at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], None]) -> None:
    """Acts when the progress of `step` is shown."""
    update = Progress.update

    def acting(progress: Progress, now: int, loss: float, rate: float) -> None:
        update(progress, now, loss, rate)
        if now == step:
            act()

    monkeypatch.setattr(Progress, "update", acting)


def test_a_whole_run(whole: Path):
    rows = _rows(whole)
    assert [row["step"] for row in rows if row["kind"] == "train"] == [5, 10, 15, 20]
    assert [row["step"] for row in rows if row["kind"] == "report"] == [10, 20]
    assert _steps(whole / "checkpoints" / "last") == ["15", "20"]  # keep_last is 2
    assert len(_steps(whole / "checkpoints" / "best")) == 1


def test_a_finished_run_is_not_trained_again(whole: Path, train: Fit, digest: Digest):
    before = digest(whole), _rows(whole)
    assert train(whole) == 20
    assert (digest(whole), _rows(whole)) == before


def test_more_steps_go_on(train: Fit, whole: Path, tmp_path: Path, digest: Digest):
    train(tmp_path / "run", steps=10)
    train(tmp_path / "run")
    assert digest(tmp_path / "run") == digest(whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(
    number: int, train: Fit, whole: Path, tmp_path: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch
):
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        _at_step(patch, 10, lambda: os.kill(os.getpid(), number))
        with pytest.raises(Interrupted) as stopped:
            train(tmp_path / "run")
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == before
    assert digest(tmp_path / "run")[0] == 10
    assert train(tmp_path / "run") == 20
    _assert_as_whole(tmp_path / "run", whole, digest)


def test_a_crash_between_two_checkpoints(
    train: Fit, tmp_path: Path, digest: Digest, whole: Path, monkeypatch: pytest.MonkeyPatch
):
    """The rows of the lost steps are written again, each step once."""

    def crash() -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        _at_step(patch, 15, crash)
        with pytest.raises(ZeroDivisionError):
            train(tmp_path / "run", checkpoint_every=10)
    assert [row["step"] for row in _rows(tmp_path / "run")] == [5, 10, 10, 15]
    assert digest(tmp_path / "run")[0] == 10
    train(tmp_path / "run", checkpoint_every=10)
    _assert_as_whole(tmp_path / "run", whole, digest)


def test_a_run_that_reads_from_disk_crashes_and_goes_on(
    configure: Configure, dataset: Dataset, whole: Path, tmp_path: Path, digest: Digest,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    """Windows follow from the seed and the step alone; these are those of the run in memory."""
    experiment = configure(data={"in_memory": "no"}, checkpoint_every=10)
    task = Forecasting.of(experiment, dataset)
    assert isinstance(task.data, Stream)
    loop.train(task, experiment, tmp_path / "undisturbed")
    with monkeypatch.context() as patch:
        _at_step(patch, 15, lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loop.train(task, experiment, tmp_path / "run")
    loop.train(task, experiment, tmp_path / "run")
    _assert_as_whole(tmp_path / "run", tmp_path / "undisturbed", digest)
    losses = [[row["loss"] for row in _rows(run) if row["kind"] == "train"] for run in (tmp_path / "run", whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


SAME = """
import sys
import jax
import numpy as np
from motion_jax.config import Experiment
from motion_jax.data.cache import open_dataset
from motion_jax.runtime.devices import data_mesh
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state, make_train_steps
from motion_jax.train.task import feed_of
runs = []
for changes in ({"data.in_memory": "yes"}, {"data.in_memory": "no"}):
    experiment = Experiment.from_json(sys.argv[1], "argument").changed(changes)
    task, optimizer = Forecasting.of(experiment, open_dataset(experiment.data)), make_optimizer(experiment)
    steps, sharding = make_train_steps(task, optimizer, experiment, data_mesh(experiment))
    state = jax.device_put(init_state(task, optimizer, 0), sharding)
    metrics = []
    with feed_of(task.data, state.key, 0, experiment.train, sharding) as feed:
        for data in [next(feed) for _ in range(4)]:
            state, part = steps(state, data, 5)
            metrics.append(jax.device_get(part))
    runs.append((metrics, jax.device_get(state)))
for one, other in zip(*map(jax.tree.leaves, runs), strict=True):
    np.testing.assert_array_equal(one, other)
print(np.concatenate([part.loss for part in runs[0][0]]).size)
"""


@pytest.mark.slow
def test_the_first_steps_from_disk_are_those_in_memory_bit_for_bit(configure: Configure, compiled: dict[str, str]):
    """As users compile: what the suite asks of XLA (conftest.py) rounds a sum by how the program around it looks."""
    text = json.dumps(configure(data={"augmentation": "speed,reverse"}, report_test=False).to_dict())
    environment = os.environ | {"PYTHONPATH": compiled["PYTHONPATH"], "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    call = [sys.executable, "-c", SAME, text]
    done = subprocess.run(call, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "20\n"), done.stderr


def test_a_crash_before_the_first_checkpoint(
    train: Fit, whole: Path, tmp_path: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", crash)
        with pytest.raises(ZeroDivisionError):
            train(tmp_path / "run")
    capfd.readouterr()
    train(tmp_path / "run")
    assert "holds no finished checkpoint: starting again at step 0" in capfd.readouterr().err
    _assert_as_whole(tmp_path / "run", whole, digest)


def test_a_damaged_checkpoint_costs_its_steps_only(
    train: Fit, whole: Path, tmp_path: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        _at_step(patch, 15, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            train(tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last"
    (last / "15" / "digest" / "metadata").write_bytes(b"{}")
    train(tmp_path / "run")
    assert _steps(last) == ["15", "20", "damaged-15"]
    _assert_as_whole(tmp_path / "run", whole, digest)


def test_a_copy_without_its_commit_marks_loses_nothing(
    train: Fit,
    whole: Path,
    tmp_path: Path,
    digest: Digest,
    capfd: pytest.CaptureFixture[str],
):
    """As `rsync --exclude='*.txt'` leaves it: training goes on at the step where it was."""
    train(tmp_path / "origin", steps=15)
    copy = shutil.copytree(tmp_path / "origin", tmp_path / "copy", ignore=shutil.ignore_patterns("*.txt"))
    rows = _rows(copy)
    assert load_predictor(copy, "last").step == 15
    capfd.readouterr()
    assert train(copy, steps=15) == 15
    assert f"resuming {copy} at step 15" in capfd.readouterr().err
    assert _rows(copy) == rows
    assert _steps(copy / "checkpoints" / "last") == ["10", "15"]
    train(copy)
    assert digest(copy) == digest(whole)


def test_a_log_is_kept_where_no_checkpoint_of_its_steps_can_be_read(
    train: Fit, whole: Path, tmp_path: Path, digest: Digest
):
    train(tmp_path / "run", steps=5)
    last = tmp_path / "run" / "checkpoints" / "last" / "5"
    (last / "commit_success.txt").unlink()
    (last / "digest" / "metadata").unlink()
    log = (tmp_path / "run" / "metrics.jsonl").read_text()
    train(tmp_path / "run")
    assert _steps(last.parent) == ["15", "20", "unfinished-5"]
    assert (tmp_path / "run" / "metrics-1.jsonl").read_text() == log
    _assert_as_whole(tmp_path / "run", whole, digest)


def test_a_damaged_best_is_told_and_chosen_anew(
    train: Fit, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    copy = shutil.copytree(whole, tmp_path / "run")
    best = Workdir(copy).best
    step = load_predictor(whole).step
    for path in (best / str(step)).rglob("d/*"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"best: no usable .* The last checkpoint is sound: --checkpoint=last reads it"):
        load_predictor(copy)
    assert load_predictor(copy, "last").step == 20
    train(copy, steps=25)
    assert f"damaged-{step}" in _steps(best)
    assert f"kept as damaged-{step}" in caplog.text
    assert load_predictor(copy).step in (20, 25)


def _run(server: Server, *arguments: str, until: str = "", then: int = 0) -> int:
    """Waits for `until` in the output, sends the signal `then`, and returns the exit status."""
    child = server.start(*arguments)
    if until:
        while until not in server.said() and child.lives():
            time.sleep(0.005)
        child.kill(then)
    return child.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, compiled: dict[str, str]) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "log", compiled)
    yield server
    server.close()


@pytest.mark.slow
def test_kill_nine(
    server: Server, configure: Configure, config_file: Callable[[Experiment], Path], whole: Path, tmp_path: Path,
    digest: Digest,
):  # fmt: skip
    """Killed amid the steps and amid the save, a run ends as the one that nothing disturbed."""
    arguments = [f"--config={config_file(configure())}", f"--workdir={tmp_path / 'run'}"]
    for moment in ("step  5/20", "step 15/20"):
        assert _run(server, *arguments, until=moment, then=signal.SIGKILL) == -signal.SIGKILL
    assert _run(server, *arguments) == 0, server.said()
    assert "resuming" in server.said()
    _assert_as_whole(tmp_path / "run", whole, digest)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_exits_as_shells_count(
    number: int, server: Server, configure: Configure, config_file: Callable[[Experiment], Path], tmp_path: Path,
    digest: Digest,
):  # fmt: skip
    experiment = configure(steps=100_000, report_every=100_000)
    arguments = [f"--config={config_file(experiment)}", f"--workdir={tmp_path / 'run'}"]
    assert _run(server, *arguments, until="step      5/", then=number) == 128 + number
    said = server.said()
    step = digest(tmp_path / "run")[0]
    assert f"stopped at step {step}, saved in {tmp_path / 'run'}\n" in said
    assert "Traceback" not in said
    assert 5 <= step < 100_000


STUBBORN = """
import os, signal, sys
from motion_jax.train.stop import stop_on_signal
with stop_on_signal() as stop:
    os.kill(os.getpid(), int(sys.argv[1]))
    assert stop.signal == int(sys.argv[1])
    print("asked", flush=True)
    os.kill(os.getpid(), int(sys.argv[2]))
    print("never", flush=True)
"""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process(second: int, compiled: dict[str, str]):
    call = [sys.executable, "-c", STUBBORN, str(int(signal.SIGTERM)), str(int(second))]
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ | compiled)
    assert (done.returncode, done.stdout) == (-second, "asked\n"), done.stderr


@pytest.mark.slow
def test_a_thread_may_train(train: Fit, whole: Path, tmp_path: Path, digest: Digest):
    thread = threading.Thread(target=train, args=(tmp_path / "run",))
    thread.start()
    thread.join()
    assert digest(tmp_path / "run") == digest(whole)


def test_divergence_names_its_step_and_spares_the_checkpoints(
    configure: Configure, dataset: Dataset, tmp_path: Path, restore: Callable[[Path], tuple[int, Any]]
):
    """Plain descent at an absurd rate grows for some steps, then overflows, whatever the batch; that is written out."""
    wild = {"name": "sgd", "learning_rate": 1e3, "clip_kind": "none"}
    experiment = configure(optim=wild, steps=200, checkpoint_every=5, report_every=1000, max_skipped=6)
    task = Forecasting.of(experiment, dataset)
    message = (
        r"at step (\d+) the loss is .*; (\d+) updates in a row were skipped, from step (\d+) on\. The checkpoint of "
        r"step (\d+) in .* is intact\. The batch is in (\S+): motion-jax train .* --replay="
    )
    with pytest.raises(UserError) as end:
        loop.train(task, experiment, tmp_path / "run")
    found = re.search(message, str(end.value))
    assert found
    count, first, saved = (int(found[number]) for number in (2, 3, 4))
    assert 6 < count <= 6 + 5
    assert (saved % 5, saved + 5) == (0, first + count - 1)
    step, state = restore(tmp_path / "run")
    assert step == saved
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    rows = _rows(tmp_path / "run")
    assert max(row["step"] for row in rows) == saved
    assert rows[-1]["skipped"] == saved - first + 1
    update = read_batch(Path(found[5]), task)
    assert int(update.step) == first - 1
    jax.tree.map(np.testing.assert_array_equal, update.params, state.params)
    lines = replay(update, task, debug_nans=True)
    assert re.search(r"(nan|inf|invalid).* first in \S+/motion_jax/\S+\.py:\d+: ", "\n".join(lines))
    damaged = bytearray(Path(found[5]).read_bytes())
    damaged[len(damaged) // 2] ^= 16
    (tmp_path / "damaged.npz").write_bytes(damaged)
    with pytest.raises(UserError, match=r"--replay=\S+/damaged\.npz: (damaged|of another run)"):
        read_batch(tmp_path / "damaged.npz", task)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"--replay=\S+/array\.npy: damaged: not the batch of a run"):
        read_batch(tmp_path / "array.npy", task)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (object, "frames are of dtype object"),
        (complex, "frames are of dtype complex128"),
        (np.float32, "column 3 is nan"),
    ],
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_what_no_motion_is_is_refused_in_every_split(
    split: str, dtype: type, message: str, configure: Configure, dataset: Dataset, tmp_path: Path
):
    at = next(i for i, clip in enumerate(dataset.clips) if clip.split == split)
    frames = dataset.clips[at].frames.astype(dtype)
    frames[5, 3] = np.nan
    clips = list(dataset.clips)
    clips[at] = dataclasses.replace(clips[at], frames=frames)
    with pytest.raises(UserError, match=rf"clip {split}/S.*: .*{message}"):
        fit(configure(report_test=False), dataclasses.replace(dataset, clips=tuple(clips)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_batch_of_a_streamed_set_is_written_as_that_of_one_in_memory(
    configure: Configure, dataset: Dataset, tmp_path: Path
):
    written = []
    for name in ("yes", "no"):
        experiment = configure(data={"in_memory": name})
        task = Forecasting.of(experiment, dataset)
        state = init_state(task, make_optimizer(experiment), seed=0)
        (tmp_path / name).mkdir()
        written.append(read_batch(write_batch(Workdir(tmp_path / name), task, state, 7), task))
    jax.tree.map(np.testing.assert_array_equal, *written)


def test_an_overflowing_update_is_not_saved(configure: Configure, dataset: Dataset, tmp_path: Path):
    """The first loss is sound, the parameters that follow from it are not."""
    wild = {"name": "adamw", "learning_rate": 3e38, "weight_decay": 100.0}
    experiment = configure(optim=wild, steps_per_dispatch=1, checkpoint_every=1, report_every=1)
    with pytest.raises(UserError, match=r"the state after step 1 is not finite. No checkpoint had been saved"):
        fit(experiment, dataset, tmp_path / "run")
    assert _steps(tmp_path / "run" / "checkpoints" / "last") == []
    assert _steps(tmp_path / "run" / "checkpoints" / "best") == []


def _script(monkeypatch: pytest.MonkeyPatch, errors: dict[int, float]) -> None:
    """Reports these validation errors; the test errors fall from report to report."""
    measure = Forecasting.measure

    def scripted(task: Forecasting, params: Any, step: int) -> dict[str, Any]:
        row = measure(task, params, step)
        return row | {"validation_score": errors[step], "test_loss_free_running": 1 / step}

    monkeypatch.setattr(Forecasting, "measure", scripted)


def test_only_the_validation_error_chooses(
    configure: Configure, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Interrupted after the best, whose error the log remembers; nan is never the best."""
    experiment = configure(report_every=5)
    best = tmp_path / "run" / "checkpoints" / "best"
    _script(monkeypatch, {5: float("nan"), 10: 0.3, 15: 0.4, 20: 0.35})
    with monkeypatch.context() as patch:
        _at_step(patch, 15, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            fit(experiment, dataset, tmp_path / "run")
    assert _steps(best) == ["10"]
    fit(experiment, dataset, tmp_path / "run")
    assert _steps(best) == ["10"]
    assert [load_predictor(tmp_path / "run", which).step for which in ("best", "last", "auto")] == [10, 20, 10]


@pytest.mark.parametrize("fields", [{"keep_best": False, "steps": 5}, {"data": {"validation": "none"}, "steps": 7}])
def test_without_a_choice_the_last_counts(
    configure: Configure, dataset: Dataset, tmp_path: Path, fields: dict[str, Any]
):
    fit(configure(keep_last=1, **fields), dataset, tmp_path / "run")
    assert not Workdir(tmp_path / "run").best.exists()
    assert _steps(tmp_path / "run" / "checkpoints" / "last") == [str(fields["steps"])]  # 7 is no multiple of 5
    assert load_predictor(tmp_path / "run").step == fields["steps"]
    with pytest.raises(UserError, match=r"holds no finished checkpoint \(best\)"):
        load_predictor(tmp_path / "run", "best")


def test_what_cannot_be_trained_leaves_no_record(configure: Configure, dataset: Dataset, tmp_path: Path):
    """So that the same folder takes the config once it is right."""
    sound = configure()
    one_frame = dataclasses.replace(sound.data, target_length=1)
    velocity = dataclasses.replace(sound.train, loss="velocity")
    first = dataclasses.replace(sound.eval, frames="1")
    wrong = {
        "nothing to train": dataclasses.replace(sound, model=model_config("zero_velocity")),
        "needs data.target_length of at least 2": dataclasses.replace(
            sound, data=one_frame, train=velocity, eval=first
        ),
    }
    for message, experiment in wrong.items():
        with pytest.raises(UserError, match=message):
            fit(experiment, dataset, tmp_path / "run")
        assert not Workdir(tmp_path / "run").config.exists()


def test_another_run_in_the_folder_is_refused(configure: Configure, dataset: Dataset, whole: Path, digest: Digest):
    before = digest(whole)
    with pytest.raises(UserError, match=r"Different are model.hidden: 8 there, 9 here; train.seed: 0 there, 1 here"):
        fit(configure(model={"hidden": 9}, seed=1), dataset, whole)
    assert digest(whole) == before
