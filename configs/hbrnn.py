r"""HBRNN-L (Du, Wang and Wang 2015): recognition by a hierarchy of recurrent networks over five parts of the body.

    motion-jax train --config=configs/hbrnn.py --workdir=runs/hbrnn
    motion-jax train --config=configs/hbrnn.py --workdir=runs/hbrnn_as1 \
        --config.data.name=msr_action3d --config.data.actions=as1     (after prepare --dataset=msr_action3d)

Sequences of up to 100 frames are read whole, longer ones in windows of 100. Departures: the layers' sizes and the
strength of the noise are ours (see `recognition/hbrnn.py`); Adam, where the paper has SGD with momentum.
"""

from ml_collections import ConfigDict

from motion_jax.config import Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="HBRNN-L",
        labels=LabelsConfig(window=100),
        model=model_config("hbrnn", input_noise=0.1),
        optim=OptimConfig(name="adam", learning_rate=1e-3, schedule="cosine"),
        train=TrainConfig(steps=1500, batch=16, loss="cross_entropy", report_every=250, checkpoint_every=250),
    ).to_config_dict()
