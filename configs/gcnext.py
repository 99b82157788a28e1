r"""GCNext (Wang et al. 2024): siMLPe whose blocks mix joints, and choose one of four graph convolutions by themselves.

    motion-jax train --config=configs/gcnext.py --workdir=runs/gcnext \
        --config.data.name=h36m --config.data.root=DIR

The authors train as siMLPe's do: joint positions in metres, S1 6 7 8 9, Adam at 3e-4, weight decay 1e-4, batches of 256
for 40,000 steps, the last 10,000 at 1e-5; half the windows run backwards in time; the loss is the mean distance of
joints plus that of their differences. On 256 windows an action of Human3.6M the paper is said to print, as mean joint
error at 80/160/320/400/560/720/880/1000 ms, 9.3 21.5 45.5 56.4 74.7 88.9 100.8 108.7 mm (from memory, not checked
against it). There is no validation set in the authors' code: S5, the test subject, is measured every 1,000 to 5,000
steps, with the gates' noise drawn anew.

Here, as the file stands: angles, for which the loss is the same but of angles; for the paper's positions add
--config.data.representation=positions --config.train.loss=joints_velocity. Frames are normalised by column. The gates
draw nothing in prediction; the adjacency learns at 1/30,000 of the configured rate, which is the authors' 1e-8 for the
first 30,000 steps. The paper's figures have not been reproduced.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="GCNext",
        data=DataConfig(one_hot=False, augmentation="reverse"),
        model=model_config("gcnext"),
        optim=OptimConfig(
            name="adam", learning_rate=3e-4, decay_rate=1 / 30, decay_steps=30_000, clip_kind="none", weight_decay=1e-4
        ),
        train=TrainConfig(steps=40_000, batch=256, loss="angles_velocity"),
    ).to_config_dict()
