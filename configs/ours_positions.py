r"""Our own forecaster, on joint positions: configs/ours.py, which reads and predicts positions in place of angles.

    motion-jax train --config=configs/ours_positions.py --workdir=runs/ours_positions \
        --config.data.name=h36m --config.data.root=DIR

It learns mean joint distances and is scored in them; Euler errors do not apply. docs/benchmarks/forecasting.md has
what it reaches.
"""

import runpy
from pathlib import Path

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = runpy.run_path(str(Path(__file__).with_name("ours.py")))["get_config"]()
    config.name = "Ours (positions)"
    config.data.representation = "positions"
    config.train.loss = "joints_velocity"
    return config
