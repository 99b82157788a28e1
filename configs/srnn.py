r"""SRNN (Jain et al. 2016; row "SRNN" of the thesis's Tables 8 and 9).

    motion-jax train --config=configs/srnn.py --workdir=runs/srnn \
        --config.data.name=h36m --config.data.root=DIR

Sizes of the paper; all else as in configs/erd.py, whose remarks hold here too. Expected: days on a GPU-less machine;
the thesis prints, free-running, walking .81 .94 1.16 1.30 at 80/160/320/400 ms.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="SRNN",
        data=DataConfig(validation="none", one_hot=False),
        model=model_config("srnn", hidden=512, noise="fragkiadaki"),
        optim=OptimConfig(
            name="momentum", momentum=0.99, learning_rate=1e-3, decay_rate=0.1, decay_steps=3000, clip_norm=25.0
        ),
        train=TrainConfig(steps=10_000, batch=100),
    ).to_config_dict()
