r"""How often the decoder reads the truth: teacher forcing 0, 25, 50, 75 and 100%. The thesis has 0, 50 and 100%.

    motion-jax sweep --sweep=configs/sweeps/forcing.py --workdir=runs/sweeps/forcing --seeds=3 \
        --config.data.name=h36m --config.data.root=DIR

The base is unidirectional with Table 6's values: at full size a matter of days without a GPU, so begin with
--config.model.hidden=256 --config.train.steps=10000. More forcing is expected to help in one-step, less in
free-running.
"""

from motion_jax.config import DataConfig, Experiment
from motion_jax.experiments.sweep import Sweep


def get_sweep() -> Sweep:
    base = Experiment(data=DataConfig(validation="none"))
    percents = (0, 25, 50, 75, 100)
    return Sweep(base, {f"forcing_{percent}": {"train.teacher_forcing": percent / 100} for percent in percents})
