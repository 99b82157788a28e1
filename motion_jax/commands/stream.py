"""Feeds a motion file to a model in real time, as if it were live, and prints how long its answers took.

motion-jax stream --input=walk.bvh     (any humanoid body: the model that is shipped)
motion-jax stream --workdir=runs/bi_enc_50 --input=walk.bvh
motion-jax stream --workdir=runs/bi_enc_50 --input=walking_1.txt --rate=25 --seconds=600 --action=walking
motion-jax stream --workdir=runs/bi_enc_50 --input=walk.bvh --rate=50 --jitter_ms=5 --drop=0.02
motion-jax stream --workdir=runs/hbrnn --input=walk.bvh     (recognition, anticipation: labels as they come)
motion-jax stream --workdir=runs/hbrnn_as1 --input=a01_s02_e03_skeleton3D.txt     (a file of the run's data set)
motion-jax stream --workdir=runs/ours_positions --input=camera.npz     (joint positions, where the model reads them)

The motion keeps its speed at any rate. Where it ends, it runs back to its beginning, and again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from absl import flags

from motion_jax.commands import cli
from motion_jax.data.motion.rates import check_rate
from motion_jax.errors import UserError
from motion_jax.inference.load import Trained, load_run
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.recogniser import Recogniser
from motion_jax.inference.stream import (
    Anticipation,
    Recognition,
    StreamingAnticipator,
    StreamingPredictor,
    StreamingRecogniser,
    StreamingRigPredictor,
)
from motion_jax.inference.stream.live import LiveStream
from motion_jax.inference.stream.pose_stream import Bridge, LiveOptions
from motion_jax.inference.stream.replay import PREDICTIONS, Answers, Feed, Recording, replay
from motion_jax.inference.stream.source import Source, read_source
from motion_jax.runtime.files import user_path

BRIDGES: dict[str, Bridge | None] = {"hold": "hold", "extrapolate": "extrapolate", "none": None}

_WORKDIR = flags.DEFINE_string("workdir", None, "A run's folder, or a pretrained model; none: the one that is shipped.")
_INPUT = flags.DEFINE_string("input", None, "A motion file, or one of what the model reads.", required=True)
_PERSON = flags.DEFINE_integer("person", None, "Which of several people in a file, from 1.", lower_bound=1)
_ACTION = flags.DEFINE_string("action", None, "What is being done, of forecasting; none: not known.")
_JOINT_MAP = cli.define_path("joint_map", None, "CSV of joints' names, where a model of the canonical body lacks them.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the file, where it does not say them.")
_RATE = flags.DEFINE_float("rate", None, "Poses a second; none: the file's own.", lower_bound=0.0)
_SECONDS = flags.DEFINE_float("seconds", None, "How long; none: once through the file.", lower_bound=0.0)
_WINDOW = flags.DEFINE_float(
    "window", None, "s of a window of recognition; none: as in training, or the whole file where that is shorter."
)
_JITTER_MS = flags.DEFINE_float("jitter_ms", 0.0, "Standard deviation of the poses' times.", lower_bound=0.0)
_DROP = flags.DEFINE_float("drop", 0.0, "Share of the poses that never come.", lower_bound=0.0, upper_bound=1.0)
_PERIOD = flags.DEFINE_float(
    "period",
    None,
    "s between answers; none: a frame of the model, a quarter of a window of recognition, a step of anticipation's "
    "clock; 0: every pose.",
)
_MAX_GAP = flags.DEFINE_float("max_gap", 0.2, "s without a pose that are still even motion; more is a gap.")
_BRIDGE = flags.DEFINE_enum("bridge", "extrapolate", list(BRIDGES), "How gaps are bridged, or not.")
_MAX_BRIDGE = flags.DEFINE_float("max_bridge", 0.5, "s, the longest gap that is bridged.", lower_bound=0.0)
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")


def main(_: list[str]) -> None:
    """Reads, compiles, feeds, prints."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    trained = load_run(_WORKDIR.value, _CHECKPOINT.value)
    source = read_source(user_path(_INPUT.value), trained, _INPUT_FPS.value, _PERSON.value)
    if len(source.frames) < 2:
        raise UserError(f"{_INPUT.value}: has {len(source.frames)} frame: a stream needs 2 or more")
    rate = source.fps if _RATE.value is None else _RATE.value
    seconds = _SECONDS.value or (len(source.frames) - 1) / source.fps
    feed = Feed(rate, seconds, _JITTER_MS.value / 1000, _DROP.value)
    stream, answers, show = _make_stream(trained, rate, source)
    recording = Recording(source.frames, source.fps, stream.layout)
    fps = trained.space.fps
    print(f"{_INPUT.value}: {rate:g} poses/s for {feed.seconds:g} s to a model of {fps:g} frames/s", flush=True)
    print(replay(stream, recording, feed, answers, show))


def _make_stream(
    trained: Trained, rate: float, source: Source
) -> tuple[LiveStream[Any], Answers, Callable[[Any], None] | None]:
    """The stream of a run's task, what its answers are, and what prints them."""
    options: LiveOptions = {
        "rate": max(120.0, rate),
        "max_gap": _MAX_GAP.value,
        "period": _PERIOD.value,
        "bridge": BRIDGES[_BRIDGE.value],
        "max_bridge": _MAX_BRIDGE.value,
    }
    if _WINDOW.value is not None and not isinstance(trained, Recogniser):
        raise UserError(f"--window={_WINDOW.value:g}: only runs of recognition have a window")
    if isinstance(trained, Predictor) and source.motion is not None:
        table = None if _JOINT_MAP.value is None else user_path(_JOINT_MAP.value)
        rig = StreamingRigPredictor(trained, source.motion, _ACTION.value, joint_map=table, **options)
        return rig, PREDICTIONS, None
    if isinstance(trained, Predictor):
        return StreamingPredictor(trained, _ACTION.value, **options), PREDICTIONS, None
    if _ACTION.value is not None:
        raise UserError(f"--action={_ACTION.value}: only runs of forecasting are told what is being done")
    if isinstance(trained, Recogniser):
        labels = StreamingRecogniser(trained, _window(trained, source, rate), poses=source.form, **options)
        return labels, Answers("labels", "the next was due", lambda found: found.end + labels.period), _print_label
    answers = Answers("answers", "the first moment that they tell of", lambda found: found.times.min())
    return StreamingAnticipator(trained, poses=source.form, **options), answers, _print_coming


def _window(recogniser: Recogniser, source: Source, rate: float) -> float:
    """s of a window: as long as what was trained on, but no longer than once through the file fills.

    The last pose comes a pose before the file's end, and a root of steps takes one recorded frame before the window.
    """
    if _WINDOW.value is not None:
        return _WINDOW.value
    frame = 1 / recogniser.space.fps
    filled = (len(source.frames) - 1) / source.fps - 1 / rate - 1 / recogniser.recorded_fps
    return min(recogniser.space.seconds, max(frame, filled) + frame)


def _print_label(found: Recognition) -> None:
    bridged = "  (bridged)" if found.bridged.any() else ""
    print(f"{found.start:8.2f} {found.end:8.2f} s  {found.label}  {found.probability:.3f}{bridged}", flush=True)


def _print_coming(found: Anticipation) -> None:
    told = "  ".join(f"in {one.seconds:g} s {one.label} {one.probability:.3f}" for one in found.coming)
    bridged = "  (bridged)" if found.bridged.any() else ""
    print(f"{found.end:8.2f} s  {told}{bridged}", flush=True)
