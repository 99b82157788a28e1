r"""Our own forecaster, on joint positions: the same network as configs/ours.py.

    motion-jax train --config=configs/ours_positions.py --workdir=runs/ours_positions \
        --config.data.name=h36m --config.data.root=DIR

It learns mean joint distances and is scored in them; Euler errors do not apply. docs/benchmarks/forecasting.md has
what it reaches.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Ours (positions)",
        data=DataConfig(
            one_hot=False,
            representation="positions",
            augmentation="reverse,mirror,speed,amplitude,posture",
        ),
        model=model_config("dct_mixer", members=3),
        optim=OptimConfig(
            name="adamw", learning_rate=2e-3, schedule="cosine", warmup_steps=100, clip_norm=1.0, weight_decay=1e-4
        ),
        train=TrainConfig(
            steps=6000,
            batch=64,
            loss="joints_velocity",
            ema=0.995,
            refit=True,
            score_mode="free_running",
            report_every=1000,
        ),
    ).to_config_dict()
