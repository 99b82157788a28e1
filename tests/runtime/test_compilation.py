"""Compiled programs are kept where they may be, and never decide whether a run succeeds."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

from motion_jax.runtime.compilation import compiled_folder, keep_compiled, prune

DIR = "jax_compilation_cache_dir"
TIME, SIZE = "jax_persistent_cache_min_compile_time_secs", "jax_persistent_cache_min_entry_size_bytes"


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """JAX as where nobody has chosen anything, and a user's cache of our own."""
    before = {name: jax.config.values[name] for name in (DIR, TIME, SIZE)}
    for name, value in {DIR: None, TIME: 1.0, SIZE: 0}.items():
        monkeypatch.delenv(name.upper(), raising=False)
        jax.config.update(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def _config() -> dict[str, Any]:
    return {name: jax.config.values[name] for name in (DIR, TIME, SIZE)}


def test_everything_is_kept_in_a_folder_of_the_users_own(tmp_path: Path):
    folder = keep_compiled()
    assert folder == compiled_folder()
    assert folder.parent == tmp_path / "cache" / "motion_jax" / "compiled"
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    assert _config() == {DIR: str(folder), TIME: 0.0, SIZE: -1}


def test_a_folder_of_the_callers(tmp_path: Path):
    assert keep_compiled(tmp_path / "here") == tmp_path / "here"
    assert jax.config.values[DIR] == str(tmp_path / "here")
    assert not (tmp_path / "cache").exists()


def test_what_the_user_chose_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(TIME.upper(), "3")
    keep_compiled()
    assert _config() == {DIR: str(compiled_folder()), TIME: 1.0, SIZE: -1}
    jax.config.update(DIR, str(tmp_path / "chosen"))
    jax.config.update(SIZE, 77)
    assert keep_compiled(tmp_path / "other") == tmp_path / "chosen"
    assert _config() == {DIR: str(tmp_path / "chosen"), TIME: 1.0, SIZE: 77}
    assert not (tmp_path / "other").exists()


def test_another_kind_of_processor_has_another_folder(monkeypatch: pytest.MonkeyPatch):
    folders = {compiled_folder()}
    for flags in ("sse2 avx2", "sse2 avx2 avx512f"):
        text = f"processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: {len(flags)}\nflags\t\t: {flags}\n\nprocessor\t: 1\n"
        monkeypatch.setattr(Path, "read_text", lambda self, text=text: text)
        folders.add(compiled_folder())
    monkeypatch.setattr(Path, "read_text", lambda self, text=text: text.replace("cpu MHz\t\t: 17", "cpu MHz\t\t: 9"))
    assert compiled_folder() in folders
    assert len(folders) == 3


COMMAND = """
import sys
import time
import jax
from motion_jax.commands import cli
assert jax.config.values["jax_compilation_cache_dir"] is None, "the library turned it on"
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event) if event.endswith("/cache_hits") else None)

def main(argv):
    value = jax.jit(lambda x: jax.numpy.sin(x) @ x)(jax.numpy.arange(8.0))
    print(float(value), len(hits), jax.config.values["jax_compilation_cache_dir"])

cli.run(main)
"""
"""A command that computes something, and says how many programs it did not have to compile."""


def _begin(cache: Path) -> subprocess.Popen[str]:
    root = str(Path(__file__).absolute().parents[2])
    environment = os.environ | {"PYTHONPATH": root, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(cache)}
    call = [sys.executable, "-c", COMMAND]
    return subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """The three words that it printed, and stderr."""
    said, complained = process.communicate()
    assert process.returncode == 0, complained
    return said.split(), complained


@pytest.mark.slow
def test_commands_find_what_earlier_ones_compiled(tmp_path: Path):
    cache = tmp_path / "cache"
    both = [_begin(cache), _begin(cache)]  # they write the same entries at once
    first, second = (_end(process)[0] for process in both)
    assert first[0] == second[0]
    assert first[2] == second[2] == str(compiled_folder())
    again, _ = _end(_begin(cache))
    assert again[0] == first[0]
    entries = sorted(compiled_folder().glob("*-cache"))
    assert int(again[1]) == len(entries) > 0
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[: entry.stat().st_size // 2])
    broken, complained = _end(_begin(cache))
    assert broken[:2] == [first[0], "0"]
    assert "Error reading persistent compilation cache entry" in complained


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path):
    (tmp_path / "file").write_text("")
    said, complained = _end(_begin(tmp_path / "file"))
    assert said[2] == "None"
    assert "compiled programs cannot be kept: " in complained
    assert f"{tmp_path}/file: " in complained


@pytest.mark.parametrize("place", ["", "..", "../.."])
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_not_trusted(place: str, mode: int, caplog: pytest.LogCaptureFixture):
    """Whoever put a program there would run code as its user."""
    compiled_folder().mkdir(mode=0o700, parents=True)
    for folder in (compiled_folder(), *compiled_folder().parents[:2]):
        folder.chmod(0o700)
    assert keep_compiled() == compiled_folder()
    jax.config.update(DIR, None)
    (compiled_folder() / place).chmod(mode)
    assert keep_compiled() is None
    assert jax.config.values[DIR] is None
    assert "may be written by others, who could run code as you (chmod go-w" in caplog.text


def test_a_folder_of_another_user_is_not_trusted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    assert keep_compiled() == compiled_folder()
    jax.config.update(DIR, None)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert keep_compiled() is None
    assert "belongs to another user" in caplog.text


def test_an_open_umask_leaves_the_folder_private():
    before = os.umask(0)
    try:
        assert keep_compiled() == compiled_folder()
    finally:
        os.umask(before)
    for folder in (compiled_folder(), *compiled_folder().parents[:2]):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def _fill(folder: Path, ages_s: list[float], size: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"jit_{number}-cache" for number in range(len(ages_s))]
    for path, age in zip(paths, ages_s, strict=True):
        path.write_bytes(bytes(size))
        os.utime(path, (time.time() - age, time.time() - age - 1000))
    return paths


def test_what_is_no_longer_used_is_removed(tmp_path: Path):
    """By age, then by size, the longest unused first; what is in use, and what is no entry, stays."""
    hour, day = 3600, 24 * 3600
    here = _fill(tmp_path / "kind_a", [40 * day, 20 * day, 2 * day, 60], 100)
    there = _fill(tmp_path / "kind_b", [31 * day, 10 * day, 0.5 * hour], 100)
    other = tmp_path / "kind_a" / "notes"
    other.write_bytes(bytes(1000))
    os.utime(other, (0, 0))
    assert prune(tmp_path, max_bytes=450, max_age_s=30 * day) == 3
    assert [path.exists() for path in here] == [False, False, True, True]
    assert [path.exists() for path in there] == [False, True, True]
    assert prune(tmp_path, max_bytes=450, max_age_s=30 * day) == 0
    assert prune(tmp_path, max_bytes=0) == 2
    assert [path for path in (*here, *there) if path.exists()] == [here[3], there[2]]
    assert other.exists()


def test_starting_prunes_its_own_place_only(tmp_path: Path):
    old = _fill(compiled_folder(), [1e7], 10) + _fill(tmp_path / "mine" / "kind", [1e7], 10)
    for folder in (compiled_folder(), *compiled_folder().parents[:2]):
        folder.chmod(0o700)
    keep_compiled()
    assert [path.exists() for path in old] == [False, True]
    jax.config.update(DIR, None)
    keep_compiled(tmp_path / "mine")
    assert old[1].exists()
    jax.config.update(DIR, None)
    (again,) = _fill(compiled_folder(), [1e7], 10)
    jax.config.update("jax_compilation_cache_max_size", 1000)  # then JAX prunes
    keep_compiled()
    jax.config.update("jax_compilation_cache_max_size", -1)
    assert again.exists()


def test_no_home_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    def homeless(path: Path) -> Path:
        raise RuntimeError(f"Could not determine home directory of {path}")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert keep_compiled() is None
    assert _config() == {DIR: None, TIME: 1.0, SIZE: 0}
