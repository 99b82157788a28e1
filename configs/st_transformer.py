r"""ST-Transformer (Aksan et al. 2021): joints as tokens, attention over time beside attention over joints.

    motion-jax train --config=configs/st_transformer.py --workdir=runs/st_transformer \
        --config.data.name=cmu --config.data.root=DIR --config.data.skip_first_row=True

The paper has 8 layers, 8 heads and width 128 or 64, rotation matrices of AMASS or Human3.6M and 120 observed frames
(recalled, not checked): its figures are on those data and were not reproduced. Here: two layers of width 32 for one
core, normalised exponential maps, 50 frames, and half of the loss free-running where the paper forces the truth alone.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="ST-Transformer",
        data=DataConfig(one_hot=False),
        model=model_config("st_transformer"),
        optim=OptimConfig(name="adam", learning_rate=1e-3, decay_rate=0.5, decay_steps=200, clip_norm=1.0),
        train=TrainConfig(steps=600, batch=16, loss="l1", report_every=200),
    ).to_config_dict()
