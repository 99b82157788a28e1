r"""Convolutional sequence to sequence (Li et al. 2018): a long-term and a sliding short-term encoder.

    motion-jax train --config=configs/conv_seq2seq.py --workdir=runs/conv_seq2seq \
        --config.data.name=cmu --config.data.root=DIR --config.data.skip_first_row=True

The paper has convolutions of 64, 128 and 128 channels, codes of 512, windows of 20 frames and an adversary (recalled,
not checked): its figures were not reproduced. Here all are 64 wide, for one core, without the adversary, and half of
the loss is free-running.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="ConvSeq2Seq",
        data=DataConfig(one_hot=False),
        model=model_config("conv_seq2seq"),
        optim=OptimConfig(name="adam", learning_rate=1e-3, decay_rate=0.5, decay_steps=1000, clip_norm=1.0),
        train=TrainConfig(steps=3000, batch=16, loss="l1", report_every=500),
    ).to_config_dict()
