r"""ERD (Fragkiadaki et al. 2015; row "ERD" of the thesis's Tables 8 and 9).

    motion-jax train --config=configs/erd.py --workdir=runs/erd \
        --config.data.name=h36m --config.data.root=DIR

Sizes of the paper. Optimiser, batch and noise are those of the code of Jain et al. 2016, whose ERD the tables quote:
momentum .99, rate .001, clipping at 25, batches of 100, no action code. Departures: that code learns from windows of
150 frames, here they are those of all rows, 75; it divides the rate by 10 at 1,500 and 4,500 iterations, here every
3,000. Its loss may be scaled otherwise, and where it stops could not be found: 10,000 steps are a guess. Expected: a
day or more on a GPU-less machine; the thesis prints, free-running, walking .93 1.18 1.59 1.78 at 80/160/320/400 ms.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="ERD",
        data=DataConfig(validation="none", one_hot=False),
        model=model_config("erd", hidden=1000, layers=2, noise="fragkiadaki"),
        optim=OptimConfig(
            name="momentum", momentum=0.99, learning_rate=1e-3, decay_rate=0.1, decay_steps=3000, clip_norm=25.0
        ),
        train=TrainConfig(steps=10_000, batch=100),
    ).to_config_dict()
