r"""LearnTrajDep (Mao et al. 2019): a graph network over the DCT of each column's trajectory, all frames at once.

    motion-jax train --config=configs/learn_traj_dep.py --workdir=runs/learn_traj_dep \
        --config.data.name=h36m --config.data.root=DIR

The paper's figures, Human3.6M, free-running, mean Euler error over 15 actions and 8 windows each at 80/160/320/400 ms:
.27 .51 .83 .95. As in the authors' code [recalled]: Adam, 5e-4 x .96 every two epochs, batch 16, gradients
clipped to a norm of 1. What differs: their 50 epochs are some hundred thousand updates, here are 30,000 with as many
decays; their networks for 10 and for 25 frames are two, with 20
and 35 coefficients, here T = 25 alone (--config.data.target_length=10 --config.eval.frames=2,4,8,10 for the other).
Not reproduced: no run on Human3.6M has been made.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="LearnTrajDep",
        data=DataConfig(one_hot=False),
        model=model_config("learn_traj_dep"),
        optim=OptimConfig(name="adam", learning_rate=5e-4, decay_rate=0.96, decay_steps=1_200, clip_norm=1.0),
        train=TrainConfig(steps=30_000, loss="angles"),
    ).to_config_dict()
