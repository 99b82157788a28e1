"""What an export says of itself: `model.json`, for programs; README.md, for people."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from motion_jax.config import TASKS
from motion_jax.errors import UserError
from motion_jax.export.program import Exportable, Input
from motion_jax.runtime.files import sealed, unsealed
from motion_jax.runtime.timing import commit

CARD = "model.json"
RADII = "radii.json"  # of a calibrated run
FORMAT = 3

_PACKAGES = ("motion-jax", "jax", "jaxlib", "flax", "flatbuffers", "jax2onnx", "onnx", "onnxruntime")


@dataclasses.dataclass(frozen=True)
class Card:
    """What is in the folder, and what it takes and gives. Rates and lengths are in frames of the model."""

    format: int
    task: str  # forecasting, recognition or anticipation
    name: str  # of the experiment
    model: str  # a key of the registry
    step: int  # updates that the parameters have seen
    inputs: tuple[Input, ...]  # without their first dimension, the batch
    output: Input
    fps: float
    source_length: int  # S of forecasting, T of recognition; S steps of anticipation
    target_length: int  # T of forecasting, else 0
    times: tuple[float, ...]  # [A] of anticipation: s before an action; of early recognition the share that was seen
    columns: tuple[str, ...]  # [D] what a frame holds; of several inputs one after the other
    actions: tuple[str, ...]  # of forecasting: "action" counts from 0 in this order
    classes: tuple[str, ...]  # [C] of the others: the order of "probabilities"
    units: dict[str, str]
    skeleton: dict[str, Any]  # joints, parents, offsets in mm; {} where inputs are not of joints
    experiment: dict[str, Any]
    commit: str
    versions: dict[str, str]
    platforms: tuple[str, ...]  # that the StableHLO was made for; () without it
    files: dict[str, dict[str, Any]]  # bytes and sha256, by name
    checks: dict[str, dict[str, float]]  # by format: what a fresh process found; {} if none was asked

    def to_json(self) -> str:
        """Text that `read_card` reads back exactly."""
        named = {"inputs": [known._asdict() for known in self.inputs], "output": self.output._asdict()}
        return sealed(dataclasses.asdict(self) | named, indent=1)

    def read(self, path: Path) -> bytes:
        """The bytes of one of the files. Raises `UserError` if they are not those that were written."""
        if path.name not in self.files:
            raise UserError(f"{path}: is none of the files that {CARD} names: {', '.join(self.files)}")
        known = self.files[path.name]
        try:
            size = path.stat().st_size
            if size != known["bytes"]:
                raise UserError(f"{path}: has {size} bytes: it must have {known['bytes']}")
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != known["sha256"]:
            raise UserError(f"{path}: damaged or edited: its sha256 is not the one in {CARD}")
        return content


def make_card(
    model: Exportable, files: list[Path], platforms: tuple[str, ...], checks: dict[str, dict[str, float]]
) -> Card:
    """The card of files that are written."""
    experiment = model.experiment
    return Card(
        format=FORMAT,
        task=model.task,
        name=experiment.name,
        model=experiment.model.name,
        step=model.step,
        inputs=model.inputs,
        output=model.output,
        **model.fields._asdict(),
        experiment=experiment.to_dict(),
        commit=commit(),
        versions={name: version for name in _PACKAGES if (version := _version(name))},
        platforms=platforms,
        files={path.name: _described(path) for path in files},
        checks=checks,
    )


def read_card(path: Path) -> Card:
    """Raises `UserError` if the file is missing, or is not the card of an export of this version."""
    try:
        text = path.read_text("utf-8")
        before = json.loads(text)
        if not isinstance(before, dict) or before.get("format") != FORMAT:
            raise UserError(f"{path}: not the card of an export of format {FORMAT}: export the run anew")
        fields = unsealed(text, str(path), "the card of an export")
        made: dict[str, Any] = {known.name: fields[known.name] for known in dataclasses.fields(Card)}
        inputs = tuple(_input(value) for value in made["inputs"])
        files = {str(name): {"bytes": int(known["bytes"]), "sha256": str(known["sha256"])}
                 for name, known in made["files"].items()}  # fmt: skip
        lists: dict[str, Any] = {
            name: tuple(made[name]) for name in ("times", "columns", "actions", "classes", "platforms")
        }
        if made["task"] not in TASKS:
            raise ValueError(f"task {made['task']!r}")
        return Card(**made | lists | {"inputs": inputs, "output": _input(made["output"]), "files": files})
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: damaged: not the card of an export ({type(error).__name__}: {error})") from None


def _input(fields: dict[str, Any]) -> Input:
    if fields["dtype"] not in ("float32", "int32"):
        raise ValueError(f"dtype {fields['dtype']!r}")
    return Input(str(fields["name"]), tuple(int(size) for size in fields["shape"]), str(fields["dtype"]))


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
