"""Several processes train one run: bitwise as one process with as many devices, and none hangs when another dies."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from motion_jax.config import Experiment
from motion_jax.evaluation.report import read_json
from motion_jax.runtime.distributed import LOST
from motion_jax.train.log import read_metrics

Configure = Callable[..., Experiment]
Digest = Callable[[Path], tuple[int, str]]
HEARTBEAT_S = 10
SURVIVES_S = 3 * HEARTBEAT_S  # after another's death; the machine may be busy


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    complaints: str
    seconds: float  # after the others were disturbed


class Job:
    """`motion-jax train` by processes of a device each, on one machine."""

    def __init__(
        self,
        configs: Sequence[Path],
        workdir: Path,
        environment: dict[str, str],
        program: Sequence[str] = ("-m", "motion_jax", "train"),
    ) -> None:
        """`program`: what Python runs."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.log = workdir / "metrics.jsonl"
        self.processes = []
        for index, config in enumerate(configs):
            call = [sys.executable, *program, f"--config={config}", f"--workdir={workdir}"]
            call += [f"--coordinator={address}", f"--num_processes={len(configs)}", f"--process_id={index}"]
            call += [f"--heartbeat_timeout={HEARTBEAT_S}", "--nocalibrate"]
            with (workdir.parent / f"complaints{index}").open("w") as complaints:
                process = subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=complaints)
            self.processes.append((process, workdir.parent / f"complaints{index}"))

    def ended(self, timeout: float = 300) -> list[Ended]:
        begun, found = time.monotonic(), []
        for process, complaints in self.processes:
            try:
                status = process.wait(begun + timeout - time.monotonic())
            except subprocess.TimeoutExpired:
                for other, _ in self.processes:
                    other.kill()
                raise
            found.append(Ended(status, complaints.read_text(), time.monotonic() - begun))
        return found

    def disturbed(self, index: int, number: int, rows: int = 3) -> list[Ended]:
        """A signal to one of them, once this job has written some rows."""
        self._wait_for(rows)
        self.processes[index][0].send_signal(number)
        return self.ended(SURVIVES_S)

    def frozen(self, index: int, rows: int = 3) -> Ended:
        """How the other of two ends when one of them stands still, but keeps its connections."""
        self._wait_for(rows)
        self.processes[index][0].send_signal(signal.SIGSTOP)
        begun, (process, complaints) = time.monotonic(), self.processes[1 - index]
        try:
            status = process.wait(SURVIVES_S)
            return Ended(status, complaints.read_text(), time.monotonic() - begun)
        finally:
            for each, _ in self.processes:
                each.kill()
                each.wait()

    def _wait_for(self, rows: int) -> None:
        before = len(read_metrics(self.log))
        while len(read_metrics(self.log)) < before + rows:
            assert [process.poll() for process, _ in self.processes] == [None] * len(self.processes)
            time.sleep(0.02)


@pytest.fixture(scope="module")
def environment(compiled: dict[str, str]) -> dict[str, str]:
    return os.environ | compiled | {"JAX_NUM_CPU_DEVICES": "1", "OMP_NUM_THREADS": "1", "XLA_FLAGS": ""}


@pytest.fixture(scope="module")
def config(configure: Configure, config_file: Callable[[Experiment], Path]) -> Path:
    steps = {"steps": 600, "log_every": 5, "report_every": 200, "checkpoint_every": 50}
    return config_file(configure(batch=16, steps_per_dispatch=5, **steps))


