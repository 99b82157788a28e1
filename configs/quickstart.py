"""A small Bi-Enc-50 on the synthetic data set: a first result in about a minute of training on two cores.

    make quickstart

Adam and a coin a step, because Table 6's SGD needs its 100,000 steps. Expected (jax 0.12; 0.10 differs in the third
digit), free-running, in rad at 80 160 320 400 560 1000 ms: .222 .406 .699 .815 1.060 1.478; zero-velocity .269 .497
.828 .951 1.216 1.699. The numbers are about synthetic motion and say nothing about Human3.6M.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, EvalConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Bi-Enc-50 (small)",
        data=DataConfig(),
        model=model_config(hidden=64, bidirectional=True),
        optim=OptimConfig(name="adam", learning_rate=5e-3, decay_rate=0.6, decay_steps=600),
        train=TrainConfig(steps=3000, teacher_forcing=0.5, coin="step", report_every=500),
        eval=EvalConfig(protocols="srnn"),
    ).to_config_dict()
