r"""Uni-Enc-100 (thesis, Tables 8-15): unidirectional encoder, attention decoder, always fed the truth.

    motion-jax train --config=configs/uni_enc_100.py --workdir=runs/uni_enc_100 \
        --config.data.name=h36m --config.data.root=DIR

Table 6's values are the defaults of `motion_jax.config`; residual connections as in Table 7. The thesis holds no
validation subject out, so none is here: the last checkpoint counts. Expected: 100,000 steps take hours on a GPU-less
machine (see BENCHMARKS.md); the thesis prints, over 15 actions of Human3.6M at 80/160/320/400 ms, .34 .33 .34 .33,
which are one-step errors.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Uni-Enc-100",
        data=DataConfig(validation="none"),
        model=model_config(bidirectional=False),
        train=TrainConfig(teacher_forcing=1.0),
    ).to_config_dict()
