r"""Trains every member of a sweep from several seeds, and prints one table: mean and deviation, the two modes apart.

python -m launch.sweep --sweep=configs/sweeps/attention.py --workdir=runs/sweeps/attention --seeds=3
python -m launch.sweep --sweep=configs/sweeps/cell.py --workdir=runs/sweeps/cell --config.model.hidden=256 \
    --config.data.name=h36m --config.data.root=prepared/h36m

Stopped at any moment, the same command goes on where it was: finished runs are not trained or scored again.
"""

from motion_jax.commands import cli, sweep

if __name__ == "__main__":
    cli.run(sweep.main)
