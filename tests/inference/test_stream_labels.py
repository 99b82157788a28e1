"""Live labels: what a stream says of a window is what is said of a recording of that window."""

from __future__ import annotations

import dataclasses
import gc
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.data.expmap import write_expmap
from motion_jax.data.formats import Motion
from motion_jax.errors import UserError
from motion_jax.inference.recogniser import Recogniser, motion_sequence
from motion_jax.inference.stream import PoseCounts, StreamingAnticipator, StreamingRecogniser
from motion_jax.skeletons.bodies import H36M
from tests.labelled_runs import CLASSES, FPS, STEP, WINDOW, experiment, make_run, motion_rows, write_run

ROOT = Path(__file__).parents[2]
EPOCH = 1.7e9  # s, where today's clocks are
ABSOLUTE = H36M.with_absolute_root
ROWS = (WINDOW - 1) * STEP + 1  # recorded frames of a window

Forked = Callable[..., list[Any]]  # see conftest.py


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return make_run("recognition")


def push_all(stream: Any, rows: np.ndarray, rate: float = FPS) -> list[Any]:
    return [stream.push(pose, EPOCH + number / rate) for number, pose in enumerate(rows)]


def motion(rows: np.ndarray) -> Motion:
    return Motion(ABSOLUTE, rows, FPS, "made")


def test_a_live_label_is_that_of_a_recording_of_its_window(recogniser: Recogniser):
    """Of a body whose root is differences, with every modality and every preprocessing."""
    rows = motion_rows(40)
    found = push_all(StreamingRecogniser(recogniser, period=0), rows)
    first = ROWS  # differences need one pose before the window
    assert [answer is None for answer in found] == [True] * first + [False] * (40 - first)
    seen = set()
    for number in range(first, 40, 5):
        (label,) = recogniser.label(motion(rows[number - ROWS : number + 1]))
        assert found[number].label == label.label
        np.testing.assert_allclose(found[number].probabilities, label.probabilities, atol=5e-5)
        assert found[number].probability == found[number].probabilities.max()
        assert found[number].end - found[number].start == pytest.approx((WINDOW - 1) * STEP / FPS, abs=1e-6)
        seen.add(round(float(label.probability), 3))
    assert len(seen) > 3  # windows differ


def test_without_seconds_a_recording_is_cut_as_in_training_and_a_stream_waits_for_a_median_segment():
    """Whole up to `labels.window`; where that is 0, up to the median segment."""
    run = make_run("recognition", ABSOLUTE, inputs="positions", preprocess="center")
    run.space = dataclasses.replace(run.space, seconds=3 * STEP / FPS)
    assert [len(run.label(motion(motion_rows(frames)))) for frames in (2 * STEP, WINDOW * STEP)] == [1, 1]
    longer = run.label(motion(motion_rows(2 * WINDOW * STEP)))
    assert {round((one.end_s - one.start_s) * run.space.fps) for one in longer} == {WINDOW}
    assert StreamingRecogniser(run).reach == pytest.approx(2 * STEP / FPS)
    run.experiment = experiment("recognition", inputs="positions", window=0)
    assert run.window() == 3


def test_what_is_done_frame_by_frame_is_the_same_in_the_whole_recording():
    run = make_run("recognition", ABSOLUTE, inputs="positions,angles", preprocess="center")
    rows = motion_rows(40)
    found = push_all(StreamingRecogniser(run, period=0), rows)
    offline = run.label(motion(rows), hop=STEP / FPS)
    for number, label in enumerate(offline):
        np.testing.assert_allclose(found[STEP * number + ROWS - 1].probabilities, label.probabilities, atol=5e-5)


