"""A first result: trains a small model, scores it beside zero-velocity, and draws what it predicts.

python -m launch.quickstart --out=quickstart
"""

from motion_jax.commands import cli, quickstart

if __name__ == "__main__":
    cli.run(quickstart.main)
