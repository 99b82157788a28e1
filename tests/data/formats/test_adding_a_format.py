"""The format that docs/adding_a_format.md builds: registered by its line or by an entry point, and its tests pass."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from absl import logging

from motion_jax.data import formats
from motion_jax.data.formats import FORMATS, _plugins, read_motion
from motion_jax.errors import UserError
from motion_jax.runtime import plugins

PAGE = Path(__file__).parents[3] / "docs" / "adding_a_format.md"
BLOCKS = dict(re.findall(r"^```python\n# (\S[^\n]*)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE))


@pytest.fixture
def wand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's module, imported under its name."""
    name = "motion_jax.data.formats.wand"
    path = tmp_path / "wand.py"
    path.write_text(BLOCKS["motion_jax/data/formats/wand.py"])
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def run_the_tests_of_the_page(folder: Path) -> None:
    space: dict[str, object] = {}
    exec(BLOCKS["tests/data/formats/test_wand.py"], space)
    tests = [test for name, test in space.items() if name.startswith("test_") and inspect.isfunction(test)]
    assert len(tests) == 2
    for test in tests:
        test(folder)


def test_by_the_line_of_the_page(wand, tmp_path, monkeypatch):
    line = eval("{" + BLOCKS["FORMATS in motion_jax/data/formats/__init__.py"] + "}", {"wand": wand})
    monkeypatch.setattr(formats, "FORMATS", _plugins.Registry({**FORMATS, **line}))
    run_the_tests_of_the_page(tmp_path)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What one test installs, no other finds."""
    yield
    plugins._plugins.cache_clear()


def _entries(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Installs entry points: names, without their point, and values."""
    found = [importlib.metadata.EntryPoint(f".{name}", value, _plugins.GROUP) for name, value in values.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == _plugins.GROUP else [])
    plugins._plugins.cache_clear()
    monkeypatch.setattr(formats, "FORMATS", _plugins.Registry(dict(FORMATS)))


@pytest.mark.usefixtures("wand")
def test_by_an_entry_point(tmp_path, monkeypatch):
    assert '".wand" = "my_package.wand:FORMAT"' in PAGE.read_text()
    _entries(monkeypatch, wand="motion_jax.data.formats.wand:FORMAT")
    run_the_tests_of_the_page(tmp_path)


def test_entry_points_that_do_not_fit_are_left_out_with_a_warning(tmp_path, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: told.append(text % values))
    _entries(monkeypatch, bvh="math:pi", absent="no_such_package:FORMAT", pi="math:pi", XYZ="math:pi")
    with pytest.raises(UserError, match=r"suffix '\.pi' is unknown: it must be one of \.bvh, "):
        read_motion(tmp_path / "a.pi")
    assert list(formats.FORMATS) == list(FORMATS)
    reasons = (
        "a suffix in small letters",
        "No module named",
        "there is a format for .bvh",
        "must name a Format; it names 3",
    )
    assert len(told) == 4
    for reason, text in zip(reasons, told, strict=True):
        assert reason in text
