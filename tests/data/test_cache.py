"""Prepared data sets come back as they were written or not at all; caches are never stale."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig, Experiment
from motion_jax.data import cache, synthetic
from motion_jax.data.cache import open_dataset
from motion_jax.data.datasets import cmu, h36m
from motion_jax.data.expmap import read_expmap, write_expmap
from motion_jax.data.findings import Finding
from motion_jax.data.prepared import Manifest, is_prepared, read_manifest, read_prepared, write_dataset
from motion_jax.data.trees import read_h36m
from motion_jax.errors import UserError
from motion_jax.runtime.cache_folder import cache_folder
from motion_jax.skeletons import bodies
from motion_jax.train.forecasting import Forecasting
from motion_jax.types import Clip, Dataset

FINDING = Finding("warning", "S1/walking_1.txt", 3, "odd")


def _dataset(seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    clips = tuple(
        Clip(rng.standard_normal((length, 6)).astype(np.float32), "S1", "walking", trial, split, f"{trial}.txt")
        for trial, (length, split) in enumerate([(5, "train"), (1, "train"), (3, "test")], 1)
    )
    return Dataset("h36m", clips, ("walking",), bodies.H36M, 50.0, key=f"{seed}")


def _assert_same(one: Dataset, other: Dataset) -> None:
    assert (one.name, one.actions, one.fps, one.key) == (other.name, other.actions, other.fps, other.key)
    assert one.skeleton.to_dict() == other.skeleton.to_dict()
    for a, b in zip(one.clips, other.clips, strict=True):
        assert [a.subject, a.action, a.trial, a.split, a.source] == [b.subject, b.action, b.trial, b.split, b.source]
        np.testing.assert_array_equal(a.frames, b.frames)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    write_dataset(_dataset(), tmp_path / "prepared", {"1.txt": "abc"}, [FINDING], "by trial")
    return tmp_path / "prepared"


def test_a_prepared_data_set_is_what_was_written(prepared: Path):
    dataset = read_prepared(prepared)
    _assert_same(dataset, _dataset())
    manifest = read_manifest(prepared)
    assert (manifest.sources, manifest.findings, manifest.split) == ({"1.txt": "abc"}, (FINDING,), "by trial")
    assert Manifest.from_json(manifest.to_json(), "again").to_json() == manifest.to_json()


def test_frames_are_mapped_read_only_views(prepared: Path):
    frames = read_prepared(prepared).clips[1].frames
    assert isinstance(frames, np.memmap)
    assert (frames.dtype, frames.flags.writeable) == (np.float32, False)


def test_a_newer_write_replaces_an_older_one_and_leaves_nothing_beside_it(prepared: Path):
    older = read_prepared(prepared)
    write_dataset(_dataset(1), prepared, {}, [])
    _assert_same(read_prepared(prepared), _dataset(1))
    _assert_same(older, _dataset())  # who has it mapped keeps it
    assert [path.name for path in prepared.parent.iterdir()] == ["prepared"]


def test_many_writers_at_once_leave_one_whole_data_set(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: write_dataset(_dataset(seed), tmp_path / "p", {}, []), range(24)))
    dataset = read_prepared(tmp_path / "p")
    _assert_same(dataset, _dataset(int(dataset.key)))
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_write_that_fails_leaves_the_older_one(prepared: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Manifest, "to_json", full)
    with pytest.raises(UserError, match=r"prepared: cannot be written: No space left on device"):
        write_dataset(_dataset(1), prepared, {}, [])
    _assert_same(read_prepared(prepared), _dataset())
    assert [path.name for path in prepared.parent.iterdir()] == ["prepared"]


def test_nothing_of_the_users_is_overwritten(tmp_path: Path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"notes: holds 'thesis\.tex': it must be empty, new, or a prepared data set"):
        write_dataset(_dataset(), tmp_path / "notes", {}, [])
    with pytest.raises(UserError, match="cannot become a prepared data set: Not a directory"):
        write_dataset(_dataset(), tmp_path / "notes" / "thesis.tex", {}, [])
    with pytest.raises(UserError, match="Not a directory"):
        write_dataset(_dataset(), tmp_path / "notes" / "thesis.tex" / "below", {}, [])
    with pytest.raises(UserError, match="no clips"):
        write_dataset(dataclasses.replace(_dataset(), clips=()), tmp_path / "new", {}, [])
    assert (tmp_path / "notes" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("fps", [0.0, -50.0, float("nan"), float("inf"), None])
def test_a_rate_that_is_none_is_not_written_not_read_and_not_trained_on(prepared: Path, fps: float):
    shown, before = "None" if fps is None else f"{fps:g}", (prepared / "manifest.json").read_bytes()
    wrong, message = dataclasses.replace(_dataset(), fps=fps), f"fps={shown}: it must be a finite number"
    with pytest.raises(UserError, match=f"prepared: data set 'h36m': {message}"):
        write_dataset(wrong, prepared, {}, [])
    assert (prepared / "manifest.json").read_bytes() == before
    with pytest.raises(UserError, match=f"data set 'h36m': {message}"):
        Forecasting.of(Experiment(), wrong)
    manifest = dataclasses.replace(read_manifest(prepared), fps=fps)
    (prepared / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(UserError, match=rf"manifest\.json: {message}"):
        read_prepared(prepared)


def test_numbers_that_no_motion_has_are_not_written(tmp_path: Path):
    dataset = _dataset()
    dataset.clips[1].frames[0, 4] = np.nan
    with pytest.raises(UserError, match=r"clip train/S1/walking_2 \(2\.txt\): frame 0, column 4 is nan: must be"):
        write_dataset(dataset, tmp_path / "new", {}, [])
    assert not list(tmp_path.iterdir())


def _flip(name: str, at: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[at] ^= 1
        (folder / name).write_bytes(data)

    return damage


def _rewrite(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """An edited manifest with a digest that fits: what is checked beyond the digest."""

    def damage(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["digest"]
        change(manifest)
        text = json.dumps(manifest, sort_keys=True)
        manifest["digest"] = hashlib.sha256(text.encode()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


def _resize(size: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with (folder / "frames.npy").open("r+b") as file:
            file.truncate(size)

    return damage


def _lie(folder: Path) -> None:
    with (folder / "frames.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 6)})


DAMAGES = {
    "a_bit_of_the_frames": (_flip("frames.npy", -1), r"frames\.npy: damaged or edited"),
    "a_bit_of_the_header": (_flip("frames.npy", 30), r"frames\.npy: "),
    "a_bit_of_the_magic": (_flip("frames.npy", 0), r"frames\.npy: cannot be read"),
    "frames_cut": (_resize(200), r"frames\.npy: has 200 bytes: it must have 344"),
    "frames_longer": (_resize(400), r"frames\.npy: has 400 bytes: it must have 344"),
    "frames_empty": (_resize(0), r"frames\.npy: cannot be read"),
    "header_promises_24_terabytes": (_lie, r"frames\.npy: holds \(1099511627776, 6\) float32, but .* \(9, 6\)"),
    "pickled_objects": (
        lambda folder: np.save(folder / "frames.npy", np.array([{}] * 9), allow_pickle=True), r"holds \(9,\) object"
    ),
    "other_numbers": (lambda folder: np.save(folder / "frames.npy", np.zeros((9, 6))), r"holds \(9, 6\) float64"),
    "frames_missing": (lambda folder: (folder / "frames.npy").unlink(), r"frames\.npy: cannot be read: .*No such"),
    "manifest_missing": (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json: cannot be read"),
    "manifest_edited": (
        lambda folder: (folder / "manifest.json").write_text(
            (folder / "manifest.json").read_text().replace('"train"', '"test"')
        ),
        r"manifest\.json: damaged or edited",
    ),
    "manifest_cut": (
        lambda folder: (folder / "manifest.json").write_text("{"), r"manifest\.json: not the manifest"
    ),
    "manifest_binary": (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"), r"manifest\.json: cannot"),
    "manifest_of_something_else": (
        lambda folder: (folder / "manifest.json").write_text("[]"), r"manifest\.json: not the manifest"
    ),
    "manifest_deep": (
        lambda folder: (folder / "manifest.json").write_text("[" * 100_000), r"manifest\.json: not the manifest"
    ),
    "newer_format": (_rewrite(lambda m: m.update(format=99)), r"format 99; this version reads 3: run motion-jax"),
    "field_missing": (_rewrite(lambda m: m.pop("clips")), "not the manifest"),
    "field_unknown": (_rewrite(lambda m: m.update(extra=1)), "not the manifest"),
    "clips_overlap": (_rewrite(lambda m: m["clips"][1].update(offset=0)), r"clip '2\.txt' does not fit"),
    "unknown_split": (_rewrite(lambda m: m["clips"][1].update(split="dev")), r"clip '2\.txt' does not fit"),
    "unknown_action": (_rewrite(lambda m: m.update(actions=["eating"])), r"clip '1\.txt' does not fit"),
    "frames_promised": (_rewrite(lambda m: m.update(frames=10)), "its clips have 9 frames, but it promises 10"),
    "columns_promised": (_rewrite(lambda m: m.update(columns=1 << 60)), r"holds \(9, 6\) float32, but"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_folder_is_an_error_that_names_the_file(prepared: Path, case: str):
    damage, message = DAMAGES[case]
    damage(prepared)
    with pytest.raises(UserError, match=message) as caught:
        read_prepared(prepared)
    assert str(prepared) in str(caught.value)


def test_every_flipped_byte_is_noticed(prepared: Path):
    for name in ("manifest.json", "frames.npy"):
        whole = (prepared / name).read_bytes()
        for at in range(0, len(whole), 7):
            _flip(name, at)(prepared)
            with pytest.raises(UserError, match=name):
                read_prepared(prepared)
            (prepared / name).write_bytes(whole)
    read_prepared(prepared)


@pytest.fixture
def config(grow, tmp_path: Path) -> DataConfig:
    root = grow(h36m.LAYOUT, ("walking", "eating"))
    return DataConfig(name="h36m", root=str(root), cache=str(tmp_path / "cache"))


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one whenever text is parsed."""
    calls = []
    read_tree = cache.read_tree
    monkeypatch.setattr(cache, "read_tree", lambda *given: calls.append("parsed") or read_tree(*given))
    return calls


