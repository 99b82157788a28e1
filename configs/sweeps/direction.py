r"""The encoder's direction: Uni-Enc-50 against Bi-Enc-50, which the thesis's tables compare from one run each.

    motion-jax sweep --sweep=configs/sweeps/direction.py --workdir=runs/sweeps/direction --seeds=3 \
        --config.data.name=h36m --config.data.root=DIR

Table 6's values: at full size a matter of days without a GPU, so begin with --config.model.hidden=256
--config.train.steps=10000. The thesis prints both within .02 of each other on average, in one-step errors.
"""

from motion_jax.config import DataConfig, Experiment, TrainConfig
from motion_jax.experiments.sweep import Sweep


def get_sweep() -> Sweep:
    base = Experiment(data=DataConfig(validation="none"), train=TrainConfig(teacher_forcing=0.5))
    return Sweep(base, {"uni": {"model.bidirectional": False}, "bi": {"model.bidirectional": True}})
