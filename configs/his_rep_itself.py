r"""HisRepItself (Mao et al. 2020): attention over the motion's own past, and a graph network over DCT coefficients.

    motion-jax train --config=configs/his_rep_itself.py --workdir=runs/his_rep_itself \
        --config.data.name=h36m --config.data.root=DIR

Figures of the authors' own files, Human3.6M, free-running, mean Euler error over 15 actions at 80/160/320/400/560/1000
ms, 8 windows each: .272 .515 .823 .942 1.142 1.590. As in their code: Adam, 5e-4 falling to a tenth over the run, batch
32, no weight decay, ten frames predicted at once and fed back. What differs: their 50 epochs are some hundred thousand
updates, here are 30,000 with as many decays; see also the top of
the model's file. Not reproduced: no run on Human3.6M has been made.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="HisRepItself",
        data=DataConfig(one_hot=False),
        model=model_config("his_rep_itself"),
        optim=OptimConfig(name="adam", learning_rate=5e-4, decay_rate=0.955, decay_steps=600, clip_kind="none"),
        train=TrainConfig(steps=30_000, batch=32, loss="angles"),
    ).to_config_dict()
