"""A small Bi-Enc-50 on the synthetic data set: a first result in about a minute of training on two cores.

    make quickstart

Adam, because SGD at Table 6's rate needs its 100,000 steps; the numbers say nothing about Human3.6M. Expected: below
zero-velocity at every horizon, free-running.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, EvalConfig, Experiment, ModelConfig, OptimConfig, TrainConfig


def get_config() -> ConfigDict:
    return Experiment(
        name="Bi-Enc-50 (small)",
        data=DataConfig(),
        model=ModelConfig(hidden=128, bidirectional=True),
        optim=OptimConfig(name="adam", learning_rate=1e-3, decay_rate=0.7, decay_steps=250),
        train=TrainConfig(steps=1500, batch=32, teacher_forcing=0.5, report_every=500, checkpoint_every=500),
        eval=EvalConfig(protocols="srnn"),
    ).to_config_dict()
