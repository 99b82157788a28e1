"""Programs for JAX: StableHLO with any batch, through `jax.export`. Writing and reading need the extra `export`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from motion_jax.data.finite import as_array
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii
from motion_jax.export.card import CARD, RADII, Card, read_card
from motion_jax.export.models import exportable
from motion_jax.export.packages import check_installed
from motion_jax.export.program import Input, specs
from motion_jax.inference.load import Trained
from motion_jax.inference.recogniser import check_mask
from motion_jax.types import Array

FILE = "model.stablehlo"
MEASURE = "measure.stablehlo"  # of a calibrated run whose radii follow the motion
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def export_stablehlo(trained: Trained, platforms: Sequence[str] = ("cpu", "cuda", "tpu")) -> bytes:
    """A predictor, recogniser or anticipator as `jax.export.deserialize` reads it.

    JAX promises that it can be read for at least six months by later versions, and for three weeks by earlier ones.

    Args:
        trained: what `load_predictor`, `load_recogniser` or `load_anticipator` returns.
        platforms: of PLATFORMS, where it shall run; none of them need be at hand.

    Raises:
        UserError: flatbuffers is not installed, or a platform is unknown.
    """
    check_platforms(platforms)
    model = exportable(trained)
    return serialized(model.program(), model.inputs, platforms)


def serialized(run: Callable[..., Array], inputs: tuple[Input, ...], platforms: Sequence[str]) -> bytes:
    """A function of `inputs` as `export_stablehlo` writes it."""
    check_installed("stablehlo")
    from jax import export

    return bytes(export.export(jax.jit(run), platforms=tuple(platforms))(*specs(inputs)).serialize())


def check_platforms(platforms: Sequence[str]) -> None:
    """Raises `UserError` if there is none, or one that is not of PLATFORMS."""
    if not platforms or not set(platforms) <= set(PLATFORMS):
        raise UserError(f"--platforms={','.join(platforms)!r}: must be some of {', '.join(PLATFORMS)}")


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """An exported model: `exported(history, action) -> future` or the like, see `load_exported`."""

    call: Callable[..., np.ndarray]
    card: Card
    radii: Radii | None  # in mm around the joints, of a calibrated run; with a scale, of a usual window
    measure: Callable[..., np.ndarray] | None = None  # what the scale measures, [B, T, J] mm; None without

    def __call__(self, *arrays: object) -> np.ndarray:
        """Predicts."""
        return self.call(*arrays)

    def radius(self, *arrays: object) -> np.ndarray:
        """Radii around what a call predicts of the same arrays, `[B, L, T, J]` mm.

        Raises:
            UserError: as a call, or the run was not calibrated when it was exported.
        """
        if self.radii is None:
            raise UserError("this export has no radii: motion-jax calibrate the run, and export it anew")
        if self.measure is None:
            batch = len(np.asarray(arrays[0])) if arrays else 0
            return np.broadcast_to(self.radii.radius, (batch, *self.radii.radius.shape))
        return self.radii.sized(self.measure(*arrays))[0]


def load_exported(path: Path | str) -> Exported:
    """Opens what `motion-jax export` wrote; computes with JAX alone, without the code of any model.

    Args:
        path: the folder, or `model.stablehlo` in it.

    Returns:
        A function of the arrays that `card.inputs` names, compiled once for each B. Of forecasting `(history [B, S, D],
        action [B] whole numbers) -> [B, T, D]` float32, without the second argument where the model has no actions; of
        recognition `(frames [B, T, D], mask [B, T]) -> [B, C]`; of anticipation an array `[B, S, D_m]` for each
        modality `-> [B, A, C]`. It raises `UserError` for arrays of another kind. `radii` are those of a calibrated
        run, else None.

    Raises:
        UserError: the folder holds no export, the file is damaged (its sha256 is not the one in `model.json`), this
            version of JAX does not read it, or flatbuffers is not installed.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    card = read_card(folder / CARD)
    blob = card.read(folder / FILE)
    radii = None
    if RADII in card.files:
        radii = Radii.from_json(card.read(folder / RADII).decode(), str(folder / RADII))
    measure = _opened(card, folder / MEASURE, card.read(folder / MEASURE)) if MEASURE in card.files else None
    if radii is not None and radii.scale is not None and measure is None:
        raise UserError(f"{folder / RADII}: its radii follow {radii.scale.name}, which needs {MEASURE}")
    return Exported(_opened(card, folder / FILE, blob), card, radii, measure)


def _opened(card: Card, path: Path, blob: bytes) -> Callable[..., np.ndarray]:
    """A program of the folder, which checks what it is given."""
    check_installed("stablehlo")
    from jax import export

    try:
        exported = export.deserialize(bytearray(blob))
        exported.mlir_module()  # what a later JAX wrote fails here, else only at the first call
    except Exception as error:  # its bytes are those that were written, so JAX is of another age
        writer = card.versions.get("jax", "unknown")
        raise UserError(f"{path}: JAX {jax.__version__} does not read what JAX {writer} wrote") from error
    call = jax.jit(exported.call)
    return lambda *arrays: np.asarray(call(*_checked(card, arrays)))


def _checked(card: Card, arrays: tuple) -> list[np.ndarray]:
    """The arrays in the types that the program reads."""
    names = [known.name for known in card.inputs]
    if len(arrays) != len(names):
        raise UserError(f"{len(arrays)} arrays: the model reads {len(names)}: {', '.join(names)}")
    forms = [", ".join(("B", *map(str, known.shape))) for known in card.inputs]
    given = [as_array(array, name, f"[{form}]") for array, name, form in zip(arrays, names, forms, strict=True)]
    for known, array, form in zip(card.inputs, given, forms, strict=True):
        wanted, kind = (len(given[0]) if given[0].ndim else 0, *known.shape), np.dtype(known.dtype)
        if array.shape != wanted or not wanted[0] or not np.can_cast(array.dtype, kind, "same_kind"):
            raise UserError(f"{known.name}: {array.dtype} {list(array.shape)}: must be {kind} [{form}], of one B >= 1")
    if card.actions and ((given[1] < -1) | (given[1] >= len(card.actions))).any():
        raise UserError(f"action: {given[1].tolist()}: must be -1 (unknown) or below {len(card.actions)}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        given = [array.astype(known.dtype) for known, array in zip(card.inputs, given, strict=True)]
    for name, array in zip(names, given, strict=True):
        if not np.isfinite(array).all():
            raise UserError(f"{name}: every value must be finite in float32")
    if card.task == "recognition":
        check_mask(given[1])
    return given
