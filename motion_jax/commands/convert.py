"""Converts motion files into another format, told by the suffix, or reports what they hold.

motion-jax convert --input=walk.bvh --report
motion-jax convert --input=01_01.amc --output=01_01.bvh --fps=25 --output_unit_mm=10
motion-jax convert --input=sixty.amc --input_fps=60 --output=sixty.bvh
motion-jax convert --input=capture.c3d --output=capture.npz
motion-jax convert --input=amass.npz --output=amass.bvh --output_unit_mm=10
motion-jax convert --input=walk.bvh --body=body22 --output=walk.smpl.npz     (any humanoid rig as SMPL parameters)
motion-jax convert --input=two_people.npz --person=2 --output=second.npz
motion-jax convert --input=recordings,'more/*.amc' --output=converted --format=.bvh

Lengths keep their numbers, and with them their unit, unless --output_unit_mm names another. Several files, a folder
(with all below it) or a pattern are written into the folder --output; a file that cannot be read or written is named
and passed over, and the exit status is then 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from absl import flags

from motion_jax.commands import cli
from motion_jax.commands.outputs import check_not_read
from motion_jax.data.formats import (
    FORMATS,
    Format,
    Markers,
    Motion,
    check_written,
    format_of,
    holds_markers,
    in_unit,
    read_markers,
    read_motion,
    write_markers,
    write_motion,
)
from motion_jax.data.input_files import check_folder, find_inputs
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.rates import check_rate, nominal_rate
from motion_jax.data.motion.report import describe_markers, describe_motion
from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.rig import find_rig, to_canonical
from motion_jax.data.motion.units import check_unit
from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, user_path
from motion_jax.runtime.names import in_line
from motion_jax.skeletons.joint_map import map_joints

_INPUT = cli.define_paths(
    "input",
    None,
    f"A file ({', '.join(FORMATS)}), a folder or a pattern, or several, separated by commas.",
    required=True,
)
_OUTPUT = cli.define_paths("output", "", "The file to write, or the folder for several; none with --report.")
_FORMAT = flags.DEFINE_string("format", "", "Suffix of what is written into a folder; the inputs' own if not given.")
_FPS = flags.DEFINE_float("fps", None, "Frames per second of the output; the input's if not given.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the input, where its file does not say them.")
_UNIT = flags.DEFINE_float("unit_mm", None, "mm to the input's unit of length, where the format does not say it.")
_OUTPUT_UNIT = flags.DEFINE_float("output_unit_mm", None, "mm to the output's unit; the input's if not given.")
_SKELETON = cli.define_paths("skeleton", None, "The file of the body (.asf); looked for beside the input.")
_PERSON = flags.DEFINE_integer("person", None, "Which of several people in a file, from 1.", lower_bound=1)
_BODY = flags.DEFINE_enum("body", None, ("body22",), "Put a humanoid rig on the canonical body (docs/bodies.md).")
_JOINT_MAP = cli.define_paths("joint_map", None, "CSV of joints' names for --body.")
_REPORT = flags.DEFINE_bool("report", False, "Print what the input holds.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace files that are there.")
_STRICT = flags.DEFINE_bool("strict", False, "Of several files, stop at the first that cannot be converted.")

_USUAL = ".bvh"  # written into a folder where the input's own format is not written


class _Job(NamedTuple):
    """One input, and what is written of it."""

    source: Path
    output: Path | None


def main(_: list[str]) -> None:
    """Checks flags and paths, then reads and writes file by file."""
    _check_flags()
    readable = [suffix for suffix, form in FORMATS.items() if form.read or form.read_markers]
    files, several = find_inputs(_INPUT.value, readable)
    sources = list(files.items())
    jobs, into_folder = _jobs(sources, several)
    if not several:
        _check(jobs[0])
    _check_outputs(jobs, into_folder)
    skeleton = user_path(_SKELETON.value) if _SKELETON.value else None
    if not several:
        _convert(jobs[0], skeleton)
        return
    failed = 0
    for job in jobs:
        try:
            _check(job)
            form = _form(job.source)
            _convert(job, skeleton if form and form.separate_skeleton else None)
        except UserError as error:
            if _STRICT.value:
                raise
            failed += 1
            cli.print_error(error)
    if failed:
        raise UserError(f"--input={_INPUT.value}: {failed} of {len(jobs)} files failed, named above")


def _check_flags() -> None:
    if not _OUTPUT.value and not _REPORT.value:
        raise UserError("--output is missing: name the file to write, or --report")
    check_rate(_FPS.value, "--fps")
    check_unit(_OUTPUT_UNIT.value, "--output_unit_mm")
    check_unit(_UNIT.value, "--unit_mm")
    if _JOINT_MAP.value and not _BODY.value:
        raise UserError(f"--joint_map={_JOINT_MAP.value}: nothing reads it without --body=body22")
    check_rate(_INPUT_FPS.value, "--input_fps")
    if _FORMAT.value:
        written = [suffix for suffix, form in FORMATS.items() if form.write or form.write_markers]
        if _suffix() not in written:
            raise UserError(f"--format={_FORMAT.value}: it must be one of {', '.join(written)}")


def _suffix() -> str:
    """--format, with or without its point."""
    return "." + _FORMAT.value.lower().removeprefix(".") if _FORMAT.value else ""


def _jobs(sources: list[tuple[Path, Path]], several: bool) -> tuple[list[_Job], bool]:
    """What is written where, and whether --output is a folder."""
    if not _OUTPUT.value:
        return [_Job(source, None) for source, _ in sources], False
    output = user_path(_OUTPUT.value)
    if not (several or _FORMAT.value or output.is_dir() or _OUTPUT.value.endswith("/")):
        return [_Job(sources[0][0], output)], False
    return [_Job(source, output / name.with_suffix(_written_suffix(source))) for source, name in sources], True


def _check_outputs(jobs: list[_Job], into_folder: bool) -> None:
    """Nothing is read before it is known that the results can be written, and that they replace nothing."""
    if into_folder:
        check_folder(_OUTPUT.value, FORMATS, "for several inputs, or with --format")
    taken: dict[Path, Path] = {}
    inputs = [job.source for job in jobs] + [user_path(flag.value) for flag in (_SKELETON, _JOINT_MAP) if flag.value]
    for source, output in jobs:
        if output is None:
            continue
        if output in taken:
            raise UserError(f"--output: {output} would be written twice, of {taken[output]} and of {source}")
        taken[output] = source
        check_not_read(output, inputs)
        if output.exists() and not _OVERWRITE.value:
            raise UserError(f"--output: {output} is there already; --overwrite replaces it")
        check_writable(output)


def _written_suffix(source: Path) -> str:
    """--format, or the input's own where that can be written."""
    form = _form(source)
    if _FORMAT.value:
        return _suffix()
    if form is None or form.write or form.write_markers:
        return source.suffix
    return ".npz" if holds_markers(source) else _USUAL


