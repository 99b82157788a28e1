"""Labels recordings: what is being done in them, over sliding windows.

motion-jax recognise --workdir=runs/hbrnn --input=walk.bvh
motion-jax recognise --workdir=runs/hbrnn --input=recordings --csv=found.csv --json=found.json
motion-jax recognise --workdir=runs/hbrnn --input='recordings/*.bvh' --seconds=2 --hop=0.5 --retarget

Motion files (.bvh .amc .htr .bva, and .npz that convert wrote) may have any rate. A network that was trained on MSR
Action3D, NTU, SBU or feature arrays also reads files that are called like those of its data set, and one that takes
joint positions .npz and .npy of them. Without --seconds a file is read whole up to the longest that training read whole
(labels.window; where that is 0 up to the median segment), and a longer one in windows of that. Of several files, one
that cannot be used is named and passed over, and the exit status is then 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from absl import flags

from motion_jax.commands import cli
from motion_jax.commands.outputs import check_outputs
from motion_jax.data.datasets import find_dataset
from motion_jax.data.formats import FORMATS
from motion_jax.data.input_files import find_inputs
from motion_jax.data.labelled.one_file import is_one, suffixes
from motion_jax.data.labelled.segments import table_files
from motion_jax.data.motion.rates import check_rate
from motion_jax.errors import UserError
from motion_jax.inference.recogniser import Label, Recogniser, load_recogniser
from motion_jax.inference.recordings import read_sequence
from motion_jax.runtime.files import write_text
from motion_jax.runtime.names import csv_text, in_line

_WORKDIR = cli.define_path("workdir", None, "Folder of the run.", required=True)
_INPUT = cli.define_paths(
    "input", None, "A file, a folder or a pattern, or several, separated by commas.", required=True
)
_JSON = cli.define_path("json", "", "Write the labels here, with the probability of every class.")
_CSV = cli.define_path("csv", "", "Write one line a window here.")
_SECONDS = flags.DEFINE_float("seconds", None, "s of a window; none: labels.window of training, or a median segment.")
_HOP = flags.DEFINE_float("hop", None, "s between the beginnings of two windows; none: half a window.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the motion files, where they do not say them.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_RETARGET = flags.DEFINE_bool("retarget", False, "Put other bodies on the model's by the names of their joints.")
_STRICT = flags.DEFINE_bool("strict", False, "Of several files, stop at the first that cannot be used.")

COLUMNS = ("file", "start_s", "end_s", "label", "probability")
READABLE = tuple(suffix for suffix, form in FORMATS.items() if form.read)


def main(_: list[str]) -> None:
    """Checks the paths, loads, labels each file, writes."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    outputs = {flag.name: flag.value for flag in (_JSON, _CSV)}
    check_outputs(outputs)
    recogniser = load_recogniser(_WORKDIR.value, _CHECKPOINT.value)
    size = recogniser.window(_SECONDS.value, "--seconds")  # refused before anything is read
    recogniser.hop(size, _HOP.value, "--hop")
    name = recogniser.experiment.data.name
    inputs = find_inputs(_INPUT.value, tuple(dict.fromkeys((*suffixes(name), *READABLE))))
    check_outputs(outputs, [*inputs.files, *table_files(recogniser.experiment.labels.table)])
    _check_read(recogniser, inputs.files)
    found: dict[Path, list[Label]] = {}
    failed = 0
    for path in inputs.files:
        try:
            sequence = read_sequence(path, recogniser, _INPUT_FPS.value, _RETARGET.value)
            found[path] = recogniser.label_sequence(sequence, _SECONDS.value, _HOP.value)
        except UserError as error:
            if _STRICT.value or not inputs.several:
                raise
            failed += 1
            cli.print_error(error)
            continue
        for label in found[path]:
            span = f"{label.start_s:8.2f} {label.end_s:8.2f} s"
            print(in_line(f"{path}  {span}  {label.label}  {label.probability:.3f}"), flush=True)
    if _CSV.value:
        write_text(_CSV.value, _csv(found))
        print(f"wrote {in_line(_CSV.value)}")
    if _JSON.value:
        write_text(_JSON.value, _json(found, recogniser))
        print(f"wrote {in_line(_JSON.value)}")
    if failed:
        raise UserError(f"--input={_INPUT.value}: {failed} of {len(inputs.files)} files failed, named above")


def _check_read(recogniser: Recogniser, files: Iterable[Path]) -> None:
    """Raises `UserError` where a flag is given that is read of none of the files."""
    name = recogniser.experiment.data.name
    given = [f"--input_fps={_INPUT_FPS.value:g}"] if _INPUT_FPS.value is not None else []
    given += ["--retarget"] if _RETARGET.value else []
    if given and all(is_one(name, path) for path in files):
        raise UserError(f"{given[0]}: nothing reads it: all files are called like files of {find_dataset(name).title}")


def _csv(found: Mapping[Path, list[Label]]) -> str:
    rows: list[tuple[str, ...]] = [COLUMNS]
    for path, labels in found.items():
        for one in labels:
            times = f"{one.start_s:.6g}", f"{one.end_s:.6g}"
            rows.append((str(path), *times, one.label, f"{one.probability:.6g}"))
    return csv_text(rows)


def _json(found: Mapping[Path, list[Label]], recogniser: Recogniser) -> str:
    files = [
        {
            "file": str(path),
            "windows": [
                {
                    "start_s": one.start_s,
                    "end_s": one.end_s,
                    "label": one.label,
                    "probability": one.probability,
                    "probabilities": one.probabilities.tolist(),
                }
                for one in labels
            ],
        }
        for path, labels in found.items()
    ]
    record = {
        "task": "recognition",
        "model": recogniser.experiment.name,
        "step": recogniser.step,
        "classes": list(recogniser.space.classes),
        "files": files,
    }
    return json.dumps(record, indent=1) + "\n"
