r"""Which attention: every kind, and none. The thesis leaves the comparison to future work.

    motion-jax sweep --sweep=configs/sweeps/attention.py --workdir=runs/sweeps/attention --seeds=3 \
        --config.data.name=h36m --config.data.root=DIR

The base is Uni-Enc-50 with Table 6's values, nine members: at full size a matter of days without a GPU, so begin with
--config.model.hidden=256 --config.train.steps=10000. Nothing of the kind is published.
"""

from motion_jax.config import DataConfig, Experiment, TrainConfig
from motion_jax.experiments.sweep import Sweep
from motion_jax.nn.attention import ATTENTIONS


def get_sweep() -> Sweep:
    base = Experiment(data=DataConfig(validation="none"), train=TrainConfig(teacher_forcing=0.5))
    return Sweep(base, {kind: {"model.attention": kind} for kind in ("none", *ATTENTIONS)})
