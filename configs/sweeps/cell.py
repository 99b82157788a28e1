r"""Which cell: both forms of the GRU, the LSTM, the plain one. The thesis's future work asks for LSTM against GRU.

    motion-jax sweep --sweep=configs/sweeps/cell.py --workdir=runs/sweeps/cell --seeds=3 \
        --config.data.name=h36m --config.data.root=DIR

The base is Uni-Enc-50 with Table 6's values: at full size a matter of days without a GPU, so begin with
--config.model.hidden=256 --config.train.steps=10000. Nothing of the kind is published.
"""

from motion_jax.config import DataConfig, Experiment, TrainConfig
from motion_jax.experiments.sweep import Sweep
from motion_jax.nn.cells import CELLS


def get_sweep() -> Sweep:
    base = Experiment(data=DataConfig(validation="none"), train=TrainConfig(teacher_forcing=0.5))
    return Sweep(base, {cell: {"model.cell": cell} for cell in CELLS})
