"""A checkpoint comes back as it was saved, or not at all."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.train import checkpoint as checkpoint_module
from motion_jax.train.checkpoint import Checkpoints

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

STEPS = (10, 20, 30)


def _state(seed: int) -> dict[str, jax.Array]:
    """Leaves of every kind that a training state has; `w` is long enough to lie in a file of its own."""
    key = jax.random.key(seed)
    return {
        "w": jax.random.normal(key, (40, 50)),
        "b": jnp.full(3, seed, jnp.bfloat16),
        "step": jnp.asarray(seed, jnp.int32),
        "key": jax.random.key_data(key),
    }


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Orbax leaves coroutines behind where reading fails; they are to be found here, not by the tests that follow."""
    yield
    gc.collect()


ABSTRACT = jax.eval_shape(lambda: _state(0))


def _assert_equal(left: Any, right: Any) -> None:
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@contextmanager
def _opened(folder: Path, keep: int = 3) -> Iterator[Checkpoints]:
    checkpoints = Checkpoints(folder, keep)
    yield checkpoints
    checkpoints.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints, each of another state."""
    folder = tmp_path_factory.mktemp("sound") / "last"
    with _opened(folder) as checkpoints:
        for step in STEPS:
            checkpoints.save(step, _state(step))
    return folder


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_newest_comes_back_bit_for_bit(sound: Path):
    with _opened(sound) as checkpoints:
        restored = checkpoints.restore(ABSTRACT)
    assert restored is not None
    assert restored[0] == 30
    _assert_equal(restored[1], _state(30))


def test_an_empty_folder_holds_none(tmp_path: Path):
    with _opened(tmp_path / "last") as checkpoints:
        assert checkpoints.restore(ABSTRACT) is None


def test_reading_changes_nothing_on_disk(sound: Path):
    before = {name: (sound / name).stat().st_mtime_ns for name in _files(sound)}
    with _opened(sound, keep=1) as checkpoints:
        checkpoints.restore(ABSTRACT)
    assert before == {name: (sound / name).stat().st_mtime_ns for name in _files(sound)}


@pytest.mark.parametrize("keep", [1, 2])
def test_only_the_newest_are_kept(tmp_path: Path, keep: int):
    with _opened(tmp_path / "last", keep) as checkpoints:
        for step in STEPS:
            checkpoints.save(step, _state(step))
    assert sorted(int(path.name) for path in (tmp_path / "last").iterdir()) == list(STEPS[-keep:])


def test_a_checkpoint_by_the_number_of_another_is_not_read(
    sound: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = shutil.copytree(sound, tmp_path / "last")
    (folder / "30").rename(folder / "99")
    (folder / "²").mkdir()
    with _opened(folder) as checkpoints:
        restored = checkpoints.restore(ABSTRACT)
    assert restored is not None
    assert restored[0] == 20
    assert "99 is damaged (it is the checkpoint of step 30)" in caplog.text


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


FAULTS: dict[str, Callable[[Path], None]] = {
    "flipped": _flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_never_silently_read(
    sound: Path, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
):
    """Each file of the newest checkpoint in turn: the right state, or the one before it and a line that says so."""
    fell_back = 0
    for number, name in enumerate(_files(sound / "30")):
        folder = shutil.copytree(sound, tmp_path / str(number))
        FAULTS[fault](folder / "30" / name)
        caplog.clear()
        with _opened(folder) as checkpoints:
            restored = checkpoints.restore(ABSTRACT)
        assert restored is not None
        step, state = restored
        _assert_equal(state, _state(step))
        assert step in (20, 30), name
        assert ("checkpoint" in caplog.text and "/30 is damaged" in caplog.text) == (step == 20), name
        fell_back += step == 20
    assert fell_back >= 4  # the arrays, their index and the digest at least


def test_a_flipped_bit_in_the_numbers_names_the_leaf(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Where the format itself sees nothing, the checksum does: another array under the digest of this one."""
    folder = tmp_path / "last"
    with _opened(folder) as checkpoints:
        checkpoints.save(10, _state(10))
        checkpoints.save(20, _state(20))
        changed = _state(30) | {"w": _state(30)["w"].at[3, 4].add(1e-6)}
        checkpoints.save(30, changed)
        shutil.rmtree(folder / "20" / "state")
        shutil.copytree(folder / "30" / "state", folder / "20" / "state")
        shutil.rmtree(folder / "30")
    (folder / "20" / "files.json").unlink()  # whose checksums would see it first
    with _opened(folder) as checkpoints:
        restored = checkpoints.restore(ABSTRACT)
    assert restored is not None
    assert restored[0] == 10
    assert "checksum of" in caplog.text


