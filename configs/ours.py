r"""Our own forecaster, on angles: a DCT mixer of three members, trained on bodies that are varied.

    motion-jax train --config=configs/ours.py --workdir=runs/ours \
        --config.data.name=h36m --config.data.root=DIR

The same on CMU: --config.data.name=cmu --config.data.root=DIR --config.data.skip_first_row=True. It trains twice: with
the validation subject held out, which gives the validated error and calibrates the radii, then on all of the training
subjects (--config.train.refit=False leaves that out). What it reaches beside other models, what each of its parts is
worth and how long it trains: docs/benchmarks/forecasting.md.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Ours",
        data=DataConfig(one_hot=False, augmentation="reverse,mirror,speed,amplitude,posture"),
        model=model_config("dct_mixer", members=3),
        optim=OptimConfig(
            name="adamw", learning_rate=2e-3, schedule="cosine", warmup_steps=100, clip_norm=1.0, weight_decay=1e-4
        ),
        train=TrainConfig(
            steps=6000,
            batch=64,
            loss="angles_velocity",
            ema=0.995,
            refit=True,
            score_mode="free_running",
            report_every=1000,
        ),
    ).to_config_dict()
