"""Files that are damaged: flipped bits, cut short, emptied, deleted; what readers and trainings make of them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from motion_jax.data.prepared import read_prepared
from motion_jax.errors import UserError
from motion_jax.experiments.runs import open_runs
from motion_jax.export.folder import write_export
from motion_jax.export.stablehlo import load_exported
from motion_jax.inference.predictor import load_predictor
from motion_jax.train.log import read_metrics
from motion_jax.train.status import read_status
from motion_jax.train.workdir import Workdir
from tests.faults.runs import STEPS, Place, ending, heard, predicted, train
from tests.faults.tally import Tally


def _flip(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    bit = dice.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def _cut(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def _empty(path: Path, dice: random.Random) -> None:
    del dice
    path.write_bytes(b"")


def _delete(path: Path, dice: random.Random) -> None:
    del dice
    path.unlink()


def _empty_folder(path: Path, dice: random.Random) -> None:
    del dice
    shutil.rmtree(path.parent)
    path.parent.mkdir()


DAMAGE = {"cut short": _cut, "emptied": _empty, "deleted": _delete, "its folder emptied": _empty_folder}


class Kind(NamedTuple):
    """A kind of file, and who reads it."""

    files: list[str]  # in the folder
    read: Callable[[Path], Any]  # of the folder: what is equal where nothing was changed


def files_below(folder: Path, below: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / below).rglob("*")
                  if path.is_file() and path.stat().st_size)  # fmt: skip


def _kinds(place: Place, folder: Path) -> list[tuple[str, Path, Kind]]:
    """Every kind of a run, of a prepared set and of an export; the sound folder of each."""
    run, exported = place.whole, folder / "export"
    if not exported.exists():
        write_export(load_predictor(run), exported, platforms=("cpu",), checked=False)
    best = Workdir(run).best / str(load_predictor(run).step)

    def data(path: Path) -> Any:
        dataset = read_prepared(path)
        return dataset.key, dataset.fps, [(clip.name, clip.split, clip.frames.tobytes()) for clip in dataset.clips]

    def export(path: Path) -> Any:
        opened = load_exported(path)
        return opened.card, opened.card.read(path / "example.npz")

    return [
        ("config.json", run, Kind(["config.json"], lambda path: Workdir(path).read_experiment())),
        ("space.json", run, Kind(["space.json"], lambda path: Workdir(path).read_space().to_json())),
        ("metrics.jsonl", run, Kind(["metrics.jsonl"], lambda path: read_metrics(Workdir(path).metrics))),
        ("status.json", run, Kind(["status.json"], lambda path: read_status(path, verify=False).status)),
        ("a checkpoint", run, Kind(files_below(run, str(best.relative_to(run))), predicted)),
        ("a run, by status", run, Kind(files_below(run, str(best.relative_to(run))), _soundness)),
        ("prepared manifest.json", place.data, Kind(["manifest.json"], data)),
        ("prepared frames.npy", place.data, Kind(["frames.npy"], data)),
        ("export model.json", exported, Kind(["model.json"], export)),
        ("export program", exported, Kind(["model.stablehlo", "example.npz"], export)),
    ]


def _soundness(path: Path) -> Any:
    """The status of a run; a checkpoint that it calls unsound is told of, and counts as a refusal."""
    watched = read_status(path)
    if bad := [saved for saved in watched.checkpoints if not saved.sound]:
        raise UserError(f"{path}: {bad[0]}")
    return predicted(path)


def _read(kind: Kind, copy: Path, sound: Any) -> str:
    """What is wrong with how a damaged folder is read; empty if it is told of, or the values are the same."""
    with heard() as said:
        try:
            found = kind.read(copy)
        except UserError as error:
            told = str(error)
            return "" if str(copy) in told and "\n" not in told else f"tells no file, or several lines: {told[:200]}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    if found == sound:
        return ""
    return "" if any(str(copy) in line for line in said) else "silently read as something else"


def bit_flips(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """`count` flipped bits in each kind of file, one at a time."""
    failures, kinds = [], _kinds(place, folder)
    for name, sound_folder, kind in kinds:
        copy = folder / "copy"
        shutil.copytree(sound_folder, copy)
        sound = kind.read(copy)
        for _ in range(count):
            path = copy / dice.choice(kind.files)
            before = path.read_bytes()
            _flip(path, dice)
            if wrong := _read(kind, copy, sound):
                failures.append(f"{name} ({path.relative_to(copy)}): {wrong}")
            path.write_bytes(before)
        shutil.rmtree(copy)
    return Tally(count * len(kinds), failures, f"{len(kinds)} kinds of files")


def other_damage(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Files cut short, emptied and deleted, folders emptied: `count` files of each kind (all where it has fewer)."""
    failures, tried = [], 0
    for name, sound_folder, kind in _kinds(place, folder):
        for file in dice.sample(kind.files, min(count, len(kind.files))):
            for damage, act in DAMAGE.items():
                copy = folder / "copy"
                shutil.copytree(sound_folder, copy)
                sound = kind.read(copy)
                act(copy / file, dice)
                tried += 1
                wrong = _read(kind, copy, sound)
                # a log cut at the end of a line is a shorter log, and none is the log of a run that has not begun;
                # whoever goes on with the run knows how many rows there were; without status.json the log tells
                free = name in ("metrics.jsonl", "status.json")
                if wrong and not (free and wrong.startswith("silently")):
                    failures.append(f"{name} ({file}) {damage}: {wrong}")
                shutil.rmtree(copy)
    return Tally(tried, failures, ", ".join(DAMAGE))


def training_on(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """A run of which half is done goes on after damage to any of its files: the same end, or a refusal in one line."""
    half = folder / "half"
    train(place, half, **{"train.steps": STEPS // 2})
    failures = []
    files = [name for name in files_below(half, ".") if not name.endswith(".lock")]
    acts = {"flipped": _flip, **DAMAGE}
    refused = 0
    for _ in range(count):
        file, (damage, act) = dice.choice(files), dice.choice(list(acts.items()))
        copy = folder / "copy"
        shutil.copytree(half, copy)
        if not (copy / file).stat().st_size or (damage == "its folder emptied" and "/" not in file):
            damage, act = "deleted", _delete
        act(copy / file, dice)
        with heard():
            try:
                train(place, copy)
                rows = [(row["kind"], row["step"]) for row in read_metrics(Workdir(copy).metrics)]
                step, digest, _ = ending(copy)
                if (step, digest) != ending(place.whole)[:2]:
                    failures.append(f"{file} {damage}: another end")
                elif len(set(rows)) < len(rows):
                    failures.append(f"{file} {damage}: rows twice")
            except UserError as error:
                refused += 1
                if "\n" in str(error) or str(copy) not in str(error):
                    failures.append(f"{file} {damage}: {error}")
            except Exception as error:
                failures.append(f"{file} {damage}: {type(error).__name__}: {error}")
        shutil.rmtree(copy)
    return Tally(count, failures, f"{refused} refused in one line, the others ended bitwise equal")


def one_bad_of_several(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """A damaged record among several runs: the others are opened, and a line tells of it."""
    failures = []
    for name in ("a", "b", "c"):
        shutil.copytree(place.whole, folder / name)
    for _ in range(count):
        path = folder / "b" / "config.json"
        before = path.read_bytes()
        dice.choice([_flip, _cut, _empty])(path, dice)
        with heard() as said:
            try:
                found = len(open_runs([folder]))
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
        if found != 3 and not (found == 2 and any(str(folder / "b") in line for line in said)):
            failures.append(f"{found} of 3 opened")
        path.write_bytes(before)
    return Tally(count, failures)
