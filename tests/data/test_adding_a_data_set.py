"""docs/adding_a_data_set.md as it stands: its data sets work from a program and as a package."""

from __future__ import annotations

import dataclasses
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from motion_jax.config import DataConfig
from motion_jax.data import datasets
from motion_jax.data.cache import open_dataset
from motion_jax.data.datasets import DATASETS, PLUGINS, DatasetSpec, MotionFiles, dataset_names, find_dataset
from motion_jax.errors import UserError
from motion_jax.runtime import plugins

PAGE = (Path(__file__).parents[2] / "docs" / "adding_a_data_set.md").read_text()
BLOCKS: dict[str, str] = dict(re.findall(r"^```python\n# (.*?)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
NAMES = ("duets", "sines")


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files, where Python finds them; what they add is taken away again."""
    own, folder = dict(DATASETS), tmp_path / "package"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(BLOCKS[f"{name}.py"])
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    DATASETS.clear()
    DATASETS.update(own)
    plugins._plugins.cache_clear()
    for name in NAMES:
        sys.modules.pop(name, None)


def install(folder: Path) -> None:
    """What pip makes of the page's entry points."""
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    ((group, entries),) = tomllib.loads(table)["project"]["entry-points"].items()
    assert group == PLUGINS
    installed = folder / "duets-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: duets\nVersion: 1\n")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    plugins._plugins.cache_clear()


def run_test(folder: Path) -> None:
    """The page's test."""
    space: dict[str, Any] = {}
    exec(BLOCKS["tests/data/test_duets.py"], space)
    folder.mkdir()
    space["test_duets"](folder)


def test_a_program_registers_it(tmp_path: Path):
    exec(BLOCKS["From a program"], {})
    run_test(tmp_path / "tree")


def test_commands_find_it_as_an_installed_package(package: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"^data\.name='duets': must be one of synthetic, [\w ,]*, folder, [\w ,]*$"):
        find_dataset("duets", "data.name")
    install(package)
    assert dataset_names() == (
        "synthetic", "synthetic_people", "h36m", "cmu", "folder", "100style", "bandai_namco", "synthetic_sessions",
        "msr_action3d", "ntu", "sbu", "feature_arrays", "duets", "sines",
    )  # fmt: skip
    assert "duets" not in sys.modules  # listing imports nothing
    run_test(tmp_path / "tree")


def test_what_is_made_by_code_is_cached_until_the_code_changes(package: Path, tmp_path: Path):
    install(package)
    config = DataConfig(name="sines", cache=str(tmp_path / "cache"))
    for _ in range(2):
        dataset = open_dataset(config)
        assert (dataset.name, len(dataset.clips), dataset.actions) == ("sines", 3, ("sway",))
    assert len(list((tmp_path / "cache").iterdir())) == 1
    (package / "sines.py").write_text(BLOCKS["sines.py"] + "# changed\n")
    open_dataset(config)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_the_line_of_the_registry_is_the_package_s():
    line = BLOCKS["DATASETS in motion_jax/data/datasets/__init__.py"]
    import duets  # pyright: ignore[reportMissingImports]  (the page's)

    specs = eval(line, {**vars(datasets), "duets": duets})
    assert [spec.name for spec in specs] == [*DATASETS, "duets"]
    source = Path(str(datasets.__file__)).read_text()
    assert "".join(line.split("\n", 1)[-1].split()).replace(",duets.SPEC", "") in "".join(source.split())


def test_the_page_tells_of_every_field():
    rows = "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))
    assert re.findall(r"`(\w+)`", rows) == [field.name for field in dataclasses.fields(DatasetSpec)]
    told = PAGE[PAGE.index("* `MotionFiles`") : PAGE.index("* `Layout`")]
    assert {field.name for field in dataclasses.fields(MotionFiles)} <= set(re.findall(r"`(\w+)`", told))


def test_names_of_this_package_are_taken_and_names_must_agree(package: Path):
    with pytest.raises(UserError, match="'h36m': the name is taken"):
        datasets.register_dataset(DATASETS["h36m"])
    (package / "duets.py").write_text(BLOCKS["duets.py"].replace('name="duets"', 'name="solos"'))
    install(package)
    with pytest.raises(UserError, match="duets: its data set must be called the same, not 'solos'"):
        find_dataset("duets")
    with pytest.raises(UserError, match="a name must be of letters"):
        dataclasses.replace(DATASETS["folder"], name="my set")
    with pytest.raises(UserError, match="its layout must be called the same, not 'h36m'"):
        dataclasses.replace(DATASETS["h36m"], name="mine")