def _form(source: Path) -> Format | None:
    return format_of(source)


def _check(job: _Job) -> None:
    """Raises `UserError` where an input cannot become its output."""
    markers = holds_markers(job.source)
    for name, flag in (("fps", _FPS), ("output_unit_mm", _OUTPUT_UNIT)):
        if markers and flag.value is not None:
            raise UserError(f"{job.source}: --{name}={flag.value:g}: it must not be given with markers")
    if job.output is not None:
        check_written(job.output, markers)
        written = _form(job.output)
        if written and written.own_unit and _OUTPUT_UNIT.value is not None:
            raise UserError(
                f"{job.output}: --output_unit_mm={_OUTPUT_UNIT.value:g}: it must not be given, as lengths in "
                f"{written.name} have the unit that belongs to its body"
            )


def _convert(job: _Job, skeleton: Path | None) -> None:
    form = _form(job.source)
    if form and holds_markers(job.source):
        markers = read_markers(job.source, _UNIT.value, _INPUT_FPS.value, _PERSON.value)
        if _REPORT.value:
            print(describe_markers(markers, form.name), flush=True)
        if job.output:
            _write_markers(markers, job.output)
        return
    motion = read_motion(job.source, _UNIT.value, skeleton, _INPUT_FPS.value, _PERSON.value)
    if _REPORT.value and form:
        print(describe_motion(motion, form.name), flush=True)
    if _BODY.value:
        merged = fit_root(motion)
        table = user_path(_JOINT_MAP.value) if _JOINT_MAP.value else None
        motion = to_canonical(find_rig(merged, map_joints(merged.skeleton, table)), merged)
        print(in_line(f"{job.source}: {'; '.join(motion.notes)}"), flush=True)
    if job.output:
        _write_motion(motion, job.output)


def _write_markers(markers: Markers, output: Path) -> None:
    write_markers(markers, output)
    print(f"wrote {in_line(output)}: {len(markers.names)} markers in {len(markers.points)} frames", flush=True)


def _write_motion(motion: Motion, output: Path) -> None:
    if _FPS.value is not None:
        motion = resample(motion, _FPS.value)
    if _OUTPUT_UNIT.value is not None:
        motion = in_unit(motion, _OUTPUT_UNIT.value)
    write_motion(motion, output)
    rate, form = nominal_rate(motion.fps), _form(output)
    unit = f"{motion.skeleton.translation_mm * motion.skeleton.true_scale:g} mm"
    unit = "that of its body" if form and form.own_unit else unit
    print(f"wrote {in_line(output)}: {len(motion.frames)} frames at {rate:.6g} per second, unit {unit}", flush=True)
