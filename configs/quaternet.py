r"""QuaterNet (Pavllo et al. 2018): two GRU layers of 1000 on quaternions, Euler-angle loss, 400 ms ahead.

    motion-jax train --config=configs/quaternet.py --workdir=runs/quaternet \
        --config.data.name=h36m --config.data.root=DIR

The values of the authors' short-term code: 50 frames in, 10 out, no action, batch 60, Adam at 0.001 times 0.999 an
epoch, clipping to 0.1, 3,000 epochs of 6 updates on Human3.6M. There the ratio of teacher forcing falls by 0.995 an
epoch and a coin falls for each frame of the whole batch; here it falls to 1% of itself over the run, with a coin for
each frame of each sequence. No row of the thesis; the published errors are [recalled] walking .21 .34 .56 .62 at
80/160/320/400 ms, free-running. For the position loss: --config.train.loss=position; for a second ahead:
--config.data.target_length=25 --config.eval.frames=2,4,8,10,14,25.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, EvalConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="QuaterNet",
        data=DataConfig(target_length=10, one_hot=False, validation="none"),
        model=model_config("quaternet", hidden=1000, layers=2),
        optim=OptimConfig(name="adam", learning_rate=0.001, decay_rate=0.999, decay_steps=6, clip_norm=0.1),
        train=TrainConfig(
            steps=18_000, batch=60, loss="euler", teacher_forcing=1.0, forcing_schedule="exponential", coin="step"
        ),
        eval=EvalConfig(frames="2,4,8,10"),
    ).to_config_dict()
