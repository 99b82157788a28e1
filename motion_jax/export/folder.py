"""An export as a folder, which appears complete or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jax.export import default_export_platform

from motion_jax.errors import UserError
from motion_jax.export import onnx, stablehlo
from motion_jax.export.card import CARD, RADII, Card, make_card
from motion_jax.export.check import check, time_jit
from motion_jax.export.models import exportable
from motion_jax.export.packages import NEEDS, check_installed
from motion_jax.export.program import Exportable
from motion_jax.export.readme import EXAMPLE, readme
from motion_jax.inference.load import Trained
from motion_jax.runtime.folders import check_folder_writable, written_folder

README = "README.md"
JIT = "jit"  # among a card's checks: the same program, compiled in the process that exported it

_FILES = {"stablehlo": stablehlo.FILE, "onnx": onnx.FILE}


def check_request(folder: Path | str, formats: Sequence[str], platforms: Sequence[str], checked: bool) -> None:
    """To be called before anything is computed.

    Raises:
        UserError: something lies in `folder`, it cannot be written, a format or platform is unknown, a package is
            missing, or this machine is none of the platforms that the file shall be checked on.
    """
    if not formats or not set(formats) <= set(NEEDS):
        raise UserError(f"--format={','.join(formats)!r}: must be some of {', '.join(NEEDS)}")
    stablehlo.check_platforms(platforms)
    for name in formats:
        check_installed(name)
    here = default_export_platform()
    if checked and "stablehlo" in formats and here not in platforms:
        raise UserError(f"--platforms={','.join(platforms)}: this machine is {here}, so give that too, or --nocheck")
    _check_target(Path(folder).absolute())


def write_export(
    trained: Trained,
    folder: Path | str,
    formats: Sequence[str] = ("stablehlo",),
    platforms: Sequence[str] = ("cpu", "cuda", "tpu"),
    checked: bool = True,
) -> Card:
    """Writes the files, `model.json`, `example.npz`, README.md and, of a calibrated run, `radii.json`.

    Beside StableHLO, radii that follow the motion come with `measure.stablehlo`, which gives what they are scaled by.

    Args:
        trained: a predictor, a recogniser or an anticipator.
        folder: new or empty.
        formats: of `packages.NEEDS`.
        platforms: of the StableHLO.
        checked: whether each file is opened in a fresh process and compared with the original before it is kept.

    Raises:
        UserError: what `check_request` finds, a model that does not convert, a file that fails its check, or a folder
            that cannot be written.
    """
    check_request(folder, formats, platforms, checked)
    folder = Path(folder).absolute()
    ordered = [name for name in NEEDS if name in formats]
    try:
        with written_folder(folder, replace=False) as draft:
            return _fill(exportable(trained), draft, ordered, tuple(platforms), checked)
    except UserError as error:
        raise UserError(f"--output={error}" if str(error).startswith(f"{folder}: ") else str(error)) from None


def _fill(model: Exportable, folder: Path, formats: list[str], platforms: tuple[str, ...], checked: bool) -> Card:
    example = model.example()
    np.savez(folder / EXAMPLE, **example)  # pyright: ignore[reportArgumentType]
    writers: dict[str, Callable[[Path], object]] = {
        "stablehlo": lambda path: path.write_bytes(stablehlo.serialized(model.program(), model.inputs, platforms)),
        "onnx": lambda path: onnx.write_onnx(model, path),
    }
    for name in formats:
        writers[name](folder / _FILES[name])
    checks = {name: dataclasses.asdict(check(model, folder, name)) for name in formats if checked}
    if checked:
        checks[JIT] = time_jit(model, example)
    names = [*(_FILES[name] for name in formats), EXAMPLE]
    if model.radii is not None:
        (folder / RADII).write_text(model.radii.to_json(), "utf-8")
        names.append(RADII)
        if model.measure is not None and "stablehlo" in formats:
            blob = stablehlo.serialized(model.measure, model.inputs, platforms)
            (folder / stablehlo.MEASURE).write_bytes(blob)
            names.append(stablehlo.MEASURE)
    files = [folder / name for name in names]
    card = make_card(model, files, platforms if "stablehlo" in formats else (), checks)
    (folder / CARD).write_text(card.to_json(), "utf-8")
    (folder / README).write_text(readme(card, formats), "utf-8")
    return card


def _check_target(folder: Path) -> None:
    try:
        check_folder_writable(folder)
        inside = next(folder.iterdir(), None) if folder.exists() else None
    except (OSError, UserError) as error:
        told = f"{folder}: cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise UserError(f"--output={told}") from None
    if inside is not None:
        raise UserError(f"--output={folder}: holds {inside.name!r}: it must be new or empty")
