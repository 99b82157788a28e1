"""Pickles: never opened, as opening one runs whatever program its maker put into it; the line that makes an .npz of it.

The line is for a machine where the file's maker is trusted. Which one it is depends on who wrote the file: the names of
its arrays stand in its bytes, which are searched and not unpickled.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from motion_jax.runtime.files import open_file

SUFFIXES = (".pkl", ".pickle", ".p", ".pt", ".pth", ".joblib")

_ZLIB = b"x"  # how what zlib has compressed begins, and no pickle
_SEARCHED = 4 << 20  # bytes at the file's beginning, before the large arrays of an estimator
_FIELDS = (
    "poses pose trans betas gender genders pose_world trans_world root_orient pose_body body_pose global_orient transl"
)

_TORCH = "import torch, numpy; d = torch.load({file}, map_location='cpu'); "
_PICKLE = "import pickle, pathlib, numpy; d = pickle.loads(pathlib.Path({file}).read_bytes(), encoding='latin1'); "
_JOBLIB = "import joblib, numpy; d = joblib.load({file}); "
_LINES: tuple[tuple[str, tuple[bytes, ...], str], ...] = (
    (
        "GVHMR",
        (b"smpl_params_global",),
        _TORCH + "numpy.savez({new}, **{{k: v.numpy() for k, v in d['smpl_params_global'].items()}})",
    ),
    (
        "WHAM",
        (b"pose_world",),
        _JOBLIB + "p = d[min(d)]; numpy.savez({new}, **{{k: p[k] for k in ('pose_world', 'trans_world', 'betas')}})",
    ),
    (
        "3DPW",
        (b"jointPositions", b"genders"),
        _PICKLE + "numpy.savez({new}, poses=d['poses'], trans=d['trans'], betas=[b[:10] for b in d['betas']], "
        "genders=d['genders'], fps=30)",
    ),
    (
        "4D-Humans",
        (b"smpl", b"tid"),
        _JOBLIB + "t = 1; s = [f['smpl'][f['tid'].index(t)] for f in d.values() if t in f['tid']]; "
        "numpy.savez({new}, **{{k: numpy.stack([x[k] for x in s]) for k in s[0]}})",
    ),
)
"""Who writes such a file, the words in it, and its line; the first whose words are all there."""

_KNOWN = "numpy.savez({new}, **{{k: numpy.array(v) for k, v in d.items() if k in '{fields}'.split()}})"
_ANY_TORCH, _ANY_JOBLIB, _ANY = _TORCH + _KNOWN, _JOBLIB + _KNOWN, _PICKLE + _KNOWN
_OBJECTS = (
    "import numpy; d = numpy.load({file}, allow_pickle=True); d = {{k: numpy.array(d[k].tolist()) for k in d.files}}; "
    "numpy.savez({new}, **{{k: v for k, v in d.items() if v.dtype != object}})"
)
_OBJECT = "import numpy; numpy.save({new}, numpy.array(numpy.load({file}, allow_pickle=True).tolist(), float))"


def why_no_pickle(path: Path) -> str:
    """Why a pickle is not read, and how it becomes an .npz, in one line that names the file."""
    head = _head(path)
    line, maker = _ANY_JOBLIB if b"joblib" in head else _ANY, ""
    if path.suffix.lower() in (".pt", ".pth"):
        line = _ANY_TORCH
    for name, words, told in _LINES:
        if all(word in head for word in words):
            line, maker = told, f" (of {name}, by the names in it)"
            break
    return (
        f"{path}: is a pickle{maker}, which may run any program when it is opened and is never opened here; on a "
        f"machine where its maker is trusted, this makes an .npz of it: {_command(line, path, '.npz')}"
    )


def _head(path: Path) -> bytes:
    """A file's first bytes, unpacked where joblib has compressed them; none where it cannot be read."""
    try:
        with open_file(path) as file:
            head = file.read(_SEARCHED)
        return zlib.decompressobj().decompress(head, _SEARCHED) if head[:1] == _ZLIB else head
    except (OSError, zlib.error):
        return b""


def object_advice(path: Path) -> str:
    """How an .npz or .npy whose arrays hold objects, which are pickles, becomes one of numbers."""
    line, suffix = (_OBJECT, ".numbers.npy") if path.suffix.lower() == ".npy" else (_OBJECTS, ".numbers.npz")
    return "objects are a pickle, which is never opened here; on a machine where its maker is trusted: " + _command(
        line, path, suffix
    )


def _command(line: str, path: Path, suffix: str) -> str:
    """The line as a shell takes it; a name that a shell would read otherwise stands as FILE."""
    name = path.name if re.fullmatch(r"[\w.+-]+", path.name, re.ASCII) else f"FILE{path.suffix}"
    new = name[: len(name) - len(path.suffix)] + suffix
    return f'python3 -c "{line.format(file=repr(name), new=repr(new), fields=_FIELDS)}"'
