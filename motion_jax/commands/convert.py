"""Converts a motion file into another format, told by the suffix, or reports what it holds.

python -m launch.convert --input=walk.bvh --report
python -m launch.convert --input=01_01.amc --output=01_01.bvh --fps=25 --output_unit_mm=10
python -m launch.convert --input=capture.c3d --output=capture.npz

Lengths keep their numbers, and with them their unit, unless --output_unit_mm names another.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from motion_jax.data.formats import (
    FORMATS,
    Motion,
    check_written,
    in_unit,
    read_markers,
    read_motion,
    write_markers,
    write_motion,
)
from motion_jax.data.motion.report import describe_markers, describe_motion
from motion_jax.data.motion.resample import resample
from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable

_INPUT = flags.DEFINE_string("input", None, f"A file: {', '.join(FORMATS)}.", required=True)
_OUTPUT = flags.DEFINE_string("output", "", "The file to write; none with --report.")
_FPS = flags.DEFINE_float("fps", None, "Frames per second of the output; the input's if not given.")
_UNIT = flags.DEFINE_float("unit_mm", None, "mm to the input's unit of length, where the format does not say it.")
_OUTPUT_UNIT = flags.DEFINE_float("output_unit_mm", None, "mm to the output's unit; the input's if not given.")
_SKELETON = flags.DEFINE_string("skeleton", None, "The file of the body (.asf); looked for beside the input.")
_REPORT = flags.DEFINE_bool("report", False, "Print what the input holds.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace a file that is there.")


def main(_: list[str]) -> None:
    """Checks the paths, reads, changes rate and unit, writes."""
    source = Path(_INPUT.value)
    form = FORMATS.get(source.suffix.lower())
    _check(source, markers_only=bool(form and form.read_markers))
    if form and form.read_markers:
        markers = read_markers(source)
        if _REPORT.value:
            print(describe_markers(markers, form.name))
        if _OUTPUT.value:
            write_markers(markers, _OUTPUT.value)
            print(f"wrote {_OUTPUT.value}: {len(markers.names)} markers in {len(markers.points)} frames")
        return
    motion = read_motion(source, _UNIT.value, _SKELETON.value)
    if _REPORT.value and form:
        print(describe_motion(motion, form.name))
    if _OUTPUT.value:
        _write(motion)


def _check(source: Path, markers_only: bool) -> None:
    """Nothing is read before it is known that the result can be written."""
    if not _OUTPUT.value and not _REPORT.value:
        raise UserError("--output is missing: name the file to write, or --report")
    for name, flag in (("fps", _FPS), ("output_unit_mm", _OUTPUT_UNIT), ("unit_mm", _UNIT)):
        if flag.value is not None and (markers_only or not 0 < flag.value < float("inf")):
            allowed = "it must not be given with markers" if markers_only else "it must be a finite number above 0"
            raise UserError(f"--{name}={flag.value:g}: {allowed}")
    if not _OUTPUT.value:
        return
    output = Path(_OUTPUT.value)
    check_written(output, markers_only)
    if output.exists() and source.exists() and output.samefile(source):
        raise UserError(f"--output: {output} is the input: it must be another file")
    if output.exists() and not _OVERWRITE.value:
        raise UserError(f"--output: {output} is there already; --overwrite replaces it")
    check_writable(output)


def _write(motion: Motion) -> None:
    if _FPS.value is not None:
        motion = resample(motion, _FPS.value)
    if _OUTPUT_UNIT.value is not None:
        motion = in_unit(motion, _OUTPUT_UNIT.value)
    write_motion(motion, _OUTPUT.value)
    unit = motion.skeleton.translation_mm * motion.skeleton.true_scale
    print(f"wrote {_OUTPUT.value}: {len(motion.frames)} frames at {motion.fps:.6g} per second, unit {unit:g} mm")
