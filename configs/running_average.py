"""Running average (Martinez et al. 2017): the mean of the last frames in Euler angles, held. Nothing to train.

    motion-jax evaluate --config=configs/running_average.py --config.model.window=4

Expected: seconds; on Human3.6M, free running, walking .481 .745 1.017 1.169 at 80/160/320/400 ms with window 2.
"""

from ml_collections import ConfigDict

from motion_jax.config import Experiment, model_config


def get_config() -> ConfigDict:
    return Experiment(name="Running average", model=model_config("running_average")).to_config_dict()
