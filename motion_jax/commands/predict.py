"""Predicts what comes after a recorded motion. Of the file's frames the model reads the last, or those from --start.

motion-jax predict --input=walk.bvh --output=walk_future.bvh     (any humanoid body: the model that is shipped)
motion-jax predict --workdir=runs/own --input=walk.bvh --output=walk_future.bvh
motion-jax predict --workdir=runs/own --input='recordings/*.bvh' --output=predicted --action=walking
motion-jax predict --workdir=runs/own --input=a.bvh,b.bvh --output=predicted --action=walking,eating
motion-jax predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.npz --start=200

Several processes (--num_processes and --process_id, or srun) share the files among them; each writes its own.

Motion files (.bvh .amc .htr .bva; .npz that convert wrote, of SMPL parameters or of positions) may have any rate, which
is that of what is written. Rows (.txt .npy .npz) have the data set's own columns and frame rate and are down-sampled as
in training; what is written has the model's rate. Of several files, one that cannot be used is named and passed over,
and the exit status is then 2.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from absl import flags, logging

from motion_jax.commands import cli
from motion_jax.commands.outputs import check_not_read
from motion_jax.data.formats import (
    FORMATS,
    Motion,
    check_written,
    format_of,
    holds_motion,
    in_unit,
    read_motion,
    write_motion,
)
from motion_jax.data.frame_files import SUFFIXES, read_frames, write_frames
from motion_jax.data.input_files import InputFiles, check_folder, find_inputs
from motion_jax.data.motion.rates import check_rate, nominal_rate
from motion_jax.errors import UserError
from motion_jax.inference.continuation import as_motion, continue_fitted, fit
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.pretrained import open_predictor
from motion_jax.runtime.files import check_writable, user_path
from motion_jax.runtime.names import in_line
from motion_jax.runtime.uptime import seconds_since_start

_WORKDIR = cli.define_paths("workdir", None, "A run's folder, or a pretrained model; none: the one that is shipped.")
_INPUT = cli.define_paths(
    "input", None, "A file, a folder or a pattern, or several, separated by commas.", required=True
)
_OUTPUT = cli.define_paths("output", None, "A file; for several inputs, a folder.", required=True)
_ACTION = flags.DEFINE_list("action", [], "What is done: one name for all inputs, or one for each.")
_START = flags.DEFINE_integer("start", None, "Row where the frames that are read begin, from 0.", lower_bound=0)
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the motion files, where they do not say them.")
_PERSON = flags.DEFINE_integer("person", None, "Which of several people in a file, from 1.", lower_bound=1)
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_JOINT_MAP = cli.define_path("joint_map", None, "CSV of joints' names, where a model of the canonical body lacks them.")
_RETARGET = flags.DEFINE_bool("retarget", False, "Put other bodies on the model's by the names of their joints.")
cli.define_processes("coordinator", "num_processes", "process_id")
_STRICT = flags.DEFINE_bool("strict", False, "Of several files, stop at the first that cannot be used.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace files that are there.")

CENTIMETRE = 10.0  # mm; what programs that open BVH expect
READABLE = tuple(suffix for suffix, form in FORMATS.items() if form.read)
_Read = TypeVar("_Read")


class _Job(NamedTuple):
    """One input, what is written of it, and what is done in it."""

    source: Path
    output: Path
    action: str | None


class _Failures:
    """Files that could not be used: of several each is told and passed over, unless `--strict`."""

    def __init__(self, several: bool) -> None:
        self._passed_over = several and not _STRICT.value
        self.count = 0

    def each(self, jobs: list[_Job], work: Callable[[_Job], _Read]) -> list[tuple[_Job, _Read]]:
        """Each job with what `work` made of it, without those of which it raised `UserError`."""
        done = []
        for job in jobs:
            try:
                done.append((job, work(job)))
            except UserError as error:
                if not self._passed_over:
                    raise
                self.count += 1
                cli.print_error(error)
        return done


def main(_: list[str]) -> None:
    """Checks the paths, reads, predicts in one call, writes."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    named = find_inputs(_INPUT.value, READABLE)
    inputs = list(named.files)
    predictor = open_predictor(_WORKDIR.value, _CHECKPOINT.value)
    rows = not predictor.takes_any_body and _are_rows(inputs)
    outputs, actions = _outputs(named), _actions(inputs)
    jobs = _share([_Job(*each) for each in zip(inputs, outputs, actions, strict=True)])
    if not jobs:
        return
    _check_outputs([job.output for job in jobs], inputs, rows)
    for action in dict.fromkeys(actions):
        predictor.space.one_hot(action)  # before anything is read: raises on an unknown one
    failures = _Failures(named.several)
    (_predict_rows if rows else _predict_motions)(predictor, jobs, failures)
    if failures.count:
        raise UserError(f"--input={_INPUT.value}: {failures.count} of {len(jobs)} files failed, named above")


def _share(jobs: list[_Job]) -> list[_Job]:
    """Those of this process, where several of them share the files."""
    processes = cli.processes()
    return jobs[processes.index :: processes.count] if processes else jobs


def _predict_rows(predictor: Predictor, jobs: list[_Job], failures: _Failures) -> None:
    """Rows in; rows out, or a motion where the output is of such a form."""
    if not (read := failures.each(jobs, lambda job: _checked(job.source, predictor))):
        return
    usable = [job for job, _ in read]
    _warn_of_no_action(usable, predictor)
    futures = predictor.continue_rows(np.stack([history for _, history in read]), [job.action for job in usable])
    _print_time()
    found = dict(zip(usable, futures, strict=True))

    def write(job: _Job) -> None:
        if job.output.suffix in SUFFIXES:
            write_frames(job.output, found[job])
        else:
            write_motion(in_unit(as_motion(predictor, found[job]), CENTIMETRE), job.output)
        _print_written(job, predictor.target_length, predictor.space.fps)

    failures.each(usable, write)


