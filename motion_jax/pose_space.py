"""The space that networks live in: which columns are kept, their scale, and the one-hot action behind them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from motion_jax.errors import UserError
from motion_jax.representations import REPRESENTATIONS, columns_of, features_of, frames_of, triples_and_axes
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array, Batch


class Statistics(NamedTuple):
    """Of the columns of frames, or of features."""

    mean: np.ndarray  # float64
    std: np.ndarray  # float64; 1 where the column is dropped
    kept: tuple[int, ...]  # columns that move, ascending


@dataclasses.dataclass(frozen=True, eq=False)
class PoseSpace:
    """The map between raw frames `[..., D]` and network inputs `[..., N]`, and back.

    encode: represent the rotations (`representations.py`), keep the features that move, subtract the mean, divide by
    the standard deviation, append the one-hot action (which is never normalised). decode: the inverse; a dropped
    feature gets its mean, 0 x std + mean (Martinez 2017). Of `expmap` and `positions` the features are the raw columns.
    """

    mean: np.ndarray  # [F] float64, of features
    std: np.ndarray  # [F] float64; 1 where the feature is dropped
    kept: tuple[int, ...]  # features that the network sees, ascending
    actions: tuple[str, ...]  # [A] order of the one-hot code; () without it
    skeleton: Skeleton  # whose frames these are
    fps: float  # of the frames that the network sees
    representation: str = "expmap"  # of `representations.py`, or "positions"
    of_frames: Statistics | None = None  # of the raw columns; None where these are the features

    @property
    def raw(self) -> Statistics:
        """Of raw frames: the mean `[D]`, the deviation `[D]` and the columns that move."""
        return self.of_frames or Statistics(self.mean, self.std, self.kept)

    @property
    def columns(self) -> int:
        """D."""
        return len(self.raw.mean)

    @property
    def width(self) -> int:
        """N."""
        return len(self.kept) + len(self.actions)

    @property
    def triples(self) -> np.ndarray:
        """Of each kept feature, which triple it tells of: 0 the translation, then the joints; of positions, the joint
        from 0.
        """
        return triples_and_axes(self.representation, np.asarray(self.kept))[0]

    @property
    def axes(self) -> np.ndarray:
        """Of each kept feature, which number of its triple it is: 0, 1 or 2; to 5 of other representations."""
        return triples_and_axes(self.representation, np.asarray(self.kept))[1]

    def encode_window(
        self, history: Array | np.ndarray, future: Array | np.ndarray, action: Array | np.ndarray
    ) -> Batch:
        """Raw frames `[B, S, D]`, `[B, T, D]` and one-hot actions `[B, A]` as a model sees them."""
        history, future = jnp.asarray(history), jnp.asarray(future)
        last = history[:, -1]

        def encode(frames: Array, end: int) -> Array:
            codes = jnp.broadcast_to(action[:, None], (*frames.shape[:2], action.shape[-1]))
            return self.encode(frames, codes, last, end)

        return Batch(encode(history, -1), encode(future, 0), last)

    def encode(
        self,
        frames: Array | np.ndarray,
        action: Array | np.ndarray,
        last: Array | np.ndarray | None = None,
        end: int = -1,
    ) -> Array:
        """Raw frames `[..., D]` and one-hot actions `[..., A]` (same leading dimensions) to `[..., N]`.

        Where rotations are represented otherwise, frames are `[..., T, D]`, `last` `[..., D]` is the last observed
        frame of their window (None: of `frames`), and `end` the frame nearest to it in time: -1 in what was observed,
        0 in what comes after.
        """
        frames, kept = jnp.asarray(frames), np.asarray(self.kept)
        if self.of_frames is None:
            seen = frames[..., kept]
        else:
            columns, places = columns_of(self.representation, kept)
            frames = self.through(frames)
            last = frames[..., -1, :] if last is None else self.through(jnp.asarray(last))
            seen = features_of(self.representation, frames[..., columns], last[..., columns], end)[..., places]
        scaled = (seen - self.mean[kept]) / self.std[kept]
        return jnp.concatenate([scaled, action], axis=-1).astype(jnp.float32)

    def decode(self, x: Array, last: Array | None = None) -> Array:
        """Network frames `[..., N]` to raw frames `[..., D]`, in the dtype of `x`.

        Raises:
            UserError: of `relative`, without the `last` observed frame `[..., D]` of the window.
        """
        features = self.features(x)
        if self.representation == "positions":
            joints = np.asarray(self.skeleton.coincident)
            return features[..., (3 * joints[:, None] + np.arange(3)).reshape(-1)]
        if self.of_frames is None:
            return features
        if last is None and REPRESENTATIONS[self.representation].is_relative:
            raise UserError(
                f"data.representation={self.representation!r}: frames are decoded by the last observed one, which this "
                f"model does not pass on"
            )
        last = None if last is None else self.through(jnp.asarray(last)).astype(x.dtype)
        return frames_of(self.representation, features, last)

    def features(self, x: Array) -> Array:
        """Network frames `[..., N]` to features `[..., F]`, in the dtype of `x`; dropped ones at their mean."""
        kept = np.asarray(self.kept)
        moving = x[..., : len(kept)] * self.std[kept].astype(x.dtype) + self.mean[kept].astype(x.dtype)
        rest = jnp.broadcast_to(self.mean.astype(x.dtype), (*x.shape[:-1], len(self.mean)))
        return rest.at[..., kept].set(moving)

    def through(self, frames: Array) -> Array:
        """Raw frames `[..., D]` with the columns that do not move in training at their mean there."""
        mean, _, kept = self.raw
        moves = np.isin(np.arange(len(mean)), kept)
        return jnp.where(moves, frames, mean.astype(frames.dtype))

    def one_hot(self, action: str | None) -> np.ndarray:
        """The code of an action by name, `[A]`; None is no action: all zero."""
        code = np.zeros(len(self.actions), np.float32)
        if action is not None and self.actions:
            if action not in self.actions:
                raise UserError(f"action {action!r} is unknown: it must be one of {', '.join(self.actions)}")
            code[self.actions.index(action)] = 1
        return code

    def to_json(self) -> str:
        """Text that `from_json` reads back exactly."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        arrays: dict[str, Any] = {"mean": self.mean.tolist(), "std": self.std.tolist()}
        if self.of_frames is not None:
            mean, std, kept = self.of_frames
            arrays["of_frames"] = {"mean": mean.tolist(), "std": std.tolist(), "kept": kept}
        return json.dumps(fields | arrays | {"skeleton": self.skeleton.to_dict()})

    @classmethod
    def from_json(cls, text: str, source: str) -> PoseSpace:
        """Reads `to_json`'s text; `source` names it in errors. Text without a representation is of exponential maps."""
        try:
            fields = json.loads(text)
            space = cls(
                **_statistics(fields)._asdict(),
                actions=tuple(fields["actions"]),
                skeleton=_skeleton(fields["skeleton"]),
                fps=float(fields["fps"]),
                representation=fields.get("representation", "expmap"),
                of_frames=_statistics(fields["of_frames"]) if fields.get("of_frames") else None,
            )
            if space.representation not in (*REPRESENTATIONS, "positions"):
                raise ValueError(f"unknown representation {space.representation!r}")
            return space
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{source}: not a pose space of this version: {error}") from None


def _statistics(fields: dict[str, Any]) -> Statistics:
    mean, std = (np.asarray(fields[name], np.float64) for name in ("mean", "std"))
    kept = tuple(int(column) for column in fields["kept"])
    if mean.shape != std.shape or not set(kept) <= set(range(len(mean))):
        raise ValueError("mean, std and kept are not of the same columns")
    return Statistics(mean, std, kept)


def _skeleton(value: Any) -> Skeleton:
    """A skeleton's fields; of earlier versions, the name of a published one."""
    return SKELETONS[value] if isinstance(value, str) else Skeleton.from_dict(value)
