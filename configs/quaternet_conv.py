r"""QuaterNet's convolutional network (Pavllo et al. 2019): dilated causal convolutions on quaternions.

    motion-jax train --config=configs/quaternet_conv.py --workdir=runs/quaternet_conv \
        --config.data.name=h36m --config.data.root=DIR

Five layers of width 2 that see 32 frames, 1000 channels: these could not be checked against the paper. All else is
that of configs/quaternet.py. No row of the thesis.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, EvalConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="QuaterNet CNN",
        data=DataConfig(target_length=10, one_hot=False, validation="none"),
        model=model_config("quaternet", hidden=1000, layers=5, convolutional=True),
        optim=OptimConfig(name="adam", learning_rate=0.001, decay_rate=0.999, decay_steps=6, clip_norm=0.1),
        train=TrainConfig(
            steps=18_000, batch=60, loss="euler", teacher_forcing=1.0, forcing_schedule="exponential", coin="step"
        ),
        eval=EvalConfig(frames="2,4,8,10"),
    ).to_config_dict()
