"""StreamingPredictor: poses in one by one as they are recorded, futures out."""

from __future__ import annotations

from typing import NamedTuple, Unpack

import jax
import numpy as np

from motion_jax.data.motion.root_forms import from_absolute, to_absolute
from motion_jax.evaluation.conformal import Radii
from motion_jax.geometry.fit_rotations import find_hips, root_in_place
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.stream.layout import PoseLayout
from motion_jax.inference.stream.live import LiveStream
from motion_jax.inference.stream.pose_stream import LiveOptions, PoseStream
from motion_jax.skeletons.skeleton import Root, Skeleton


class Prediction(NamedTuple):
    """What comes after the newest pose; the arrays are the caller's own."""

    times: np.ndarray  # [T] s, on the clock of the stamps: the newest stamp + 1/fps, + 2/fps, ...
    poses: np.ndarray  # [T, D] float32, in the form of the poses that were pushed: root absolute, or joint places
    bridged: np.ndarray  # [S] bool, which of the frames that were read lie where no pose came for too long
    radii: Radii | None = None  # mm around the joints at each frame, of this prediction; None: not calibrated


class StreamingPredictor(LiveStream[Prediction]):
    """A predictor for live motion: `push(pose, stamp) -> None | Prediction`.

    Poses come at any rate up to `rate`, evenly or not. For each prediction the model's S frames are read at the newest
    stamp and every 1/fps before it: translations straight between the two neighbours, rotations by slerp. None is
    returned until the poses reach back that far, and between two predictions.

    A pose is a raw frame `[D]` as in training, but its root (columns 0-5) is always absolute: place and rotation
    vector in space. Where the model's root holds steps (`skeleton.root`: "difference", Human3.6M; "heading"), these are
    formed here over one recorded row, 1 / (fps x data.stride) s, for which the poses must reach back as much further;
    predicted steps are added up from the newest pose, each as often as there are recorded rows in a frame.

    A pose of a model of positions (`skeleton.positions`) is the places `[3 J]` of its joints, mm on the scale of its
    body's bones. The body may be anywhere and turned anyhow: where the
    model knows it in place (as of all data whose frames hold rotations), place and turn of the root are taken out
    here, and predicted places are seen from the newest root; see `geometry.fit_rotations.root_in_place`.

    | a pose that is | becomes |
    | --- | --- |
    | not `[D]`, or not real numbers; its stamp no number | `UserError` |
    | NaN, infinite or beyond float32, or its stamp is | left out; counted `invalid` |
    | of positions, zero in every column: nobody is there | the same |
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
        **options: Unpack[LiveOptions],
    ) -> None:
        """Compiles for one sequence.

        Args:
            predictor: what `load_predictor` returns.
            action: what is being done, as in a call of the predictor; None if not known.
            options: see `LiveOptions`; `period` None is a frame of the model, 1/fps.

        Raises:
            UserError: the action is unknown, a number is out of range, or the body has no hips to tell its turn by.
        """
        space = predictor.space
        self.predictor = predictor
        body = space.skeleton
        self._root: Root = "absolute" if body.positions else body.root
        self._in_place = body.positions and _is_in_place(body, space.raw.kept)
        self._stride = predictor.experiment.data.stride
        self._future = jax.device_put(np.zeros((1, predictor.target_length, space.columns), np.float32))
        self._codes = jax.device_put(space.one_hot(action)[None])
        self._ahead = np.arange(1, predictor.target_length + 1) / space.fps
        self._stream = PoseStream(self._moments(), PoseLayout.of_body(self._body), space.fps, 1 / space.fps, **options)
        self._history = np.zeros((1, predictor.source_length, space.columns), np.float32)
        predictor.compile(1)
        self._poses()

    def predict(self, stamp: float | None = None) -> Prediction | None:
        """What comes after the newest pose, or after `stamp`: as `answer`, with its errors."""
        return self.answer(stamp)

    def _answer(self, at: float) -> Prediction:
        by_frame = self._stream.bridged.reshape(self.predictor.source_length, -1)  # one a frame, or two of steps
        bridged = np.logical_or.reduce(by_frame, axis=1)
        poses, radii = self._poses(), self.predictor.radii
        if radii is not None and radii.scale is not None:
            radii = self.predictor.radii_of_rows(self._history, np.asarray(self._codes))
        return Prediction(self._ahead + at, poses, bridged, radii)

    @property
    def _body(self) -> Skeleton:
        """Whose frames the poses are."""
        return self.predictor.space.skeleton

    def _moments(self) -> np.ndarray:
        """`[R]` s from the newest stamp, ascending: the model's frames; of steps, each after its predecessor."""
        space = self.predictor.space
        frames = np.arange(1 - self.predictor.source_length, 1) / space.fps
        if self._root == "absolute":
            return frames
        return np.stack([frames - 1 / (space.fps * self._stride), frames], axis=1).reshape(-1)

    def _poses(self) -> np.ndarray:
        """`[T, D]` after the rows that were read."""
        return self._follow(self._stream.rows)

    def _follow(self, rows: np.ndarray) -> np.ndarray:
        """`[T, D]` after `rows` `[R, D]` of the model's body, root absolute."""
        if self._in_place:
            body = self.predictor.space.skeleton
            placed = root_in_place(body, rows.reshape(len(rows), -1, 3))
            self._history[0] = placed.places.reshape(len(rows), -1)
            places = self._model().astype(np.float64).reshape(-1, len(body.joints), 3)
            return placed.back(places).reshape(len(places), -1).astype(np.float32)
        if self._root == "absolute":
            self._history[0] = rows
            return self._model()
        self._history[0] = rows[1::2]
        self._history[0, :, :6] = from_absolute(self._root, rows[:, :6])[::2]
        poses = self._model()
        poses[:, :6] = to_absolute(self._root, poses[:, :6].astype(np.float64), rows[-1, :6], self._stride)
        return poses

    def _model(self) -> np.ndarray:
        """`[T, D]` after `_history`."""
        return np.array(self.predictor.predict_raw(self._history, self._future, self._codes, "free_running"))[0]


def _is_in_place(body: Skeleton, moving: tuple[int, ...]) -> bool:
    """Whether root and hips stayed where they are in all frames of training, by the columns that moved."""
    if any(column in moving for column in range(3)):
        return False
    return not any(3 * hip + axis in moving for hip in find_hips(body) for axis in range(3))
