"""Programs for ONNX runtimes, through jax2onnx: the extra `onnx`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.extend

from motion_jax.errors import UserError
from motion_jax.export.models import exportable
from motion_jax.export.packages import check_installed
from motion_jax.export.program import Exportable, specs
from motion_jax.inference.load import Trained

FILE = "model.onnx"
OPSET = 21  # onnxruntime 1.18 and later; nothing here needs a newer one


def export_onnx(trained: Trained, path: Path | str) -> None:
    """Writes a predictor, recogniser or anticipator as one ONNX file, for any batch.

    It is computed in float32, whatever `compute.precision` says.

    The program is traced before jax2onnx sees it: while it traces, it replaces functions of `jax.numpy` by its own,
    which know no symbolic batch.

    Raises:
        UserError: jax2onnx or onnxruntime is not installed, jax2onnx cannot convert this model, or the path cannot be
            written.
    """
    write_onnx(exportable(trained), path)


def write_onnx(model: Exportable, path: Path | str) -> None:
    """As `export_onnx`."""
    check_installed("onnx")
    import jax2onnx

    name, inputs = model.experiment.model.name, model.inputs
    arrays = specs(inputs)
    traced = jax.make_jaxpr(model.program(precision="float32"))(*arrays)
    try:
        with _quiet():
            converted = jax2onnx.to_onnx(
                jax.extend.core.jaxpr_as_fun(traced),
                arrays,
                model_name=name,
                opset=OPSET,
                input_names=[known.name for known in inputs],
                output_names=[model.output.name],
            )
        content = converted.SerializeToString()
    except Exception as error:  # of another project: what it lacks is told in many types
        raise UserError(f"--format=onnx: jax2onnx does not convert model.name={name!r}: {error}") from error
    try:
        Path(path).write_bytes(content)  # whole: jax2onnx itself would put large arrays into a second file
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks about shapes that are not known before the batch is."""
    logger = logging.getLogger("onnx_ir")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
