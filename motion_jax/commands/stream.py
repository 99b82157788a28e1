"""Feeds a motion file to a model in real time, as if it were live, and prints how long its answers took.

motion-jax stream --input=walk.bvh     (any humanoid body: the model that is shipped)
motion-jax stream --workdir=runs/bi_enc_50 --input=walk.bvh
motion-jax stream --workdir=runs/bi_enc_50 --input=walking_1.txt --rate=25 --seconds=600 --action=walking
motion-jax stream --workdir=runs/bi_enc_50 --input=walk.bvh --rate=50 --jitter_ms=5 --drop=0.02
motion-jax stream --workdir=runs/hbrnn --input=walk.bvh     (recognition, anticipation: labels as they come)

The motion keeps its speed at any rate. Where it ends, it runs back to its beginning, and again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from absl import flags

from motion_jax.commands import cli
from motion_jax.data.formats import Motion, read_motion
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.rates import check_rate, nominal_rate
from motion_jax.errors import UserError
from motion_jax.inference.anticipator import TrainedAnticipator
from motion_jax.inference.load import Trained, load_run
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.recogniser import Recogniser, one_body
from motion_jax.inference.stream import (
    Anticipation,
    Recognition,
    StreamingAnticipator,
    StreamingPredictor,
    StreamingRecogniser,
    StreamingRigPredictor,
)
from motion_jax.inference.stream.pose_stream import Bridge
from motion_jax.inference.stream.replay import PREDICTIONS, Answers, Feed, Recording, replay
from motion_jax.runtime.files import user_path
from motion_jax.skeletons.skeleton import Skeleton

BRIDGES: dict[str, Bridge | None] = {"hold": "hold", "extrapolate": "extrapolate", "none": None}

_WORKDIR = flags.DEFINE_string("workdir", None, "A run's folder, or a pretrained model; none: the one that is shipped.")
_INPUT = flags.DEFINE_string("input", None, "A motion file.", required=True)
_ACTION = flags.DEFINE_string("action", None, "What is being done, of forecasting; none: not known.")
_JOINT_MAP = cli.define_path("joint_map", None, "CSV of joints' names, where a model of the canonical body lacks them.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the file, where it does not say them.")
_RATE = flags.DEFINE_float("rate", None, "Poses a second; none: the file's own.", lower_bound=0.0)
_SECONDS = flags.DEFINE_float("seconds", None, "How long; none: once through the file.", lower_bound=0.0)
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
    motion = read_motion(user_path(_INPUT.value), fps=_INPUT_FPS.value)
    trained = load_run(_WORKDIR.value, _CHECKPOINT.value)
    any_body = isinstance(trained, Predictor) and trained.takes_any_body
    if any_body:
        motion = fit_root(motion)
    else:
        body = trained.space.skeleton if isinstance(trained, Predictor) else one_body(trained.space, _INPUT.value)
        motion = fit_root(motion, body)
        _check_body(motion, trained, body)
    file_rate = nominal_rate(motion.fps)
    rate = file_rate if _RATE.value is None else _RATE.value
    feed = Feed(rate, _SECONDS.value or motion.seconds, _JITTER_MS.value / 1000, _DROP.value)
    stream, answers, show = _make_stream(trained, rate, motion if any_body else None)
    fps = trained.space.fps
    print(f"{_INPUT.value}: {rate:g} poses/s for {feed.seconds:g} s to a model of {fps:g} frames/s", flush=True)
    print(replay(stream, Recording(motion.frames, file_rate), feed, answers, show))


def _make_stream(
    trained: Trained, rate: float, sample: Motion | None
) -> tuple[Any, Answers, Callable[[Any], None] | None]:
    """The stream of a run's task, what its answers are, and what prints them; `sample`: of a rig that is mapped."""
    options: dict[str, Any] = {
        "rate": max(120.0, rate),
        "max_gap": _MAX_GAP.value,
        "period": _PERIOD.value,
        "bridge": BRIDGES[_BRIDGE.value],
        "max_bridge": _MAX_BRIDGE.value,
    }
    if isinstance(trained, Predictor) and sample is not None:
        table = None if _JOINT_MAP.value is None else user_path(_JOINT_MAP.value)
        return StreamingRigPredictor(trained, sample, _ACTION.value, joint_map=table, **options), PREDICTIONS, None
    if isinstance(trained, Predictor):
        return StreamingPredictor(trained, _ACTION.value, **options), PREDICTIONS, None
    if _ACTION.value is not None:
        raise UserError(f"--action={_ACTION.value}: only runs of forecasting are told what is being done")
    if isinstance(trained, Recogniser):
        labels = StreamingRecogniser(trained, **options)
        return labels, Answers("labels", "the next was due", lambda found: found.end + labels.period), _print_label
    assert isinstance(trained, TrainedAnticipator)
    answers = Answers("answers", "the first moment that they tell of", lambda found: found.times.min())
    return StreamingAnticipator(trained, **options), answers, _print_coming


def _print_label(found: Recognition) -> None:
    bridged = "  (bridged)" if found.bridged.any() else ""
    print(f"{found.start:8.2f} {found.end:8.2f} s  {found.label}  {found.probability:.3f}{bridged}", flush=True)


def _print_coming(found: Anticipation) -> None:
    told = "  ".join(f"in {one.seconds:g} s {one.label} {one.probability:.3f}" for one in found.coming)
    bridged = "  (bridged)" if found.bridged.any() else ""
    print(f"{found.end:8.2f} s  {told}{bridged}", flush=True)


def _check_body(motion: Motion, trained: Trained, body: Skeleton) -> None:
    """The file's body must be the model's; that its root is absolute is what a stream wants."""
    if fault := body.with_absolute_root.mismatch(motion.skeleton):
        command = {Predictor: "predict", Recogniser: "recognise"}.get(type(trained))
        hint = f" (motion-jax {command} --retarget takes the file)" if command else ""
        raise UserError(
            f"--input={motion.source}: does not fit --workdir={_WORKDIR.value}: {fault}; a stream is not "
            f"retargeted: it must be the model's body{hint}"
        )
