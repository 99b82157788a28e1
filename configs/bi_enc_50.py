r"""Bi-Enc-50 (thesis, Tables 8-15): bidirectional encoder, attention decoder, 50% teacher forcing.

    motion-jax train --config=configs/bi_enc_50.py --workdir=runs/bi_enc_50 \
        --config.data.name=h36m --config.data.root=DIR

Table 6's values are the defaults of `motion_jax.config`; residual connections as in Table 7. The thesis holds no
validation subject out, so none is here: the last checkpoint counts. Expected: 100,000 steps take hours on a GPU-less
machine (see BENCHMARKS.md); the thesis prints, over 15 actions of Human3.6M at 80/160/320/400 ms, .33 .32 .34 .33,
which are one-step errors.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Bi-Enc-50",
        data=DataConfig(validation="none"),
        model=model_config(bidirectional=True),
        train=TrainConfig(teacher_forcing=0.5),
    ).to_config_dict()