def test_a_damaged_one_is_set_aside_and_written_again(sound: Path, tmp_path: Path):
    folder = shutil.copytree(sound, tmp_path / "last")
    (folder / "30" / "digest" / "metadata").write_bytes(b"")
    with _opened(folder) as checkpoints:
        restored = checkpoints.restore(ABSTRACT)
        assert restored is not None
        checkpoints.set_aside_after(restored[0])
        checkpoints.save(30, _state(30))
    assert sorted(path.name for path in folder.iterdir()) == ["10", "20", "30", "damaged-30"]
    with _opened(folder) as checkpoints:
        again = checkpoints.restore(ABSTRACT)
        assert again is not None
        _assert_equal(again[1], _state(30))
        checkpoints.set_aside_after(20)
    assert sorted(path.name for path in folder.iterdir()) == ["10", "20", "damaged-30", "damaged-30-1"]


def _unmark(folder: Path) -> None:
    """As `rsync --exclude='*.txt'` copies it."""
    for mark in folder.rglob("*.txt"):
        mark.unlink()


def _cut_short(folder: Path) -> None:
    """As a save that was killed leaves it."""
    _unmark(folder)
    shutil.rmtree(folder / "state" / "d")


def test_an_unfinished_one_is_invisible_and_is_replaced(sound: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = shutil.copytree(sound, tmp_path / "last")
    _cut_short(shutil.copytree(folder / "30", folder / "40"))
    (folder / "50").mkdir()
    with _opened(folder) as checkpoints:
        restored = checkpoints.restore(ABSTRACT)
        assert restored is not None
        assert restored[0] == 30
        assert "damaged" not in caplog.text
        checkpoints.save(40, _state(40))
        checkpoints.save(50, _state(50))
    with _opened(folder) as checkpoints:
        again = checkpoints.restore(ABSTRACT)
    assert again is not None
    assert again[0] == 50
    _assert_equal(again[1], _state(50))


def test_checkpoints_without_their_mark_are_read(sound: Path, tmp_path: Path):
    folder = shutil.copytree(sound, tmp_path / "last")
    _unmark(folder)
    with _opened(folder) as checkpoints:
        restored = checkpoints.restore(ABSTRACT)
    assert restored is not None
    assert restored[0] == 30
    _assert_equal(restored[1], _state(30))
    assert not list(folder.rglob("*.txt"))


def test_what_verifies_is_marked_and_what_was_left_unfinished_is_kept(
    sound: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = shutil.copytree(sound, tmp_path / "last")
    _cut_short(folder / "20")
    _unmark(folder / "30")
    (folder / "5").mkdir()
    (folder / "damaged-40").mkdir()
    left = _files(folder / "20")
    with _opened(folder) as checkpoints:
        assert checkpoints.recover_unmarked(ABSTRACT) == [5, 20]
        restored = checkpoints.restore(ABSTRACT)
        assert restored is not None
        assert restored[0] == 30
        _assert_equal(restored[1], _state(30))
        checkpoints.save(40, _state(40))
    names = ["10", "30", "40", "damaged-40", "unfinished-20", "unfinished-5"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / "30" / "commit_success.txt").exists()
    assert _files(folder / "unfinished-20") == left
    assert [record.getMessage().removeprefix(f"checkpoint {folder}/") for record in caplog.records] == [
        "5 was never finished: kept as unfinished-5",
        "20 was never finished: kept as unfinished-20",
        "30 had lost its commit_success.txt; its checksums are right, so it is used",
    ]


def test_when_all_are_damaged_nothing_is_touched(sound: Path, tmp_path: Path):
    folder = shutil.copytree(sound, tmp_path / "last")
    for step in STEPS:
        shutil.rmtree(folder / str(step) / "state")
    with _opened(folder) as checkpoints, pytest.raises(UserError, match="no usable checkpoint; steps 30, 20, 10 are"):
        checkpoints.restore(ABSTRACT)
    assert sorted(path.name for path in folder.iterdir()) == ["10", "20", "30"]


@pytest.mark.parametrize("other", [{"w": (40, 51)}, {"w": (40, 50), "more": (1,)}])
def test_another_shape_is_refused(sound: Path, other: dict[str, tuple[int, ...]]):
    shapes = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in other.items()}
    with _opened(sound) as checkpoints, pytest.raises(UserError, match="damaged or of another run or model"):
        checkpoints.restore({**ABSTRACT, **shapes})


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path):
    with closing(Checkpoints(tmp_path / "last", run="one")) as checkpoints:
        checkpoints.save(10, _state(10))
        assert checkpoints.restore(ABSTRACT)
    other = closing(Checkpoints(tmp_path / "last", run="two"))
    with other as checkpoints, pytest.raises(UserError, match="it is a checkpoint of another run"):
        checkpoints.restore(ABSTRACT)