def test_what_comes_is_that_of_a_recording_up_to_now():
    run = make_run("anticipation", preprocess="center")
    stream = StreamingAnticipator(run, period=0)
    rows = motion_rows(30)
    found = push_all(stream, rows)
    frames = round(stream.reach * FPS)
    assert [answer is None for answer in found] == [True] * frames + [False] * (30 - frames)
    for number in (frames, 29):
        coming = run.anticipate(motion(rows[number - frames : number + 1]))
        assert [one.seconds for one in found[number].coming] == [one.seconds for one in coming] == [0.16, 0.08]
        for live, one in zip(found[number].coming, coming, strict=True):
            np.testing.assert_allclose(live.probabilities, one.probabilities, atol=5e-5)
        np.testing.assert_allclose(found[number].times - EPOCH - number / FPS, [0.16, 0.08], atol=1e-6)
    along = run.follow(motion_sequence(motion(rows), run.space), 0.1)  # of which the first row is gone
    assert len(along) == 6  # every fourth of 29 rows, but those with too little before
    for moment, one in along[1:]:
        (live,) = (coming for coming in found[round(moment * FPS) + 1].coming if coming.seconds == one.seconds == 0.08)
        np.testing.assert_allclose(live.probabilities, one.probabilities, atol=5e-5)
    assert np.ptp([answer.coming[0].probabilities for answer in found[frames:]], axis=0).max() > 1e-3


def test_labels_come_once_a_period_and_rest_on_what_was_bridged(recogniser: Recogniser):
    """Poses at another rate, of which some do not come."""
    stream, rows = StreamingRecogniser(recogniser), motion_rows(200)
    found = [
        stream.push(pose, EPOCH + number / 100)
        for number, pose in enumerate(rows)
        if not 120 <= number < 150  # .3 s: bridged
    ]
    labels = [answer for answer in found if answer is not None]
    assert stream.period == pytest.approx(WINDOW * STEP / FPS / 4)
    assert 20 <= len(labels) <= 31
    assert stream.counts == PoseCounts(taken=170, bridged=1)
    assert [bool(answer.bridged.any()) for answer in (labels[0], labels[-1])] == [False, False]
    assert any(answer.bridged.any() for answer in labels)
    assert stream.answer(EPOCH + 199 / 100 + 0.1).bridged.tolist() == [False] * 3 + [True] * 3


