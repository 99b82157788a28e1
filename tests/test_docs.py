"""What the pages say is so: commands and flags, files, Python names, tables of names, and the model that one builds."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

import motion_jax.config
import motion_jax.models
from motion_jax.commands.cli import _check_key
from motion_jax.config import (
    AUGMENTATIONS,
    MODEL_CONFIGS,
    REPRESENTATIONS,
    DataConfig,
    EvalConfig,
    Experiment,
    model_config,
)
from motion_jax.data.formats import FORMATS
from motion_jax.evaluation.index import read_index
from motion_jax.evaluation.index_pages import updated
from motion_jax.evaluation.metrics import METRICS
from motion_jax.experiments.compare import compare
from motion_jax.inference.predictor import load_predictor
from motion_jax.losses import LOSSES
from motion_jax.models import REGISTRY, Entry, register
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.forecasting import fit
from motion_jax.types import Clip, Dataset

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "BENCHMARKS.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
ADDING_A_MODEL = ROOT / "docs" / "adding_a_model.md"
COMMANDS = sorted(path.stem for path in (ROOT / "launch").glob("*.py") if path.stem != "__init__")
MODULE = "motion_jax.models.linear_motion"  # which the page adds

JOBS = sorted((ROOT / "launch" / "jobs").iterdir())  # SLURM's and Kubernetes'

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code(page: Path, language: str = "python") -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def made(page: Path) -> dict[str, str]:
    """The blocks of a page that begin with the name of a file or table, without that line."""
    heads = [block.partition("\n") for block in code(page) if block.startswith("# ")]
    return {head.removeprefix("# "): rest for head, _, rest in heads}


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of each `python -m launch.NAME` or `motion-jax NAME --...` of a page, lines joined at \\."""
    text = page.read_text().replace("\\\n", " ")
    for name, rest in re.findall(r"(?:python3? -m launch\.|motion-jax (?=[a-z]+ +--))(\w+)([^\n`]*)", text):
        yield name, shlex.split(rest, comments=True)


def flags(command: str) -> set[str]:
    """What a command's own flags are called, read in its source: in one process only one command can define them."""
    source = (ROOT / "motion_jax" / "commands" / f"{command}.py").read_text()
    names = set(re.findall(r"(?:flags\.DEFINE|cli\.define)_\w+\(\s*\"(\w+)\"", source))
    loops = [node.generators[0].iter for node in ast.walk(ast.parse(source)) if isinstance(node, ast.DictComp)]
    tables = [table for table in loops if isinstance(table, ast.Tuple)]  # of flags that differ in name and default
    names |= {ast.literal_eval(row.elts[0]) for table in tables for row in table.elts if isinstance(row, ast.Tuple)}
    for shared in re.findall(r"cli\.define_processes\((.*?)\)", source):
        names |= set(re.findall(r'"(\w+)"', shared))
    return names | ({"config"} if "cli.define_config(" in source else set())


def table(page: Path, heading: str) -> dict[str, list[str]]:
    """The rows of the table whose first cell is `heading`, by theirs, which is code."""
    lines = page.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows: dict[str, list[str]] = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        rows |= {name: others for name in re.findall("`(.*?)`", first)}
    return rows


