"""Where attention looks, as a figure: predicted frames by observed ones, a panel for each model that attends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from motion_jax.errors import UserError
from motion_jax.inference.predictor import Predictor
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.figures import INK, add_title, dress, new_figure, save


def check_attention(runs: Sequence[Predictor]) -> None:
    """Raises `UserError` if no run has attention."""
    if not any(run.attends for run in runs):
        names = ", ".join(run.experiment.name for run in runs)
        raise UserError(f"--attention: none of the runs has attention: {names}")


def attention_map(comparison: Comparison, path: str | Path) -> None:
    """Draws the weights of the first scene; every panel has the same scale.

    Raises `UserError` if no model has attention, or the path cannot be written.
    """
    scene = comparison.scenes[0]
    seen = {name: prediction.attention for name, prediction in zip(comparison.models, scene.predictions, strict=True)
            if prediction.attention is not None}  # fmt: skip
    if not seen:
        raise UserError(f"{path}: none of the models has attention: {', '.join(comparison.models)}")
    figure = new_figure(4.2 * len(seen) + 0.9, 3.1)
    peak = max(float(weights.max()) for weights in seen.values())
    panels = figure.subplots(1, len(seen), squeeze=False)[0]
    for axes, (name, weights) in zip(panels, seen.items(), strict=True):
        axes.imshow(weights, cmap="magma_r", vmin=0, vmax=peak, extent=_edges(weights, comparison.fps), aspect="auto",
                    interpolation="nearest")  # fmt: skip
        dress(axes, name, "observed frame (ms)", "predicted frame (ms)")
        axes.grid(visible=False)
    bar = figure.colorbar(panels[0].images[0], ax=list(panels), pad=0.02)
    bar.set_label("weight", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    add_title(figure, f"Attention: {scene.action}, {comparison.data} motion, window {scene.window}")
    save(figure, path)


def _edges(weights: np.ndarray, fps: float) -> tuple[float, float, float, float]:
    """Left, right, bottom, top in ms: a cell is centred on its frame, and the last observed frame is at 0."""
    target, source = weights.shape
    frame = 1000 / fps
    return (-(source + 0.5) * frame, -0.5 * frame, (target + 0.5) * frame, 0.5 * frame)
