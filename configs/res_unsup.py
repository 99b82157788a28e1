r"""Res. unsup. (Martinez et al. 2017): Res. sup. that is not told the action.

    motion-jax train --config=configs/res_unsup.py --workdir=runs/res_unsup \
        --config.data.name=h36m --config.data.root=DIR

All else as in configs/res_sup.py. Expected: hours on a GPU-less machine; no row of the thesis.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Res. unsup.",
        data=DataConfig(validation="none", one_hot=False),
        model=model_config("res_sup", cell="gru_reset_before"),
        train=TrainConfig(teacher_forcing=0.0),
    ).to_config_dict()
