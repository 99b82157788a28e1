"""Trains every member of a sweep from several seeds, and prints one table: mean and deviation, the two modes apart.

motion-jax sweep --sweep=attention --workdir=runs/sweeps/attention --seeds=3
motion-jax sweep --sweep=cell --workdir=runs/sweeps/cell --config.model.hidden=256 \
    --config.data.name=h36m --config.data.root=prepared/h36m

Stopped at any moment, the same command goes on where it was: finished runs are not trained or scored again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from motion_jax.commands import cli
from motion_jax.commands.labelled import LABELLED_TASKS, Labelled
from motion_jax.commands.shipped import find_sweep
from motion_jax.errors import UserError
from motion_jax.evaluation import report, tables
from motion_jax.experiments import sweep
from motion_jax.visualize.curves import horizon_curves
from motion_jax.visualize.figures import check_drawable

_SWEEP = flags.DEFINE_string("sweep", None, "A shipped sweep, such as attention, or a file.", required=True)
_WORKDIR = cli.define_path("workdir", None, "Folder of the runs: MEMBER/seedN, and their tables.", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of a member, from train.seed upwards.", lower_bound=1)
_PLOT = cli.define_path("plot", "", "Draw error against horizon here, a panel for each mode.")
_FIELDS = "uni_enc_50"  # of it only the names and types are read
_CONFIG = cli.define_config(_FIELDS, any_model=True)


def main(_: list[str]) -> None:
    """Plans, trains, scores, writes."""
    folder = Path(_WORKDIR.value)
    members = sweep.load_sweep(str(find_sweep(_SWEEP.value)))
    runs = [run._replace(experiment=cli.absolute(run.experiment))
            for run in sweep.plan(members, _changes(), _SEEDS.value, folder)]  # fmt: skip
    if _PLOT.value:
        check_drawable(_PLOT.value)
    names = {run.experiment.model.TASK for run in runs}
    if len(names) > 1:
        raise UserError(f"--sweep={_SWEEP.value}: its members are of several tasks ({', '.join(sorted(names))})")
    (name,) = names
    task = LABELLED_TASKS.get(name)
    if task and _PLOT.value:
        raise UserError(f"--plot={_PLOT.value}: draws error against horizon, which {name} has not")
    reports, failed = sweep.run_all(runs, Labelled(task) if task else None)
    if task:
        print(f"\n{task.text(reports)}\n")
        writers = {"sweep.json": task.write_json, "sweep.csv": task.write_csv, "sweep.md": task.write_markdown}
    else:
        print(f"\nMean over actions\n\n{tables.averages_table(reports)}\n")
        writers = {"sweep.json": report.write_json, "sweep.csv": report.write_csv, "sweep.md": tables.write_markdown}
    for file, write in writers.items():
        write(reports, folder / file)
        print(f"wrote {folder / file}")
    if _PLOT.value:
        horizon_curves(reports, _PLOT.value)
        print(f"wrote {_PLOT.value}")
    if failed:
        raise UserError(f"the table is without {len(failed)} of {len(runs)} runs: {', '.join(map(str, failed))}")


def _changes() -> dict[str, Any]:
    """What `--config.a.b=value` gave, as dotted field -> value."""
    flag = flags.FLAGS[_CONFIG.name]
    if (name := config_flags.get_config_filename(flag)) != _FIELDS:
        raise UserError(f"--config={name}: a sweep's file holds its base; --config.a.b=value changes a field of it")
    return config_flags.get_override_values(flag)
