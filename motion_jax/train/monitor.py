"""What is measured while a run trains: random test windows, the SRNN windows and the validation clips.

Only the validation clips choose a checkpoint. The test numbers are printed because the thesis prints them; nothing
reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import MODES, Experiment
from motion_jax.data.packed_clips import PackedClips, pack_clips, sample_windows
from motion_jax.data.splits import Splits
from motion_jax.evaluation.evaluate import Selection, check_names, select
from motion_jax.evaluation.metrics import euler_error_rad
from motion_jax.losses import Loss, make_loss
from motion_jax.models.raw import raw_predict
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.devices import shard_batch
from motion_jax.teacher_forcing import forcing_of_mode
from motion_jax.types import Array, Batch, Dataset, Model, Params

TEST_WINDOWS = 128  # drawn anew for each report
VALIDATION_WINDOWS = 256  # the same ones in every report of every seed, so that checkpoints compare
VALIDATION_KEY = 20_200_101  # any constant
SCORE = "validation_score"
"""What chooses the best checkpoint: the Euler error as a fraction of zero-velocity's on the same windows, the mean over
both modes, so that neither is bought at the other's cost. Below 1 is better than holding the last frame."""


class Monitor:
    """Measures parameters; made once, called at every report."""

    def __init__(
        self, experiment: Experiment, dataset: Dataset, splits: Splits, space: PoseSpace, model: Model
    ) -> None:
        check_names(experiment.eval)
        self._experiment = experiment
        self._space = space
        self._loss = _model_loss(model, make_loss(experiment.train.loss, space))
        self._predict = raw_predict(model, space, experiment)
        self._test = pack_clips(splits.test, space, experiment.data) if splits.test else None
        self._srnn = select("srnn", dataset, space, experiment) if splits.test else None
        self._validation = self._fixed_windows(pack_clips(splits.validation, space, experiment.data)
                                               if splits.validation else None)  # fmt: skip
        self._held = _zero_velocity_errors(self._validation, space) if self._validation else {}

    @property
    def validates(self) -> bool:
        """Whether clips were held out to choose a checkpoint."""
        return self._validation is not None

    def measure(self, params: Params, step: int) -> dict[str, Any]:
        """Named numbers for `metrics.jsonl`; modes apart. Errors are means over windows and frames, in rad."""
        row: dict[str, Any] = {}
        if self._test and self._srnn:
            windows = self._draw(self._test, jax.random.fold_in(jax.random.key(self._experiment.train.seed), step))
            srnn = self._encoded(self._srnn)
            for mode in MODES:
                row[f"test_loss_{mode}"] = float(self._loss(params, windows, mode))
                row[f"srnn_loss_{mode}"] = float(self._loss(params, srnn, mode))
                row[f"srnn_error_rad_{mode}"] = self._srnn_errors(params, mode)
        if self._validation:
            row["validation_loss"] = float(self._loss(params, self._validation, "free_running"))
            errors = {mode: self._validation_error(params, self._validation, mode) for mode in MODES}
            row |= {f"validation_error_rad_{mode}": error for mode, error in errors.items()}
            row[SCORE] = float(np.mean([errors[mode] / self._held[mode] for mode in MODES]))
        return row

    def describe(self, step: int, row: dict[str, Any]) -> str:
        """The report for a person: what the thesis prints every m steps."""
        lines = [
            f"step {step}  learning rate {row['learning_rate']:.4g}  {row['ms_per_step']:.1f} ms/step  "
            f"mean training loss {row['mean_loss']:.5f}"
        ]
        if SCORE in row:
            lines.append(
                f"  validation: loss {row['validation_loss']:.5f}  error free-running "
                f"{row['validation_error_rad_free_running']:.3f}, one-step {row['validation_error_rad_one_step']:.3f} "
                f"rad  of zero-velocity's: {row[SCORE]:.3f}"
            )
        frames = ",".join(map(str, self._experiment.eval.frame_numbers))
        for mode in MODES if self._srnn else ():
            errors = " ".join(f"{error:.3f}" for error in row[f"srnn_error_rad_{mode}"])
            lines.append(
                f"  test, {mode}: loss {row[f'test_loss_{mode}']:.5f}  SRNN loss {row[f'srnn_loss_{mode}']:.5f}  "
                f"SRNN error at frames {frames}: {errors} rad"
            )
        return "\n".join(lines)

    def _draw(self, packed: PackedClips, key: Array, count: int = TEST_WINDOWS) -> Batch:
        data = self._experiment.data
        return sample_windows(packed, key, count, data.source_length, data.target_length)

    def _fixed_windows(self, packed: PackedClips | None) -> Batch | None:
        return self._draw(packed, jax.random.key(VALIDATION_KEY), VALIDATION_WINDOWS) if packed else None

    def _encoded(self, selection: Selection) -> Batch:
        def encode(frames: np.ndarray) -> Array:
            codes = jnp.broadcast_to(selection.codes[:, None], (*frames.shape[:2], selection.codes.shape[-1]))
            return self._space.encode(frames, codes)

        return Batch(encode(selection.history), encode(selection.future))

    def _srnn_errors(self, params: Params, mode: str) -> list[float]:
        """The mean over actions at the frames of `eval.frames`."""
        assert self._srnn
        errors = euler_error_rad(
            self._predict(params, self._srnn.history, self._srnn.future, self._srnn.codes, mode), self._srnn.truth
        )
        means = np.mean([errors[windows].mean(0) for windows in self._srnn.actions.values()], axis=0)
        return [float(means[frame - 1]) for frame in self._experiment.eval.frame_numbers]

    def _validation_error(self, params: Params, windows: Batch, mode: str) -> float:
        """Euler error, the mean over windows and all T frames."""
        actions = windows.history[:, 0, len(self._space.kept) :]
        history, future = (
            np.asarray(self._space.decode(windows.history)),
            np.asarray(self._space.decode(windows.future)),
        )
        predicted = self._predict(params, history, future, np.asarray(actions), mode)
        return float(euler_error_rad(predicted, future).mean())


def _zero_velocity_errors(windows: Batch, space: PoseSpace) -> dict[str, float]:
    """The error of holding the last known frame, by mode."""
    history, future = np.asarray(space.decode(windows.history)), np.asarray(space.decode(windows.future))
    known = {
        "free_running": np.broadcast_to(history[:, -1:], future.shape),
        "one_step": np.concatenate([history[:, -1:], future[:, :-1]], axis=1),
    }
    return {mode: float(euler_error_rad(held, future).mean()) for mode, held in known.items()}


def _model_loss(model: Model, loss: Loss) -> Callable[[Params, Batch, str], Array]:
    """`(params, windows, mode) -> []`, compiled once for each number of windows."""

    @jax.jit
    def value(params: Params, windows: Batch, forced: Array) -> Array:
        return loss(model.apply(params, windows.history, windows.future, forced), windows.future)

    def call(params: Params, windows: Batch, mode: str) -> Array:
        rows, _ = shard_batch(params, (windows, forcing_of_mode(mode, *windows.future.shape[:2])))
        return value(params, *rows)

    return call
