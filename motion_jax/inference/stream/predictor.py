"""StreamingPredictor: poses in one by one as they are recorded, futures out."""

from __future__ import annotations

import math
from numbers import Real
from typing import Literal, NamedTuple

import jax
import numpy as np

from motion_jax.data.motion.root_differences import differentiate_root, integrate_root
from motion_jax.data.motion.rotations_np import (
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)
from motion_jax.data.motion.unwrap import unwrap_rotations
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.stream.ring import Ring
from motion_jax.inference.stream.stamps import PoseCounts, StampFilter

_ROUNDING = 1e-3  # of a frame: by how much the oldest pose may be younger than the oldest frame
_EARLY = 0.45  # of a period: by how much a prediction may come before it is due, as stamps are uneven


Bridge = Literal["hold", "extrapolate"]


class Prediction(NamedTuple):
    """What comes after the newest pose; the arrays are the caller's own."""

    times: np.ndarray  # [T] s, on the clock of the stamps: the newest stamp + 1/fps, + 2/fps, ...
    poses: np.ndarray  # [T, D] float32, in the form of the poses that were pushed: root absolute
    bridged: np.ndarray  # [S] bool, which of the frames that were read lie where no pose came for too long
    radii: Radii | None = None  # mm around the joints at each frame, of this prediction; None: not calibrated


