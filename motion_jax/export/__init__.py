"""Trained models as files that other programs open, with parameters and normalisation inside."""

from motion_jax.export.folder import check_request, write_export
from motion_jax.export.onnx import export_onnx
from motion_jax.export.stablehlo import export_stablehlo, load_exported

__all__ = ["check_request", "export_onnx", "export_stablehlo", "load_exported", "write_export"]
