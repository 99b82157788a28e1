"""StreamingRigPredictor: poses of any humanoid rig in, futures of that rig out, by a model of the canonical body."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Unpack

import numpy as np
from absl import logging

from motion_jax.data.formats import Motion
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.rig import Rig, find_rig, from_canonical, to_canonical
from motion_jax.data.motion.root_forms import unwrap_rows
from motion_jax.errors import UserError
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.stream.pose_stream import LiveOptions
from motion_jax.inference.stream.predictor import StreamingPredictor
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.joint_map import map_joints
from motion_jax.skeletons.skeleton import Skeleton


class StreamingRigPredictor(StreamingPredictor):
    """As `StreamingPredictor`, of poses of any humanoid body, where the model is of the canonical one.

    A pose is a frame `[D]` of `skeleton`, as `read_motion` gives frames: place in the file's unit and world, rotation
    vectors of that rig's joints. Predicted poses `[T, D]` are of the same rig; joints that the canonical body has not
    keep the rotations of the newest pose. `Prediction.radii` are of the canonical body's joints.

    How the rig stands to the canonical body (axes, unit, floor, which way is up) is found once, from a recording of it.
    """

    def __init__(
        self,
        predictor: Predictor,
        sample: Motion,
        action: str | None = None,
        *,
        joint_map: Path | None = None,
        **options: Unpack[LiveOptions],
    ) -> None:
        """Finds the rig and compiles for one sequence.

        Args:
            predictor: of the canonical body, such as `pretrained()`.
            sample: a recording of the rig, some seconds in which it moves; not necessarily of the same person.
            action: as of `StreamingPredictor`.
            joint_map: a table of joints' names that comes before the shipped one.
            options: as of `StreamingPredictor`.

        Raises:
            UserError: the model is of another body, the rig cannot be mapped, or as of `StreamingPredictor`.
        """
        if not predictor.takes_any_body:
            raise UserError(
                f"{sample.source}: the model is of the body {predictor.space.skeleton.name!r}, not of the canonical "
                f"one: StreamingPredictor streams poses of that body"
            )
        merged = fit_root(sample)
        self.rig: Rig = find_rig(merged, map_joints(merged.skeleton, joint_map))
        for note in self.rig.notes:
            logging.info("%s: %s", sample.source, note)
        places = None if merged.places is None else np.median(merged.places, axis=0)
        self._sample, self._places = merged, places
        super().__init__(predictor, action, **options)

    @property
    def skeleton(self) -> Skeleton:
        """The body of the poses: the sample's, with its root and hips as one joint where the root only carries them."""
        return self._sample.skeleton

    @property
    def _body(self) -> Skeleton:
        return self.skeleton

    def _poses(self) -> np.ndarray:
        given = self._motion(self._stream.rows)
        future = self._follow(to_canonical(self.rig, given).frames).astype(np.float64)
        canonical = Motion(BODY22, future, self.predictor.space.fps, given.source)
        return from_canonical(self.rig, canonical, given).frames.astype(np.float32)

    def _model(self) -> np.ndarray:
        near = self.predictor.space.raw.mean  # the branch on which the model has seen each rotation, as in a file
        self._history[0] = unwrap_rows(self._root, self._history[0].astype(np.float64), near=near)
        return super()._model()

    def _motion(self, rows: np.ndarray) -> Motion:
        """Rows `[R, D]` as a motion of the rig."""
        places = None if self._places is None else np.broadcast_to(self._places, (len(rows), *self._places.shape))
        return dataclasses.replace(self._sample, frames=rows, places=places, warnings=(), notes=())
