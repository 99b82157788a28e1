r"""RU-LSTM (Furnari and Farinella 2019, 2020): which action comes next, two seconds to a quarter of one before it.

    motion-jax train --config=configs/rulstm.py --workdir=runs/rulstm
    motion-jax evaluate --workdir=runs/rulstm

Without flags it trains on the synthetic sessions, in a few minutes on a CPU: from joint positions, velocities and
angles, which attention weighs (MATT), after sequence-completion pre-training. One modality alone:

    --config.labels.inputs=positions --config.model.fusion=none --config.model.branch_steps=0

Sizes are ours, for skeletons; the authors' for video features, with SGD, are

    --config.model.hidden=1024 --config.model.dropout=0.8 --config.model.shifts=1 --config.optim.name=momentum \
        --config.optim.learning_rate=0.01 --config.optim.schedule=constant --config.optim.weight_decay=0.0 \
        --config.train.batch=128

Stages, modalities, early recognition: docs/anticipation.md.
"""

from ml_collections import ConfigDict

from motion_jax.config import DataConfig, Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config


def get_config() -> ConfigDict:
    return Experiment(
        name="RU-LSTM",
        data=DataConfig(name="synthetic_sessions"),
        labels=LabelsConfig(inputs="positions,velocities,angles"),
        model=model_config("ru_lstm", hidden=64, shifts=8, fusion="matt", pretrain_steps=250, branch_steps=700),
        optim=OptimConfig(name="adamw", learning_rate=4e-3, schedule="cosine", weight_decay=1.0),
        train=TrainConfig(steps=1250, batch=64, loss="cross_entropy", report_every=100, checkpoint_every=500),
    ).to_config_dict()
