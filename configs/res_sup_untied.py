r"""Res. sup., untied (Martinez et al. 2017): encoder and decoder each with a cell of their own.

    motion-jax train --config=configs/res_sup_untied.py --workdir=runs/res_sup_untied \
        --config.data.name=h36m --config.data.root=DIR

All else as in configs/res_sup.py. Expected: hours on a GPU-less machine; no row of the thesis.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Res. sup. (untied)",
        data=DataConfig(validation="none"),
        model=model_config("res_sup", cell="gru_reset_before", tied=False),
        train=TrainConfig(teacher_forcing=0.0),
    ).to_config_dict()
