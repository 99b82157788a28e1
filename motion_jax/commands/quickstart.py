"""A first result: trains a small model, scores it beside the baselines, and draws what it predicts.

motion-jax quickstart --out=quickstart
"""

from __future__ import annotations

from pathlib import Path

from motion_jax.commands import cli
from motion_jax.data.cache import describe_source, open_dataset
from motion_jax.evaluation import report, tables
from motion_jax.evaluation.evaluate import select
from motion_jax.evaluation.report import Report
from motion_jax.evaluation.tables import averages_table
from motion_jax.experiments.compare import compare, zero_velocity
from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.runtime.files import check_writable
from motion_jax.runtime.names import in_line
from motion_jax.train.forecasting import fit
from motion_jax.types import Dataset
from motion_jax.visualize.curves import action_curves, error_curves, training_curves
from motion_jax.visualize.figures import check_drawable
from motion_jax.visualize.strip import motion_strip

_CONFIG = cli.define_config("quickstart")
_OUT = cli.define_path("out", "quickstart", "Folder of the run, its tables and pictures; a run there is resumed.")

NEXT = """Next, on recordings of your own (BVH, Acclaim or HTR files, such as recordings/WHO/WHAT_1.bvh):
  motion-jax prepare   --dataset=folder --source=recordings --out=prepared/own
  motion-jax train     --config=quickstart --workdir=runs/own \\
                       --config.data.name=folder --config.data.root=prepared/own
  motion-jax evaluate  --workdir=runs/own --markdown=own.md
  motion-jax predict   --workdir=runs/own --input=walk.bvh --output=walk_future.bvh --action=walking
  motion-jax visualize --workdir=runs/own --output=own.html"""


def main(_: list[str]) -> None:
    """Trains, scores, writes, draws."""
    experiment, out = cli.experiment(_CONFIG), Path(_OUT.value).absolute()
    check_writable(out / "report.json")
    check_drawable(out / "prediction.png")
    print(f"opening {in_line(describe_source(experiment.data))}", flush=True)
    dataset = open_dataset(experiment.data)
    print(f"training {experiment.name} on {len(dataset.clips)} clips of {dataset.name} motion", flush=True)
    fit(experiment, dataset, out / "run")
    predictor = load_predictor(out / "run")
    reports = compare([predictor], dataset)
    metric = reports[0].metric
    print(f"\nErrors, mean over actions\n\n{averages_table([r for r in reports if r.metric == metric])}\n")
    _write(reports, predictor, dataset, out)
    print(f"\n{NEXT}")


def _write(reports: list[Report], predictor: Predictor, dataset: Dataset, out: Path) -> None:
    """The reports as tables, the pictures, and a line for each file."""
    first = [r for r in reports if r.row[1:] == reports[0].row[1:]]  # of one mode, protocol and metric
    files = {
        "report.json": lambda path: report.write_json(reports, path),
        "report.csv": lambda path: report.write_csv(reports, path),
        "report.md": lambda path: tables.write_markdown(reports, path),
        "error_curves.png": lambda path: error_curves(reports, path),
        "error_by_action.png": lambda path: action_curves(first, path),
        "training_curves.png": lambda path: training_curves([out / "run"], path),
        "prediction.png": lambda path: _draw_prediction(predictor, dataset, path),
    }
    for name, write in files.items():
        write(out / name)
        print(f"wrote {in_line(out / name)}")


def _draw_prediction(predictor: Predictor, dataset: Dataset, path: Path) -> None:
    """The first test window of the first action."""
    protocol = predictor.experiment.eval.protocol_names[0]
    windows = select(protocol, dataset, predictor.space, predictor.experiment)
    action, history, truth = next(iter(windows.actions)), windows.history[0], windows.future[0]
    predictions = {run.experiment.name: run(history, action) for run in (predictor, zero_velocity(predictor))}
    title = f"{action}, {dataset.name} motion: free-running prediction"
    motion_strip(dataset.skeleton, history, truth, predictions, path, predictor.space.fps, title=title)
