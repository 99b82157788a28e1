"""Trains every member of a sweep from several seeds, and prints one table: mean and deviation, the two modes apart.

motion-jax sweep --sweep=attention --workdir=runs/sweeps/attention --seeds=3
motion-jax sweep --sweep=cell --workdir=runs/sweeps/cell --config.model.hidden=256 \
    --config.data.name=h36m --config.data.root=prepared/h36m

motion-jax sweep --sweep=cell --workdir=runs/sweeps/cell --shard=1/4     (one of four workers on one folder)
motion-jax sweep --sweep=cell --workdir=runs/sweeps/cell --seeds=8 --together=8     (eight runs as one program)

Stopped at any moment, the same command goes on where it was: finished runs are not trained or scored again. Workers
that share a folder take the runs that are neither done nor another's, and the one that finds all done writes the table.
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
from motion_jax.runtime.names import in_line
from motion_jax.visualize.curves import horizon_curves
from motion_jax.visualize.figures import check_drawable

_SWEEP = cli.define_paths("sweep", None, "A shipped sweep, such as attention, or a file.", required=True)
_WORKDIR = cli.define_path("workdir", None, "Folder of the runs: MEMBER/seedN, and their tables.", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of a member, from train.seed upwards.", lower_bound=1)
_SHARD = flags.DEFINE_string("shard", None, "i/n: this is worker i of n, from 1, that share the runs.")
_TOGETHER = flags.DEFINE_integer("together", 1, "How many runs one program trains at once.", lower_bound=1)
_PLOT = cli.define_path("plot", "", "Draw error against horizon here, a panel for each mode.")
_FIELDS = "uni_enc_50"  # of it only the names and types are read
_CONFIG = cli.define_config(_FIELDS, any_model=True)


def main(_: list[str]) -> None:
    """Plans, trains, scores, writes."""
    folder = Path(_WORKDIR.value)
    shard = sweep.parse_shard(_SHARD.value) if _SHARD.value is not None else None
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
    reports, failed, elsewhere = sweep.run_all(runs, Labelled(task) if task else None, shard, _TOGETHER.value)
    if elsewhere:
        others = f"{len(elsewhere)} of {len(runs)} runs are with others, the last of which writes the table"
        print(f"nothing is left to this worker: {others}: {', '.join(map(in_line, elsewhere))}")
        if failed:
            raise UserError(f"of this worker's runs, {len(failed)} failed: {', '.join(map(in_line, failed))}")
        return
    if task:
        print(f"\n{task.text(reports)}\n")
        writers = {"sweep.json": task.write_json, "sweep.csv": task.write_csv, "sweep.md": task.write_markdown}
    else:
        print(f"\nMean over actions\n\n{tables.averages_table(reports)}\n")
        writers = {"sweep.json": report.write_json, "sweep.csv": report.write_csv, "sweep.md": tables.write_markdown}
    for file, write in writers.items():
        write(reports, folder / file)
        print(f"wrote {in_line(folder / file)}")
    if _PLOT.value:
        horizon_curves(reports, _PLOT.value)
        print(f"wrote {in_line(_PLOT.value)}")
    if failed:
        raise UserError(f"the table is without {len(failed)} of {len(runs)} runs: {', '.join(map(in_line, failed))}")


def _changes() -> dict[str, Any]:
    """What `--config.a.b=value` gave, as dotted field -> value."""
    flag = flags.FLAGS[_CONFIG.name]
    if (name := config_flags.get_config_filename(flag)) != _FIELDS:
        raise UserError(f"--config={name}: a sweep's file holds its base; --config.a.b=value changes a field of it")
    return config_flags.get_override_values(flag)
