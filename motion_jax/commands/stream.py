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

import math
import sys
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
from motion_jax.inference.stream.label_poses import live_poses
from motion_jax.inference.stream.live import LiveStream
from motion_jax.inference.stream.pose_stream import Bridge, LiveOptions
from motion_jax.inference.stream.replay import PREDICTIONS, Answers, Feed, Recording, replay
from motion_jax.inference.stream.source import Source, read_source
from motion_jax.inference.stream.stamps import MAX_BRIDGE, MAX_RATE
from motion_jax.runtime.files import user_path
from motion_jax.runtime.names import in_line

BRIDGES: dict[str, Bridge | None] = {"hold": "hold", "extrapolate": "extrapolate", "none": None}
_MOST_POSES = 20_000_000  # of a replay, whose moments are held in memory: 46 hours at 120 a second
_LEAST_ROOM = 120.0  # poses/s that a stream has room for

_WORKDIR = cli.define_paths("workdir", None, "A run's folder, or a pretrained model; none: the one that is shipped.")
_INPUT = cli.define_paths("input", None, "A motion file, or one of what the model reads.", required=True)
_PERSON = flags.DEFINE_integer("person", None, "Which of several people in a file, from 1.", lower_bound=1)
_ACTION = flags.DEFINE_string("action", None, "What is being done, of forecasting; none: not known.")
_JOINT_MAP = cli.define_path("joint_map", None, "CSV of joints' names, where a model of the canonical body lacks them.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the file, where it does not say them.")
_RATE = flags.DEFINE_float("rate", None, "Poses a second, above 0; none: the file's own.")
_SECONDS = flags.DEFINE_float("seconds", None, "How long, above 0; none: once through the file.")
_WINDOW = flags.DEFINE_float(
    "window", None, "s of a window of recognition; none: as in training, or the whole file where that is shorter."
)
_JITTER_MS = flags.DEFINE_float("jitter_ms", 0.0, "Standard deviation of the poses' times.")
_DROP = flags.DEFINE_float("drop", 0.0, "Share of the poses that never come, from 0 to less than 1.")
_PERIOD = flags.DEFINE_float(
    "period",
    None,
    "s between answers; none: a frame of the model, a quarter of a window of recognition, a step of anticipation's "
    "clock; 0: every pose.",
)
_MAX_GAP = flags.DEFINE_float("max_gap", 0.2, "s without a pose that are still even motion; more is a gap.")
_BRIDGE = flags.DEFINE_enum("bridge", "extrapolate", list(BRIDGES), "How gaps are bridged, or not.")
_MAX_BRIDGE = flags.DEFINE_float("max_bridge", 0.5, "s, the longest gap that is bridged.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")


def main(_: list[str]) -> None:
    """Reads, compiles, feeds, prints."""
    _check_flags()
    trained = load_run(_WORKDIR.value, _CHECKPOINT.value)
    source = read_source(user_path(_INPUT.value), trained, _INPUT_FPS.value, _PERSON.value)
    if len(source.frames) < 2:
        raise UserError(f"{_INPUT.value}: has {len(source.frames)} frame: a stream needs 2 or more")
    rate = source.fps if _RATE.value is None else _RATE.value
    once = _once(source, rate)
    feed = once if _SECONDS.value is None else once._replace(seconds=_SECONDS.value)
    if not len(once.stamps()) or not len(feed.stamps()):
        raise UserError(f"--drop={_DROP.value:g}: leaves none of the poses of {feed.seconds:g} s")
    stream, answers, show = _make_stream(trained, feed, source)
    recording = Recording(source.frames, source.fps, stream.layout)
    fps = trained.space.fps
    told = f"{_INPUT.value}: {rate:g} poses/s for {feed.seconds:g} s to a model of {fps:g} frames/s"
    print(in_line(told), flush=True)
    print(replay(stream, recording, feed, answers, show))


