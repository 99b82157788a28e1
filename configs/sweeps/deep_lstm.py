r"""Deep LSTM with each of its parts: co-occurrence regularisation, and dropout simple or in depth.

    motion-jax sweep --sweep=deep_lstm --workdir=runs/sweeps/deep_lstm --seeds=3

The base is configs/deep_lstm.py. Printed for SBU: without either 86.03, co-occurrence 89.44, simple dropout 89.70,
in-depth dropout 90.10, co-occurrence and in-depth dropout 90.41.
"""

from motion_jax.config import Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config
from motion_jax.experiments.sweep import Sweep


def get_sweep() -> Sweep:
    base = Experiment(
        labels=LabelsConfig(window=100),
        model=model_config("deep_lstm"),
        optim=OptimConfig(name="adam", learning_rate=1e-3, schedule="cosine"),
        train=TrainConfig(steps=1000, batch=16, loss="cross_entropy", report_every=250, checkpoint_every=250),
    )
    alone, whole = {"model.l1": 0.0, "model.l21": 0.0}, {"model.dropout": 0.0}
    return Sweep(
        base,
        {
            "deep": alone | whole,
            "deep-co_occurrence": whole,
            "deep-simple_dropout": alone | {"model.dropout_kind": "simple"},
            "deep-in_depth_dropout": alone,
            "deep-both": {},
        },
    )
