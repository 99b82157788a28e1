"""Reads motion files, audits them, and writes a data set that every other command opens at once.

python -m launch.prepare --dataset=h36m --source=h3.6m/dataset --out=prepared/h36m
python -m launch.prepare --dataset=cmu --source=cmu_mocap --audit_only
python -m launch.prepare --dataset=synthetic --out=made --text     (files in the layout of Human3.6M)
python -m launch.prepare --dataset=folder --source=recordings --out=prepared/own --pattern={subject}/{action}_{trial}
python -m launch.prepare --dataset=folder --source=subjects --out=prepared/cmu_all     (CMU's tree of .asf and .amc)
"""

from motion_jax.commands import cli, prepare

if __name__ == "__main__":
    cli.run(prepare.main)
