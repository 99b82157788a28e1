"""Shipped configurations are found by name from any folder; a file that is there comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

import motion_jax
from motion_jax.commands.shipped import CONFIGS, SWEEPS, find_config, find_sweep, shipped
from motion_jax.errors import UserError

ROOT = Path(__file__).absolute().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_are_found_by_name():
    for folder, find in ((CONFIGS, find_config), (SWEEPS, find_sweep)):
        paths = sorted((ROOT / folder).glob("*.py"))
        assert list(shipped(folder).values()) == paths
        for path in paths:
            for name in (path.stem, path.name, f"{folder}/{path.name}"):
                assert find(name) == path


def test_a_file_that_is_there_comes_first(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    (elsewhere / "quickstart").mkdir()  # what the command of that name leaves
    assert find_config("quickstart") == ROOT / "configs" / "quickstart.py"
    mine = elsewhere / "configs" / "quickstart.py"
    mine.parent.mkdir()
    mine.touch()
    assert find_config("configs/quickstart.py") == Path("configs/quickstart.py")
    assert find_config("quickstart") == ROOT / "configs" / "quickstart.py"
    monkeypatch.setenv("HOME", str(elsewhere))
    assert find_config("~/configs/quickstart.py") == mine


def test_an_unknown_name_lists_those_that_are_shipped(elsewhere: Path):
    names = ", ".join(shipped(CONFIGS))
    with pytest.raises(UserError) as caught:
        find_config("quickstrat.py")
    assert str(caught.value) == (
        f"--config=quickstrat.py: no such file (did you mean quickstart?); shipped are {names}"
    )
    with pytest.raises(UserError, match=r"--sweep=.*: is a folder; name a file, or one of those shipped: attention, "):
        find_sweep(str(elsewhere))


def test_an_installed_package_holds_them(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    package = elsewhere / "site-packages" / "motion_jax"
    (package / "configs" / "sweeps").mkdir(parents=True)
    (package / "configs" / "one.py").touch()
    (package / "configs" / "sweeps" / "two.py").touch()
    monkeypatch.setattr(motion_jax, "__file__", str(package / "__init__.py"))
    assert find_config("one") == package / "configs" / "one.py"
    assert find_sweep("two") == package / "configs" / "sweeps" / "two.py"
