r"""RU-LSTM with one modality and several: early and late fusion, MATT, each with its worth; pre-training.

    motion-jax sweep --sweep=rulstm --workdir=runs/sweeps/rulstm --seeds=3

Every member has 1,000 updates on the task itself; of MATT the last 300 train all together.
"""

from motion_jax.config import DataConfig, Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config
from motion_jax.experiments.sweep import Sweep


def get_sweep() -> Sweep:
    base = Experiment(
        data=DataConfig(name="synthetic_sessions"),
        labels=LabelsConfig(inputs="positions"),
        model=model_config("ru_lstm", hidden=64, shifts=8),
        optim=OptimConfig(name="adamw", learning_rate=4e-3, schedule="cosine", weight_decay=1.0),
        train=TrainConfig(steps=1000, batch=64, loss="cross_entropy", report_every=100, checkpoint_every=500),
    )
    fused = {"labels.inputs": "positions,velocities,angles"}
    pre_trained = {"model.pretrain_steps": 250, "train.steps": 1250}
    matt = fused | {"model.fusion": "matt", "model.branch_steps": 700}
    return Sweep(
        base,
        {
            "positions": {},
            "velocities": {"labels.inputs": "velocities"},
            "angles": {"labels.inputs": "angles"},
            "positions-pre_trained": pre_trained,
            "late": fused | {"model.fusion": "late"},
            "matt": matt,
            "early": fused | {"model.fusion": "early"},
            "matt-pre_trained": matt | pre_trained,
        },
    )
