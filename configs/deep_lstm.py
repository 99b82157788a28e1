r"""Deep LSTM with co-occurrence learning and in-depth dropout (Zhu et al. 2016): recognition.

    motion-jax train --config=configs/deep_lstm.py --workdir=runs/deep_lstm

Sequences of up to 100 frames are read whole, longer ones in windows of 100. Departures: see `recognition/deep_lstm.py`;
a smaller network than the paper's pays where minutes count: --config.model.hidden=50.
"""

from ml_collections import ConfigDict

from motion_jax.config import Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Deep LSTM",
        labels=LabelsConfig(window=100),
        model=model_config("deep_lstm"),
        optim=OptimConfig(name="adam", learning_rate=1e-3, schedule="cosine"),
        train=TrainConfig(steps=1000, batch=16, loss="cross_entropy", report_every=250, checkpoint_every=250),
    ).to_config_dict()
