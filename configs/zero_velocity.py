"""Zero-velocity (Martinez et al. 2017): the last observed frame, held. Nothing to train.

    motion-jax evaluate --config=configs/zero_velocity.py --config.data.name=cmu --config.data.root=DIR

One-step, it is "repeat the true previous frame", the baseline of that mode. Expected: seconds; on Human3.6M, free
running, walking .394 .678 .986 1.152 at 80/160/320/400 ms.
"""

from ml_collections import ConfigDict

from motion_jax.config import Experiment, model_config


def get_config() -> ConfigDict:
    return Experiment(name="Zero-velocity", model=model_config("zero_velocity")).to_config_dict()