def test_nothing_is_compiled_or_kept_after_the_constructor(recogniser: Recogniser):
    stream, rows = StreamingRecogniser(recogniser, period=0), motion_rows(120)
    push_all(stream, rows[:40])
    events: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(note := lambda event, *_, **__: events.append(event))
    tracemalloc.start()
    for number in range(40, 120):
        stream.push(rows[number], EPOCH + number / FPS)
    gc.collect()  # JAX leaves cycles
    ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/motion_jax/inference/stream/*")])
    tracemalloc.stop()
    jax.monitoring.unregister_event_duration_listener(note)
    assert not [event for event in events if "compile" in event]
    assert sum(trace.size for trace in ours.statistics("filename")) < 2_000


def test_what_has_no_live_body_is_told(recogniser: Recogniser):
    several = dataclasses.replace(recogniser.space, bodies=2)
    with pytest.raises(UserError, match=r"live motion: a motion holds the joints of one person; .* 2 people at once"):
        StreamingRecogniser(Recogniser(recogniser.params, recogniser.experiment, several, 0))
    with pytest.raises(UserError, match=r"seconds=0\.01: a window must hold two frames"):
        StreamingRecogniser(recogniser, 0.01)
    with pytest.raises(UserError, match=r"pose is float64 \[98\]: it must be real numbers \[99\]"):
        StreamingRecogniser(recogniser).push(np.zeros(98), 0.0)


MASKS = {
    "shape": (np.ones((2, 4)), "mask has shape [2, 4]: must be [2, 3], as frames are"),
    "ragged": ([[1, 1, 1], [1]], "mask is no array, its rows differ in length: must be [2, 3], as frames are"),
    "value": ([[1, 1, 1], [1, 0.5, 0]], "mask: sequence 1 has [1.  0.5 0. ]: must be 1 for frames, one at least, and"),
    "nan": ([[1, 1, 1], [1, np.nan, 0]], "mask[1, 1] is nan"),
    "nothing": ([[1, 1, 1], [0, 0, 0]], "mask: sequence 1 has [0. 0. 0.]"),
    "before": ([[0, 1, 1], [1, 1, 1]], "mask: sequence 0 has [0. 1. 1.]"),
    "between": ([[1, 1, 1], [1, 0, 1]], "mask: sequence 1 has [1. 0. 1.]"),
    "masked": (np.ma.masked_array(np.ones((2, 3)), np.eye(2, 3)), "mask is a masked array"),
}


@pytest.mark.parametrize("case", MASKS)
def test_a_mask_that_is_not_ones_and_then_zeros_is_told(recogniser: Recogniser, case: str):
    mask, message = MASKS[case]
    with pytest.raises(UserError, match=re.escape(message)):
        recogniser(np.zeros((2, 3, recogniser.space.width)), mask)


def test_truth_values_are_a_mask(recogniser: Recogniser):
    frames, ones = np.ones((2, 3, recogniser.space.width), np.float32), np.array([[1, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(recogniser(frames, ones == 1), recogniser(frames, ones))


def test_inputs_that_are_no_arrays_are_told(recogniser: Recogniser):
    run, width = make_run("anticipation", None, inputs="signs,noise", preprocess=""), recogniser.space.width
    steps, masked = run.clock.steps, np.ma.masked_array(np.zeros((1, 3, width)), True)
    one, two = (np.zeros((batch, steps, 2)) for batch in (1, 2))
    for call, message in (
        (lambda: recogniser([[1, 2], [3]]), f"frames is no array, its rows differ in length: must be [B, T, {width}]"),
        (lambda: recogniser(masked), "frames is a masked array"),
        (lambda: run((one, [[1, 2], [3]])), f"noise is no array, its rows differ in length: must be [B, {steps}, 2]"),
        (lambda: run((np.ma.masked_array(one, True), one)), "signs is a masked array"),
        (lambda: run((one,)), "inputs hold 1 arrays: must be 2, one a modality"),
        (lambda: run((one, two)), "inputs have batches of [1, 2]: must be one number, 1 or more"),
        (lambda: run((one[:0], one[:0])), "inputs have batches of [0, 0]"),
        (lambda: StreamingRecogniser(recogniser).push([1, [2]], 0.0), "pose is no array, its rows differ in length"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            call()


def test_the_command_prints_labels_as_they_come(tmp_path: Path, forked: Forked):
    write_expmap(tmp_path / "walk.txt", motion_rows(40))
    code = "from motion_jax.commands import stream\ncli.run(stream.main)"
    runs = {task: write_run(tmp_path / task, task) for task in ("recognition", "anticipation")}
    lines = [[f"--workdir={run}", f"--input={tmp_path / 'walk.txt'}"] for run in runs.values()]
    lines.append([*lines[0], "--action=walking"])
    labels, coming, refused = forked(code, lines, ROOT)
    classes = "|".join(CLASSES)
    assert (labels.status, labels.complaints) == (0, "")
    first, *rest = labels.out.splitlines()
    assert first.endswith("walk.txt: 50 poses/s for 0.8 s to a model of 25 frames/s")
    assert re.fullmatch(rf" +\d\.\d\d +\d\.\d\d s  ({classes})  \d\.\d{{3}}", rest[0])
    assert re.search(r"^\d+ labels, 0 of them from bridged gaps$", labels.out, re.MULTILINE)
    assert re.search(r"^latency ms: p50 \S+  p99 \S+  max \S+$", labels.out, re.MULTILINE)
    assert (coming.status, coming.complaints) == (0, "")
    one = rf"({classes}) \d\.\d{{3}}"
    assert re.search(rf"^ +\d\.\d\d s  in 0\.16 s {one}  in 0\.08 s {one}$", coming.out, re.MULTILINE)
    assert (refused.status, refused.out) == (2, "")
    assert "--action=walking: only runs of forecasting are told what is being done" in refused.complaints
