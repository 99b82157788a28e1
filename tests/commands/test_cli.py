"""A user's mistake ends as one line on stderr and exit status 2, whatever it was."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_jax.data.datasets import cmu
from motion_jax.data.expmap import read_expmap, write_expmap
from motion_jax.data.prepared import read_manifest, read_prepared

Done = tuple[int, str, str]  # exit status, stdout, stderr
Forked = Callable[..., list[Any]]  # see conftest.py

PROGRAM = """
import os, signal
from absl import flags, logging
from motion_jax.commands import cli
from motion_jax.errors import UserError
CONFIG = cli.define_config()
FAIL = flags.DEFINE_enum("fail", "no", ["no", "user", "bug", "interrupt", "warn"], "how to fail")
FOLDER = cli.define_path("folder", "", "a folder")
NUMBER = flags.DEFINE_integer("number", 3, "a number")
def main(argv):
    if FAIL.value == "user":
        raise UserError("a mistake\\n  in two lines")
    if FAIL.value == "bug":
        raise ZeroDivisionError
    if FAIL.value == "interrupt":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us deaf to it
        os.kill(os.getpid(), signal.SIGINT)
    if FAIL.value == "warn":
        import warnings
        logging.info("not shown")
        logging.warning("of the %s", "program")
        warnings.warn("of a library")
    experiment = cli.experiment(CONFIG)
    data = experiment.data
    residual = getattr(experiment.model, "residual", None)
    print(experiment.train.steps, residual, data.name, data.root, data.cache, FOLDER.value)
