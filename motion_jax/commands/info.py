"""Prints what a report of a fault should hold: versions, devices, caches, and which optional packages are missing.

motion-jax info
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import jax

import motion_jax
from motion_jax.errors import UserError
from motion_jax.runtime.backend import why_no_devices
from motion_jax.runtime.cache_folder import cache_folder
from motion_jax.runtime.compilation import MAX_BYTES, compiled_folder
from motion_jax.runtime.names import in_line

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "ml_collections", "absl-py")
OPTIONAL = {
    "matplotlib": "viz",
    "tensorboardX": "tensorboard",
    "tensorboard": "tensorboard",
    "flatbuffers": "export",
    "lmdb": "lmdb",
    "grain": "large",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "jax-cuda12-plugin": "cuda12",
    "jax-cuda13-plugin": "cuda13",
    "libtpu": "tpu",
}
"""Distribution -> the extra that brings it; a test holds it against pyproject.toml."""


def main(_: list[str]) -> None:
    """One table."""
    sections = {"versions": _versions(), "devices": _devices(), "caches": _caches(), "optional packages": _optional()}
    width = max(len(name) for rows in sections.values() for name, _ in rows)
    for title, rows in sections.items():
        print(title)
        for name, value in rows:
            print(f"  {name:<{width}}  {in_line(value)}")


def _versions() -> list[tuple[str, str]]:
    own = f"{motion_jax.__version__}, in {Path(motion_jax.__file__).parent}"
    python = f"{platform.python_version()}, {sys.executable}"
    system = f"{platform.platform()}, {os.cpu_count()} cores"
    others = [(name, _version(name) or "missing") for name in PACKAGES]
    return [("motion_jax", own), *others, ("python", python), ("system", system)]


def _devices() -> list[tuple[str, str]]:
    asked = jax.config.values["jax_platforms"]
    if reason := why_no_devices():
        return [("none", f"JAX_PLATFORMS={asked}: {reason}" if asked else reason)]
    kinds: dict[tuple[str, str], int] = {}
    for device in jax.devices():
        kinds[device.platform, device.device_kind] = kinds.get((device.platform, device.device_kind), 0) + 1
    return [(name, kind if count == 1 else f"{count} x {kind}") for (name, kind), count in kinds.items()]


def _caches() -> list[tuple[str, str]]:
    try:
        data, ours = cache_folder(), compiled_folder()
    except UserError as error:
        return [("none", str(error))]
    used = jax.config.values["jax_compilation_cache_dir"]  # None where `keep_compiled` warned that it cannot be
    elsewhere = used and Path(used) != ours
    compiled = Path(used) if elsewhere else ours.parent
    in_data = _size(ours.parent)
    if not used or not jax.config.values["jax_enable_compilation_cache"]:
        state = "; not in use: each run compiles anew"
    else:
        state = "" if elsewhere else f"; what was used longest ago is removed above {_megabytes(MAX_BYTES)}"
    return [("parsed data", f"{data}, {_megabytes(_size(data) - in_data)}"),
            ("compiled", f"{compiled}, {_megabytes(_size(compiled))}{state}")]  # fmt: skip


def _optional() -> list[tuple[str, str]]:
    rows = []
    for name, extra in OPTIONAL.items():
        rows.append((name, _version(name) or f"missing: pip install 'motion-jax[{extra}]'"))
    return rows


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _size(folder: Path) -> int:
    """Bytes of the files below; what cannot be read counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
