"""The space that networks live in: which columns are kept, their scale, and the one-hot action behind them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax.numpy as jnp
import numpy as np

from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array


@dataclasses.dataclass(frozen=True, eq=False)
class PoseSpace:
    """The map between raw frames `[..., D]` and network inputs `[..., N]`, and back.

    encode: keep the columns that move, subtract the mean, divide by the standard deviation, append the one-hot action
    (which is never normalised). decode: the inverse; a dropped column gets its mean, 0 x std + mean (Martinez 2017).
    """

    mean: np.ndarray  # [D] float64
    std: np.ndarray  # [D] float64; 1 where the column is dropped
    kept: tuple[int, ...]  # columns of a raw frame that the network sees, ascending
    actions: tuple[str, ...]  # [A] order of the one-hot code; () without it
    skeleton: Skeleton  # whose frames these are
    fps: float  # of the frames that the network sees

    @property
    def columns(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def width(self) -> int:
        """N."""
        return len(self.kept) + len(self.actions)

    @property
    def triples(self) -> np.ndarray:
        """Of each kept column, which triple of the raw frame it is part of: 0 the translation, then the joints."""
        return np.asarray(self.kept) // 3

    @property
    def axes(self) -> np.ndarray:
        """Of each kept column, which number of its triple it is: 0, 1 or 2."""
        return np.asarray(self.kept) % 3

    def encode(self, frames: Array | np.ndarray, action: Array | np.ndarray) -> Array:
        """Raw frames `[..., D]` and one-hot actions `[..., A]` (same leading dimensions) to `[..., N]`."""
        kept = np.asarray(self.kept)
        scaled = (jnp.asarray(frames)[..., kept] - self.mean[kept]) / self.std[kept]
        return jnp.concatenate([scaled, action], axis=-1).astype(jnp.float32)

    def decode(self, x: Array) -> Array:
        """Network frames `[..., N]` to raw frames `[..., D]`, in the dtype of `x`."""
        kept = np.asarray(self.kept)
        raw = x[..., : len(kept)] * self.std[kept].astype(x.dtype) + self.mean[kept].astype(x.dtype)
        rest = jnp.broadcast_to(self.mean.astype(x.dtype), (*x.shape[:-1], self.columns))
        return rest.at[..., kept].set(raw)

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
        arrays = {"mean": self.mean.tolist(), "std": self.std.tolist()}
        return json.dumps(fields | arrays | {"skeleton": self.skeleton.to_dict()})

    @classmethod
    def from_json(cls, text: str, source: str) -> PoseSpace:
        """Reads `to_json`'s text; `source` names it in errors."""
        try:
            fields = json.loads(text)
            space = cls(
                mean=np.asarray(fields["mean"], np.float64),
                std=np.asarray(fields["std"], np.float64),
                kept=tuple(int(column) for column in fields["kept"]),
                actions=tuple(fields["actions"]),
                skeleton=_skeleton(fields["skeleton"]),
                fps=float(fields["fps"]),
            )
            if space.mean.shape != space.std.shape or not set(space.kept) <= set(range(len(space.mean))):
                raise ValueError("mean, std and kept are not of the same columns")
            return space
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{source}: not a pose space of this version: {error}") from None


def _skeleton(value: Any) -> Skeleton:
    """A skeleton's fields; of earlier versions, the name of a published one."""
    return SKELETONS[value] if isinstance(value, str) else Skeleton.from_dict(value)