def _check_flags() -> None:
    """Raises `UserError` that names a number which is out of range, before anything is read."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    above_0, least_0 = math.nextafter(0.0, 1.0), 0.0
    for flag, least, most, allowed in (
        (_RATE, above_0, MAX_RATE, f"above 0 and at most {MAX_RATE:g} poses a second"),
        (_SECONDS, above_0, sys.float_info.max, "a finite number above 0"),
        (_WINDOW, above_0, sys.float_info.max, "a finite number above 0"),
        (_JITTER_MS, least_0, sys.float_info.max, "a finite number, 0 or above"),
        (_DROP, least_0, math.nextafter(1.0, 0.0), "0 or above, and less than 1"),
        (_PERIOD, least_0, sys.float_info.max, "a finite number, 0 or above"),
        (_MAX_GAP, above_0, sys.float_info.max, "a finite number above 0"),
        (_MAX_BRIDGE, least_0, MAX_BRIDGE, f"from 0 to {MAX_BRIDGE:g} s"),
    ):
        if flag.value is not None and not least <= flag.value <= most:  # not of NaN
            raise UserError(f"--{flag.name}={flag.value:g}: must be {allowed}")


def _once(source: Source, rate: float) -> Feed:
    """The poses of once through a file, first and last frame among them."""
    poses = math.floor((len(source.frames) - 1) / source.fps * rate + 1e-6) + 1
    most = _MOST_POSES / rate
    if _SECONDS.value is not None and _SECONDS.value > most:
        raise UserError(f"--seconds={_SECONDS.value:g}: must be at most {most:g} at {rate:g} poses a second")
    least = 0.5 / max(_LEAST_ROOM, rate)
    if not _MAX_GAP.value > least:
        raise UserError(f"--max_gap={_MAX_GAP.value:g}: must be longer than half a pose, {least:g} s")
    return Feed(rate, poses / rate, _JITTER_MS.value / 1000, _DROP.value)


def _make_stream(
    trained: Trained, feed: Feed, source: Source
) -> tuple[LiveStream[Any], Answers, Callable[[Any], None] | None]:
    """The stream of a run's task, what its answers are, and what prints them."""
    options: LiveOptions = {
        "rate": max(_LEAST_ROOM, feed.rate),
        "max_gap": _MAX_GAP.value,
        "period": _PERIOD.value,
        "bridge": BRIDGES[_BRIDGE.value],
        "max_bridge": _MAX_BRIDGE.value,
    }
    if _WINDOW.value is not None and not isinstance(trained, Recogniser):
        raise UserError(f"--window={_WINDOW.value:g}: only runs of recognition have a window")
    rigged = isinstance(trained, Predictor) and source.motion is not None
    if _JOINT_MAP.value is not None and not rigged:
        raise UserError(
            f"--joint_map={_JOINT_MAP.value}: nothing reads it: joints are mapped where a model of the canonical body "
            f"is fed with a motion file"
        )
    if isinstance(trained, Predictor) and source.motion is not None:
        table = None if _JOINT_MAP.value is None else user_path(_JOINT_MAP.value)
        rig = StreamingRigPredictor(trained, source.motion, _ACTION.value, joint_map=table, **options)
        return rig, PREDICTIONS, None
    if isinstance(trained, Predictor):
        return StreamingPredictor(trained, _ACTION.value, **options), PREDICTIONS, None
    if _ACTION.value is not None:
        raise UserError(f"--action={_ACTION.value}: only runs of forecasting are told what is being done")
    if isinstance(trained, Recogniser):
        labels = StreamingRecogniser(trained, _window(trained, source, feed), poses=source.form, **options)
        answers = Answers("labels", "the next was due", lambda found: found.end + labels.period)
        return labels, answers, lambda found: _print_label(found, 1 / trained.space.fps)
    answers = Answers("answers", "the first moment that they tell of", lambda found: found.times.min())
    return StreamingAnticipator(trained, poses=source.form, **options), answers, _print_coming


def _window(recogniser: Recogniser, source: Source, feed: Feed) -> float:
    """s of a window: the usual one, or all frames of a file that is shorter.

    A network reads every `labels.frame_step`-th frame, and a root of steps one recorded frame before the window.
    """
    fps = recogniser.space.fps
    if _WINDOW.value is not None:
        frames = recogniser.window(_WINDOW.value, "--window")
        if (frames - 1) / fps > feed.seconds:
            raise UserError(f"--window={_WINDOW.value:g}: must be at most {feed.seconds:g} s, in which the poses come")
        return _WINDOW.value
    stamps = _once(source, feed.rate).stamps()
    lead = live_poses(recogniser, source.form).lead / recogniser.recorded_fps
    filled = math.floor((stamps.max() - stamps[0] - lead) * fps + 1e-6) + 1
    if filled < 2:
        raise UserError(f"--input={_INPUT.value}: its {len(source.frames)} frames are too few for a window of two")
    return min(recogniser.space.seconds, filled / fps)


def _print_label(found: Recognition, frame: float) -> None:
    """The last frame of a window lasts until the next would come: spans are as `recognise` says them."""
    bridged = "  (bridged)" if found.bridged.any() else ""
    span = f"{found.start:8.2f} {found.end + frame:8.2f} s"
    print(in_line(f"{span}  {found.label}  {found.probability:.3f}{bridged}"), flush=True)


def _print_coming(found: Anticipation) -> None:
    told = "  ".join(f"in {one.seconds:g} s {one.label} {one.probability:.3f}" for one in found.coming)
    bridged = "  (bridged)" if found.bridged.any() else ""
    print(in_line(f"{found.end:8.2f} s  {told}{bridged}"), flush=True)