def _alone(config: Path, workdir: Path, environment: dict[str, str], devices: int, *flags: str) -> None:
    call = [sys.executable, "-m", "motion_jax", "train", f"--config={config}", f"--workdir={workdir}", "--nocalibrate"]
    there = environment | {"JAX_NUM_CPU_DEVICES": str(devices)}
    done = subprocess.run([*call, *flags], env=there, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _values(workdir: Path, name: str) -> list[tuple[int, Any]]:
    return [(row["step"], row[name]) for row in read_metrics(workdir / "metrics.jsonl") if name in row]


@pytest.mark.slow
def test_two_processes_stop_die_and_end_as_one_with_two_devices(
    config: Path, environment: dict[str, str], tmp_path: Path, digest: Digest
):
    run, whole = tmp_path / "run", tmp_path / "whole"
    stopped = Job([config] * 2, run, environment).disturbed(1, signal.SIGTERM)
    assert [each.status for each in stopped] == [128 + signal.SIGTERM] * 2, stopped
    step, _ = digest(run)
    assert step % 5 == 0
    assert 0 < step < 600
    assert f"stopped at step {step}, saved in" in stopped[0].complaints

    without_worker = Job([config] * 2, run, environment).disturbed(1, signal.SIGKILL)
    assert [each.status for each in without_worker] == [LOST, -signal.SIGKILL], without_worker
    (line,) = [line for line in without_worker[0].complaints.splitlines() if line.startswith("error:")]
    assert "error: process 0 of 2: another process has ended or cannot be reached" in line

    without_first = Job([config] * 2, run, environment).disturbed(0, signal.SIGKILL)
    assert without_first[0].status == -signal.SIGKILL
    assert without_first[1].status in (LOST, -signal.SIGABRT)  # JAX's own abort may come first
    assert (
        "error: process 1 of 2: another" in without_first[1].complaints or "another task" in without_first[1].complaints
    )

    ended = Job([config] * 2, run, environment).ended()
    assert [each.status for each in ended] == [0, 0], ended
    _alone(config, whole, environment, 2)
    assert digest(run) == digest(whole)
    assert _values(run, "loss") == _values(whole, "loss")


@pytest.mark.slow
def test_a_process_that_stands_still_is_given_up_and_the_run_goes_on(
    config: Path, environment: dict[str, str], tmp_path: Path, digest: Digest
):
    run, seconds = tmp_path / "run", []
    for index in (1, 0):
        survivor = Job([config] * 2, run, environment).frozen(index)
        assert survivor.status in (LOST, -signal.SIGABRT), survivor  # JAX's own abort, or a sum that failed before it
        told = "JAX distributed service", "another process has ended"
        assert any(words in survivor.complaints for words in told), survivor
        seconds.append(survivor.seconds)
    print("seconds from SIGSTOP to the other's end:", seconds)
    ended = Job([config] * 2, run, environment).ended()
    assert [each.status for each in ended] == [0, 0], ended
    assert digest(run)[0] == 600
    assert _values(run, "grad_norm") == sorted(dict(_values(run, "grad_norm")).items())  # each step once


SPOILT = """
import hashlib, sys
import jax
import jax.numpy as jnp
import numpy as np
from motion_jax.commands import cli, train
from motion_jax.runtime.devices import DATA
from motion_jax.train import loop
from motion_jax.train.forecasting import Forecasting
bad = [int(step) for step in sys.argv.pop(1).split(",")]
sound, log = Forecasting.loss_and_grad, loop._Run._log
def spoilt(self, params, batch, key, step):
    loss, grad = sound(self, params, batch, key, step)
    wrong = (step == jnp.asarray(bad)).any() & (jax.lax.axis_index(DATA) == 1)
    return loss, jax.tree.map(lambda leaf: jnp.where(wrong, jnp.nan, leaf), grad)
def told(self, state):
    pending = bool(self._pending)
    log(self, state)
    if pending:
        leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]
        print("told:", self.step, self._skipped, hashlib.sha256(b"".join(leaves)).hexdigest(), file=sys.stderr)
Forecasting.loss_and_grad, loop._Run._log = spoilt, told
cli.run(train.main)
"""
"""`motion-jax train`, where the second device's gradient is NaN at some steps; tells skipped updates and the state."""


@pytest.mark.slow
def test_two_processes_skip_the_same_updates_and_give_up_together(
    configure: Configure, config_file: Callable[[Experiment], Path], environment: dict[str, str], tmp_path: Path
):
    every = {"log_every": 5, "report_every": 20, "checkpoint_every": 10, "steps_per_dispatch": 5}
    config = config_file(configure(batch=16, steps=20, max_skipped=6, **every))
    done = Job([config] * 2, tmp_path / "some", environment, ("-c", SPOILT, "3,11,12")).ended()
    assert [each.status for each in done] == [0, 0], done
    told = [[line for line in each.complaints.splitlines() if line.startswith("told:")] for each in done]
    assert [line.split()[1:3] for line in told[0]] == [["5", "1"], ["10", "1"], ["15", "3"], ["20", "3"]]
    assert told[0] == told[1]
    assert _values(tmp_path / "some", "skipped") == [(5, 1), (10, 1), (15, 3), (20, 3)]

    run = tmp_path / "all"
    done = Job([config] * 2, run, environment, ("-c", SPOILT, ",".join(map(str, range(7, 20))))).ended()
    assert [each.status for each in done] == [2, 2], done
    errors = [[line for line in each.complaints.splitlines() if line.startswith("error:")] for each in done]
    assert [len(lines) for lines in errors] == [1, 1], done
    assert f"8 updates in a row were skipped, from step 8 on. The checkpoint of step 10 in {run}" in errors[0][0]
    assert f"The batch is in {run / 'nonfinite-8.npz'}: motion-jax train" in errors[0][0]
    assert errors[1][0].startswith("error: process 1 of 2: ")
    assert errors[1][0].endswith("with motion-jax prepare.")
    assert [path.name for path in run.glob("nonfinite*")] == ["nonfinite-8.npz"]


@pytest.mark.slow
def test_a_process_of_another_run_is_named(
    config: Path,
    configure: Configure,
    config_file: Callable[[Experiment], Path],
    environment: dict[str, str],
    tmp_path: Path,
):
    other = config_file(configure(batch=32, steps_per_dispatch=5, steps=600, log_every=5))
    found = Job([config, other], tmp_path / "run", environment).ended()
    assert [each.status for each in found] == [2, 2], found
    assert "process 1 is of another run. Different are" in found[0].complaints
    assert "train.batch: 32 there, 16 in process 0" in found[1].complaints
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_eight_two_and_one_devices_train_alike_and_go_on_from_each_other(
    configure: Configure, config_file: Callable[[Experiment], Path], environment: dict[str, str], tmp_path: Path
):
    every = {"log_every": 1, "report_every": 10, "checkpoint_every": 10}
    config = config_file(configure(batch=64, steps=20, steps_per_dispatch=1, **every))
    for devices in (1, 2, 8):
        _alone(config, tmp_path / f"on{devices}", environment, devices)
    _alone(config, tmp_path / "from8", environment, 8, "--config.train.steps=10")
    for devices in (1, 2):
        copy = tmp_path / f"from8on{devices}"
        subprocess.run(["cp", "-r", tmp_path / "from8", copy], check=True)
        _alone(config, copy, environment, devices)
    expected = _values(tmp_path / "on1", "loss")
    assert [step for step, _ in expected] == list(range(1, 21))
    for name in ("on2", "on8", "from8on1", "from8on2"):
        found = _values(tmp_path / name, "loss")
        assert [step for step, _ in found] == list(range(1, 21))
        np.testing.assert_allclose([loss for _, loss in found], [loss for _, loss in expected], rtol=1e-6)


def _both(arguments: Sequence[str], environment: dict[str, str], *flags: str) -> list[subprocess.CompletedProcess[str]]:
    """A command in two processes, to its end."""
    calls = [[sys.executable, "-m", "motion_jax", *arguments, *flags, "--num_processes=2", f"--process_id={index}"]
             for index in (0, 1)]  # fmt: skip
    pipe = subprocess.PIPE
    running = [subprocess.Popen(call, env=environment, stdout=pipe, stderr=pipe, text=True) for call in calls]
    return [subprocess.CompletedProcess(each.args, each.wait(), *each.communicate()) for each in running]


@pytest.mark.slow
def test_two_processes_score_and_predict_as_one(
    configure: Configure, config_file: Callable[[Experiment], Path], environment: dict[str, str], tmp_path: Path
):
    config = config_file(configure(batch=16, steps=5, report_every=5))
    _alone(config, tmp_path / "run", environment, 1)
    evaluate = ["evaluate", f"--workdir={tmp_path / 'run'}", "--mode=free_running"]
    call = [sys.executable, "-m", "motion_jax", *evaluate, f"--json={tmp_path / 'one.json'}"]
    assert subprocess.run(call, env=environment).returncode == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"--coordinator=127.0.0.1:{free.getsockname()[1]}"
    done = _both(evaluate, environment, f"--json={tmp_path / 'two.json'}", address)
    assert [each.returncode for each in done] == [0, 0], done
    assert f"wrote {tmp_path / 'two.json'}" in done[0].stdout
    assert "wrote" not in done[1].stdout
    one, two = (read_json(tmp_path / name) for name in ("one.json", "two.json"))
    assert [report.row for report in one] == [report.row for report in two]
    for left, right in zip(one, two, strict=True):
        np.testing.assert_allclose(left.average, right.average, rtol=1e-5)

    (tmp_path / "rows").mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        frames = 0.1 * rng.normal(size=(20, 99)).astype(np.float32)
        frames[:, :6] = 0
        np.save(tmp_path / "rows" / f"{name}.npy", frames)
    predict = ["predict", f"--workdir={tmp_path / 'run'}", f"--input={tmp_path / 'rows'}", "--action=walking"]
    predict += [f"--output={tmp_path / 'future'}"]
    done = _both(predict, environment)
    assert [each.returncode for each in done] == [0, 0], done
    assert [re.findall(r"wrote .*/(.\.npy)", each.stdout) for each in done] == [["a.npy", "c.npy"], ["b.npy"]]
    assert sorted(path.name for path in (tmp_path / "future").iterdir()) == ["a.npy", "b.npy", "c.npy"]
