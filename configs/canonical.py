r"""Our forecaster on the canonical body: any humanoid recording in, its next second out, the root included.

    motion-jax prepare --dataset=folder --source=DIR --body=body22 --out=prepared/canonical
    motion-jax train --config=configs/canonical.py --config.data.root=prepared/canonical --workdir=runs/canonical

The model that is shipped was trained so; docs/pretrained.md has its data, its command and its errors. It is small:
three members of a DCT mixer that read one second at 25 frames a second. Heading and place are no part of what it reads,
and bone lengths none of a body's angles; movement is varied in speed and size, and every pose held otherwise.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="Canonical",
        data=DataConfig(
            name="folder",
            source_length=25,
            target_length=25,
            stride=1,
            windows="frames",
            one_hot=False,
            augmentation="mirror,speed,amplitude,posture,rest,late",
        ),
        model=model_config("dct_mixer", members=3),
        optim=OptimConfig(
            name="adamw", learning_rate=2e-3, schedule="cosine", warmup_steps=100, clip_norm=1.0, weight_decay=1e-4
        ),
        train=TrainConfig(
            steps=6000, batch=64, loss="path", ema=0.995, refit=True, score_mode="free_running", report_every=1000
        ),
    ).to_config_dict()
