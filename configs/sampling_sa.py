r"""Sampling-based loss (SA) (Martinez et al. 2017): a single action, and no residual connection.

    motion-jax train --config=configs/sampling_sa.py --workdir=runs/sampling_sa \
        --config.data.name=h36m --config.data.root=DIR

The paper's network before the residual is added: it writes poses, not differences, and its loss is over one second of
its own predictions. Another action: --config.data.actions=eating. All else as in configs/res_sup.py. Expected: hours on
a GPU-less machine; no row of the thesis.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Sampling-based loss (SA)",
        data=DataConfig(validation="none", actions="walking"),
        model=model_config("res_sup", cell="gru_reset_before", residual=False),
        train=TrainConfig(teacher_forcing=0.0),
    ).to_config_dict()