def test_a_tree_is_parsed_once_and_opens_as_it_was_read(config: DataConfig, parses: list[str]):
    read = read_h36m(config.root)
    for _ in range(3):
        _assert_same(open_dataset(config), read)
    assert parses == ["parsed"]
    assert [path.name for path in Path(config.cache).iterdir()] == [read.key]


def test_a_changed_file_is_parsed_again_and_an_older_state_is_not_forgotten(config: DataConfig, parses: list[str]):
    before = open_dataset(config)
    path = Path(config.root) / "S1" / "walking_1.txt"
    text = path.read_text()
    write_expmap(path, read_expmap(path, 99) + 1)
    after = open_dataset(config)
    assert after.key != before.key
    np.testing.assert_allclose(after.clips[0].frames, before.clips[0].frames + 1, atol=1e-6)
    path.write_text(text)
    _assert_same(open_dataset(config), before)
    assert len(parses) == 2


def test_a_missing_file_is_another_data_set(config: DataConfig):
    complete = open_dataset(config)
    (Path(config.root) / "S11" / "eating_2.txt").unlink()
    assert len(open_dataset(config).clips) == len(complete.clips) - 1


@pytest.mark.parametrize("name", ["manifest.json", "frames.npy"])
@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_a_damaged_cache_entry_is_made_again(config: DataConfig, parses: list[str], name: str, damage):
    open_dataset(config)
    read = read_h36m(config.root)  # not the mapped one: its file is about to be cut
    damage(cache_folder(config.cache) / read.key / name)
    _assert_same(open_dataset(config), read)
    assert len(parses) == 2


