"""Seams: where a prediction follows what was recorded, a body goes on as fast as it went.

A network's first frame is some hundredths of a second after the last one that it saw, and a little off; read at the
rate of the recording, that is a jolt. The velocity in which prediction and recording differ there is added to the
prediction, and decays: after a tenth of a second little is left of it.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from motion_jax.data.motion.motion import Motion, positions
from motion_jax.data.motion.rates import nominal_rate
from motion_jax.data.motion.rotations_np import (
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
    slerp,
)

DECAY_S = 0.08  # chosen on training recordings among .03, .06, .08 and .1 by the error at 80 ms
_MEASURED_S = 0.025  # over which the recorded velocity is measured: one step at 120 a second is mostly noise
_EASED_S = 0.05  # over which a prediction that begins too far away is reached
_BEFORE_S = 0.5  # of the recording, in which the largest step of each joint is looked for
_HALVINGS = 12  # of the share of the first step that is allowed: to a thousandth


def without_jolt(recorded: Motion, after: Motion, end: int = -1) -> Motion:
    """`after`, what follows frame `end` of `recorded`, at its rate and on its body, beginning at the recorded velocity.

    To frame n from 1 is added (v - w) n exp(-(n - 1) / (rate x DECAY_S)), v being the recorded step a frame at `end`
    and w the step to the first predicted frame, of the root's place and of each joint's rotation.
    """
    frames, rate = recorded.frames, nominal_rate(recorded.fps)
    end = range(len(frames))[end]
    back = min(max(1, round(_MEASURED_S * rate)), end)
    if not back:
        return after
    last, count = frames[end], len(after.frames)
    number = np.arange(1, count + 1)
    weight = (number * np.exp(-(number - 1) / (rate * DECAY_S)))[:, None]
    place = (last[:3] - frames[end - back, :3]) / back - (after.frames[0, :3] - last[:3])
    before, here, first = (_quaternions(row) for row in (frames[end - back], last, after.frames[0]))
    turn = _turn(before, here) / back - _turn(here, first)
    turned = quaternion_multiply(_quaternions(after.frames), quaternion_from_rotvec(weight[..., None] * turn))
    corrected = [after.frames[:, :3] + weight * place, -rotvec_from_quaternion(turned).reshape(count, -1)]
    return dataclasses.replace(after, frames=np.concatenate(corrected, axis=1))


def within_last_steps(recorded: Motion, after: Motion, end: int = -1) -> Motion:
    """`after`, eased in so that no joint's first step exceeds its largest within the half second before frame `end`.

    Of the same body, rate and channels. The first frame is the share of the way from the last recorded pose that keeps
    every joint within; the rest of the way is gone in some hundredths of a second. A body that stood still begins so.
    """
    end = range(len(recorded.frames))[end]
    rate = nominal_rate(recorded.fps)
    seen = _rows(recorded, slice(max(0, end - max(1, math.ceil(_BEFORE_S * rate) - 1)), end + 1))
    places = positions(seen)
    largest = np.linalg.norm(np.diff(places, axis=0), axis=-1).max(axis=0, initial=0)
    last, first = _rows(recorded, slice(end, end + 1)), _rows(after, slice(0, 1))

    def fits(share: float) -> bool:
        step = positions(_between(last, first, np.array([share])))[0] - places[-1]
        return bool((np.linalg.norm(step, axis=-1) <= largest).all())

    if fits(1.0):
        return after
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    shares = 1 - (1 - low) * np.exp(-np.arange(len(after.frames)) / (rate * _EASED_S))
    return _between(last, after, shares)


def _rows(motion: Motion, rows: slice) -> Motion:
    places = None if motion.places is None else motion.places[rows]
    return dataclasses.replace(motion, frames=motion.frames[rows], places=places)


def _between(last: Motion, after: Motion, shares: np.ndarray) -> Motion:
    """From the one frame of `last` to each of `after`, a share `[F]` of the way."""
    there = _quaternions(after.frames)
    turned = slerp(np.broadcast_to(_quaternions(last.frames), there.shape), there, shares[:, None])
    place = last.frames[:, :3] + shares[:, None] * (after.frames[:, :3] - last.frames[:, :3])
    places = after.places
    if places is not None and last.places is not None:
        places = last.places + shares[:, None, None] * (places - last.places)
    frames = np.concatenate([place, -rotvec_from_quaternion(turned).reshape(len(place), -1)], axis=1)
    return dataclasses.replace(after, frames=frames, places=places)


def _quaternions(frames: np.ndarray) -> np.ndarray:
    """Local rotations `[..., J, 4]` of frames `[..., 3 + 3 J]`, on column vectors."""
    return quaternion_from_rotvec(-frames[..., 3:].reshape(*frames.shape[:-1], -1, 3))


def _turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """From rotations `[J, 4]` to others, as rotation vectors `[J, 3]` in the joints' own axes."""
    return rotvec_from_quaternion(quaternion_multiply(quaternion_conjugate(before), after))
