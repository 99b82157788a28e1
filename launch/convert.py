"""Converts a motion file into another format, told by the suffix, or reports what it holds.

python -m launch.convert --input=walk.bvh --report
python -m launch.convert --input=01_01.amc --output=01_01.bvh --fps=25 --output_unit_mm=10
python -m launch.convert --input=capture.c3d --output=capture.npz

Lengths keep their numbers, and with them their unit, unless --output_unit_mm names another.
"""

from motion_jax.commands import cli, convert

if __name__ == "__main__":
    cli.run(convert.main)