def test_a_damaged_folder_that_the_user_named_is_an_error(prepared: Path, tmp_path: Path):
    config = DataConfig(name="h36m", root=str(prepared), cache=str(tmp_path / "cache"), actions="walking")
    _flip("frames.npy", -1)(prepared)
    with pytest.raises(UserError, match="damaged or edited"):
        open_dataset(config)


def test_a_prepared_folder_must_be_of_the_named_data_set(prepared: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"is a prepared 'h36m' data set, not 'cmu'"):
        open_dataset(DataConfig(name="cmu", root=str(prepared)))
    with pytest.raises(UserError, match=r"holds no prepared data set; with data\.name='synthetic' it must be one"):
        open_dataset(DataConfig(name="synthetic", root=str(tmp_path)))


def test_a_data_set_must_be_known_and_lie_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"^data\.name='hm36': must be one of synthetic, synthetic_people, h36m, "):
        open_dataset(DataConfig(name="hm36"))
    ways = (
        f"prepare --dataset=h36m --source=DIR writes it to {tmp_path}/motion_jax/prepared/h36m, where .*root=DIR names"
    )
    with pytest.raises(UserError, match=rf"^data\.root is empty: data\.name='h36m' needs files.*{ways}"):
        open_dataset(DataConfig(name="h36m"))
    with pytest.raises(UserError, match=r"must be one \(motion-jax prepare --dataset=folder writes one\)"):
        open_dataset(DataConfig(name="folder", root="tests"))


