r"""Bi-LSTM over windows of one second: three layers of 32, dropout .5; recognition.

    motion-jax train --config=configs/bi_lstm.py --workdir=runs/bi_lstm

The recogniser of sensor windows (three bidirectional layers of 32 units, Adam, categorical cross-entropy), which reads
240 steps at 240 Hz; the synthetic set has 50 Hz, so a window of one second is 50 frames.
"""

from ml_collections import ConfigDict

from motion_jax.config import Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Bi-LSTM",
        labels=LabelsConfig(window=50),
        model=model_config("bi_lstm"),
        optim=OptimConfig(name="adam", learning_rate=2e-3, schedule="cosine"),
        train=TrainConfig(steps=2000, batch=32, loss="one_hot_cross_entropy", report_every=250, checkpoint_every=250),
    ).to_config_dict()
