"""The command `motion-jax`: its table, its help, and that each command starts and ends quietly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import motion_jax
from motion_jax.commands import COMMANDS, dispatch, info

ROOT = Path(__file__).absolute().parents[2]
Forked = Callable[..., list[Any]]  # see conftest.py

CALL = "dispatch.main()"


def test_the_table_is_complete():
    folder = ROOT / "motion_jax" / "commands"
    assert set(COMMANDS) == {
        path.stem for path in folder.glob("*.py") if "\ndef main(_: list[str])" in path.read_text()
    }
    assert {path.stem for path in (ROOT / "launch").glob("*.py")} == COMMANDS.keys() - {"info"} | {"__init__"}
    for name in COMMANDS.keys() - {"info"}:
        assert f'run("{name}")' in (ROOT / "launch" / f"{name}.py").read_text()


def test_the_console_script_and_the_version_lead_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"motion-jax": "motion_jax.commands.dispatch:main"}
    assert project["tool"]["hatch"]["version"]["path"] == "motion_jax/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", motion_jax.__version__)
    assert f"\nversion: {motion_jax.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_extra_is_in_info():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(info.OPTIONAL.values()) == set(extras)


def test_public_names_are_there():
    assert set(motion_jax.__all__) <= set(dir(motion_jax))
    for name in motion_jax.__all__:
        assert getattr(motion_jax, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'load_predicter'"):
        _ = motion_jax.load_predicter


def _main(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    monkeypatch.setattr(sys, "argv", ["motion-jax", *arguments])
    with pytest.raises(SystemExit) as end:
        dispatch.main()
    return end.value.code, *capsys.readouterr()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"], ["-h"]])
def test_help_lists_the_commands(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any):
    status, out, complaints = _main(arguments, monkeypatch, capsys)
    assert (status, complaints) == (0, "")
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", out, re.MULTILINE)


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: Any):
    assert _main(["--version"], monkeypatch, capsys) == (0, f"motion-jax {motion_jax.__version__}\n", "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("trian", "unknown command 'trian'; did you mean 'train'? "), ("xyz", "unknown command 'xyz'; motion-jax --help "),
     ("--workdir=x", "'--workdir=x' stands where a command must: ")],
)  # fmt: skip
def test_an_unknown_command_names_the_nearest(wrong: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    status, out, complaints = _main([wrong], monkeypatch, capsys)
    assert (status, out) == (2, "")
    assert complaints.startswith(f"error: {said}")
    assert complaints.count("\n") == 1


def test_every_command_has_help(tmp_path: Path, forked: Forked):
    done = forked(CALL, [[name, "--help"] for name in COMMANDS], tmp_path)
    for name, (status, out, complaints) in zip(COMMANDS, done, strict=True):
        assert (status, complaints) == (0, ""), name
        assert out.startswith(f"motion-jax {name}: ")
        assert "Flags of libraries" in out
        others = set(re.findall(r"^  --(\w+)=(?!PATH)", out, re.MULTILINE))  # paths that are given empty are refused
        assert not others & {"workdir", "input", "output", "out", "init", "table", "tables", "joint_map", "skeleton"}


def test_a_path_that_is_given_but_empty_is_refused(tmp_path: Path, forked: Forked):
    """As of a shell's variable that is not set: one command would train here, another write into the cache."""
    lines = [
        "status --workdir=",
        "status --workdir=,",
        "train --workdir= --config=quickstart",
        "train --workdir=runs --replay=",
        "prepare --dataset=synthetic --out=",
        "convert --input=a.bvh --output= --report",
    ]
    done = forked(CALL, [line.split() for line in lines], tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    for line, (status, out, complaints) in zip(lines, done, strict=True):
        (empty,) = re.findall(r"--\w+=,?(?= |$)", line)
        told = f"error: {empty}: is empty: it must name a file or folder, or be left out\n"
        assert (status, out, complaints) == (2, "", told)
    assert not (tmp_path / "runs").exists()


def test_info_says_what_is_here(tmp_path: Path, forked: Forked):
    (tmp_path / "motion_jax" / "compiled" / "x86").mkdir(parents=True)
    (tmp_path / "motion_jax" / "compiled" / "x86" / "a-cache").write_bytes(bytes(2_000_000))
    (tmp_path / "motion_jax" / "set").write_bytes(bytes(1_000_000))
    code = f"import jax; jax.config.update('jax_compilation_cache_dir', None)\n{CALL}"
    done = forked(code, [["info"]], tmp_path, XDG_CACHE_HOME=str(tmp_path))
    status, out, complaints = done[0]
    assert (status, complaints) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  "))
    assert rows["motion_jax"] == f"{motion_jax.__version__}, in {ROOT / 'motion_jax'}"
    assert rows["parsed"] == f"data        {tmp_path}/motion_jax, 1.0 MB"
    assert rows["compiled"].startswith(f"{tmp_path}/motion_jax/compiled, 2.0 MB; what was used longest ago is removed")
    assert rows["cpu"].endswith("cpu")


def test_info_does_not_call_a_cache_in_use_that_is_not_trusted(tmp_path: Path, forked: Forked):
    (tmp_path / "motion_jax").mkdir()
    (tmp_path / "motion_jax").chmod(0o777)
    code = f"import jax; jax.config.update('jax_compilation_cache_dir', None)\n{CALL}"
    ((status, out, complaints),) = forked(code, [["info"]], tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert status == 0
    assert "compiled programs cannot be kept" in complaints
    assert f"{tmp_path}/motion_jax/compiled, 0.0 MB; not in use: each run compiles anew\n" in out


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A small BVH file, made by the command itself."""
    (tmp_path / "walk.bvh").write_text(
        "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\n"
        "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
        "End Site\n{\nOFFSET 0 1 0\n}\n}\nMOTION\nFrames: 2\nFrame Time: 0.04\n0 0 0 0 0 0\n1 0 0 0 0 5\n"
    )
    return tmp_path


def test_what_was_asked_for_is_written_when_nobody_reads(recording: Path):
    """As in `... | head -1`, with the pipe closed before the first line."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "motion_jax", "convert", "--input=walk.bvh", "--report", "--output=out.npz"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=recording, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert (recording / "out.npz").exists()


def test_a_prediction_or_picture_never_replaces_what_it_is_made_of(recording: Path, forked: Forked):
    before = (recording / "walk.bvh").read_bytes()
    (recording / "in").mkdir()
    (recording / "in" / "walk.bvh").symlink_to(recording / "walk.bvh")
    (recording / "same").symlink_to(recording)
    (recording / "page.html").symlink_to(recording / "walk.bvh")
    lines = [
        ["predict", "--input=walk.bvh", "--output=walk.bvh", "--overwrite"],
        ["predict", "--input=walk.bvh", "--output=.", "--overwrite"],
        ["predict", "--input=in", "--output=same", "--overwrite"],
        ["predict", "--input=in/walk.bvh", f"--output={recording}/same/walk.bvh", "--overwrite"],
        ["watch", "--input=same/walk.bvh", "--output=page.html", "--noopen"],
        ["backtest", "--input=same/in", "--json=walk.bvh"],
    ]
    for line, done in zip(lines, forked(CALL, lines, recording), strict=True):
        told = "is the input: it must be another file" if line[0] == "predict" else "is read by this command"
        assert (done.status, done.complaints.count("\n")) == (2, 1), (line, done.complaints)
        assert told in done.complaints
    (recording / "in" / "walk.bvh").unlink()
    for name in ("labelled.json", "features.npy"):  # of a prepared set, which --overwrite replaces
        (recording / "in" / name).write_text("kept")
    refused = "prepare --dataset=folder --table=t.csv --source=in --out=same/in --overwrite"
    (held,) = forked(CALL, [refused.split()], recording)
    assert held.complaints == "error: --out=same/in: is or holds --source=in, which is read: give another folder\n"
    assert (recording / "walk.bvh").read_bytes() == before
    assert (recording / "page.html").is_symlink()


def test_a_package_of_the_users_own_called_launch_is_in_nobodys_way(recording: Path):
    (recording / "launch").mkdir()
    (recording / "launch" / "__init__.py").write_text("raise SystemExit('the launch of ROS')")
    command = [sys.executable, "-m", "motion_jax", "convert", "--input=walk.bvh", "--report"]
    environment = os.environ | {"PYTHONPATH": f"{recording}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=recording, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "walk.bvh" in done.stdout


def test_an_interruption_while_modules_are_loaded(tmp_path: Path):
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from motion_jax.commands import dispatch\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'motion_jax.commands.train':\n"
        "            import os, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
        "import sys; sys.meta_path.insert(0, Slow()); dispatch.run('train', [])\n"
    )
    begun = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "interrupted\n")
    assert time.monotonic() - begun < 30


def test_a_device_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path, forked: Forked):
    lines = [["train", "--config=quickstart", "--workdir=run"], ["predict", "--workdir=r", "--input=a", "--output=b"],
             ["info"]]  # fmt: skip
    train, predict, told = forked(CALL, lines, tmp_path, JAX_PLATFORMS="nonsense")
    line = "JAX_PLATFORMS=nonsense: this installation has no such device; known are cpu, cuda and tpu\n"
    assert train == predict == (2, "", f"error: {line}")
    assert told.status == 0
    assert line in told.out
    assert not (tmp_path / "run").exists()
