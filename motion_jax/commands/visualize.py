"""Shows what models predict: one HTML page that opens from disk, pictures, animations, and curves for a paper.

motion-jax visualize --workdir=runs/bi_enc_50,runs/uni_enc_50 --output=page.html
motion-jax visualize --workdir=runs/bi_enc_50 --action=walking --window=3 --png=strip.png --gif=walking.gif
motion-jax visualize --workdir=runs --attention=attention.pdf --curves=errors.pdf --training=training.pdf
motion-jax visualize --workdir=runs/hbrnn --output=labels.html     (true and predicted labels of test recordings)

Zero-velocity is always among the models. The page shows --windows of each action, pictures and animations the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from absl import flags

from motion_jax.commands import cli
from motion_jax.commands.outputs import check_outputs
from motion_jax.data.cache import open_dataset
from motion_jax.data.labelled.open import open_labelled
from motion_jax.errors import UserError
from motion_jax.experiments.compare import compare
from motion_jax.experiments.runs import find_runs, is_run, open_runs
from motion_jax.inference.load import Trained, load_run, task_of
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.recogniser import Recogniser
from motion_jax.runtime.names import in_line
from motion_jax.types import Dataset
from motion_jax.visualize.animation import check_animation, write_animation
from motion_jax.visualize.attention import attention_map, check_attention
from motion_jax.visualize.comparison import Comparison, make_comparison
from motion_jax.visualize.curves import action_curves, training_curves
from motion_jax.visualize.figures import check_drawable
from motion_jax.visualize.label_page import Band, anticipator_band, make_label_page, recogniser_band
from motion_jax.visualize.page import write_html, write_page
from motion_jax.visualize.strip import scene_strip

_WORKDIR = cli.define_paths("workdir", None, "Runs, or folders of runs, separated by commas.", required=True)
_OUTPUT = cli.define_path("output", "", "Write the page here (.html).")
_ACTION = flags.DEFINE_list("action", [], "Actions to show, separated by commas; none: all.")
_WINDOW = flags.DEFINE_integer("window", 0, "Number of the first test window of an action, from 0.", lower_bound=0)
_WINDOWS = flags.DEFINE_integer("windows", 4, "How many windows of each action the page shows.", lower_bound=1)
_PNG = cli.define_path("png", "", "Draw a strip of poses here (.png, .pdf, .svg).")
_GIF = cli.define_path("gif", "", "Write an animation here (.gif).")
_MP4 = cli.define_path("mp4", "", "Write an animation here (.mp4); needs ffmpeg.")
_CURVES = cli.define_path("curves", "", "Draw the free-running error of each action here (.png, .pdf, .svg).")
_TRAINING = cli.define_path("training", "", "Draw what the runs measured while they trained here.")
_ATTENTION = cli.define_path("attention", "", "Draw the attention's weights here (.png, .pdf, .svg).")
_ROOT = cli.define_path("root", "", "Folder of the data, if it has moved since training.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of a run.")

LABELLED = 4  # recordings of a labelled set that its page shows, to a --windows
SCENES = (_OUTPUT, _PNG, _GIF, _MP4, _ATTENTION)  # what needs predictions


def main(_: list[str]) -> None:
    """Checks the outputs, predicts, writes."""
    paths = {flag.name: Path(flag.value) for flag in (*SCENES, _CURVES, _TRAINING) if flag.value}
    _check_outputs(paths)
    folders = cli.split_paths(_WORKDIR.value)
    if "training" in paths:
        training_curves([run for folder in folders for run in find_runs(folder)], paths["training"])
        print(f"wrote {in_line(paths['training'])}")
    if not paths.keys() - {"training"}:
        return
    if any(task_of(folder) != "forecasting" for folder in folders if is_run(folder)):
        _write_labels(folders, paths)
        return
    runs = open_runs(folders, _CHECKPOINT.value)
    if "attention" in paths:
        check_attention(runs)
    dataset = _open(runs)
    if "curves" in paths:
        _draw_curves(runs, dataset, paths["curves"])
    if any(flag.name in paths for flag in SCENES):
        count = _WINDOWS.value if "output" in paths else 1
        _write(make_comparison(runs, dataset, _ACTION.value, _WINDOW.value, count), paths)


def _check_outputs(paths: Mapping[str, Path]) -> None:
    if not paths:
        raise UserError("nothing to write: give --output=page.html, or a picture or animation (see --help)")
    check_outputs(paths)
    for name, path in paths.items():
        if name == "output":
            if path.suffix.lower() not in (".html", ".htm"):
                raise UserError(f"--output={path}: a page's suffix must be .html")
        elif name in ("gif", "mp4"):
            check_animation(path, f".{name}")
        else:
            check_drawable(path)


def _write_labels(folders: list[Path], paths: Mapping[str, Path]) -> None:
    """The page of labels; runs on labelled data have no other picture than that and their training's curves."""
    if other := [name for name in paths if name not in ("output", "training")]:
        raise UserError(
            f"--{other[0]}={paths[other[0]]}: shows predictions; runs on labelled data have --output and --training"
        )
    runs = [load_run(folder, _CHECKPOINT.value) for folder in folders]
    bands = [_band(run) for run in runs]
    data = runs[0].experiment.data
    data = dataclasses.replace(data, root=_ROOT.value) if _ROOT.value else data
    if len(names := {run.experiment.data.name for run in runs}) > 1:
        raise UserError(f"--workdir: runs that are shown together need one data set, not {', '.join(sorted(names))}")
    dataset = open_labelled(data, runs[0].experiment.labels)
    for run, folder in zip(runs, folders, strict=True):  # a band's labels are numbers of the set's classes
        if not isinstance(run, Predictor) and run.space.classes != dataset.classes:
            raise UserError(
                f"--workdir={folder}: its classes are {', '.join(run.space.classes)}; those of {dataset.name!r} here "
                f"are {', '.join(dataset.classes)}: show it alone"
            )
    wanted = _ACTION.value
    if unknown := [name for name in wanted if name not in dataset.classes]:
        raise UserError(f"--action={unknown[0]}: no class of {dataset.name!r}; there are {', '.join(dataset.classes)}")
    shown = [recording for recording in dataset.split("test")
             if not wanted or {dataset.classes[s.label] for s in recording.segments} & set(wanted)]  # fmt: skip
    some = shown[: LABELLED * _WINDOWS.value]
    size = write_html(make_label_page(dataset, some, bands), paths["output"])
    print(f"wrote {in_line(paths['output'])}: {len(some)} of {len(shown)} test recordings, {size / 1e6:.2f} MB")


