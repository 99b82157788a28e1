"""Human motion prediction in JAX."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motion_jax.data.formats import Motion, read_motion, write_motion
    from motion_jax.data.motion.rig import Rig, find_rig, from_canonical, to_canonical
    from motion_jax.errors import UserError
    from motion_jax.inference.anticipator import TrainedAnticipator, load_anticipator
    from motion_jax.inference.files import predict_file
    from motion_jax.inference.predictor import Predictor, load_predictor
    from motion_jax.inference.pretrained import pretrained
    from motion_jax.inference.recogniser import Recogniser, load_recogniser

__version__ = "0.2.0"
__all__ = [
    "Motion", "Predictor", "Recogniser", "Rig", "TrainedAnticipator", "UserError", "__version__", "find_rig",
    "from_canonical", "load_anticipator", "load_predictor", "load_recogniser", "predict_file", "pretrained",
    "read_motion", "to_canonical", "write_motion",
]  # fmt: skip

_HOMES = {
    "Motion": "motion_jax.data.formats",
    "Predictor": "motion_jax.inference.predictor",
    "Recogniser": "motion_jax.inference.recogniser",
    "Rig": "motion_jax.data.motion.rig",
    "TrainedAnticipator": "motion_jax.inference.anticipator",
    "UserError": "motion_jax.errors",
    "find_rig": "motion_jax.data.motion.rig",
    "from_canonical": "motion_jax.data.motion.rig",
    "load_anticipator": "motion_jax.inference.anticipator",
    "load_predictor": "motion_jax.inference.predictor",
    "load_recogniser": "motion_jax.inference.recogniser",
    "predict_file": "motion_jax.inference.files",
    "pretrained": "motion_jax.inference.pretrained",
    "read_motion": "motion_jax.data.formats",
    "to_canonical": "motion_jax.data.motion.rig",
    "write_motion": "motion_jax.data.formats",
}
"""Where each public name is defined. They are loaded when they are first used: `motion-jax --help` needs no JAX."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
