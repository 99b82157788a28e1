"""Which packages a format needs, beyond what the library installs."""

from __future__ import annotations

import importlib.util

from motion_jax.errors import UserError

NEEDS = {"stablehlo": ("flatbuffers",), "onnx": ("jax2onnx", "onnxruntime")}
"""By format; the order in which files are written."""
_INSTALL = {
    "flatbuffers": "pip install 'motion-jax[export]'",
    "onnxruntime": "pip install 'motion-jax[onnx]'",
    # of its own, because it asks for an older orbax-checkpoint, which it does not use
    "jax2onnx": "pip install 'motion-jax[onnx]', then pip install --no-deps 'jax2onnx>=0.17'",
}


def check_installed(name: str) -> None:
    """Raises `UserError` if a package that the format `name` needs is missing; it says how to install it."""
    for package in NEEDS[name]:
        if importlib.util.find_spec(package) is None:
            raise UserError(f"format {name}: needs {package}: {_INSTALL[package]}")
