r"""Residual connections, with and without, in both directions. Table 7 has them; the thesis's discussion says that they
made its results worse.

    motion-jax sweep --sweep=configs/sweeps/residual.py --workdir=runs/sweeps/residual --seeds=3 \
        --config.data.name=h36m --config.data.root=DIR

The base is Uni-Enc-50 with Table 6's values: at full size a matter of days without a GPU, so begin with
--config.model.hidden=256 --config.train.steps=10000. Early in the training the residual rows are far ahead in
free-running, for they begin near zero-velocity.
"""

from motion_jax.config import DataConfig, Experiment, TrainConfig
from motion_jax.experiments.sweep import Sweep


def get_sweep() -> Sweep:
    base = Experiment(data=DataConfig(validation="none"), train=TrainConfig(teacher_forcing=0.5))
    directions, outputs = {"uni": False, "bi": True}, {"residual": True, "plain": False}
    return Sweep(base, {f"{direction}_{output}": {"model.bidirectional": both, "model.residual": adds}
                        for direction, both in directions.items() for output, adds in outputs.items()})  # fmt: skip
