"""Configurations and sweeps that are shipped with the package, found by name from any folder."""

from __future__ import annotations

import difflib
from pathlib import Path

import motion_jax
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path

CONFIGS = "configs"
SWEEPS = "configs/sweeps"


def find_config(value: str) -> Path:
    """The file that `--config=value` means: one that is there, else a shipped one.

    Its name may be given as `res_sup`, `res_sup.py` or `configs/res_sup.py`.

    Raises:
        UserError: it is a folder, or neither; the shipped names are listed.
    """
    return _find("config", value, CONFIGS)


def find_sweep(value: str) -> Path:
    """The same for `--sweep=value`, where `cell` means `configs/sweeps/cell.py`."""
    return _find("sweep", value, SWEEPS)


def shipped(folder: str) -> dict[str, Path]:
    """Name -> path of each file in `configs` or `configs/sweeps`."""
    return {path.stem: path for path in sorted((_root() / folder).glob("*.py"))}


def _root() -> Path:
    """The folder that holds `configs`: the package where it was installed, the checkout where it was not."""
    package = Path(motion_jax.__file__).parent
    return package if (package / CONFIGS).is_dir() else package.parent


def _find(flag: str, value: str, folder: str) -> Path:
    path = user_path(value)
    if path.is_file():
        return path
    names = shipped(folder)
    name = value.removeprefix(f"{folder}/").removesuffix(".py")
    if name in names:
        return names[name]
    if path.is_dir():
        raise UserError(f"--{flag}={value}: is a folder; name a file, or one of those shipped: {', '.join(names)}")
    near = difflib.get_close_matches(name, names, n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise UserError(f"--{flag}={value}: no such file{meant}; shipped are {', '.join(names)}")
