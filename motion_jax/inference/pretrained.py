"""Pretrained models: runs packed into four small files, some of which are shipped with the package.

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
from typing import Any

import jax
import numpy as np

from motion_jax.config import Experiment
from motion_jax.data.formats._parsing.arrays import read_arrays
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii
from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.files import user_path, write_text, written_atomically
from motion_jax.train.checkpoint import params_hash
from motion_jax.types import Params

DEFAULT = "cmu-body-25"  # what predicts where no run is named
VERSION = 1  # of the files
_CARD, _PARAMS, _RADII, _README = "card.json", "params.npz", "radii.json", "README.md"


def pretrained(name: str = DEFAULT) -> Predictor:
    """A model that is shipped with the package, ready to predict.

    Args:
        name: of `pretrained_names()`; or the folder of a run that `pack` wrote.

    Raises:
        UserError: there is no such model, or its files are damaged.
    """
    shipped = {folder.name: folder for folder in _shipped()}
    if name in shipped:
        return read_packed(shipped[name])
    if (user_path(name) / _CARD).is_file():
        return read_packed(user_path(name))
    raise UserError(f"{name!r}: no pretrained model; there are {', '.join(shipped) or 'none'}")


def pretrained_names() -> tuple[str, ...]:
    """The models that are shipped with the package."""
    return tuple(folder.name for folder in _shipped())


def open_predictor(workdir: str | None, checkpoint: str = "auto") -> Predictor:
    """The predictor of a run's folder, of a packed run or of a shipped model; None: the shipped one, `DEFAULT`.

    Raises:
        UserError: as `load_predictor` and `pretrained`.
    """
    if workdir is None:
        return pretrained()
    if user_path(workdir).is_dir() and not (user_path(workdir) / _CARD).is_file():
        return load_predictor(workdir, checkpoint)
    if workdir in pretrained_names() or (user_path(workdir) / _CARD).is_file():
        return pretrained(workdir)
    return load_predictor(workdir, checkpoint)


def pack(predictor: Predictor, folder: Path | str, readme: str) -> int:
    """Writes a predictor as a packed run.

    Args:
        predictor: calibrated, so that what it predicts comes with its radii.
        folder: to write; its files are replaced.
        readme: the model card.

    Returns:
        The bytes written.

    Raises:
        UserError: it is not calibrated, or the folder cannot be written.
    """
    folder, radii = Path(folder), predictor.calibrated()
    arrays = {path: np.asarray(leaf) for path, leaf in _leaves(predictor.params)}
    folder.mkdir(parents=True, exist_ok=True)
    with written_atomically(folder / _PARAMS) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **arrays)
    write_text(folder / _RADII, radii.to_json())
    write_text(folder / _README, readme)
    card = {
        "version": VERSION,
        "experiment": predictor.experiment.to_dict(),
        "space": json.loads(predictor.space.to_json()),
        "step": predictor.step,
        "sha256": {name: _sha256((folder / name).read_bytes()) for name in (_PARAMS, _RADII)},
    }
    write_text(folder / _CARD, json.dumps({**card, "seal": _seal(card)}, indent=1))
    return sum((folder / name).stat().st_size for name in (_CARD, _PARAMS, _RADII, _README))


def read_packed(folder: Path | str) -> Predictor:
    """The predictor of a packed run. Raises `UserError` where a file is missing, damaged or of another version."""
    folder = Path(folder)
    card = _read_card(folder / _CARD)
    for name, digest in card["sha256"].items():
        if _sha256(_bytes(folder / name)) != digest:
            raise UserError(f"{folder / name}: damaged: it is not the file that {_CARD} was written for")
    experiment = Experiment.from_json(json.dumps(card["experiment"]), str(folder / _CARD))
    space = PoseSpace.from_json(json.dumps(card["space"]), str(folder / _CARD))
    params = _params(folder / _PARAMS, make(experiment, space))
    predictor = Predictor(params, experiment, space, card["step"], folder)
    radii = Radii.from_json(_bytes(folder / _RADII).decode("utf-8"), str(folder / _RADII))
    if radii.weights != params_hash(params):
        raise UserError(f"{folder / _RADII}: of other parameters than {_PARAMS} holds")
    predictor.radii = radii
    return predictor


def _shipped() -> list[Path]:
    """The folders of the shipped models."""
    root = Path(str(resources.files("motion_jax").joinpath("weights")))
    return sorted(folder for folder in root.glob("*") if (folder / _CARD).is_file()) if root.is_dir() else []


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