def test_actions_choose(config: DataConfig):
    whole = open_dataset(config)
    chosen = dataclasses.replace(config, actions="eating")
    assert {clip.action for clip in open_dataset(chosen).clips} == {"eating"}
    write_dataset(whole, Path(config.cache) / "prepared", {}, [])
    chosen = dataclasses.replace(chosen, root=str(Path(config.cache) / "prepared"))
    dataset = open_dataset(chosen)
    assert ({clip.action for clip in dataset.clips}, dataset.actions) == ({"eating"}, ("eating",))
    with pytest.raises(UserError, match=r"unknown action 'posing'; it must be all, or some of walking, eating"):
        open_dataset(dataclasses.replace(chosen, actions="posing"))


def test_an_action_without_files_is_an_error_cached_or_not(config: DataConfig):
    open_dataset(config)
    for _ in range(2):
        with pytest.raises(UserError, match=r"S1/posing_1\.txt: is missing"):
            open_dataset(dataclasses.replace(config, actions="walking,posing"))


def test_the_first_row_of_training_clips_is_dropped_on_demand(config: DataConfig):
    """Of test clips it stays: the protocols' windows are counted from it."""
    whole = open_dataset(config)
    skipped = open_dataset(dataclasses.replace(config, skip_first_row=True))
    for one, other in zip(skipped.clips, whole.clips, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames[1 if other.split == "train" else 0 :])


def test_the_audit_checks_cached_data_by_the_configuration_at_hand(config: DataConfig):
    open_dataset(config)
    with pytest.raises(UserError, match=r"28 errors: .*eating_1\.txt: 170 frames at .*window of 50\+125 needs 175"):
        open_dataset(dataclasses.replace(config, target_length=125))


def test_accepting_duplicates_once_does_not_accept_them_for_ever(config: DataConfig, tmp_path: Path):
    root = Path(config.root)
    shutil.copy(root / "S5" / "walking_1.txt", root / "S6" / "walking_1.txt")
    accepting = dataclasses.replace(config, allow_duplicates=True)
    dataset = open_dataset(accepting)
    with pytest.raises(UserError, match=r"S6/walking_1\.txt: the train file has the same content as S5/walking_1\.txt"):
        open_dataset(config)
    assert len(open_dataset(accepting).clips) == 28
    hashes = read_manifest(cache_folder(config.cache) / dataset.key).sources
    write_dataset(dataset, tmp_path / "prepared", hashes, [])  # whoever prepares a folder has accepted what is in it
    assert len(open_dataset(dataclasses.replace(config, root=str(tmp_path / "prepared"))).clips) == 28


def test_faulty_files_never_reach_the_cache(config: DataConfig):
    (Path(config.root) / "S8" / "eating_1.txt").write_text("0,nan\n")
    with pytest.raises(UserError, match=r"S8/eating_1\.txt:1: column 2 is 'nan'"):
        open_dataset(config)
    assert not Path(config.cache).exists()


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "motion_jax"
    assert cache_folder("here") == Path("here")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "motion_jax"


def test_a_cache_that_cannot_be_written_is_named(config: DataConfig, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/.*: Not a directory \(data\.cache names another"):
        open_dataset(dataclasses.replace(config, cache=str(tmp_path / "file")))


def test_synthetic_data_is_made_once_for_each_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    made = []

    def make(seed: int) -> Dataset:
        made.append(seed)
        long = tuple(dataclasses.replace(c, frames=np.resize(c.frames, (400, 6))) for c in _dataset(seed).clips)
        return dataclasses.replace(_dataset(seed), name="synthetic", clips=long)

    monkeypatch.setattr(synthetic, "make_synthetic", make)
    config = DataConfig(cache=str(tmp_path))
    for seed in (0, 1, 0, 1):
        _assert_same(open_dataset(dataclasses.replace(config, synthetic_seed=seed)), make(seed))
        made.pop()
    assert made == [0, 1]
    assert all(is_prepared(path) for path in tmp_path.iterdir())


def test_real_files_open_as_numpy_reads_them(shared_data: Path, tmp_path: Path):
    config = DataConfig(name="cmu", root=str(shared_data), cache=str(tmp_path), actions="running,walking")
    for _ in range(2):
        dataset = open_dataset(config)
        assert dataset.actions == ("running", "walking")
        for clip in dataset.split("test"):
            path = shared_data / "cmu_mocap" / clip.source
            np.testing.assert_array_equal(clip.frames, np.loadtxt(path, delimiter=",").astype(np.float32))
    assert cmu.LAYOUT.columns == dataset.clips[0].frames.shape[1]
