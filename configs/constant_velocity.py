"""Constant velocity: every joint turns on, and the root moves on, as it did from the last frame but one. No training.

    motion-jax evaluate --config=configs/constant_velocity.py --config.data.name=cmu --config.data.root=DIR

With --config.model.damping=0.9 a velocity is a tenth smaller in every frame. Expected: seconds.
"""

from ml_collections import ConfigDict

from motion_jax.config import Experiment, model_config


def get_config() -> ConfigDict:
    return Experiment(name="Constant velocity", model=model_config("constant_velocity")).to_config_dict()
