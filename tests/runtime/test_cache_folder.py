"""Where nothing can be cached, what would be cached lives as long as the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data import cache, synthetic
from motion_jax.errors import UserError
from motion_jax.runtime.cache_folder import cache_folder, temporary_folder
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset


def test_the_usual_places(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/the/home")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path("/the/home/.cache/motion_jax")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/motion_jax")
    assert cache_folder("~/chosen") == Path("/the/home/chosen")


def test_a_temporary_folder_goes_with_the_process(tmp_path: Path):
    code = (
        "from motion_jax.runtime.cache_folder import temporary_folder\n"
        "assert temporary_folder() is temporary_folder()\n"
        "(temporary_folder() / 'file').touch()\n"
        "print(temporary_folder())"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).absolute().parents[2]), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A stand-in for the synthetic set, which takes a while to make."""
    frames = np.zeros((200, 99), np.float32)
    clips = tuple(Clip(frames, s, "walking", 1, p, "synthetic") for s, p in (("S1", "train"), ("S5", "test")))
    dataset = Dataset("synthetic", clips, ("walking",), H36M, 50.0, "key")
    monkeypatch.setattr(synthetic, "make_synthetic", lambda seed: dataset)
    return dataset


@pytest.fixture(params=["no home", "home is a file"])
def poor(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing can be kept."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    if request.param == "no home":

        def homeless(path: Path) -> Path:
            if str(path).startswith("~"):
                raise RuntimeError("Could not determine home directory.")
            return path

        monkeypatch.setattr(Path, "expanduser", homeless)


@pytest.mark.usefixtures("poor")
def test_data_is_opened_where_nothing_can_be_kept(small: Dataset, caplog: pytest.LogCaptureFixture):
    opened = cache.open_dataset(DataConfig())
    np.testing.assert_array_equal(opened.clips[0].frames, small.clips[0].frames)
    assert caplog.text.count("parsed data cannot be kept: ") == 1
    assert any(temporary_folder().iterdir())


@pytest.mark.usefixtures("small")
def test_a_place_that_was_asked_for_must_be_one(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"\(data.cache names another place for parsed data\)"):
        cache.open_dataset(DataConfig(cache=str(tmp_path / "file" / "cache")))
