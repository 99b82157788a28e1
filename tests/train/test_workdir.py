"""One folder, one run: its records, its lock, and what may not lie there."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.files import sealed
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.environment import environment
from motion_jax.train.workdir import Workdir, flatten

SPACE = PoseSpace(np.array([0.1, 1 / 3]), np.array([1.0, 2e-3]), (1,), ("walking",), H36M, 25.0)


def _begin(path: Path, data_key: str = "key", **train) -> None:
    experiment = Experiment()
    experiment = dataclasses.replace(experiment, train=dataclasses.replace(experiment.train, **train))
    folder = Workdir(path)
    with folder.locked():
        folder.begin(experiment, {"space.json": SPACE.to_json()}, data_key)


def test_the_records_come_back(tmp_path: Path):
    _begin(tmp_path / "a" / "run", seed=7)
    folder = Workdir(tmp_path / "a" / "run")
    assert folder.read_experiment().train.seed == 7
    space = folder.read_space()
    np.testing.assert_array_equal(space.mean, SPACE.mean)
    np.testing.assert_array_equal(space.std, SPACE.std)
    assert (space.kept, space.actions, space.fps) == ((1,), ("walking",), 25.0)
    assert not H36M.mismatch(space.skeleton)


def test_another_config_is_refused_by_the_names_of_its_keys(tmp_path: Path):
    _begin(tmp_path)
    message = "Different are train.batch: 16 there, 8 here; train.seed: 0 there, 3 here. Choose another workdir"
    with pytest.raises(UserError, match=re.escape(message)):
        _begin(tmp_path, batch=8, seed=3)
    assert Workdir(tmp_path).read_experiment() == Experiment()


def test_what_may_change_is_recorded(tmp_path: Path):
    _begin(tmp_path)
    _begin(tmp_path, steps=5, log_every=1, report_every=2, checkpoint_every=3, keep_last=9)
    assert Workdir(tmp_path).read_experiment().train.steps == 5


def test_steps_may_not_change_where_a_schedule_is_measured_by_them(tmp_path: Path):
    _begin(tmp_path, forcing_schedule="linear")
    with pytest.raises(UserError, match=r"Different are train.steps: 100000 there, 5 here"):
        _begin(tmp_path, forcing_schedule="linear", steps=5)


def test_other_data_is_refused(tmp_path: Path):
    _begin(tmp_path)
    with pytest.raises(UserError, match="Different are the data set's content"):
        _begin(tmp_path, data_key="other")


WITHOUT = "config.json: has no checksum: the record of a run that was written by an earlier version of motion_jax"
RECORDS = {
    "": "damaged: not the record",
    "{": "damaged: not the record",
    "[]": "damaged: not the record",
    "null": "damaged: not the record",
    '{"experiment": {}, "data_key": "key"}': WITHOUT,
    sealed({"experiment": 3}): "not the record of a run of this version",
    sealed({"experiment": {"trian": {}}, "records": {}, "environment": {}}): "not a config of this version",
}


def test_a_run_is_named_by_what_may_not_change(tmp_path: Path):
    keys = []
    for number, (steps, seed, data) in enumerate([(10, 0, "key"), (20, 0, "key"), (10, 1, "key"), (10, 0, "other")]):
        folder = Workdir(tmp_path / str(number))
        assert folder.run_key() == ""
        with folder.locked():
            folder.begin(Experiment().changed({"train.steps": steps, "train.seed": seed}), {}, data)
        keys.append(folder.run_key())
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_pipe_in_the_records_place_is_told(tmp_path: Path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(UserError, match="cannot be read: it is a pipe or a device, not a file"):
        Workdir(tmp_path).read_experiment()


@pytest.mark.parametrize("text", RECORDS)
def test_a_damaged_record_is_told(tmp_path: Path, text: str):
    _begin(tmp_path)
    Workdir(tmp_path).config.write_text(text)
    with pytest.raises(UserError, match=RECORDS[text]) as told:
        Workdir(tmp_path).read_experiment()
    assert str(Workdir(tmp_path).config) in str(told.value)


def _flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_no_flipped_bit_of_a_record_is_read_as_something_else(tmp_path: Path):
    """Of every byte one bit: refused in one line, or the same values (as where white space changes)."""
    _begin(tmp_path)
    folder = Workdir(tmp_path)
    for path, read in ((folder.config, folder.read_experiment), (folder.space, lambda: folder.read_space().to_json())):
        sound, size = read(), path.stat().st_size
        for byte in range(0, size, 7):
            bit = 8 * byte + byte % 8
            _flip(path, bit)
            said = f"{path}: "
            try:
                assert read() == sound
            except UserError as error:
                said = str(error)
            assert str(path) in said
            assert "\n" not in said
            _flip(path, bit)
        assert read() == sound


def test_a_damaged_space_is_written_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    _begin(tmp_path)
    _flip(Workdir(tmp_path).space, 100)
    with pytest.raises(UserError, match=r"space\.json: damaged or edited: its sha256 is not the one in config\.json"):
        Workdir(tmp_path).read_space()
    _begin(tmp_path)
    assert "space.json: was missing, damaged or edited: it is written anew" in caplog.text
    assert Workdir(tmp_path).read_space().to_json() == SPACE.to_json()


HERE = environment(devices=2)


def test_another_environment_is_refused_or_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    begin = functools.partial(Workdir(tmp_path).begin, Experiment(), {"space.json": SPACE.to_json()}, "key")
    begin(HERE)
    begin(HERE)
    assert not caplog.records
    begin({**HERE, "devices": 1, "jax": "0.1"})
    (record,) = caplog.records
    assert f"in another environment: jax: '{HERE['jax']}' there, '0.1' here; devices: 2 there, 1 here; what" in (
        record.getMessage()
    )
    x64 = {**HERE, "x64": True}
    message = r"x64: False there, True here \(JAX_ENABLE_X64 sets it\)\. .* to go on all the same: --accept_environment"
    with pytest.raises(UserError, match=message):
        begin(x64)
    Workdir(tmp_path).accept_environment(x64)
    begin(x64)


def test_records_that_are_no_text_are_told(tmp_path: Path):
    _begin(tmp_path)
    for file in (Workdir(tmp_path).config, Workdir(tmp_path).space):
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(UserError, match=rf"{file.name}: damaged: not text"):
            Workdir(tmp_path).read_experiment() if "config" in file.name else Workdir(tmp_path).read_space()


OLD = {
    "before models declared their own fields": lambda record: record["experiment"].pop("compute"),
    "a field is missing": lambda record: record["experiment"]["train"].pop("coin"),
    "a field is unknown": lambda record: record["experiment"]["train"].update(noise="none"),
}


@pytest.mark.parametrize("change", OLD)
def test_a_run_of_another_version_is_refused_in_one_line(tmp_path: Path, change: str):
    _begin(tmp_path)
    record = json.loads(Workdir(tmp_path).config.read_text())
    OLD[change](record)
    text = sealed({name: value for name, value in record.items() if name != "digest"})
    Workdir(tmp_path).config.write_text(text)
    with pytest.raises(UserError, match=r"config\.json: .*(version of motion_jax|of this version)") as refused:
        _begin(tmp_path)
    assert "\n" not in str(refused.value)
    assert Workdir(tmp_path).config.read_text() == text


def test_a_run_without_its_record_is_refused(tmp_path: Path):
    Workdir(tmp_path).metrics.write_text("")
    with pytest.raises(UserError, match=r"holds a run whose config.json is missing: choose another"):
        _begin(tmp_path)


def test_an_empty_folder_holds_no_run(tmp_path: Path):
    with pytest.raises(UserError, match=r"holds no trained run \(config.json is missing\)"):
        Workdir(tmp_path).read_experiment()


def test_two_runs_at_once_are_refused(tmp_path: Path):
    """flock counts by open file: this process stands in its own way as another one would."""
    with Workdir(tmp_path).locked(), pytest.raises(UserError, match="another run is writing there"):
        _begin(tmp_path)
    _begin(tmp_path)  # free again


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_warned_of(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    _begin(tmp_path)
    assert Workdir(tmp_path).read_experiment() == Experiment()
    (record,) = caplog.records
    message = f"cannot be locked on this file system ({os.strerror(number)}); two runs must not share it"
    assert message in record.getMessage()


def test_a_lock_that_fails_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(UserError, match=f"--workdir={tmp_path}: cannot be locked: Input/output error"):
        _begin(tmp_path)


def test_a_system_without_flock_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("motion_jax.train.workdir.fcntl", None)
    _begin(tmp_path)
    assert "this system has no flock" in caplog.text
    assert Workdir(tmp_path).read_experiment() == Experiment()


def test_a_run_that_died_leaves_no_lock(tmp_path: Path):
    code = "import os, sys; from motion_jax.train.workdir import Workdir\n"
    code += "with Workdir(sys.argv[1]).locked(): os.kill(os.getpid(), 9)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment)
    assert done.returncode == -9
    _begin(tmp_path)


def test_a_file_in_the_folders_place(tmp_path: Path):
    (tmp_path / "run").write_text("mine")
    for path in (tmp_path / "run", tmp_path / "run" / "below"):
        with pytest.raises(UserError, match=f"--workdir={path}: cannot be written: "):
            _begin(path)
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o555)
    with pytest.raises(UserError, match="cannot be written: Permission denied"):
        _begin(tmp_path)


def test_a_disk_that_refuses_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _begin(tmp_path)

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UserError, match=r"space\.json: cannot be written: No space left on device"):
        _begin(tmp_path, steps=5)
    assert Workdir(tmp_path).read_experiment() == Experiment()


def test_flatten():
    assert flatten({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a.b": 1, "a.c.d": 2, "e": 3}