cli.run(main)
"""
"""A command with a flag of every kind."""

GOOD = "from motion_jax.config import Experiment\ndef get_config(): return Experiment().to_config_dict()\n"

CONFIGS = {
    "good.py": GOOD,
    "syntax.py": "def get_config(:\n",
    "name.py": "import os\nx = undefined\n",
    "value.py": "def get_config(): return int('many')\n",
    "empty.py": "x = 1\n",
    "data.json": '{"train": null}',
    "user.py": "from motion_jax.config import DataConfig\ndef get_config(): return DataConfig(statistics='hm36')\n",
    "open.py": "def get_config(): return open('absent.txt')\n",
    "other.py": "import ml_collections\ndef get_config(): return ml_collections.ConfigDict({'stepz': 1})\n",
    "none.py": "def get_config(): pass\n",
}

WRONG = {
    "no_config": ("", "--config=NAME is missing: name a configuration, such as quickstart"),
    "config_without_name": ("--config=", "--config=: is a folder; name a file, or one of those shipped: aged, "),
    "config_absent": ("--config=absent.py", "--config=absent.py: no such file; shipped are aged, bi_enc_50, "),
    "config_absent_and_override": ("--config=absent.py --config.train.steps=3", "--config=absent.py: no such file; "),
    "config_nearly_named": ("--config=bi_enc_5", r"--config=bi_enc_5: no such file \(did you mean bi_enc_50\?\); "),
    "config_is_a_folder": ("--config=.", "--config=.: is a folder; name a file, or one of those shipped: "),
    "config_syntax": ("--config=syntax.py", "--config: .*syntax.py:1: it must be Python: invalid syntax"),
    "config_name_error": ("--config=name.py", "--config: .*name.py:2: NameError: name 'undefined' is not defined"),
    "config_value_error": ("--config=value.py", "--config: .*value.py:1: ValueError: invalid literal .* 'many'"),
    "config_without_get_config": ("--config=empty.py", r"--config: the file must define get_config\(\)"),
    "config_is_data": ("--config=data.json", "--config: .*data.json:1: NameError: name 'null' is not defined"),
    "config_raises_user_error": ("--config=user.py", "data.statistics='hm36': must be one of martinez, learn"),
    "config_cannot_open": ("--config=open.py", "--config: .*'absent.txt'"),
    "config_returns_unknown_key": ("--config=other.py", "config: unknown key stepz; valid keys: compute, data, eval"),
    "override_without_config": ("--config.train.steps=3", "--config.train.steps changes .* no --config=NAME is given"),
    "unknown_key": ("--config=good.py --config.train.stepz=3", "--config.train.stepz: unknown key .*, steps,"),
    "unknown_group": ("--config=good.py --config.trian.steps=3", "--config.trian.steps: unknown key 'trian'; .*train"),
    "key_of_a_number": ("--config=good.py --config.train.steps.x=3", "--config.train.steps.x: 100000 has no fields"),
    "unknown_negated_key": ("--config=good.py --noconfig.model.rest", "--config.model.rest: unknown key 'rest'"),
    "unread_key": (
        "--config=erd --config.model.attention=dot",
        "--config.model.attention: model 'erd' does not read it; it reads hidden, layers, noise",
    ),
    "unread_setting": (
        "--config=erd --config.train.teacher_forcing=0.2",
        "--config.train.teacher_forcing: model 'erd' does not read it",
    ),
    "unread_group": (
        "--config=erd --config.labels.window=5",
        "--config.labels.window: model 'erd' does not read it",
    ),
    "wrong_type": ("--config=good.py --config.train.steps=abc", "--config.train.steps=abc: it must be a whole number"),
    "not_whole": ("--config=good.py --config.train.steps=1.5", "--config.train.steps=1.5: it must be a whole number"),
    "no_number": ("--config=good.py --config.optim.learning_rate=fast", ".*learning_rate=fast: it must be a number"),
    "not_boolean": ("--config=good.py --config.model.residual=maybe", "flag --config.model.residual=maybe: "),
    "group_as_value": ("--config=good.py --config.train=3", "flag --config.train=3: "),
    "missing_value": ("--config=good.py --config.data.root", "Missing value for flag --config.data.root"),
    "impossible_value": ("--config=good.py --config.train.batch=0", "train.batch=0: must be at least 1"),
    "unknown_flag": ("--confg=good.py", "--confg: no such flag. Did you mean: config"),
    "far_flag": ("--zzyzx=3", "--zzyzx: no such flag. .* --help lists them"),
    "field_as_flag": ("--steps=3", "--steps: no such flag; --config.train.steps=VALUE changes the field"),
    "wrong_choice": ("--fail=often", r"flag --fail=often: value should be one of <no\|user\|bug\|interrupt\|warn>"),
    "stray_argument": ("--config=good.py train", "unexpected argument 'train'"),
    "flag_file_absent": ("--flagfile=absent.txt", ".*absent.txt"),
    "raised_by_main": ("--fail=user", "a mistake in two lines"),
    "home_of_nobody": ("--folder=~nobody-has-this-name/x", "~nobody-has-this-name/x: whose home folder '~' means "),
}  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.py").write_text(PROGRAM)
    for name, text in CONFIGS.items():
        (folder / name).write_text(text)
    return folder


def _run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).absolute().parents[2])
    environment = os.environ | {"PYTHONPATH": root, "JAX_PLATFORMS": "cpu"} | env
    return subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def mistakes(program: Path, forked: Forked) -> dict[str, Done]:
    done = forked(PROGRAM, [line.split() for line, _ in WRONG.values()], program)
    return dict(zip(WRONG, done, strict=True))


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_told_in_one_line(mistakes: dict[str, Done], case: str):
    status, _, complaints = mistakes[case]
    assert status == 2, complaints
    assert re.fullmatch(f"error: {WRONG[case][1]}.*\n", complaints), complaints


def test_what_the_flags_say_is_what_is_done(program: Path, forked: Forked):
    fields = [
        "--config.train.steps=7",
        "--noconfig.model.residual",
        "--config.data.root=here",
        "--config.data.cache=~/c",
    ]
    lines = [
        ["--config=none.py"],
        [*fields, "--config=good.py", "--folder=~/runs"],
        ["--config=configs/zero_velocity.py"],
        ["--fail=interrupt"],
        ["--fail=bug"],
        ["--config=good.py", "--fail=warn"],
        ["--config=ours", "--config.model.name=simlpe"],
    ]
    none, good, named, interrupted, bug, warned, another = forked(PROGRAM, lines, program, HOME="/the/home")
    assert none.status == 2
    message = "error: --config: its get_config() must return a configuration; it returns None"
    assert none.complaints.splitlines()[-1] == message
    assert good == (0, f"7 False synthetic {program}/here /the/home/c /the/home/runs\n", "")
    assert (named.status, named.complaints) == (0, "")
    assert interrupted[::2] == (128 + signal.SIGINT, "interrupted\n")
    assert bug.status == 1
    assert "Traceback" in bug.complaints
    assert "ZeroDivisionError" in bug.complaints
    assert (another.status, another.complaints) == (0, "")  # not with predicted=0, which is usual of the first alone
    assert warned.complaints == "warning: of the program\nwarning: of a library\n"


def test_an_interrupted_command_does_not_wait_for_the_interpreter_to_be_torn_down(program: Path):
    """There threads of XLA that are still at work crash the process."""
    code = f"import atexit\natexit.register(print, 'torn down')\nprint('before')\n{PROGRAM}"
    done = _run("-c", code, "--fail=interrupt", cwd=program)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "before\n", "interrupted\n")


def test_help_shows_the_commands_own_flags_first(program: Path, forked: Forked):
    usual, full = forked(PROGRAM, [["--help"], ["--helpfull", "--nonsense"]], program)
    assert (usual.status, usual.complaints) == (full.status, full.complaints) == (0, "")
    own, others = usual.out.split("Flags of libraries")
    assert re.findall(r"^  (--\S+)", own, re.MULTILINE) == [
        "--config=NAME", "--fail=no|user|bug|interrupt|warn", "--folder=PATH", "--number=NUMBER",
    ]  # fmt: skip
    assert "how to fail (default: no)" in own
    assert "--verbosity" in others
    assert "Logging verbosity level" in full.out
    assert "Logging verbosity level" not in usual.out


def test_an_unknown_key_of_a_command_with_a_config_of_its_own(tmp_path: Path):
    """There the overrides are read before the flags are parsed."""
    done = _run("-m", "launch.quickstart", "--config.model.cel=3", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --config.model.cel: unknown key 'cel'; valid keys: ")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """CMU walking: five short training files and one test file."""
    for number, trial in enumerate(cmu.LAYOUT.trials(("walking",))):
        path = tmp_path / "tree" / trial.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_expmap(path, np.random.default_rng(number).normal(0, 0.01, (184, 117)))
    return tmp_path / "tree"


def test_prepare_writes_what_it_read(tree: Path):
    done = _run("-m", "launch.prepare", "--dataset=cmu", "--source=tree", "--out=out", cwd=tree.parent)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[2].split() == ["walking", "5", "1", "1104", "0.2"]
    assert "findings: 0 errors, 7 warnings" in lines  # the other actions
    assert lines[-1] == f"wrote {tree.parent / 'out'}"
    dataset = read_prepared(tree.parent / "out")
    assert (dataset.name, dataset.actions, len(dataset.clips)) == ("cmu", ("walking",), 6)
    for clip in dataset.clips:
        np.testing.assert_array_equal(clip.frames, read_expmap(tree / clip.source, 117))
    assert len(read_manifest(tree.parent / "out").sources) == 6


def test_missing_flags_are_named_together(tmp_path: Path, forked: Forked):
    code = "from motion_jax.commands import predict; cli.run(predict.main)"
    lines = [[], ["--workdir=run", "--input=a"], ["--workdir=r", "--input=a", "--output=b", "--input_fps=abc"]]
    several, one, number = forked(code, lines, tmp_path)
    assert several.complaints == ("error: --input and --output are missing: program.py --help shows what they take\n")
    assert one.complaints == "error: --output is missing: A file; for several inputs, a folder.\n"
    assert number.complaints == "error: --input_fps=abc: it must be a number\n"


PREPARING = "from motion_jax.commands import prepare; cli.run(prepare.main)"


def test_prepare_accepts_duplicates_when_told_so(tree: Path, forked: Forked):
    shutil.copy(tree / "test/walking/walking_1.txt", tree / "train/walking/walking_2.txt")
    command = "--dataset=cmu --source=tree --actions=walking"
    lines = [f"{command} --out=a", f"{command} --out=b --allow_duplicates --audit_only"]
    lines.append(f"{command} --out=c --allow_duplicates")
    done = forked(PREPARING, [line.split() for line in lines], tree.parent)
    assert [each.status for each in done] == [2, 0, 0], done
    message = (
        "error: tree/train/walking/walking_2.txt: the train file has the same content as test/walking/walking_1.txt"
    )
    assert done[0].complaints.startswith(message)
    assert done[0].complaints.count("\n") == 1
    assert "findings: 1 errors, 0 warnings" in done[0].out
    assert sorted(path.name for path in tree.parent.iterdir()) == ["c", "tree"]


PREPARE = {
    "": "--dataset is missing: ",
    "--dataset=h36": "--dataset=h36: value should be one of <synthetic|synthetic_people|h36m|cmu|folder|",
    "--dataset=cmu --out=out": "--source='': with --dataset=cmu it must name the folder",
    "--dataset=synthetic": "--out is missing: with --dataset=synthetic it must name the folder to write",
    "--dataset=cmu --source=absent --out=out": "--source='absent': no such folder",
    "--dataset=h36m --source=tree --out=out": "no 'h36m' tree: it must hold folders like S1, S5",
    "--dataset=cmu --source=tree --out=tree": "tree: holds 'test': it must be empty, new, or a prepared data set",
    "--dataset=cmu --source=tree --out=out --actions=hopping": "unknown action 'hopping'",
    "--dataset=cmu --source=tree --out=out --text": "--text: it must come with --dataset=synthetic",
    "--dataset=synthetic --source=tree --out=out": "--source='tree': with --dataset=synthetic it must stay empty",
    "--dataset=cmu --source=tree --out=out --fps=25": "--fps=25.0: it is for folders of recordings, not --dataset=cmu",
    "--dataset=folder --source=one.bvh --out=out": "--source='one.bvh': is a file: name its folder, '.'",
    "--dataset=cmu --source=one.bvh --out=out": "one.bvh': is a file: name its folder",
    "--dataset=folder --source=absent --out=out": "--source='absent': no such folder",
}


def test_prepare_refuses_what_cannot_be(tree: Path, forked: Forked):
    (tree.parent / "one.bvh").write_text("HIERARCHY\n")
    done = forked(PREPARING, [line.split() for line in PREPARE], tree.parent)
    for (status, _, complaints), message in zip(done, PREPARE.values(), strict=True):
        assert status == 2, complaints
        assert complaints.startswith("error: ")
        assert complaints.count("\n") == 1
        assert message in complaints
    assert not (tree.parent / "out").exists()


def test_a_sweep_changes_fields_that_its_own_models_read(tmp_path: Path, forked: Forked):
    sweeping = "from motion_jax.commands import sweep; cli.run(sweep.main)"
    lines = ["--sweep=rulstm --workdir=x --config.labels.window=5", "--sweep=hbrnn --workdir=x --config.labels.hop=-1"]
    done = forked(sweeping, [line.split() for line in lines], tmp_path)
    assert [each[0] for each in done] == [2, 2]
    said = ["labels.window=5: model 'ru_lstm' does not read it", "labels.hop=-1: must be at least 0"]
    for (_, _, complaints), message in zip(done, said, strict=True):
        assert message in complaints
        assert complaints.count("\n") == 1


def test_prepare_writes_synthetic_data_as_text(tmp_path: Path):
    """With a small stand-in for the whole set, which takes a while to make."""
    program = """
import sys, numpy as np
from motion_jax.commands import cli
from motion_jax.skeletons.bodies import H36M
from motion_jax.data import synthetic
from motion_jax.types import Clip, Dataset
frames = np.linspace(0, 1, 400 * 99, dtype=np.float32).reshape(400, 99)
clips = tuple(Clip(frames, s, "walking", 1, p, "synthetic") for s, p in (("S1", "train"), ("S5", "test")))
synthetic.make_synthetic = lambda seed: Dataset("synthetic", clips, ("walking",), H36M, 50.0, "key")
from motion_jax.commands import prepare
cli.run(prepare.main)
"""
    command = ("-c", program, "--dataset=synthetic", "--text", "--out=out")
    done = _run(*command, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    frames = np.linspace(0, 1, 400 * 99, dtype=np.float32).reshape(400, 99)
    for path in ("S1/walking_1.txt", "S5/walking_1.txt"):
        np.testing.assert_array_equal(read_expmap(tmp_path / "out" / path, 99), frames)
