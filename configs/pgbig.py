r"""PGBIG (Ma et al. 2022): four graph networks in a row, each of which makes a better first guess for the next.

    motion-jax train --config=configs/pgbig.py --workdir=runs/pgbig \
        --config.data.name=h36m --config.data.root=DIR

The authors train on joint positions in millimetres, 10 frames observed and 25 predicted, with Adam, 5e-3 falling to a
tenth over 50 epochs, batches of 16, gradients clipped to a norm of 1e4, no weight decay; the loss is the mean distance
of joints. On 256 windows an action of Human3.6M they print, as mean joint error at 80/160/320/400/560/1000 ms, 9.4 21.3
45.1 56.2 76.3 109.7 mm; of angles, on all windows of S5, mean Euler errors of .30 .54 .89 1.02 1.23 1.61. Their code
chooses the epoch on S5, the test subject.

Here, as the file stands: angles, for the paper's positions add --config.data.representation=positions
--config.train.loss=joints. Frames are normalised by column; gradients, which are smaller by it, are not clipped; the 50
epochs, some hundred thousand updates, are 30,000 with as many decays. The paper's figures have not been reproduced.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="PGBIG",
        data=DataConfig(one_hot=False),
        model=model_config("pgbig"),
        optim=OptimConfig(name="adam", learning_rate=5e-3, decay_rate=0.955, decay_steps=600, clip_kind="none"),
        train=TrainConfig(steps=30_000, loss="angles"),
    ).to_config_dict()