def anchors(page: Path) -> set[str]:
    """What headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *JOBS], ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist_with_their_flags(page: Path):
    for command, arguments in commands(page):
        assert command in COMMANDS
        for argument in arguments:
            name = argument.removeprefix("--").partition("=")[0]
            assert argument.startswith("--"), f"{command}: {argument}"
            if name.startswith("config.") and "config" in flags(command):
                _check_key(name)
            else:
                assert {name, name.removeprefix("no")} & flags(command), f"{command}: {argument}"


@pages
def test_files_that_commands_read_exist(page: Path):
    for _, arguments in commands(page):
        for value in (argument.partition("=")[2] for argument in arguments):
            if value.startswith("configs/"):
                assert (ROOT / value).is_file() or value in made(page), value


@pages
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        if not target.startswith(("http://", "https://")):
            found = page.parent / name if name else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


@pages
def test_tables_of_results_are_those_of_the_index(page: Path):
    """Written by `motion-jax evaluate --index=docs/results.json --tables=docs,BENCHMARKS.md`."""
    text = page.read_text()
    assert updated(text, read_index(ROOT / "docs" / "results.json"), page.name) == text


@pages
def test_source_files_that_are_named_exist(page: Path):
    names = {name for text in re.findall("`([^`\n]+)`", page.read_text()) for name in text.split()}
    folders = [ROOT, ROOT / "motion_jax", ROOT / "configs", ROOT / "configs" / "sweeps"]
    for name in names:
        if re.fullmatch(r"[\w/]+\.py", name):
            assert any((folder / name).exists() for folder in folders) or name in made(page), name
        if match := re.fullmatch(r"launch\.(\w+)", name):
            assert match[1] in COMMANDS, name


@pages
def test_blocks_are_python(page: Path):
    for block in code(page):
        ast.parse("{" + block + "}" if re.match(r"# [A-Z]+ in ", block) else block)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name.startswith("README")], ids=lambda page: page.name)
def test_the_readme_has_every_command_and_configuration(page: Path):
    readme = page.read_text()
    for command in COMMANDS:
        assert re.search(rf"^\| `(launch\.|motion-jax ){command}` \|", readme, re.MULTILINE), command
    for path in (ROOT / "configs").rglob("*.py"):
        assert re.search(rf"`(configs/|configs/sweeps/)?{path.stem}(\.py)?`", readme), path.name


def test_the_experiment_of_the_api_page_is_one():
    """Its imports and configuration; the training that follows is the same as everywhere."""
    block = next(block for block in code(ROOT / "docs" / "api.md") if "experiment = Experiment(" in block)
    space: dict[str, Any] = {}
    exec(block.partition("dataset = ")[0], space)
    assert space["experiment"].model.hidden == 64


def test_tables_of_names_are_complete():
    api, formats, spaces = (ROOT / "docs" / f"{name}.md" for name in ("api", "formats", "representations"))
    assert set(table(spaces, "`data.representation`")) == set(REPRESENTATIONS)
    assert table(spaces, "name").keys() >= set(AUGMENTATIONS)
    assert set(table(api, "`train.loss`")) == set(LOSSES)
    assert set(table(api, "`eval.metrics`")) == set(METRICS)
    models = api.read_text().partition("Models by `model.name`:")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", models)) == set(REGISTRY)
    rows = table(formats, "suffix")
    assert set(rows) == set(FORMATS)
    for suffix, (_, reads, writes, *_) in rows.items():
        form = FORMATS[suffix]
        assert reads == ("yes" if form.read else "markers" if form.read_markers else "no"), suffix
        assert writes == ("yes" if form.write else "no"), suffix


def _tree(thing: Any) -> Any:
    """The definition of a function or class, as it stands in the code."""
    return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))).body[0]


def _member(owner: Any, name: str) -> Any:
    found = inspect.getattr_static(owner, name)
    return found.fget if isinstance(found, property) else found


def _assert_same_signature(told: ast.FunctionDef, thing: Any) -> None:
    real = _tree(thing)
    for tree in (told, real):  # of properties, that they are ones
        tree.decorator_list = [each for each in tree.decorator_list if ast.unparse(each) == "property"]
        tree.body = [ast.Pass()]
    assert ast.unparse(told) == ast.unparse(real)


def _fields(tree: ast.ClassDef) -> list[str]:
    return [ast.unparse(node) for node in tree.body if isinstance(node, ast.AnnAssign)]


STUBS = made(ROOT / "docs" / "api.md")


@pytest.mark.parametrize("name", STUBS)
def test_names_and_signatures_are_those_of_the_code(name: str):
    module = importlib.import_module(name)
    for told in ast.parse(STUBS[name]).body:
        assert isinstance(told, ast.FunctionDef | ast.ClassDef)
        thing = getattr(module, told.name)
        if isinstance(told, ast.FunctionDef):
            _assert_same_signature(told, thing)
            continue
        if _fields(told):
            assert _fields(told) == _fields(_tree(thing))
        for member in told.body:
            if isinstance(member, ast.FunctionDef):
                _assert_same_signature(member, _member(thing, member.name))


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly() -> Iterator[None]:
    """Compiling is most of the time here."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's model, imported under its name and put into the registry by the page's line."""
    blocks = made(ADDING_A_MODEL)
    path = tmp_path / "linear_motion.py"
    path.write_text(blocks["motion_jax/models/linear_motion.py"])
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.setattr(motion_jax.models, "linear_motion", module, raising=False)
    spec.loader.exec_module(module)
    for names in (REGISTRY, MODEL_CONFIGS):  # both are without the name again afterwards
        monkeypatch.setitem(names, "linear_motion", None)
        del names["linear_motion"]
    line = blocks["the registry in motion_jax/models/__init__.py"]
    exec(line, {"linear_motion": module, "register": register, "Entry": Entry})
    return module


