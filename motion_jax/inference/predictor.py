"""Predictor: a trained model as a function, from motion to motion or from raw frames to raw frames."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.sharding import NamedSharding, PartitionSpec

from motion_jax.config import Experiment
from motion_jax.data.finite import as_array, real_numbers
from motion_jax.data.formats import Motion
from motion_jax.data.motion.root_heading import STEPS
from motion_jax.data.positions import to_positions
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii, joint_places
from motion_jax.inference import continuation
from motion_jax.inference.forecast import Forecast
from motion_jax.inference.measure import check_scale, make_measure
from motion_jax.inference.radii import read_radii
from motion_jax.inference.restore import check_checkpoint, read_run, restore_params
from motion_jax.models import make
from motion_jax.models.raw import prepare_params, raw_predict
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.devices import mesh_of, sharing_cores
from motion_jax.runtime.files import user_path
from motion_jax.skeletons.canonical import BODY22
from motion_jax.teacher_forcing import forcing_of_mode
from motion_jax.train.checkpoint import params_hash
from motion_jax.train.workdir import Workdir
from motion_jax.types import Array, Model, Params

_WHOLE = 64  # at this batch matmuls are busy, and padding to the next power of two would only cost
_AT_ONCE = 1024  # sequences; more are computed in parts, so that memory does not grow with their number
_FASTEST_MM = 12_000.0  # mm/s; a sprinter's speed
_FASTEST_RAD = 25.0  # rad/s; a figure skater's fastest spin is 30, over part of a turn
_UNUSUAL = 12.0  # standard deviations of the differences in training; those of its own windows reach 6


class _Call(NamedTuple):
    """What was asked, checked."""

    history: np.ndarray  # [B, S, D]
    codes: np.ndarray  # [B, A]
    single: bool  # asked without a batch dimension

    def answer(self, compute: Callable[[np.ndarray, np.ndarray], Array | None]) -> np.ndarray:
        """`[B, ...]` of `compute(history [P, S, D], codes [P, A])`, in padded parts, filled up by the last."""
        count, size = len(self.history), min(padded_batch(len(self.history)), _AT_ONCE)
        parts = []
        for begin in range(0, count, size):
            rows = np.minimum(np.arange(begin, begin + size), count - 1)
            parts.append(np.asarray(compute(self.history[rows], self.codes[rows]))[: count - begin])
        result = np.concatenate(parts)
        return result[0] if self.single else result


class Predictor:
    """A trained model as a function, compiled once for each batch size.

    `predictor.continue_motion(motion, action) -> Motion` takes a recording as `read_motion` gives it, at any rate.
    `predictor(history, action) -> future` takes and returns raw frames `[..., D]` in the layout of the training data.

    A call computes `padded_batch(B)` sequences, of which the last repeat the last one given and are cut off again, so
    that batches of 1 to 64 share seven programs; more than 1024 are computed in parts of so many. What is predicted for
    a sequence does not depend on its batch beyond rounding. A predictor can be pickled; the copy compiles at its first
    call.
    """

    def __init__(
        self,
        params: Params,
        experiment: Experiment,
        space: PoseSpace,
        step: int,
        workdir: Path | None = None,
        radii: Radii | None = None,
    ) -> None:
        self.params = params
        self.experiment = experiment
        self.space = space
        self.step = step  # updates that the parameters have seen
        self.workdir = workdir  # the folder of the run; None: not from one
        self.radii = radii  # of its calibration; None: not calibrated, or not with these parameters
        model = make(experiment, space)
        self._weights = prepare_params(model, params)
        self._shared: dict[int, Params] = {}  # the same, by the number of devices that hold them
        self._predict = raw_predict(model, space, experiment)
        self._model = model
        self._measures: dict[str, Callable[..., Array]] = {}  # compiled, by the name of a scale
        self._attention = _attention(model, space) if model.attend else None

    def __repr__(self) -> str:
        run = "" if self.workdir is None else f", workdir='{self.workdir}'"
        return (
            f"Predictor({self.experiment.model.name}{run}, step={self.step}, body={self.space.skeleton.name!r}, "
            f"fps={self.space.fps:g}, S={self.source_length}, T={self.target_length})"
        )

    def __reduce__(self) -> tuple[type[Predictor], tuple[Any, ...]]:
        """For pickle: parameters as numpy, and all that the compiled programs are made from."""
        params = jax.device_get(self.params)
        return Predictor, (params, self.experiment, self.space, self.step, self.workdir, self.radii)

    @property
    def source_length(self) -> int:
        """S, the number of observed frames that the model reads."""
        return self.experiment.data.source_length

    @property
    def target_length(self) -> int:
        """T, the number of frames that it predicts."""
        return self.experiment.data.target_length

    @property
    def takes_any_body(self) -> bool:
        """Whether its body is the canonical one, on which motions of any humanoid body are put (`motion.rig`)."""
        body = self.space.skeleton
        return not body.positions and not BODY22.mismatch(body.with_absolute_root)

    @property
    def attends(self) -> bool:
        """Whether the model has attention (see `attend`)."""
        return self._attention is not None

    @property
    def radius(self) -> np.ndarray:
        """`[L, T, J]` mm at the levels of `radii`: within it of its prediction lies each joint, at each frame.

        Where radii follow the motion, those of a usual window; `forecast` has a window's own.

        Raises:
            UserError: the run is not calibrated; the message says how.
        """
        return self.calibrated().radius

    def forecast(self, history: np.ndarray | Array, action: str | Sequence[str | None] | None = None) -> Forecast:
        """Predicts as a call does, with places of joints and the radii around them.

        Raises:
            UserError: as a call, or the run is not calibrated.
        """
        radii = self.calibrated()
        future = self(history, action)
        batch = future[None] if future.ndim == 2 else future
        places = joint_places(self.space.skeleton, batch)
        measure = None if radii.scale is None else self.measure(history, action)
        return Forecast(future, places[0] if future.ndim == 2 else places, radii, measure)

    def measure(
        self, history: np.ndarray | Array, action: str | Sequence[str | None] | None = None, scale: str = ""
    ) -> np.ndarray:
        """What radii are scaled by: `[T, J]` or `[B, T, J]` mm, of a scale that is not "constant".

        Args:
            history: as of a call.
            action: as of a call.
            scale: of `evaluation.scale.SCALES`; empty: that of the run's radii.

        Raises:
            UserError: as a call, the radii follow nothing, or the model has no members.
        """
        name = check_scale(scale or self.calibrated().scale_name, self._model, self.experiment.model.name)
        if name == "constant":
            raise UserError("scale=constant: radii that follow nothing measure nothing")
        call = self._call(history, action)
        return call.answer(lambda rows, codes: self.measure_raw(rows, codes, name))

    def measure_raw(self, history: np.ndarray, codes: np.ndarray, scale: str) -> Array:
        """`[B, S, D]` and `[B, A]` to what "speed" or "members" measures, `[B, T, J]` mm."""
        if scale not in self._measures:
            self._measures[scale] = jax.jit(make_measure(scale, self._model, self.space, self.target_length))
        return self._measures[scale](self._weights, history, codes)

    def scale_of(self, name: str = "auto") -> str:
        """The name of a scale, "auto" resolved. Raises `UserError` for one that this model does not have."""
        return check_scale(name, self._model, self.experiment.model.name)

    def radii_of_rows(self, history: np.ndarray, codes: np.ndarray) -> Radii | None:
        """The run's radii as those of one window, `[1, S, D]` and `[1, A]`; None where it is not calibrated."""
        if self.radii is None or self.radii.scale is None:
            return self.radii
        return self.radii.of_window(np.asarray(self.measure_raw(history, codes, self.radii.scale.name)[0]))

    def calibrated(self) -> Radii:
        """The run's radii. Raises `UserError` where there are none for these parameters, and says how to make them."""
        if self.radii is not None:
            return self.radii
        if self.workdir is not None:
            return read_radii(Workdir(self.workdir), params_hash(self.params))
        raise UserError("this predictor has no radii: those of a run's folder come with load_predictor")

    def continue_motion(
        self,
        motion: Motion,
        action: str | None = None,
        *,
        start: int | None = None,
        retargeted: bool = False,
        joint_map: Path | None = None,
    ) -> Motion:
        """Predicts what follows a recorded motion, at its own rate and in its own channels.

        Args and errors are those of `continue_motions`, for one motion.
        """
        return self.continue_motions([motion], action, start=start, retargeted=retargeted, joint_map=joint_map)[0]

    def continue_motions(
        self,
        motions: Sequence[Motion],
        action: str | Sequence[str | None] | None = None,
        *,
        start: int | None = None,
        retargeted: bool = False,
        joint_map: Path | None = None,
    ) -> list[Motion]:
        """Predicts what follows each motion, in one call; see `continuation.continue_motions`."""
        return continuation.continue_motions(self, motions, action, start, retargeted, joint_map)

    def __call__(self, history: np.ndarray | Array, action: str | Sequence[str | None] | None = None) -> np.ndarray:
        """Predicts what comes next, free-running.

        Args:
            history: `[F, D]` or `[B, F, D]` raw frames at `space.fps`, F >= S; the last S are read. Columns 0-2 are the
                root's translation (`space.skeleton.translation_mm` mm to 1), then a rotation vector (rad) for each
                joint, the root first. Where `space.skeleton.root` is "difference" (Human3.6M) or "heading",
                columns 0-5 must hold that form of the step from the recorded row before (1 / (`space.fps` x
                `data.stride`) s), as the data set does; elsewhere they are absolute. `Motion.frames` are always
                absolute: use `continue_motion`.
                A model of positions (`space.skeleton.positions`) takes such rows, or joint places `[..., 3 J]`, mm,
                the root in place; it returns joint places.
            action: the name of what is being done, one for each sequence or one for all; None if not known.

        Returns:
            `[T, D]` or `[B, T, D]` raw frames in the same layout, float32.

        Raises:
            UserError: a `Motion`, a wrong shape, too few frames, NaN, Inf or a number that no motion has (named by
                index), an unknown action, a root that cannot hold differences because no body moves so fast, or a
                prediction that is not finite. A root that moves much faster than
                any in training is warned about.
        """
        call = self._call(history, action)
        self.check_differences(call.history)
        return self._answer(call)

    def continue_rows(self, history: np.ndarray, action: str | Sequence[str | None] | None = None) -> np.ndarray:
        """As a call, of rows that are known to have the layout of the training data."""
        return self._answer(self._call(history, action))

    def _answer(self, call: _Call) -> np.ndarray:
        def predict(history: np.ndarray, codes: np.ndarray) -> Array:
            future = np.zeros((len(history), self.target_length, history.shape[-1]), np.float32)
            return self.predict_raw(history, future, codes, "free_running")

        future = call.answer(predict)
        if not np.isfinite(np.ptp(future)):
            index = np.argwhere(~np.isfinite(future))[0].tolist()
            raise UserError(f"the prediction is not finite, at {index} first: the parameters are damaged, or history "
                            f"is unlike any motion in training")  # fmt: skip
        return future

    def attend(
        self, history: np.ndarray | Array, action: str | Sequence[str | None] | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predicts as a call does, and tells where the model looked.

        Returns:
            The future as of a call, and `[T, S-1]` or `[B, T, S-1]` weights of the observed frames but the last, which
            sum to 1 at each predicted frame; None of a model without attention.

        Raises:
            UserError: as a call.
        """
        future = self(history, action)
        if self._attention is None:
            return future, None
        call = self._call(history, action)
        attention = self._attention
        return future, call.answer(lambda rows, codes: attention(self._weights, rows, codes, self.target_length))

    def compile(self, batch: int = 1) -> None:
        """Compiles for calls with `batch` sequences and predicts once from zeros: the first call waits for nothing.

        Raises:
            UserError: `batch` is not positive.
        """
        if batch < 1:
            raise UserError(f"batch={batch}: must be at least 1")
        zeros = np.zeros((batch, self.source_length, self.space.columns), np.float32)
        self.continue_rows(zeros)
        if self.radii is not None and self.radii.scale is not None:
            self.measure(zeros)

    def predict_raw(self, history: np.ndarray, future: np.ndarray, codes: np.ndarray, mode: str) -> Array:
        """`[B, S, D]`, `[B, T, D]`, `[B, A]` and a mode to `[B, T, D]`: the `evaluate.Predict` of this model."""
        devices = sharing_cores(len(history), self.experiment.model.width)
        return self._predict(self._held_by(devices), history, future, codes, mode)

    def _held_by(self, devices: int) -> Params:
        if devices == 1:
            return self._weights
        if devices not in self._shared:
            everywhere = NamedSharding(mesh_of(devices), PartitionSpec())
            self._shared[devices] = jax.device_put(self._weights, everywhere)
        return self._shared[devices]

    def _call(self, history: np.ndarray | Array, action: str | Sequence[str | None] | None) -> _Call:
        if isinstance(history, Motion):
            raise UserError(
                f"history is a Motion ({history.source}), not an array: call predictor.continue_motion(motion, action)"
            )
        wanted = f"[F, {self.space.columns}] or [B, F, {self.space.columns}]"
        frames = self._check(self._as_positions(as_array(history, "history", wanted)))
        batch = frames[None] if frames.ndim == 2 else frames
        codes = self._codes(action, len(batch))
        return _Call(batch[:, -self.source_length :], codes, single=frames.ndim == 2)

    def _as_positions(self, history: np.ndarray) -> np.ndarray:
        """Rows of angles as the positions that a model of these reads; anything else as it is."""
        body = self.space.skeleton
        is_angles = history.ndim in (2, 3) and history.size and history.shape[-1] == body.of_angles.columns
        if not (body.positions and is_angles and history.dtype.kind in "fiu"):
            return history
        return to_positions(body, real_numbers(history, "history"))

    def _check(self, frames: np.ndarray) -> np.ndarray:
        columns = self.space.columns
        if frames.ndim not in (2, 3) or frames.shape[-1] != columns:
            raise UserError(f"history has shape {list(frames.shape)}: must be [F, {columns}] or [B, F, {columns}]")
        if frames.shape[-2] < self.source_length:
            raise UserError(f"history has {frames.shape[-2]} frames: the model reads the last {self.source_length}")
        if frames.ndim == 3 and not len(frames):
            raise UserError("history holds no sequence: its first dimension is 0")
        return real_numbers(frames, "history")

    def check_differences(self, history: np.ndarray) -> None:
        """Raises `UserError`, or warns, where the root of `[B, S, D]` does not hold the steps that it reads."""
        space = self.space
        steps = {"absolute": (), "difference": range(6), "heading": STEPS}[space.skeleton.root]
        columns = np.array([column for column in space.raw.kept if column in steps], int)
        if not len(columns) or space.skeleton.positions:
            return
        typical = np.median(np.abs(history[..., columns]), axis=1)  # [B, K]: one odd frame does not count
        rate = space.fps * self.experiment.data.stride
        lengths = columns < 3
        unit = np.where(lengths, space.skeleton.translation_mm * space.skeleton.true_scale, 1.0)
        share = typical * unit * rate / np.where(lengths, _FASTEST_MM, _FASTEST_RAD)
        unusual = np.abs(typical - np.abs(space.raw.mean[columns])) / space.raw.std[columns]
        index, which = np.unravel_index(np.argmax(share), share.shape)
        hint = (
            f"the root of this model's frames ({space.skeleton.root!r}) holds steps from the recorded row before, and "
            "this one seems to be "
            "absolute, as in Motion.frames: call predictor.continue_motion(motion, action)"
        )
        if share[index, which] > 1:
            speed = f"{typical[index, which]:g} a row ({rate:g} rows per second)"
            raise UserError(f"history: column {columns[which]} is {speed}, faster than any body moves: {hint}")
        if np.max(unusual) > _UNUSUAL:
            index, which = np.unravel_index(np.argmax(unusual), unusual.shape)
            found = f"{typical[index, which]:g}, {unusual[index, which]:.0f} standard deviations from the training's"
            warnings.warn(f"history: column {columns[which]} is {found}: {hint}", stacklevel=3)

    def _codes(self, action: str | Sequence[str | None] | None, count: int) -> np.ndarray:
        if action is None or isinstance(action, str):
            return np.repeat(self.space.one_hot(action)[None], count, axis=0)
        names = list(action) if isinstance(action, Iterable) else [action]
        if wrong := [name for name in names if not (name is None or isinstance(name, str))]:
            raise UserError(f"action is {wrong[0]!r}: must be a name, a name for each sequence, or None")
        if len(names) != count:
            raise UserError(f"action names {len(names)} sequences, history holds {count}")
        return np.stack([self.space.one_hot(name) for name in names])


def _attention(model: Model, space: PoseSpace) -> Callable[[Params, np.ndarray, np.ndarray, int], Array]:
    """`(params, history [B, S, D], codes [B, A], T) -> weights [B, T, S-1]`, free-running, jitted."""
    attend = model.attend
    assert attend is not None

    @functools.partial(jax.jit, static_argnums=3)
    def weights(params: Params, history: Array, codes: Array, length: int) -> Array | None:
        count, frames = history.shape[:2]
        source = space.encode(history, jnp.broadcast_to(codes[:, None], (count, frames, codes.shape[-1])))
        future = jnp.zeros((count, length, space.width))
        return attend(params, source, future, forcing_of_mode("free_running", count, length))[1]

    return weights


def padded_batch(count: int) -> int:
    """The batch that `count` sequences are computed in: a power of two up to 64, then a multiple of 64."""
    return 1 << (count - 1).bit_length() if count <= _WHOLE else -(-count // _WHOLE) * _WHOLE


def load_predictor(workdir: str | Path, checkpoint: str = "auto", batch: int | None = None) -> Predictor:
    """Opens the run that training left in `workdir`.

    Args:
        workdir: the folder of a run; `~` at its start means the home folder.
        checkpoint: "best" (by the validation subject), "last", or "auto": best where one was chosen, else last.
        batch: how many sequences a call will have: that is compiled at once (`Predictor.compile`); None: when called.

    Raises:
        UserError: the folder holds no run, no such checkpoint, or only damaged ones; `batch` is not positive.
    """
    check_checkpoint(checkpoint)
    folder = Workdir(user_path(workdir))
    experiment, space = read_run(folder, "forecasting"), folder.read_space()
    step, params = restore_params(folder, make(experiment, space), experiment, checkpoint)
    predictor = Predictor(params, experiment, space, step, folder.path)
    if batch is not None:
        predictor.compile(batch)
    if folder.radii.is_file():
        try:
            predictor.radii = read_radii(folder, params_hash(predictor.params))
        except UserError as error:
            logging.warning("no radii: %s", error)
    return predictor
