"""Labelled recordings as one HTML page: the body, and under it true and predicted labels as bands along the time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.data.labelled.sequences import Sequence as Recording
from motion_jax.errors import UserError
from motion_jax.inference.anticipator import TrainedAnticipator
from motion_jax.inference.recogniser import Recogniser
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.page import STEPS, assemble, encode_places, encode_root, encode_skeleton
from motion_jax.visualize.poses import Track, make_track

SCRIPTS = ("data", "palette", "camera", "bodies", "player", "bands", "main")  # web/*.js, in this order
LONGEST_S = 120.0  # of a recording that is shown
FASTEST = 30.0  # frames/s that are drawn
HOPS = 4  # windows that begin within the length of one
AHEAD_S = 1.0  # of the anticipation times the nearest is shown
TRUTH = "Truth"


class Span(NamedTuple):
    """A stretch of a recording with one label."""

    start_s: float
    end_s: float
    label: int  # a number of the set's classes
    probability: float = 1.0


@dataclasses.dataclass(frozen=True)
class Band:
    """Labels along the time, of whoever gave them."""

    name: str
    spans: Callable[[Recording], Sequence[Span]]  # of a recording at the set's own rate


def recogniser_band(recogniser: Recogniser) -> Band:
    """What a recogniser says along a recording: each window's label about the window's middle."""

    def spans(recording: Recording) -> list[Span]:
        found = recogniser.label_sequence(recording, hop=recogniser.space.seconds / HOPS)
        middles = [(label.start_s + label.end_s) / 2 for label in found]
        edges = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(middles)), found[-1].end_s]
        classes = recogniser.space.classes
        return [
            Span(begin, end, classes.index(label.label), label.probability)
            for (begin, end), label in zip(itertools.pairwise(edges), found, strict=True)
        ]

    return Band(recogniser.experiment.name, spans)


def anticipator_band(anticipator: TrainedAnticipator) -> Band:
    """What an anticipator says along a recording: at each time the likeliest class to begin about a second later.

    Raises:
        UserError: the network recognises early.
    """
    clock = anticipator.clock
    if clock.within:
        raise UserError(f"{anticipator.experiment.name}: model.mode='early_recognition' tells nothing of what comes")
    seconds = min(clock.times, key=lambda time: abs(time - AHEAD_S))

    def spans(recording: Recording) -> list[Span]:
        if recording.frames < (clock.steps + 1) * clock.alpha * anticipator.recorded_fps:
            return []  # too short to say anything of
        found = anticipator.follow(recording, seconds)
        ends = [*(now for now, _ in found[1:]), recording.frames / anticipator.recorded_fps]
        classes = anticipator.space.classes
        return [
            Span(now, end, classes.index(coming.label), coming.probability)
            for (now, coming), end in zip(found, ends, strict=True)
        ]

    return Band(f"{anticipator.experiment.name}: what comes in {seconds:g} s", spans)


def make_label_page(dataset: LabelledSet, recordings: Sequence[Recording], bands: Sequence[Band]) -> str:
    """The page's text.

    Args:
        dataset: whose recordings they are.
        recordings: what is shown, each of at most `LONGEST_S` seconds: what lies behind is left out, which it says.
        bands: under the true labels, in order.

    Raises:
        UserError: the recordings hold no joints that could be drawn, or there is none.
    """
    if dataset.skeleton is None:
        raise UserError(
            f"--output: data set {dataset.name!r} holds feature arrays, not joints: there is no body to draw"
        )
    if not recordings:
        raise UserError(f"--output: data set {dataset.name!r} has no recordings to show")
    step = max(1, round(dataset.fps / FASTEST))
    fps = dataset.fps / step
    body = _side_by_side(dataset.skeleton.of_positions, dataset.bodies)
    data = {
        "data": dataset.name,
        "fps": fps,
        "past": 1,
        "future": 0,
        "skeleton": encode_skeleton(body),
        "models": [],
        "classes": dataset.classes,
        "bands": [TRUTH, *(band.name for band in bands)],
        "scenes": [_scene(dataset, recording, bands, step) for recording in recordings],
    }
    names = ", ".join(band.name for band in bands)
    return assemble("labels.html", SCRIPTS, f"{names}: labels of {dataset.name} motion", data)


def _scene(dataset: LabelledSet, recording: Recording, bands: Sequence[Band], step: int) -> dict[str, Any]:
    count = min(recording.frames, round(LONGEST_S * dataset.fps))
    cut = f" (the first {LONGEST_S:g} s of {recording.frames / dataset.fps:.0f})" if count < recording.frames else ""
    track = _track(dataset, recording, count, step)
    unit = float(np.abs(track.places).max()) / STEPS or 1.0
    truth = [Span(s.start / dataset.fps, s.end / dataset.fps, s.label) for s in recording.segments]
    rate = dataset.fps / step
    return {
        "clip": recording.source + cut,
        "action": "",
        "window": 0,
        "frames": len(track.places),
        "unit_mm": unit,
        "known": True,
        "truth": encode_places(track, unit),
        "root": encode_root(track),
        "predictions": [],
        "bands": [
            [[span.start_s * rate, span.end_s * rate, span.label, span.probability] for span in spans]
            for spans in (truth, *(band.spans(recording) for band in bands))
        ],
    }


def _track(dataset: LabelledSet, recording: Recording, count: int, step: int) -> Track:
    """Of angles with the root's path; of positions in place: from the mean root of the first body.

    Who is not there, zeros of a second body, hides in the root of the first.
    """
    body = dataset.skeleton
    assert body is not None  # `make_label_page`
    if "angles" in recording.arrays and dataset.bodies == 1:
        track = make_track(body.of_angles, frames := recording.arrays["angles"][:count], 0, 1, frames)
        return Track(*(part[::step] for part in track))
    joints = len(body.joints) * dataset.bodies
    places = recording.arrays["positions"][:count:step].reshape(-1, joints, 3).astype(np.float64)
    people = places.reshape(len(places), dataset.bodies, -1, 3)
    absent = np.logical_not(np.any(people, axis=(2, 3), keepdims=True))
    people[:, 1:] = np.where(absent[:, 1:], people[:, :1, :1], people[:, 1:])
    places = places - places[:, :1].mean(axis=0)
    upright = np.broadcast_to(np.eye(3), (len(places), 3, 3))
    return Track(places, upright, np.zeros((len(places), 3)))


def _side_by_side(body: Skeleton, count: int) -> Skeleton:
    """`count` people as one body, for drawing: the others hang on the root of the first by no bone."""
    if count == 1:
        return body
    size = len(body.joints)
    joints = tuple(f"{joint} {n + 1}" for n in range(count) for joint in body.joints)
    parents = tuple(
        (parent + n * size) if parent >= 0 else (0 if n else -1) for n in range(count) for parent in body.parents
    )
    offsets = np.concatenate([body.offsets] * count)
    for n in range(1, count):
        offsets[n * size] = 0  # no bone leads to another's root
    return dataclasses.replace(body, joints=joints, parents=parents, parts=body.parts * count, offsets=offsets)
