"""Feeds a motion file to a model in real time, as if it were live, and prints how long the predictions took.

motion-jax stream --workdir=runs/bi_enc_50 --input=walk.bvh
motion-jax stream --workdir=runs/bi_enc_50 --input=walking_1.txt --rate=25 --seconds=600 --action=walking
motion-jax stream --workdir=runs/bi_enc_50 --input=walk.bvh --rate=50 --jitter_ms=5 --drop=0.02

The motion keeps its speed at any rate. Where it ends, it runs back to its beginning, and again.
"""

from __future__ import annotations

import dataclasses

from absl import flags

from motion_jax.data.formats import Motion, read_motion
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.rates import check_rate, nominal_rate
from motion_jax.errors import UserError
from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.inference.stream import StreamingPredictor
from motion_jax.inference.stream.pose_stream import Bridge
from motion_jax.inference.stream.replay import Feed, Recording, replay
from motion_jax.runtime.files import user_path

BRIDGES: dict[str, Bridge | None] = {"hold": "hold", "extrapolate": "extrapolate", "none": None}

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_INPUT = flags.DEFINE_string("input", None, "A motion file.", required=True)
_ACTION = flags.DEFINE_string("action", None, "What is being done; none: not known.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the file, where it does not say them.")
_RATE = flags.DEFINE_float("rate", None, "Poses a second; none: the file's own.", lower_bound=0.0)
_SECONDS = flags.DEFINE_float("seconds", None, "How long; none: once through the file.", lower_bound=0.0)
_JITTER_MS = flags.DEFINE_float("jitter_ms", 0.0, "Standard deviation of the poses' times.", lower_bound=0.0)
_DROP = flags.DEFINE_float("drop", 0.0, "Share of the poses that never come.", lower_bound=0.0, upper_bound=1.0)
_PERIOD = flags.DEFINE_float("period", None, "s between predictions; none: a frame of the model; 0: every pose.")
_MAX_GAP = flags.DEFINE_float("max_gap", 0.2, "s without a pose that are still even motion; more is a gap.")
_BRIDGE = flags.DEFINE_enum("bridge", "extrapolate", list(BRIDGES), "How gaps are bridged, or not.")
_MAX_BRIDGE = flags.DEFINE_float("max_bridge", 0.5, "s, the longest gap that is bridged.", lower_bound=0.0)
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")


def main(_: list[str]) -> None:
    """Reads, compiles, feeds, prints."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    motion = read_motion(user_path(_INPUT.value), fps=_INPUT_FPS.value)
    predictor = load_predictor(_WORKDIR.value, _CHECKPOINT.value)
    motion = fit_root(motion, predictor.space.skeleton)
    _check_body(motion, predictor)
    file_rate = nominal_rate(motion.fps)
    rate = file_rate if _RATE.value is None else _RATE.value
    feed = Feed(rate, _SECONDS.value or motion.seconds, _JITTER_MS.value / 1000, _DROP.value)
    stream = StreamingPredictor(
        predictor,
        _ACTION.value,
        rate=max(120.0, rate),
        max_gap=_MAX_GAP.value,
        period=_PERIOD.value,
        bridge=BRIDGES[_BRIDGE.value],
        max_bridge=_MAX_BRIDGE.value,
    )
    fps = predictor.space.fps
    print(f"{_INPUT.value}: {rate:g} poses/s for {feed.seconds:g} s to a model of {fps:g} frames/s", flush=True)
    print(replay(stream, Recording(motion.frames, file_rate), feed))


def _check_body(motion: Motion, predictor: Predictor) -> None:
    """The file's body must be the model's; that its root is absolute is what a stream wants."""
    wanted = dataclasses.replace(predictor.space.skeleton, root_is_difference=False)
    if fault := wanted.mismatch(motion.skeleton):
        raise UserError(
            f"--input={motion.source}: does not fit --workdir={_WORKDIR.value}: {fault}; a stream is not "
            f"retargeted: it must be the model's body (motion-jax predict --retarget takes the file)"
        )