class StreamingPredictor:
    """A predictor for live motion: `push(pose, stamp) -> None | Prediction`.

    Poses come at any rate up to `rate`, evenly or not. For each prediction the model's S frames are read at the newest
    stamp and every 1/fps before it: translations straight between the two neighbours, rotations by slerp. None is
    returned until the poses reach back that far, and between two predictions.

    A pose is a raw frame `[D]` as in training, but its root (columns 0-5) is always absolute: place and rotation
    vector in space. Where the model's root holds differences (`skeleton.root_is_difference`, Human3.6M), they are
    formed here over one recorded row, 1 / (fps x data.stride) s, for which the poses must reach back as much further;
    predicted differences are added up from the newest pose, each as often as there are recorded rows in a frame.

    | a pose that is | becomes |
    | --- | --- |
    | not `[D]`, or not real numbers; its stamp no number | `UserError` |
    | NaN, infinite or beyond float32, or its stamp is | left out; counted `invalid` |
    | at the newest stamp | left out: the first counts; `duplicate` |
    | before the newest stamp, by up to `max_gap` | left out, as what came after it has been used; `late` |
    | less than 1 / (2 `rate`) s after the newest | left out: the store would not reach back; `crowded` |
    | up to `max_gap` after the newest | taken; what lies between is interpolated |
    | further from the newest, before or after | held until the next poses tell; see below |

    A held pose (`held`) is used together with the next one that follows it by up to `max_gap`. Where both lie at most
    `max_bridge` after the newest, what lies between is interpolated and flagged in `Prediction.bridged` (`bridged`);
    after a longer gap (`gaps`) the stream begins anew. Where they lie before the newest, the stream begins anew once
    they have followed each other for `max_gap`: the clock was set back (`set_back`). A held pose that the next one
    contradicts is left out: a wrong stamp (`ahead`), or one more that came late (`late`).

    After a new beginning None is returned until the poses reach back again. `predict(stamp)` predicts while no pose
    comes, for up to `max_bridge`.

    The store has a fixed size and everything is compiled in the constructor. A pose allocates nothing that stays, a
    prediction its result. Threads: one at a time may call; a prediction is the caller's own and may go to any other. A
    thread that must not wait puts poses into a queue; see `docs/streaming.md`.
    """

    def __init__(
        self,
        predictor: Predictor,
        action: str | None = None,
        *,
        rate: float = 120.0,
        max_gap: float = 0.2,
        period: float | None = None,
        bridge: Bridge | None = "extrapolate",
        max_bridge: float = 0.5,
    ) -> None:
        """Compiles for one sequence.

        Args:
            predictor: what `load_predictor` returns.
            action: what is being done, as in a call of the predictor; None if not known.
            rate: poses/s that must find room.
            max_gap: s without a pose that are still even motion; more is a gap.
            period: s between two predictions; None: a frame of the model, 1/fps; 0: one for every pose.
            bridge: what stands in `predict(stamp)` for poses that have not come: "hold", the newest pose stays;
                "extrapolate", it goes on at the speed of the last 1/fps s. None: gaps are not bridged at all.
            max_bridge: s, the longest gap that is bridged.

        Raises:
            UserError: the action is unknown, or a number is out of range.
        """
        space = predictor.space
        if space.skeleton.positions:
            raise UserError(
                "data.representation='positions': poses of a stream hold rotations, which this model does not predict"
            )
        period = 1 / space.fps if period is None else period
        if not 0 <= period < math.inf:
            raise UserError(f"period={period}: must be 0 or a finite number of seconds")
        if bridge not in ("hold", "extrapolate", None):
            raise UserError(f"bridge={bridge!r}: must be 'hold', 'extrapolate' or None")
        self._stamps = StampFilter(rate, max_gap, max_bridge if bridge else 0.0)
        self._bridge = bridge
        self.predictor = predictor
        self._differences = space.skeleton.root_is_difference
        self._stride = predictor.experiment.data.stride
        self._period = period
        self._due = -math.inf  # s, when the next prediction is
        self._rounding = _ROUNDING / space.fps
        self._future = jax.device_put(np.zeros((1, predictor.target_length, space.columns), np.float32))
        self._codes = jax.device_put(space.one_hot(action)[None])
        self._ahead = np.arange(1, predictor.target_length + 1) / space.fps
        self._offsets = self._moments()
        filled = math.ceil(self._stamps.max_bridge * space.fps) + 1  # rows that stand for poses that have not come
        self._make_room(math.ceil(self.reach / self._stamps.closest) + 3 + filled)
        predictor.compile(1)
        self._answer()

    @property
    def reach(self) -> float:
        """s that the poses must reach back before the newest."""
        return -float(self._offsets[0])

    @property
    def counts(self) -> PoseCounts:
        """What became of the poses so far."""
        return self._stamps.counts

    def push(self, pose: np.ndarray, stamp: float) -> Prediction | None:
        """Takes in a pose `[D]` observed at `stamp`, s on any clock that goes on, and predicts where it is time to.

        Raises:
            UserError: the pose is not `[D]` real numbers, or the stamp is no number.
        """
        if not self.observe(pose, stamp) or stamp < self._due - _EARLY * self._period:
            return None
        prediction = self.predict()
        if prediction is not None:
            behind = stamp - self._due > self._period  # at the first, and after a pause: the rhythm begins here
            self._due = (stamp if behind else self._due) + self._period
        return prediction

    def observe(self, pose: np.ndarray, stamp: float) -> bool:
        """Takes in a pose as `push` does, without predicting; whether it was taken.

        Raises:
            UserError: as `push`.
        """
        stamp = _seconds(stamp)
        held = self._stamps.held
        verdict = self._stamps.decide(self._is_sound(pose), stamp)
        if verdict == "hold":
            np.copyto(self._held, pose)
        if verdict in ("drop", "hold"):
            return False
        if verdict == "restart":
            self._ring.clear()
            self._due = -math.inf
        if verdict != "take":
            self._ring.append(held, self._held, bridged=verdict == "bridge")
        np.copyto(self._pose, pose)
        self._ring.append(stamp, self._pose)
        return True

    def predict(self, stamp: float | None = None) -> Prediction | None:
        """What comes after the newest pose, or after `stamp`, to which no pose has come since.

        What lies after the newest pose is bridged as `bridge` says. It is no observation: the next pose replaces it. A
        `stamp` before the newest pose counts as that pose's.

        Returns:
            None where the poses do not reach back far enough, or `stamp` lies more than `max_bridge` after the newest.

        Raises:
            UserError: the stamp is no number.
        """
        newest = self._stamps.newest
        at = newest if stamp is None else max(newest, _seconds(stamp))
        if self._ring.count < 2 or not at - newest <= self._stamps.max_bridge:
            return None
        filled = self._fill(newest, at) if at > newest else 0
        try:
            if at - self._ring.stamps[0] < self.reach - self._rounding:
                return None
            np.add(self._offsets, at, out=self._times)
            self._ring.read(self._times, self._rows)
        finally:
            self._ring.drop_last(filled)
        bridged = self._ring.bridged | (self._times > newest + self._rounding)
        by_frame = bridged.reshape(self.predictor.source_length, -1)  # one moment a frame, or two of differences
        bridged = np.logical_or.reduce(by_frame, axis=1)
        poses, radii = self._answer(), self.predictor.radii
        if radii is not None and radii.scale is not None:
            radii = self.predictor.radii_of_rows(self._history, np.asarray(self._codes))
        return Prediction(self._ahead + at, poses, bridged, radii)

    def _fill(self, newest: float, at: float) -> int:
        """Puts rows into the ring that stand for the poses up to `at`; how many."""
        last = self._ring.last()
        if self._bridge == "hold":
            self._ring.append(at, last)
            return 1
        count = math.ceil((at - newest) * self.predictor.space.fps)
        span = min(1 / self.predictor.space.fps, newest - self._ring.stamps[0])  # s over which speed is measured
        self._times.fill(newest - span)
        self._ring.read(self._times, self._rows)
        before, share = self._rows[0], (at - newest) / (count * span)
        step = share * (last[:3] - before[:3])
        old, pose = (quaternion_from_rotvec(one[3:].reshape(-1, 3)) for one in (before, last))
        turn = quaternion_from_rotvec(
            share * rotvec_from_quaternion(quaternion_multiply(pose, quaternion_conjugate(old)))
        )
        for number in range(1, count + 1):
            pose = quaternion_multiply(turn, pose)
            row = np.concatenate([last[:3] + step, rotvec_from_quaternion(pose).reshape(-1)])
            last = unwrap_rotations(row[None], near=last)[0]
            self._ring.append(newest + number / count * (at - newest), last)
        return count

    def _moments(self) -> np.ndarray:
        """`[R]` s from the newest stamp, ascending: the model's frames; of differences, each after its predecessor."""
        space = self.predictor.space
        frames = np.arange(1 - self.predictor.source_length, 1) / space.fps
        if not self._differences:
            return frames
        return np.stack([frames - 1 / (space.fps * self._stride), frames], axis=1).reshape(-1)

    def _make_room(self, capacity: int) -> None:
        columns, reads = self.predictor.space.columns, len(self._offsets)
        self._ring = Ring(capacity, columns, reads)
        self._pose, self._held = np.zeros((2, columns))
        self._narrow = np.zeros(columns, np.float32)
        self._finite = np.zeros(columns, bool)
        self._times = np.zeros(reads)
        self._rows = np.zeros((reads, columns))
        self._history = np.zeros((1, self.predictor.source_length, columns), np.float32)
        self._walk = np.zeros((1 + self.predictor.target_length * self._stride, 6))

    def _is_sound(self, pose: np.ndarray) -> bool:
        """Whether a pose is finite in float32."""
        pose = np.asarray(pose)
        if pose.shape != self._pose.shape or pose.dtype.kind not in "fiu":
            raise UserError(f"pose is {pose.dtype} {list(pose.shape)}: it must be real numbers [{len(self._pose)}]")
        with np.errstate(over="ignore"):
            np.copyto(self._narrow, pose, casting="unsafe")
        np.isfinite(self._narrow, out=self._finite)
        return bool(self._finite.all())

    def _answer(self) -> np.ndarray:
        """`[T, D]` after the frames in `_rows`."""
        if not self._differences:
            self._history[0] = self._rows
            return self._model()
        self._history[0] = self._rows[1::2]
        self._history[0, :, :6] = differentiate_root(self._rows[:, :6])[1::2]
        poses = self._model()
        self._walk[0] = self._rows[-1, :6]  # from the origin, the first difference is the root itself
        self._walk[1:].reshape(-1, self._stride, 6)[:] = poses[:, None, :6]
        poses[:, :6] = integrate_root(self._walk)[self._stride :: self._stride]
        return poses

    def _model(self) -> np.ndarray:
        """`[T, D]` after `_history`."""
        return np.array(self.predictor.predict_raw(self._history, self._future, self._codes, "free_running"))[0]


def _seconds(stamp: float) -> float:
    """`stamp` as a float. Raises `UserError` if it is no number."""
    if not isinstance(stamp, Real):
        raise UserError(f"stamp is {stamp!r}: it must be a number of seconds")
    try:
        return float(stamp)
    except OverflowError:
        return math.inf
