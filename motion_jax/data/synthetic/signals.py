"""Signals over time that movements are made of: reaches, wandering, and the phase of a rhythm."""

from __future__ import annotations

import dataclasses

import numpy as np

FPS = 50.0
SPANS = (1024, 3072)  # frames that a wandering signal is drawn for: the least of these that holds the clip

_SILENCE = 1e-3  # what is left above the frequency with this gain is a millionth of the power: not worth drawing


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a sequence of K moves stands at every frame; one move ends before the next begins."""

    moves: int  # K
    move: np.ndarray  # [F] int, the latest move that has begun; 0 before the first
    share: np.ndarray  # [F] 0 ... 1, how much of that move is done


def minimum_jerk(fraction: np.ndarray) -> np.ndarray:
    """The share of the way done at a fraction of the time: 10 s^3 - 15 s^4 + 6 s^5 (Flash and Hogan 1985, eq. 3)."""
    s = np.clip(fraction, 0, 1)
    return s * s * s * (10 + s * (6 * s - 15))


def plan_moves(rng: np.random.Generator, frames: int, hold_s: float, move_s: float) -> Progress:
    """Moves of about `move_s` seconds after holds of about `hold_s` seconds, enough to fill the clip."""
    count = 2 + int(2 * frames / FPS / (hold_s + move_s))
    duration = FPS * move_s * rng.lognormal(0, 0.15, count)
    hold = FPS * hold_s * rng.gamma(2.0, 0.5, count)
    start = np.cumsum(hold + duration) - duration
    time = np.arange(frames)
    move = np.maximum(np.searchsorted(start, time, side="right") - 1, 0)
    return Progress(count, move, minimum_jerk((time - start[move]) / duration[move]))


def visit(stations: np.ndarray, progress: Progress) -> np.ndarray:
    """The path through stations `[K + 1, ...]`: move k leads from station k to k + 1. Returns `[F, ...]`."""
    share = progress.share.reshape(-1, *[1] * (stations.ndim - 1))
    return stations[progress.move] + share * np.diff(stations, axis=0)[progress.move]


def wander(rng: np.random.Generator, frames: int, channels: int, seconds: float) -> np.ndarray:
    """Smooth autocorrelated noise of unit variance around 0, `[F, channels]`.

    Three Ornstein-Uhlenbeck filters in a row (a Matern 5/2 process), each with a time constant of `seconds`: one alone
    has no velocity, three have a velocity and an acceleration, as limbs do. Drawn in the frequency domain.
    """
    span = next(span for span in SPANS if frames <= span)
    omega = 2 * np.pi * FPS * np.fft.rfftfreq(span)
    gain = (1 + (omega * seconds) ** 2) ** -1.5
    gain = gain[gain > _SILENCE]
    power = 2 * np.sum(gain**2) - gain[0] ** 2  # both halves of the spectrum
    white = rng.standard_normal((2, len(gain), channels))
    spectrum = (white[0] + 1j * white[1]) * gain[:, None] * (span / np.sqrt(2 * power))
    spectrum[0] *= np.sqrt(2)  # of this one only the real half counts
    return np.fft.irfft(spectrum, span, axis=0)[:frames]


def phase_of(frequency_hz: np.ndarray, start: float) -> np.ndarray:
    """The phase in radians of a rhythm whose frequency varies, `[F]`, from `start` on."""
    steps = 2 * np.pi * frequency_hz / FPS
    return start + np.concatenate([[0.0], np.cumsum(steps[:-1])])
