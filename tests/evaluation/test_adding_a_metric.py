"""docs/adding_a_metric.md as it stands: its metric works from a program and as a package, and keeps the laws."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from motion_jax.config import EvalConfig
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import check_names
from motion_jax.evaluation.metrics import METRICS, PLUGINS, Metric, find_metric
from motion_jax.runtime import plugins
from motion_jax.skeletons.bodies import H36M

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding_a_metric.md").read_text()
CODE = re.findall(r"^```python\n# (.*?)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
BLOCKS = dict(CODE)  # by the name in the first line
NAME = "worst_joint_mm"

spec = importlib.util.spec_from_file_location("laws_of_metrics", Path(__file__).with_name("test_metrics.py"))
assert spec is not None
assert spec.loader is not None
laws = importlib.util.module_from_spec(spec)
spec.loader.exec_module(laws)
LAWS = [law for name, law in vars(laws).items() if name.startswith("test_")
        and list(inspect.signature(law).parameters) == ["name", "windows"]]  # fmt: skip


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's file, where Python finds it; what it adds is taken away again."""
    own = dict(METRICS)
    (tmp_path / "worst_joint.py").write_text(BLOCKS["worst_joint.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "worst_joint", raising=False)
    yield tmp_path
    METRICS.clear()
    METRICS.update(own)
    plugins._plugins.cache_clear()
    sys.modules.pop("worst_joint", None)


def install(folder: Path) -> None:
    """What pip makes of the page's entry point."""
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    ((group, entries),) = tomllib.loads(table)["project"]["entry-points"].items()
    assert group == PLUGINS
    installed = folder / "worst_joint-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: worst_joint\nVersion: 1\n")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    plugins._plugins.cache_clear()


def test_a_program_registers_it():
    prediction, truth = laws.make_windows()
    space: dict[str, Any] = {"skeleton": H36M, "prediction": prediction, "truth": truth}
    exec(BLOCKS["From a program"], space)
    assert space["error"].shape == truth.shape[:2]
    assert (space["error"] > METRICS["mpjpe_mm"](H36M, prediction, truth)).all()


def test_commands_find_it_as_an_installed_package(package: Path):
    config = EvalConfig(metrics=f"mpjpe_mm,{NAME}")
    with pytest.raises(UserError, match=f"metric '{NAME}' must be one of euler_error_rad, mpjpe_mm"):
        check_names(config)
    install(package)
    check_names(config)
    assert find_metric(NAME).heading in PAGE


def test_the_page_s_test_passes(package: Path):
    install(package)
    space: dict[str, Any] = {}
    exec(BLOCKS["tests/evaluation/test_worst_joint.py"], space)
    (test,) = [test for name, test in space.items() if name.startswith("test_")]
    test()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("test_"))
def test_it_keeps_the_laws_of_every_metric(law: Any, package: Path):
    install(package)
    find_metric(NAME)
    law(NAME, laws.make_windows())


def test_the_page_tells_of_every_field():
    rows = "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.M))
    assert set(re.findall(r"`(\w+)`", rows)) == set(inspect.signature(Metric).parameters)
    assert len(LAWS) == 4
