"""Conformal radii: how far each joint may lie from where it was predicted, from the errors on held-out windows.

Split conformal prediction (Vovk 2005; Papadopoulos 2002): of n errors that are exchangeable with the next one, the
ceil((n + 1) level)-th smallest is not exceeded by the next with a probability of at least `level`. Windows of one
recording are not exchangeable with those of another, recordings or people may be: `by` says what counts as one draw.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from motion_jax.errors import UserError
from motion_jax.evaluation.scale import FLOORS, Scale, rounded
from motion_jax.geometry.kinematics import pose_positions
from motion_jax.runtime.files import DIGEST, sealed, unsealed
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array

LEVELS = (0.5, 0.9, 0.95)
GROUPS = ("window", "balanced", "recording", "subject")
"""What counts as one draw. "window": every window alike, which is sharp and right on average over many recordings.
"balanced": every window, but those of a recording weigh together as much as those of any other, however long it is.
"recording", "subject": a new one is promised the level (hierarchical conformal prediction, Lee 2023), so that K of them
allow levels up to K / (K + 1)."""
FORMAT = 3  # from 3 on with a checksum
GRID = (np.arange(20) + 0.5) / 20  # levels of `Radii.distribution`
FLOOR_LEVEL = 0.8  # that a floor is chosen at: few draws allow it
STILL_MM = 1e-3  # a joint whose largest error is less does not move in the model's frames, and is in no average
_CHUNK = 256  # windows to a call of forward kinematics, so that it compiles once


def joint_places(skeleton: Skeleton, frames: Array | np.ndarray) -> np.ndarray:
    """Raw frames `[W, T, D]`, angles or positions, to joint places `[W, T, J, 3]` float64, mm, as `mpjpe_mm` has them.

    The root is in place: a radius is about the pose, not about where in the room it is. Raises `UserError` if D is not
    the skeleton's.
    """
    values = np.asarray(frames, np.float64)
    size = min(_CHUNK, len(values))
    places = []
    with jax.enable_x64(True):
        for begin in range(0, len(values), size):
            rows = np.minimum(np.arange(begin, begin + size), len(values) - 1)  # the last fills up the last call
            places.append(np.asarray(pose_positions(skeleton, values[rows])))
    if not places:
        return np.zeros((*values.shape[:-1], len(skeleton.joints), 3))
    return np.concatenate(places)[: len(values)]


def joint_distances(skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """`[W, T, D]` twice to the distance of every joint from its truth, `[W, T, J]` mm; nan where not finite."""
    return np.linalg.norm(joint_places(skeleton, prediction) - joint_places(skeleton, truth), axis=-1)


def conformal_quantile(
    scores: np.ndarray, level: float, groups: Sequence[Any] | None = None, balanced: bool = False
) -> np.ndarray:
    """The split-conformal quantile of scores.

    Args:
        scores: `[n, ...]`, the quantile is over the first dimension; nan counts as infinite.
        level: the probability that the next score does not exceed it, between 0 and 1.
        groups: `[n]` what each score is of; None: every score is a draw of its own. With K groups each weighs
            1 / (K + 1), its scores alike, and infinity weighs 1 / (K + 1): the next score of a new group, exchangeable
            with these, exceeds the quantile with a probability of at most 1 - `level`.
        balanced: groups weigh alike, but infinity 1 / (n + 1), as where each score is a draw of its own.

    Returns:
        `[...]`; infinite where n, or K, is too small for the level (`least_count`).
    """
    _check_level(level)
    scores = np.where(np.isnan(scores), np.inf, np.asarray(scores, np.float64))
    if groups is None:
        rank = _rank(len(scores), level)
        if rank > len(scores):
            return np.full(scores.shape[1:], np.inf)
        return np.partition(scores, rank - 1, axis=0)[rank - 1]
    names, index, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    beyond = 1 / (len(scores) + 1 if balanced else len(names) + 1)
    weights = (1 - beyond) / (len(names) * counts[index])
    order = np.argsort(scores, axis=0, kind="stable")
    reached = np.cumsum(weights[order], axis=0) >= level - 1e-12  # of equal sums, rounding must not take the next
    ranked = np.take_along_axis(scores, order, axis=0)
    first = np.argmax(reached, axis=0)[None]
    return np.where(reached.any(0), np.take_along_axis(ranked, first, axis=0)[0], np.inf)


def least_count(level: float) -> int:
    """How many draws the level needs for a finite radius: the least n with ceil((n + 1) level) <= n."""
    _check_level(level)
    count = max(1, math.floor(level / (1 - level)) - 1)
    while _rank(count, level) > count:
        count += 1
    return count


@dataclasses.dataclass(frozen=True, eq=False)
class Radii:
    """Radii in mm around predicted joints, at L levels, T horizons and J joints, and what they were calibrated on."""

    levels: tuple[float, ...]  # [L] ascending, between 0 and 1
    radius: np.ndarray  # [L, T, J] mm: each joint at each horizon, one at a time
    band_radius: np.ndarray  # [L, T, J] mm: each joint at all T horizons at once
    pose_radius: np.ndarray  # [L, T] mm: the mean distance over joints (MPJPE) at each horizon
    joints: tuple[str, ...]  # [J]
    fps: float  # of the T frames
    by: str  # one of GROUPS
    windows: int  # that were calibrated on
    recordings: int
    subjects: int  # 0: not named
    clips: tuple[str, ...]  # those recordings, by `Clip.name`
    data: dict[str, Any]  # name and key of the data set
    weights: str  # sha256 of the parameters that they belong to
    note: str = ""  # what else must be known, in a sentence
    scale: Scale | None = None  # what the radii follow: those above are of a usual window; None: nothing, of every one
    distribution: np.ndarray | None = None  # [Q, T, J] mm: radii at the levels GRID, for scores; None: of format 1

    def __post_init__(self) -> None:
        shape = (len(self.levels), self.pose_radius.shape[-1], len(self.joints))
        if self.radius.shape != shape or self.band_radius.shape != shape or self.pose_radius.shape != shape[:2]:
            found = f"{self.radius.shape}, {self.band_radius.shape}, {self.pose_radius.shape}"
            raise UserError(f"radii: shapes {found}: must be [L, T, J] twice and [L, T], {shape}")
        if self.scale is not None and self.scale.mean.shape != shape[1:]:
            raise UserError(f"radii: scale of shape {self.scale.mean.shape}: must be [T, J], {shape[1:]}")
        if self.distribution is not None and self.distribution.shape != (len(GRID), *shape[1:]):
            raise UserError(f"radii: distribution {self.distribution.shape}: must be {(len(GRID), *shape[1:])}")

    def __repr__(self) -> str:
        levels = ", ".join(f"{level:.0%}" for level in self.levels)
        follow = "" if self.scale is None else f", scale {self.scale.name}"
        return f"Radii({levels}; {self.windows} windows of {self.recordings} recordings, by {self.by}{follow})"

    @property
    def scale_name(self) -> str:
        """One of `scale.SCALES`."""
        return "constant" if self.scale is None else self.scale.name

    def of_window(self, measure: np.ndarray | None) -> Radii:
        """The radii of one window, of what was measured in it, `[T, J]` mm; None only where they follow nothing."""
        if self.scale is None:
            return self
        radius, band, pose = self.sized(measure)
        factor = self.scale.factor(_measured(measure))
        distribution = None if self.distribution is None else self.distribution * factor
        return dataclasses.replace(
            self, radius=radius, band_radius=band, pose_radius=pose, scale=None, distribution=distribution
        )

    def sized(self, measure: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`radius`, `band_radius` `[..., L, T, J]` and `pose_radius` `[..., L, T]` of windows, measured `[..., T, J]`.

        Without a scale those of every window, `[L, T, J]` and `[L, T]`.
        """
        if self.scale is None:
            return self.radius, self.band_radius, self.pose_radius
        measure = _measured(measure)
        factor, whole = self.scale.factor(measure)[..., None, :, :], self.scale.pose_factor(measure)[..., None, :]
        return self.radius * factor, self.band_radius * factor, self.pose_radius * whole

    def index(self, level: float) -> int:
        """The number of a level. Raises `UserError` where the radii do not have it."""
        for number, known in enumerate(self.levels):
            if math.isclose(known, level, abs_tol=1e-9):
                return number
        raise UserError(f"level={level:g}: must be one of {', '.join(f'{known:g}' for known in self.levels)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON: radii rounded up to 1 um, null where infinite."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("radius", "band_radius", "pose_radius"):
            plain[name] = _plain(getattr(self, name))
        plain["scale"] = None if self.scale is None else self.scale.to_dict()
        plain["distribution"] = None if self.distribution is None else _plain(self.distribution)
        return {"format": FORMAT, **plain}

    def to_json(self) -> str:
        """Text that `from_json` reads; the same radii give the same text."""
        return sealed(self.to_dict())

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str) -> Radii:
        """Reads `to_dict`'s values. Raises `UserError`, which begins with `source`, if they are something else."""
        try:
            if values["format"] not in range(1, FORMAT + 1):
                raise UserError(f"{source}: radii of format {values['format']!r}; this version reads 1 to {FORMAT}")
            if values["format"] == 1:
                values = {**values, "scale": None, "distribution": None}
            fields: dict[str, Any] = {field.name: values[field.name] for field in dataclasses.fields(cls)}
            for name in ("radius", "band_radius", "pose_radius", "distribution"):
                if name == "distribution" and fields[name] is None:
                    continue
                array = np.array(fields[name], np.float64)  # None becomes nan
                fields[name] = np.where(np.isnan(array), np.inf, array)
            fields["scale"] = None if fields["scale"] is None else Scale.from_dict(fields["scale"])
            for name in ("levels", "joints", "clips"):
                fields[name] = tuple(fields[name])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{source}: damaged: not the radii of a run ({type(error).__name__}: {error})") from None

    @classmethod
    def from_json(cls, text: str, source: str) -> Radii:
        """Reads `to_json`'s text, of earlier formats also without a checksum. Raises `UserError` as `from_dict`."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{source}: damaged: not the radii of a run ({error})") from None
        if isinstance(values, dict) and DIGEST not in values and values.get("format") in range(1, 3):
            return cls.from_dict(values, source)
        return cls.from_dict(unsealed(text, source, "the radii of a run"), source)


class Sizes(NamedTuple):
    """Of `Radii`, what errors alone tell."""

    radius: np.ndarray  # [L, T, J]
    band_radius: np.ndarray  # [L, T, J]
    pose_radius: np.ndarray  # [L, T]
    scale: Scale | None
    distribution: np.ndarray  # [Q, T, J]


def radii_of(
    distances: np.ndarray,
    levels: Sequence[float],
    groups: Sequence[Any] | None = None,
    name: str = "constant",
    measure: np.ndarray | None = None,
    balanced: bool = False,
) -> Sizes:
    """The radii of distances `[W, T, J]`, mm.

    The band of a joint is the quantile of its largest score over the horizon, each measured in the mean score at
    that horizon. (The means are those of the same windows: exact were they of others, and of many windows no matter.)

    Args:
        distances: of windows that were not trained on.
        levels: of the radii.
        groups: as of `conformal_quantile`; `balanced` too.
        name: of `scale.SCALES`.
        measure: `[W, T, J]` mm, what was measured of each window where `name` is not "constant".
        balanced: see GROUPS.
    """
    scale = None if name == "constant" else _fit_scale(name, _measured(measure), distances, groups, balanced)
    factor = np.ones((1, 1, 1)) if scale is None else scale.factor(_measured(measure))
    whole = np.ones((1, 1)) if scale is None else scale.pose_factor(_measured(measure))
    scores = distances / factor
    typical = scores.mean(0)
    within = np.divide(scores, typical, out=np.zeros_like(scores), where=typical > 0)
    largest = within.max(1)

    def quantiles(of: np.ndarray, at: Sequence[float] | np.ndarray) -> np.ndarray:
        return np.stack([conformal_quantile(of, float(level), groups, balanced) for level in at])

    band = np.stack([np.where(typical > 0, quantile, 0.0) * typical if np.isfinite(quantile).all()
                     else np.full_like(typical, np.inf) for quantile in quantiles(largest, levels)])  # fmt: skip
    pose = quantiles(distances.mean(-1) / whole, levels)
    return Sizes(quantiles(scores, levels), band, pose, scale, quantiles(scores, GRID))


def _fit_scale(
    name: str, measure: np.ndarray, distances: np.ndarray, groups: Sequence[Any] | None, balanced: bool
) -> Scale:
    """The mean of the measure, and at each horizon the floor of FLOORS with the smallest mean radii at FLOOR_LEVEL.

    It is the radius that is chosen by, because the quantile gives every floor the same coverage. Of seven floors alike
    for all joints the windows tell the best and no more: the same windows may calibrate.
    """
    mean = measure.mean(0)
    sizes = []
    for floor in FLOORS:
        scale = Scale(name, mean, np.full(len(mean), floor))
        factor = scale.factor(measure)
        with np.errstate(invalid="ignore"):
            sizes.append(
                (conformal_quantile(distances / factor, FLOOR_LEVEL, groups, balanced) * factor.mean(0)).mean(-1)
            )
    chosen = np.where(np.isfinite(sizes), sizes, np.inf).argmin(0)  # [T]; infinite: all alike, the first
    return rounded(Scale(name, mean, np.asarray(FLOORS)[chosen]))


def check_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """The levels, ascending. Raises `UserError` if there is none, or one that is not between 0 and 1."""
    if not levels:
        raise UserError("levels: must name at least one, like 0.5,0.9")
    for level in levels:
        _check_level(level)
    return tuple(sorted(set(levels)))


def parse_levels(words: Sequence[str]) -> tuple[float, ...]:
    """What the flag --levels says, ascending. Raises `UserError` where one is no number between 0 and 1."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise UserError(f"--levels={','.join(words)}: must be numbers between 0 and 1, like 0.5,0.9") from None
    return check_levels(numbers)


def _measured(measure: np.ndarray | None) -> np.ndarray:
    if measure is None:
        raise UserError("radii that follow a window need what is measured of it: see Predictor.measure")
    return np.asarray(measure, np.float64)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise UserError(f"level={level:g}: must lie between 0 and 1, like 0.9")


def _rank(count: int, level: float) -> int:
    """ceil((n + 1) level), where 0.9 x 10 is 9 and not a rounding more."""
    return max(1, math.ceil((count + 1) * level - 1e-9))


def _plain(values: np.ndarray) -> Any:
    """Nested lists, rounded up, None for infinite."""
    if values.ndim:
        return [_plain(row) for row in values]
    return math.ceil(float(values) * 1000 - 1e-6) / 1000 if np.isfinite(values) else None