def _band(run: Trained) -> Band:
    if isinstance(run, Predictor):
        raise UserError(f"--workdir={run.workdir}: a run of forecasting, beside others on labelled data: show it alone")
    return recogniser_band(run) if isinstance(run, Recogniser) else anticipator_band(run)


def _open(runs: list[Predictor]) -> Dataset:
    """The data set of all runs."""
    if len(names := {run.experiment.data.name for run in runs}) > 1:
        raise UserError(f"--workdir: runs that are shown together need one data set, not {', '.join(sorted(names))}")
    data = runs[0].experiment.data
    return open_dataset(dataclasses.replace(data, root=_ROOT.value) if _ROOT.value else data)


def _draw_curves(runs: list[Predictor], dataset: Dataset, path: Path) -> None:
    reports = compare(runs, dataset, modes=("free_running",))
    action_curves([report for report in reports if report.row[1:] == reports[0].row[1:]], path)
    print(f"wrote {in_line(path)}")


def _write(comparison: Comparison, paths: Mapping[str, Path]) -> None:
    """Writes what was asked for, and a line for each file."""
    writers: dict[str, Callable[[Comparison, Path], object]] = {
        "png": scene_strip,
        "attention": attention_map,
        "gif": write_animation,
        "mp4": write_animation,
    }
    for name, write in writers.items():
        if name in paths:
            write(comparison, paths[name])
            print(f"wrote {in_line(paths[name])}")
    if "output" in paths:
        size = write_page(comparison, paths["output"])
        windows = len(comparison.scenes)
        shown = f"{windows} window{'s' * (windows > 1)}, {len(comparison.models)} models, {size / 1e6:.2f} MB"
        print(f"wrote {in_line(paths['output'])}: {shown}")
