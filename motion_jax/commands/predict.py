"""Predicts what comes after a recorded motion. Of the file's frames the model reads the last, or those from --start.

python -m launch.predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.txt --action=walking
python -m launch.predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.npz --start=200
python -m launch.predict --workdir=runs/bi_enc_50 --input=a.txt,b.txt --output=predicted --action=walking,eating
python -m launch.predict --workdir=runs/own --input=walk.bvh --output=walk_future.bvh

Rows (.txt, .npy, .npz) have the data set's own columns and frame rate and are down-sampled as in training; what is
written has the model's rate. Motion files (.bvh .amc .htr .bva) may have any rate, which is that of what is written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from absl import flags

from motion_jax.data.formats import FORMATS, check_written, in_unit, read_motion, write_motion
from motion_jax.data.frame_files import SUFFIXES, read_frames, write_frames
from motion_jax.errors import UserError
from motion_jax.inference.continuation import as_motion, continue_motions
from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.runtime.files import check_writable
from motion_jax.runtime.uptime import seconds_since_start

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_INPUT = flags.DEFINE_list("input", None, "Files, separated by commas.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "A file; for several inputs, a folder.", required=True)
_ACTION = flags.DEFINE_list("action", [], "What is done: one name for all inputs, or one for each.")
_START = flags.DEFINE_integer("start", None, "Row where the frames that are read begin, from 0.", lower_bound=0)
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_RETARGET = flags.DEFINE_bool("retarget", False, "Put other bodies on the model's by the names of their joints.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace files that are there.")

Action = str | list[str] | None
CENTIMETRE = 10.0  # mm; what programs that open BVH expect
Size = tuple[int, float]  # of what was written: frames, and how many a second


def main(_: list[str]) -> None:
    """Checks the paths, reads, predicts in one call, writes."""
    inputs = [Path(name) for name in _INPUT.value]
    outputs = _outputs(inputs)
    predictor = load_predictor(_WORKDIR.value, _CHECKPOINT.value)
    names = _ACTION.value
    action = names[0] if len(names) == 1 else names or None
    predict = _predict_rows if inputs[0].suffix in SUFFIXES else _predict_motions
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
    motions = [read_motion(path) for path in inputs]
    futures = continue_motions(predictor, motions, action, _START.value, _RETARGET.value)
    for path, future in zip(outputs, futures, strict=True):
        write_motion(future, path)
    return [(len(future.frames), future.fps) for future in futures]


def _outputs(inputs: list[Path]) -> list[Path]:
    """One path an input; several keep their names, in the folder `--output`."""
    output = Path(_OUTPUT.value)
    outputs = [output / _written_name(path) for path in inputs] if len(inputs) > 1 else [output]
    if len(set(outputs)) < len(outputs):
        raise UserError(f"--input={','.join(map(str, inputs))}: the files must have different names")
    rows = [path.suffix in SUFFIXES for path in inputs]
    if any(rows) and not all(rows):
        raise UserError(f"--input={','.join(map(str, inputs))}: all must be rows ({', '.join(SUFFIXES)}), or none")
    for path in outputs:
        if not (rows[0] and path.suffix in SUFFIXES):
            check_written(path)
        if path.exists() and not _OVERWRITE.value:
            raise UserError(f"--output: {path} is there already; --overwrite replaces it")
        check_writable(path)
    return outputs


def _written_name(path: Path) -> str:
    """The input's, or that of a BVH where motion is not written in its form."""
    writable = path.suffix in SUFFIXES or (path.suffix in FORMATS and FORMATS[path.suffix].write)
    return path.name if writable else f"{path.stem}.bvh"


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
