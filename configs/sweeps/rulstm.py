r"""RU-LSTM with one modality and several: early and late fusion, MATT, each with its worth; pre-training.

    motion-jax sweep --sweep=rulstm --workdir=runs/sweeps/rulstm --seeds=3

The base is configs/rulstm.py. Every member ends with 400 updates of the whole network on the task itself.
"""

from motion_jax.config import DataConfig, Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config
from motion_jax.experiments.sweep import Sweep


def get_sweep() -> Sweep:
    base = Experiment(
        data=DataConfig(name="synthetic_sessions"),
        labels=LabelsConfig(inputs="positions"),
        model=model_config("ru_lstm", hidden=64, shifts=8),
        optim=OptimConfig(name="adamw", learning_rate=1e-3, schedule="constant", weight_decay=0.0),
        train=TrainConfig(steps=400, batch=32, loss="cross_entropy", report_every=50, checkpoint_every=200),
    )
    fused = {"labels.inputs": "positions,velocities,angles"}
    pre_trained = {"model.pretrain_steps": 200, "train.steps": 600}
    matt = fused | {"model.fusion": "matt", "model.branch_steps": 200, "train.steps": 600}
    return Sweep(
        base,
        {
            "positions": {},
            "velocities": {"labels.inputs": "velocities"},
            "angles": {"labels.inputs": "angles"},
            "positions-pre_trained": pre_trained,
            "early": fused | {"model.fusion": "early"},
            "late": fused | {"model.fusion": "late"},
            "matt": matt,
            "matt-pre_trained": matt | {"model.pretrain_steps": 200, "train.steps": 800},
        },
    )
