r"""siMLPe (Guo et al. 2023): an MLP over the DCT of 50 frames, which predicts 10 at once.

    motion-jax train --config=configs/simlpe.py --workdir=runs/simlpe \
        --config.data.name=h36m --config.data.root=DIR

The authors train on joint positions in metres, S1 6 7 8 9, with Adam at 3e-4, weight decay 1e-4 and batches of 256 for
40,000 steps, the last 10,000 at 1e-5; half the windows run backwards in time; the loss is the mean distance of joints
plus that of their differences. The paper prints, on 256 windows an action of Human3.6M, mean joint error at 80/160/320/
400/560/720/880/1000 ms: 9.6 21.7 46.3 57.3 75.7 90.1 101.8 109.4 mm. There is no validation set in it: S5, the test
subject, is measured every 5,000 steps.

Here, as the file stands: angles, for which the loss is the same but of angles; for the paper's positions add
--config.data.representation=positions --config.train.loss=joints_velocity. Frames are normalised by column, weight
decay is Adam's. Not reproduced: no run on Human3.6M has been made.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="siMLPe",
        data=DataConfig(one_hot=False, augmentation="reverse", windows="frames"),
        model=model_config("simlpe"),
        optim=OptimConfig(
            name="adam", learning_rate=3e-4, decay_rate=1 / 30, decay_steps=30_000, clip_kind="none", weight_decay=1e-4
        ),
        train=TrainConfig(steps=40_000, batch=256, loss="angles_velocity"),
    ).to_config_dict()
