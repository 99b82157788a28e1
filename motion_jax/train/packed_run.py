"""Packed runs: what a trained run predicts with, in four small files, some of which are shipped with the package.

    card.json     the configuration, the pose space, the updates done, and a SHA-256 of every other file
    params.npz    the parameters, an array a leaf, by its path in the tree
    radii.json    of its calibration
    README.md     the model card, for people

A packed run is read wherever it lies, on any device, without orbax; nothing in it is executed or unpickled.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from motion_jax.config import Experiment
from motion_jax.data.formats._parsing.arrays import read_arrays
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.files import sync_folder, sync_tree, user_path
from motion_jax.runtime.folders import temporary_folder_in
from motion_jax.train.checkpoint import params_hash
from motion_jax.types import Params

VERSION = 1  # of the files
_CARD, _PARAMS, _RADII, _README = "card.json", "params.npz", "radii.json", "README.md"


class PackedRun(NamedTuple):
    """What the files hold."""

    params: Params
    experiment: Experiment
    space: PoseSpace
    step: int  # updates that the parameters have seen
    radii: Radii  # of its calibration


def shipped_runs() -> dict[str, Path]:
    """The folders of the models that are shipped with the package, by name."""
    root = Path(str(resources.files("motion_jax").joinpath("weights")))
    found = sorted(root.glob("*")) if root.is_dir() else []
    return {folder.name: folder for folder in found if is_packed(folder)}


def is_packed(folder: Path) -> bool:
    """Whether a folder is one that `write_packed` wrote."""
    return (folder / _CARD).is_file()


def find_packed(name: str) -> Path:
    """The folder of a packed run: that of a shipped model's name, or itself. Raises `UserError` where it is neither."""
    shipped = shipped_runs()
    if name in shipped:
        return shipped[name]
    if is_packed(user_path(name)):
        return user_path(name)
    known = ", ".join(shipped) or "none"
    raise UserError(f"{name!r}: no pretrained model ({known}), nor a folder that motion-jax pack wrote")


def write_packed(run: PackedRun, folder: Path, readme: str) -> int:
    """Writes a packed run, whose files are replaced once all are on disk, and returns its size in bytes.

    `readme` is the model card. Raises `UserError` if it cannot be written.
    """
    arrays = {path: np.asarray(leaf) for path, leaf in _leaves(run.params)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder_in(folder, ".packing") as draft:
            size = _write_files(run, arrays, draft, readme)
            sync_tree(draft)
            for name in (_PARAMS, _RADII, _README, _CARD):  # what these take is on disk; the card seals the others
                (draft / name).replace(folder / name)
            sync_folder(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return size


def _write_files(run: PackedRun, arrays: dict[str, np.ndarray], folder: Path, readme: str) -> int:
    with (folder / _PARAMS).open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
    (folder / _RADII).write_text(run.radii.to_json(), "utf-8")
    (folder / _README).write_text(readme, "utf-8")
    card = {
        "version": VERSION,
        "experiment": run.experiment.to_dict(),
        "space": json.loads(run.space.to_json()),
        "step": run.step,
        "sha256": {name: _sha256((folder / name).read_bytes()) for name in (_PARAMS, _RADII)},
    }
    (folder / _CARD).write_text(json.dumps({**card, "seal": _seal(card)}, indent=1), "utf-8")
    return sum((folder / name).stat().st_size for name in (_CARD, _PARAMS, _RADII, _README))


def read_packed(folder: Path) -> PackedRun:
    """The packed run in a folder. Raises `UserError` where a file is missing, damaged or of another version."""
    card = _read_card(folder / _CARD)
    for name, digest in card["sha256"].items():
        if _sha256(_bytes(folder / name)) != digest:
            raise UserError(f"{folder / name}: damaged: it is not the file that {_CARD} was written for")
    experiment = Experiment.from_json(json.dumps(card["experiment"]), str(folder / _CARD))
    space = PoseSpace.from_json(json.dumps(card["space"]), str(folder / _CARD))
    params = _params(folder / _PARAMS, make(experiment, space))
    radii = Radii.from_json(_bytes(folder / _RADII).decode("utf-8"), str(folder / _RADII))
    if radii.weights != params_hash(params):
        raise UserError(f"{folder / _RADII}: of other parameters than {_PARAMS} holds")
    return PackedRun(params, experiment, space, card["step"], radii)


def _params(path: Path, model: Any) -> Params:
    """The parameters, in the shape that the model's `init` gives them."""
    arrays = read_arrays(path)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    wanted = dict(_leaves(shapes))
    if odd := wanted.keys() ^ arrays.keys():
        some = ", ".join(sorted(odd)[:4])
        raise UserError(f"{path}: parameters of another version of motion_jax (different: {some})")
    for name, leaf in wanted.items():
        if arrays[name].shape != leaf.shape:
            raise UserError(f"{path}: {name} is {arrays[name].shape}: it must be {leaf.shape}")
    leaves = [np.asarray(arrays[name], leaf.dtype) for name, leaf in wanted.items()]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(shapes), leaves)


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(_bytes(path))
        seal = card.pop("seal")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise UserError(f"{path}: damaged: not the card of a packed run") from None
    if card.get("version") != VERSION:
        raise UserError(f"{path}: version {card.get('version')!r}: this motion_jax reads version {VERSION}")
    if seal != _seal(card):
        raise UserError(f"{path}: damaged: its content is not what was written")
    return card


def _seal(card: dict[str, Any]) -> str:
    return _sha256(json.dumps(card, sort_keys=True).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
