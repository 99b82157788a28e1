r"""Res. sup. (Martinez et al. 2017; rows of the thesis's Tables 8-15): one residual GRU that reads and writes.

    motion-jax train --config=configs/res_sup.py --workdir=runs/res_sup \
        --config.data.name=h36m --config.data.root=DIR

Sizes and optimiser are the defaults of the authors' code, which are also the thesis's. That code trains on 10 future
frames for the errors up to 400 ms, and on 25 for longer ones; here always on 25, or with
--config.data.target_length=10 --config.eval.frames=2,4,8,10. Expected: 100,000 steps take hours on a GPU-less machine;
the thesis prints, free-running, over 15 actions of Human3.6M at 80/160/320/400 ms, .36 .67 1.02 1.15.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Res. sup.",
        data=DataConfig(validation="none"),
        model=model_config("res_sup", cell="gru_reset_before"),
        train=TrainConfig(teacher_forcing=0.0),
    ).to_config_dict()
