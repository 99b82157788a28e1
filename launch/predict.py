"""Predicts what comes after a recorded motion. Of the file's frames the model reads the last, or those from --start.

python -m launch.predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.txt --action=walking
python -m launch.predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.npz --start=200
python -m launch.predict --workdir=runs/bi_enc_50 --input=a.txt,b.txt --output=predicted --action=walking,eating

The input has the data set's own frame rate and is down-sampled as in training; the output has the model's rate.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from absl import flags

from motion_jax import cli
from motion_jax.data.frame_files import check_suffix, read_frames, write_frames
from motion_jax.errors import UserError
from motion_jax.predict import Predictor, load_predictor
from motion_jax.report import check_writable
from motion_jax.uptime import seconds_since_start

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_INPUT = flags.DEFINE_list("input", None, "Files (.txt, .npy, .npz), separated by commas.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "A file; for several inputs, a folder.", required=True)
_ACTION = flags.DEFINE_list("action", [], "What is done: one name for all inputs, or one for each.")
_START = flags.DEFINE_integer("start", None, "Row where the frames that are read begin, from 0.", lower_bound=0)
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace files that are there.")


def main(_: list[str]) -> None:
    """Checks the paths, reads, predicts in one call, writes."""
    inputs = [Path(name) for name in _INPUT.value]
    outputs = _outputs(inputs)
    predictor = load_predictor(_WORKDIR.value, _CHECKPOINT.value)
    history = np.stack([_observed(path, predictor) for path in inputs])
    names = _ACTION.value
    futures = predictor(history, names[0] if len(names) == 1 else names or None)
    print(f"first prediction {seconds_since_start():.2f} s after the process began")
    for path, future in zip(outputs, futures, strict=True):
        write_frames(path, future)
        print(f"wrote {path}: {len(future)} frames at {predictor.space.fps:g} per second")


def _outputs(inputs: list[Path]) -> list[Path]:
    """One path an input; several keep their names, in the folder `--output`."""
    output = Path(_OUTPUT.value)
    outputs = [output / path.name for path in inputs] if len(inputs) > 1 else [output]
    if len(set(outputs)) < len(outputs):
        raise UserError(f"--input={','.join(map(str, inputs))}: the files must have different names")
    for path in outputs:
        check_suffix(path)
        if path.exists() and not _OVERWRITE.value:
            raise UserError(f"--output: {path} is there already; --overwrite replaces it")
        check_writable(path)
    return outputs


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


if __name__ == "__main__":
    cli.run(main)
