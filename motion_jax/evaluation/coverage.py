"""Coverage: how often the truth lies within the radii, how large these are, and scores of whole distributions.

A recording's windows stand or fall together, so that intervals come from drawing recordings, not windows, anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import GRID, STILL_MM, Radii

DRAWS = 2000  # of the bootstrap
INTERVAL = (2.5, 97.5)  # percentiles
SEED = 0


class Coverage(NamedTuple):
    """Empirical coverage at one level. Shares are over windows and moving joints."""

    level: float
    covered: np.ndarray  # [T] share of joints within their radius, at each horizon
    low: np.ndarray  # [T] bounds of its 95% interval over recordings; nan of a single recording
    high: np.ndarray  # [T]
    band: float  # share of joints within their band at all horizons at once
    band_interval: tuple[float, float]
    pose: np.ndarray  # [T] share of windows whose mean distance lies within the pose's radius
    sharpness: np.ndarray  # [T] mean radius, mm
    band_sharpness: np.ndarray  # [T] mean radius of the band, mm
    recordings: int
    windows: int

    def to_dict(self, frames: Sequence[int]) -> dict[str, Any]:
        """Plain values at some frames, 1-based; null where not finite."""
        columns = [frame - 1 for frame in frames]
        rows = {name: [_plain(value) for value in getattr(self, name)[columns]]
                for name in ("covered", "low", "high", "pose", "sharpness", "band_sharpness")}  # fmt: skip
        alone = {"band": _plain(self.band), "band_interval": [_plain(bound) for bound in self.band_interval]}
        return {"level": self.level, **rows, **alone, "recordings": self.recordings, "windows": self.windows}


def measure_coverage(
    distances: np.ndarray,
    radii: Radii,
    recordings: ArrayLike,
    draws: int = DRAWS,
    measure: np.ndarray | None = None,
) -> list[Coverage]:
    """How often distances lie within radii, one record a level.

    Args:
        distances: `[W, T, J]` mm, of windows that neither training nor calibration saw; nan is not covered.
        radii: whose T may be longer: the first frames are taken.
        recordings: `[W]` of which recording each window is.
        draws: bootstrap samples of recordings, drawn with replacement; the same ones for the same number of recordings.
        measure: `[W, T, J]` mm, what was measured of each window, where the radii have a scale.

    Joints that do not move in the model's frames (no radius reaches 1 um) are left out: they are always covered.

    Raises:
        UserError: another number of joints, a longer horizon, or no windows.
    """
    length, joints = distances.shape[1:]
    if not len(distances) or joints != len(radii.joints) or length > radii.radius.shape[1]:
        raise UserError(f"coverage: distances {distances.shape} do not fit radii {radii.radius.shape}, [L, T, J]")
    moving = moving_joints(radii)
    inside = np.where(np.isnan(distances), np.inf, distances)[..., moving]
    names, index = np.unique(np.asarray(recordings), return_inverse=True)
    generator = np.random.default_rng(SEED)
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)  # [draws, R]
    factor, whole = factors(radii, measure, length)
    factor = factor[..., moving] if factor.shape[-1] > 1 else factor
    found = []
    for number, level in enumerate(radii.levels):
        radius, band = (part[number, :length][:, moving] * factor for part in (radii.radius, radii.band_radius))
        hit = (inside <= radius).mean(-1)  # [W, T]
        hit_band = (inside <= band).all(1).mean(-1)  # [W]
        pose = np.where(np.isnan(distances), np.inf, distances).mean(-1) <= radii.pose_radius[number, :length] * whole
        low, high = _interval(hit, index, drawn)
        band_low, band_high = _interval(hit_band[:, None], index, drawn)
        found.append(
            Coverage(
                level=level,
                covered=hit.mean(0),
                low=low,
                high=high,
                band=float(hit_band.mean()),
                band_interval=(float(band_low[0]), float(band_high[0])),
                pose=pose.mean(0),
                sharpness=radius.mean((0, -1)),
                band_sharpness=band.mean((0, -1)),
                recordings=len(names),
                windows=len(distances),
            )
        )
    return found


def factors(radii: Radii, measure: np.ndarray | None, length: int) -> tuple[np.ndarray, np.ndarray]:
    """By what the radii of windows differ from the usual ones: `[W, T, J]` of joints, `[W, T]` of poses.

    `[1, 1, 1]` and `[1, 1]` of radii that follow nothing. Raises `UserError` where a measure is lacking.
    """
    if radii.scale is None:
        return np.ones((1, 1, 1)), np.ones((1, 1))
    if measure is None:
        raise UserError(f"coverage: radii of scale {radii.scale.name} need what was measured of each window")
    return radii.scale.factor(measure[:, :length]), radii.scale.pose_factor(measure[:, :length])


def distance_crps(distances: np.ndarray, radii: Radii, measure: np.ndarray | None = None) -> np.ndarray | None:
    """CRPS of the distances that the radii predict, `[W, T]` mm, a mean over moving joints; 0 is best.

    What is forecast is the distance e >= 0, mm, of a joint at a horizon from the place where it was predicted. Its
    distribution F is the conformal predictive one, of Q = 20 equal steps: with q_k the radius of the window at the
    level (k + .5) / Q, F(x) = #{k: q_k <= x} / Q. The score of an e that came is the integral of
    (F(x) - [x >= e])^2 dx, which `crps_quantiles` gives exactly for steps: twice the mean pinball loss of the q_k.

    It is about the distance, not the place: of two models the one with the smaller errors has the smaller score, and of
    two scales for one model the sharper at equal calibration. Without a distribution, of a fixed distance of 0, it is
    the mean distance itself.

    Returns:
        None where radii were saved without a distribution, or of too few draws for its last step.
    """
    if radii.distribution is None or not np.isfinite(radii.distribution).all():
        return None
    length, moving = distances.shape[1], moving_joints(radii)
    factor, _ = factors(radii, measure, length)
    factor = factor[..., moving] if factor.shape[-1] > 1 else factor
    steps = radii.distribution[:, None, :length][..., moving] * factor  # [Q, W, T, J]
    return crps_quantiles(GRID, steps, distances[..., moving]).mean(-1)


def moving_joints(radii: Radii) -> np.ndarray:
    """`[J]` bool: joints with an error to cover at some horizon."""
    return np.asarray((radii.radius > STILL_MM).any((0, 1)))


def describe(radii: Radii, frames: Sequence[int]) -> str:
    """What was calibrated on, and mean radii of the joints that move."""
    moving = moving_joints(radii)
    people = f", {radii.subjects} subjects" if radii.subjects else ""
    lines = [f"radii from {radii.windows} windows of {radii.recordings} held-out recordings{people}, by {radii.by}"]
    lines += [radii.note] * bool(radii.note)
    if radii.scale is not None:
        floors = ", ".join(f"{radii.scale.floor[frame - 1]:g}" for frame in frames)
        lines += [f"they follow {radii.scale.name} above a floor of {floors} of its mean; of a usual window:"]
    lines += ["ms".rjust(10) + "".join(f"{1000 * frame / radii.fps:8.0f}" for frame in frames)]
    for level, radius in zip(radii.levels, radii.radius[:, :, moving], strict=True):
        values = "".join(f"{radius[frame - 1].mean():8.1f}" for frame in frames)
        lines.append(f"{level:9.0%} {values} mm, mean over joints")
    return "\n".join(lines)


def crps_gaussian(mean: ArrayLike, std: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """The continuous ranked probability score of normal distributions, in the unit of `truth`; 0 is best.

    Gneiting and Raftery 2007, equation 21: std (z (2 F(z) - 1) + 2 f(z) - 1 / sqrt(pi)), z = (truth - mean) / std. A
    `std` of 0 gives the absolute error. Shapes broadcast.
    """
    mean, std, truth = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (mean, std, truth)))
    z = np.divide(truth - mean, std, out=np.zeros_like(mean), where=std > 0)
    below = 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(z / math.sqrt(2)))
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    spread = std * (z * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi))
    return np.where(std > 0, spread, np.abs(truth - mean))


def crps_quantiles(levels: ArrayLike, quantiles: np.ndarray, truth: ArrayLike) -> np.ndarray:
    """The same score of distributions given by quantiles: twice the mean pinball loss over evenly spaced levels.

    Args:
        levels: `[L]`, such as (k + .5) / L, whose mean approximates the integral over (0, 1).
        quantiles: `[L, ...]` at these levels.
        truth: `[...]`.
    """
    above = np.asarray(truth)[None] - quantiles
    level = np.asarray(levels).reshape(-1, *[1] * (above.ndim - 1))
    return 2 * np.maximum(level * above, (level - 1) * above).mean(0)


def _interval(hits: np.ndarray, index: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds `[T]` of the mean of `[W, T]` where recordings, `drawn` `[draws, R]` times each, carry their windows."""
    count = drawn.shape[1]
    if count < 2:
        nothing = np.full(hits.shape[1], np.nan)
        return nothing, nothing
    sums = np.zeros((count, hits.shape[1]))
    np.add.at(sums, index, hits)
    means = (drawn @ sums) / (drawn @ np.bincount(index, minlength=count))[:, None]
    low, high = np.percentile(means, INTERVAL, axis=0)
    return low, high


def _plain(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
