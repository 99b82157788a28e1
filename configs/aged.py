r"""AGED w/ adv+geo (Gui et al. 2018; thesis, Tables 8-15): residual encoder-decoder, geodesic loss, two discriminators.

    motion-jax train --config=configs/aged.py --workdir=runs/aged \
        --config.data.name=h36m --config.data.root=DIR

Without adversaries: --config.model.adversarial=0. Without geodesic loss: --config.train.loss=mse. Fed its own
predictions throughout. The optimiser, the batch and the length of training are those of Res. sup., on which the paper
builds; they could not be checked against it. The thesis prints, over 15 actions of Human3.6M at 80/160/320/400 ms,
.31 .54 .85 .97, free-running.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="AGED w/ adv+geo",
        data=DataConfig(validation="none"),
        model=model_config("aged", adversarial=0.6),
        train=TrainConfig(loss="geodesic", teacher_forcing=0.0),
    ).to_config_dict()
