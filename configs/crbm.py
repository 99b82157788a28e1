r"""CRBM (Taylor, Hinton & Roweis 2007): a conditional restricted Boltzmann machine. No row of the thesis's tables.

    motion-jax train --config=configs/crbm.py --workdir=runs/crbm \
        --config.data.name=h36m --config.data.root=DIR

Order, learning rate and momentum are those of the authors' published code, without its weight decay; 200 hidden units
are as recalled from the paper. Expected: no Euler errors of it are published that this project knows of.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="CRBM",
        data=DataConfig(validation="none"),
        model=model_config("crbm", hidden=200, order=3, gibbs=1),
        optim=OptimConfig(name="momentum", learning_rate=1e-3, decay_rate=1.0, momentum=0.9, clip_kind="none"),
    ).to_config_dict()
