"""Scores trained runs, several seeds of them, or a baseline, in both modes, beside zero-velocity.

python -m launch.evaluate --workdir=runs/bi_enc_50 --json=report.json --markdown=report.md
python -m launch.evaluate --workdir=runs/seed0,runs/seed1,runs/seed2 --mode=free_running
python -m launch.evaluate --workdir=runs --markdown=table.md --csv=table.csv --plot=table.png    (all runs below runs)
python -m launch.evaluate --config=configs/zero_velocity.py --config.data.name=cmu --config.data.root=cmu_mocap
"""

from motion_jax.commands import cli, evaluate

if __name__ == "__main__":
    cli.run(evaluate.main)