def _experiment() -> Experiment:
    """The page's configuration, small."""
    space: dict[str, Any] = {}
    exec(made(ADDING_A_MODEL)["configs/linear_motion.py"], space)
    experiment = Experiment.from_config_dict(space["get_config"]())
    return dataclasses.replace(
        experiment,
        data=DataConfig(name="folder", root="absent", source_length=8, target_length=4, validation="none"),
        train=dataclasses.replace(experiment.train, steps=4, batch=4, steps_per_dispatch=4),
        eval=EvalConfig(protocols="srnn", metrics="euler_error_rad", frames="2,4"),
    )


def _dataset() -> Dataset:
    """Slow sines; S5 is the test, S11 validates."""

    def frames(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        phase, tempo = rng.uniform(0, 6, 99), rng.uniform(0.01, 0.05, 99)
        return (0.3 * np.sin(np.arange(300)[:, None] * tempo + phase)).astype(np.float32)

    cases = [(subject, trial) for subject in ("S1", "S5", "S11") for trial in (1, 2)]
    clips = tuple(Clip(frames(seed), subject, "walking", trial, "test" if subject == "S5" else "train", "made")
                  for seed, (subject, trial) in enumerate(cases))  # fmt: skip
    return Dataset("folder", clips, ("walking",), H36M, 50.0, "made")


@pytest.mark.slow
@pytest.mark.usefixtures("added")
def test_the_new_model_is_trained_and_evaluated_in_both_modes(tmp_path: Path):
    experiment, dataset = _experiment(), _dataset()
    assert fit(experiment, dataset, tmp_path / "run") == 4
    predictor = load_predictor(tmp_path / "run")
    assert np.abs(predictor.params.w).max() > 0
    errors = {(report.model, report.mode): report.average for report in compare([predictor], dataset)}
    assert len(errors) == 6  # with zero-velocity and constant velocity
    assert np.isfinite(list(errors.values())).all()
    for mode in ("free_running", "one_step"):
        assert errors[experiment.name, mode] != errors["Zero-velocity", mode]


@pytest.mark.usefixtures("added")
def test_the_tests_on_the_page_pass():
    space: dict[str, Any] = {}
    exec(made(ADDING_A_MODEL)["tests/models/test_linear_motion.py"], space)
    tests = [test for name, test in space.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


@pytest.mark.usefixtures("added")
def test_the_new_model_keeps_the_laws_of_every_model():
    """By the page's line, in the tests that each member of the registry passes."""
    spec = importlib.util.spec_from_file_location("laws", ROOT / "tests" / "models" / "test_api.py")
    assert spec is not None
    assert spec.loader is not None
    laws = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(laws)
    for name, fields in eval("{" + made(ADDING_A_MODEL)["OTHERS in tests/models/test_api.py"] + "}").items():
        laws.CASES[name] = model_config(**fields)
        for law in _laws(laws):
            law(name)


def _laws(module: ModuleType) -> list[Callable[[str], None]]:
    """The tests that are run with every case."""
    found = [test for name, test in vars(module).items() if name.startswith("test_")
             and any(mark.args == module.cases.mark.args for mark in getattr(test, "pytestmark", ()))]  # fmt: skip
    assert len(found) > 5
    return found
