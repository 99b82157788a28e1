r"""LSTM-3LR (Fragkiadaki et al. 2015; row "LSTM-3LR" of the thesis's Tables 8 and 9).

    motion-jax train --config=configs/lstm_3lr.py --workdir=runs/lstm_3lr \
        --config.data.name=h36m --config.data.root=DIR

Sizes of the paper; all else as in configs/erd.py, whose remarks hold here too. Expected: days on a GPU-less machine;
the thesis prints, free-running, walking .77 1.00 1.29 1.47 at 80/160/320/400 ms.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="LSTM-3LR",
        data=DataConfig(validation="none", one_hot=False),
        model=model_config("lstm_3lr", hidden=1000, layers=3, noise="fragkiadaki"),
        optim=OptimConfig(
            name="momentum", momentum=0.99, learning_rate=1e-3, decay_rate=0.1, decay_steps=3000, clip_norm=25.0
        ),
        train=TrainConfig(steps=10_000, batch=100),
    ).to_config_dict()
