"""Hand-made runs of recognition and anticipation, for whatever opens, streams, exports or draws such runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from motion_jax import anticipation, recognition
from motion_jax.config import DataConfig, Experiment, LabelsConfig, TrainConfig, model_config
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.inference.anticipator import TrainedAnticipator
from motion_jax.inference.recogniser import Recogniser
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state
from motion_jax.train.workdir import Workdir

CLASSES = ("sit", "walk", "wave")
FPS, STEP, WINDOW = 50.0, 2, 6  # of recordings; frames of theirs to one of the network's; frames of a window
MODELS: dict[str, Any] = {
    "recognition": model_config("bi_lstm", hidden=4, layers=1),
    "anticipation": model_config("ru_lstm", hidden=4, alpha=0.08, encoding=1, anticipation=2, fusion="late"),
}


def experiment(task: str, data: str = "synthetic", **labels: Any) -> Experiment:
    """Of joints preprocessed in every way, unless said otherwise; `data`: the name of a data set."""
    chosen: dict[str, Any] = {"preprocess": "center,smooth,view,scale", "frame_step": STEP}
    if task == "recognition":
        chosen |= {"inputs": "positions,angles,velocities", "window": WINDOW}
    else:
        chosen["inputs"] = "positions,angles"
    return Experiment(
        name=f"a {task}",
        data=DataConfig(name=data, root="absent"),
        labels=LabelsConfig(**chosen | labels),
        model=MODELS[task],
        train=TrainConfig(loss="cross_entropy"),
    )


def space(made: Experiment, body: Skeleton | None = H36M, people: int = 1) -> LabelSpace:
    """With statistics that leave no input too large or too small to be seen; without a body, of two features each."""
    rng = np.random.default_rng(0)
    places = (3 * len(body.joints) * people, 300.0) if body else (2, 1.0)
    sizes = {"angles": (body.of_angles.columns, 1.0)} if body else {}
    modalities = []
    for name in made.labels.input_names:
        columns, scale = sizes.get(name, places)
        mean = rng.normal(0, 0.1 * scale, columns).astype(np.float32)
        modalities.append(Modality(name, mean, (scale * rng.uniform(0.5, 1, columns)).astype(np.float32)))
    fps = FPS / STEP
    return LabelSpace(CLASSES, tuple(modalities), fps, body, people, frame_step=STEP, seconds=WINDOW / fps)


def make_run(task: str, body: Skeleton | None = H36M, data: str = "synthetic", people: int = 1, **labels: Any) -> Any:
    """A trained network in memory; its parameters are its beginning's, enlarged so that its answers differ."""
    made = experiment(task, data, **labels)
    known = space(made, body, people)
    module, kind = {"recognition": (recognition, Recogniser), "anticipation": (anticipation, TrainedAnticipator)}[task]
    params = jax.tree.map(lambda leaf: 3 * leaf, jax.jit(module.make(made, known).init)(jax.random.key(1)))
    return kind(params, made, known, 7)


def write_run(folder: Path, task: str, **made: Any) -> Path:
    """The same, `make_run(task, **made)`, as training leaves it."""
    run, workdir = make_run(task, **made), Workdir(folder)
    module = {"recognition": recognition, "anticipation": anticipation}[task]
    with workdir.locked():
        workdir.begin(run.experiment, {"space.json": run.space.to_json()}, "key")
        state = init_state(module.make(run.experiment, run.space), make_optimizer(run.experiment), 0)
        checkpoints = Checkpoints(workdir.last, run=workdir.run_key())
        checkpoints.save(run.step, state.replace(params=run.params))
        checkpoints.close()
    return workdir.path


def motion_rows(count: int, body: Skeleton = H36M, seed: int = 2) -> np.ndarray:
    """`[F, D]`: raw frames with an absolute root, of a slow random walk about the rest pose."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(0, 0.05, (count, body.of_angles.columns)), axis=0)
