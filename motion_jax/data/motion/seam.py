"""Seams: where a prediction follows what was recorded, a body goes on as fast as it went.

A network's first frame is some hundredths of a second after the last one that it saw, and a little off; read at the
rate of the recording, that is a jolt. The velocity in which prediction and recording differ there is added to the
prediction, and decays: after a tenth of a second little is left of it.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rates import nominal_rate
from motion_jax.data.motion.rotations_np import (
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)

DECAY_S = float(os.environ.get("TAU", "0.08"))
_MEASURED_S = float(os.environ.get("VEL", "0.025"))


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


def _quaternions(frames: np.ndarray) -> np.ndarray:
    """Local rotations `[..., J, 4]` of frames `[..., 3 + 3 J]`, on column vectors."""
    return quaternion_from_rotvec(-frames[..., 3:].reshape(*frames.shape[:-1], -1, 3))


def _turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """From rotations `[J, 4]` to others, as rotation vectors `[J, 3]` in the joints' own axes."""
    return rotvec_from_quaternion(quaternion_multiply(quaternion_conjugate(before), after))