def test_another_dtype_is_not_cast(sound: Path):
    with _opened(sound) as checkpoints, pytest.raises(UserError, match="damaged or of another run or model"):
        checkpoints.restore({**ABSTRACT, "w": jax.ShapeDtypeStruct((40, 50), jnp.bfloat16)})


def test_a_file_in_the_folders_place(tmp_path: Path):
    (tmp_path / "last").write_text("")
    with pytest.raises(UserError, match=r"last: checkpoints cannot be kept there"):
        Checkpoints(tmp_path / "last")


FULL_DISK = """
import resource, sys
import numpy as np
from pathlib import Path
from motion_jax.errors import UserError
from motion_jax.train import checkpoint as checkpoint_module
from motion_jax.train.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), keep=1)
state = {"w": np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)}
checkpoints.save(1, {"w": state["w"] * 0})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    checkpoints.save(2, state)
except UserError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = Checkpoints(Path(sys.argv[1]), keep=1)
print(again.restore(state)[0])
again.save(2, state)
print(again.restore(state)[0])
"""
"""No file may grow beyond 100 kB, as where a quota is used up; later it may again."""


def test_a_full_disk_leaves_the_older_one(tmp_path: Path, compiled: dict[str, str]):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # so that a write fails and the process lives
    folder = tmp_path / "last"
    call = [sys.executable, "-c", FULL_DISK, str(folder)]
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ | compiled)
    assert done.returncode == 0, done.stderr
    message, first, second = done.stdout.splitlines()
    assert message.startswith(f"{folder}: checkpoint of step 2 could not be written: ")
    assert (first, second) == ("1", "2")


def test_a_save_leaves_nothing_behind_but_a_few_objects(tmp_path: Path) -> None:
    """TensorStore never frees what it tells Orbax: some objects a leaf; its statistics would be hundreds a save."""
    state, saves = _state(0), 12
    with _opened(tmp_path, keep=1) as checkpoints:
        for step in range(saves):
            checkpoints.save(step, state)
        gc.collect()
        before = sys.getallocatedblocks()
        for step in range(saves, 2 * saves):
            checkpoints.save(step, state)
        gc.collect()
        assert (sys.getallocatedblocks() - before) / saves < 100


def test_late_answers_of_a_refused_write_are_passed_over_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shown: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: shown.append(unraisable.exc_value))
    checkpoint_module._pass_over_late_answers.cache_clear()
    with _opened(tmp_path) as checkpoints:
        checkpoints.save(1, _state(1))
    others = [RuntimeError("something else"), ValueError("Event loop is closed")]
    for error in (RuntimeError("Event loop is closed"), *others):
        sys.unraisablehook(SimpleNamespace(exc_value=error))
    assert shown == others
