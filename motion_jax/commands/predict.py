"""Predicts what comes after a recorded motion. Of the file's frames the model reads the last, or those from --start.

motion-jax predict --workdir=runs/own --input=walk.bvh --output=walk_future.bvh
motion-jax predict --workdir=runs/own --input='recordings/*.bvh' --output=predicted --action=walking
motion-jax predict --workdir=runs/own --input=a.bvh,b.bvh --output=predicted --action=walking,eating
motion-jax predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.npz --start=200

Motion files (.bvh .amc .htr .bva, and .npz that convert wrote) may have any rate, which is that of what is written.
Rows (.txt .npy .npz) have the data set's own columns and frame rate and are down-sampled as in training; what is
written has the model's rate.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from absl import flags

from motion_jax.data.formats import FORMATS, check_written, in_unit, read_motion, write_motion
from motion_jax.data.frame_files import SUFFIXES, read_frames, write_frames
from motion_jax.data.input_files import InputFiles, find_inputs
from motion_jax.data.motion.rates import check_rate
from motion_jax.errors import UserError
from motion_jax.inference.continuation import as_motion
from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.runtime.files import check_writable, user_path
from motion_jax.runtime.uptime import seconds_since_start

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "A file, a folder or a pattern, or several, separated by commas.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "A file; for several inputs, a folder.", required=True)
_ACTION = flags.DEFINE_list("action", [], "What is done: one name for all inputs, or one for each.")
_START = flags.DEFINE_integer("start", None, "Row where the frames that are read begin, from 0.", lower_bound=0)
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the motion files, where they do not say them.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_RETARGET = flags.DEFINE_bool("retarget", False, "Put other bodies on the model's by the names of their joints.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace files that are there.")

Action = str | list[str] | None
CENTIMETRE = 10.0  # mm; what programs that open BVH expect
READABLE = (*(suffix for suffix, form in FORMATS.items() if form.read), ".npy")
Size = tuple[int, float]  # of what was written: frames, and how many a second


def main(_: list[str]) -> None:
    """Checks the paths, reads, predicts in one call, writes."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    named = find_inputs(_INPUT.value, READABLE)
    inputs = list(named.files)
    rows = _are_rows(inputs)
    outputs = _outputs(named, rows)
    predictor = load_predictor(_WORKDIR.value, _CHECKPOINT.value)
    names = _ACTION.value
    action = names[0] if len(names) == 1 else names or None
    predict = _predict_rows if rows else _predict_motions
    written = predict(predictor, inputs, outputs, action)
    print(f"first prediction {seconds_since_start():.2f} s after the process began")
    for path, (frames, fps) in zip(outputs, written, strict=True):
        print(f"wrote {path}: {frames} frames at {fps:g} per second")


def _predict_rows(predictor: Predictor, inputs: list[Path], outputs: list[Path], action: Action) -> list[Size]:
    """Rows in; rows out, or a motion where the output is of such a form."""
    history = np.stack([_observed(path, predictor) for path in inputs])
    for path, future in zip(outputs, predictor(history, action), strict=True):
        if path.suffix in SUFFIXES:
            write_frames(path, future)
        else:
            write_motion(in_unit(as_motion(predictor, future), CENTIMETRE), path)
    return [(predictor.target_length, predictor.space.fps)] * len(outputs)


def _predict_motions(predictor: Predictor, inputs: list[Path], outputs: list[Path], action: Action) -> list[Size]:
    motions = [read_motion(path, fps=_INPUT_FPS.value) for path in inputs]
    futures = predictor.continue_motions(motions, action, start=_START.value, retargeted=_RETARGET.value)
    for path, future in zip(outputs, futures, strict=True):
        write_motion(future, path)
    return [(len(future.frames), future.fps) for future in futures]


def _are_rows(inputs: list[Path]) -> bool:
    """Whether all inputs are rows, or none. Raises `UserError` otherwise, and where a flag does not go with rows."""
    rows = [path for path in inputs if path.suffix in SUFFIXES and not _is_motion_archive(path)]
    if rows and len(rows) < len(inputs):
        other = next(path for path in inputs if path not in rows)
        raise UserError(f"--input={_INPUT.value}: all must be rows, as {rows[0]} is, or motion files, as {other} is")
    if rows and _INPUT_FPS.value is not None:
        raise UserError(f"--input_fps={_INPUT_FPS.value:g}: {rows[0]} holds rows, whose rate is the data set's")
    return bool(rows)


def _is_motion_archive(path: Path) -> bool:
    """Whether an .npz holds a motion with its body, not rows."""
    try:
        with zipfile.ZipFile(path) as archive:
            return path.suffix == ".npz" and "joints.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _outputs(named: InputFiles, rows: bool) -> list[Path]:
    """One path an input; several keep their names, in the folder `--output`."""
    output = user_path(_OUTPUT.value)
    if named.several and output.exists() and not output.is_dir():
        raise UserError(f"--output: {output} is a file: for several inputs it must be a folder")
    if named.several or output.is_dir() or _OUTPUT.value.endswith("/"):
        outputs = [output / _written_name(name) for name in named.files.values()]
    else:
        outputs = [output]
    if len(set(outputs)) < len(outputs):
        raise UserError(f"--input={_INPUT.value}: the files must have different names")
    for path in outputs:
        if not (rows and path.suffix in SUFFIXES):
            check_written(path)
        if path.exists() and not _OVERWRITE.value:
            raise UserError(f"--output: {path} is there already; --overwrite replaces it")
        check_writable(path)
    return outputs


def _written_name(path: Path) -> Path:
    """The input's, or that of a BVH where motion is not written in its form."""
    writable = path.suffix in SUFFIXES or ((form := FORMATS.get(path.suffix.lower())) and form.write)
    return path if writable else path.with_suffix(".bvh")


def _observed(path: Path, predictor: Predictor) -> np.ndarray:
    """`[S, D]`: every stride-th row, the last S of the file or those from `--start`."""
    frames = read_frames(path, predictor.space.columns)
    stride = predictor.experiment.data.stride
    span = (predictor.source_length - 1) * stride + 1
    begin = len(frames) - span if _START.value is None else _START.value
    if not 0 <= begin <= len(frames) - span:
        where = "" if _START.value is None else f" from --start={begin}"
        raise UserError(f"{path}: has {len(frames)} rows; the model needs {span}{where} (data.stride={stride})")
    return frames[begin : begin + span : stride]
