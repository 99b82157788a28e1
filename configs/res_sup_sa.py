r"""Residual (SA) (Martinez et al. 2017): Res. sup. trained on a single action, walking.

    motion-jax train --config=configs/res_sup_sa.py --workdir=runs/res_sup_sa \
        --config.data.name=h36m --config.data.root=DIR

Another action: --config.data.actions=eating. All else as in configs/res_sup.py. Expected: hours on a GPU-less machine;
no row of the thesis.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Residual (SA)",
        data=DataConfig(validation="none", actions="walking"),
        model=model_config("res_sup", cell="gru_reset_before"),
        train=TrainConfig(teacher_forcing=0.0),
    ).to_config_dict()
