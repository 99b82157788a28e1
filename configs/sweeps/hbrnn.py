r"""HBRNN-L beside the five variants of its paper's ablation: hierarchy, direction, the last layer's units.

    motion-jax sweep --sweep=hbrnn --workdir=runs/sweeps/hbrnn --seeds=3

The base is configs/hbrnn.py. Printed for MSR Action3D (average of AS1 to AS3): HBRNN-L 94.49, HURNN-L 93.57, DBRNN-L
92.61, DURNN-L 89.86, DBRNN-T 83.52, DURNN-T 77.11.
"""

from motion_jax.config import Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config
from motion_jax.experiments.sweep import Sweep


def get_sweep() -> Sweep:
    base = Experiment(
        labels=LabelsConfig(window=100),
        model=model_config("hbrnn", input_noise=0.1),
        optim=OptimConfig(name="adam", learning_rate=1e-3, schedule="cosine"),
        train=TrainConfig(steps=1500, batch=16, loss="cross_entropy", report_every=250, checkpoint_every=250),
    )
    deep, forward, tanh = {"model.hierarchy": False}, {"model.bidirectional": False}, {"model.last": "tanh"}
    return Sweep(
        base,
        {
            "HBRNN-L": {},
            "HURNN-L": forward,
            "DBRNN-L": deep,
            "DURNN-L": deep | forward,
            "DBRNN-T": deep | tanh,
            "DURNN-T": deep | forward | tanh,
        },
    )