def _predict_motions(predictor: Predictor, jobs: list[_Job], failures: _Failures) -> None:
    def read(job: _Job) -> Motion:
        return read_motion(job.source, fps=_INPUT_FPS.value, person=_PERSON.value)

    table = None if _JOINT_MAP.value is None else user_path(_JOINT_MAP.value)
    fitted = failures.each(jobs, lambda job: fit(predictor, read(job), _START.value, _RETARGET.value, table))
    for job, each in fitted:
        if each.rig is not None:
            print(in_line(f"{job.source}: {'; '.join(each.rig.notes)}"), flush=True)
    if not fitted:
        return
    usable = [job for job, _ in fitted]
    _warn_of_no_action(usable, predictor)
    futures = continue_fitted(predictor, [each for _, each in fitted], [job.action for job in usable])
    _print_time()
    found = dict(zip(usable, futures, strict=True))

    def write(job: _Job) -> None:
        write_motion(found[job], job.output)
        _print_written(job, len(found[job].frames), found[job].fps)

    failures.each(usable, write)


def _print_time() -> None:
    print(f"first prediction {seconds_since_start():.2f} s after the process began", flush=True)


def _print_written(job: _Job, frames: int, fps: float) -> None:
    print(f"wrote {in_line(job.output)}: {frames} frames at {nominal_rate(fps):g} per second", flush=True)


def _actions(inputs: list[Path]) -> list[str | None]:
    """What is done in each input, as `--action` says. Raises `UserError` where it names more than one but not each."""
    names = _ACTION.value
    if len(names) > 1 and len(names) != len(inputs):
        files = ", ".join(map(str, inputs[:6])) + f" and {len(inputs) - 6} more" * (len(inputs) > 6)
        raise UserError(
            f"--action={','.join(names)}: {len(names)} names for {len(inputs)} files ({files}): it must be one for "
            f"all, or one for each"
        )
    return list(names) if len(names) > 1 else [names[0] if names else None] * len(inputs)


def _warn_of_no_action(jobs: list[_Job], predictor: Predictor) -> None:
    known = predictor.space.actions
    if known and any(job.action is None for job in jobs):
        logging.warning("without --action, which the model was trained with: it can be %s", ", ".join(known))


def _are_rows(inputs: list[Path]) -> bool:
    """Whether all inputs are rows, or none. Raises `UserError` otherwise, and where a flag does not go with rows."""
    rows = [path for path in inputs if path.suffix in SUFFIXES and not _is_motion(path)]
    if rows and len(rows) < len(inputs):
        other = next(path for path in inputs if path not in rows)
        raise UserError(f"--input={_INPUT.value}: all must be rows, as {rows[0]} is, or motion files, as {other} is")
    if rows and _INPUT_FPS.value is not None:
        raise UserError(f"--input_fps={_INPUT_FPS.value:g}: {rows[0]} holds rows, whose rate is the data set's")
    return bool(rows)


def _is_motion(path: Path) -> bool:
    """Whether an .npz or .npy holds a motion, not rows."""
    return path.suffix != ".txt" and holds_motion(path)


def _outputs(named: InputFiles) -> list[Path]:
    """One path an input; several keep their names, in the folder `--output`."""
    output = user_path(_OUTPUT.value)
    if named.several:
        check_folder(_OUTPUT.value, (*FORMATS, *SUFFIXES), "for several inputs")
    if named.several or output.is_dir() or _OUTPUT.value.endswith("/"):
        outputs = [output / _written_name(name) for name in named.files.values()]
    else:
        outputs = [output]
    if len(set(outputs)) < len(outputs):
        raise UserError(f"--input={_INPUT.value}: the files must have different names")
    return outputs


def _check_outputs(outputs: list[Path], inputs: list[Path], rows: bool) -> None:
    """Raises `UserError` where one cannot be written, is read, or is there."""
    read = [*inputs, *([user_path(_JOINT_MAP.value)] if _JOINT_MAP.value else [])]
    for path in outputs:
        check_not_read(path, read)
        if not (rows and path.suffix in SUFFIXES):
            check_written(path)
        if path.exists() and not _OVERWRITE.value:
            raise UserError(f"--output: {path} is there already; --overwrite replaces it")
        check_writable(path)


def _written_name(path: Path) -> Path:
    """The input's, or that of a BVH where motion is not written in its form."""
    writable = path.suffix in SUFFIXES or ((form := format_of(path)) and form.write)
    return path if writable else path.with_suffix(".bvh")


def _checked(path: Path, predictor: Predictor) -> np.ndarray:
    """`[S, D]` that the model can read; `UserError` names the file."""
    history = _observed(path, predictor)
    try:
        predictor.check_differences(history[None])
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix('history: ')}") from None
    return history


def _observed(path: Path, predictor: Predictor) -> np.ndarray:
    """`[S, D]`: every stride-th row, the last S of the file or those from `--start`."""
    frames = read_frames(path, predictor.space.skeleton.of_angles.columns)
    stride = predictor.experiment.data.stride
    span = (predictor.source_length - 1) * stride + 1
    begin = len(frames) - span if _START.value is None else _START.value
    if not 0 <= begin <= len(frames) - span:
        where = "" if _START.value is None else f" from --start={begin}"
        raise UserError(f"{path}: has {len(frames)} rows; the model needs {span}{where} (data.stride={stride})")
    return frames[begin : begin + span : stride]
