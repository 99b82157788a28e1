"""What records of labelled data sets share: their readers, which are not loaded without need."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

_READERS = Path(__file__).parents[1] / "labelled"


def reader(module: str) -> Callable[[Any], Any]:
    """`read` of a module of `data.labelled`, imported when it is called."""

    def read(request: Any) -> Any:
        return importlib.import_module(f"motion_jax.data.labelled.{module}").read(request)

    return read


def code_of(module: str) -> tuple[Path, ...]:
    """The files that decide what a reader returns."""
    return (_READERS / f"{module}.py", _READERS / "prepared.py")
