"""The published test selections: which windows of which clips every paper scores.

All of them draw from one fixed generator, so a selection is a function of the clips' lengths alone.

    srnn        8 windows an action, drawn as in SRNN (Jain 2016) and in the code of Martinez 2017,
                github.com/una-dinosauria/human-motion-prediction, `find_indices_srnn`.
    windows256  256 windows an action: the same generator, drawn on for longer, as in the code of Mao 2020,
                github.com/wei-mao-2019/HisRepItself, `find_indices_256`.

Human3.6M (and the synthetic set, which has its form) draws from trials 1 and 2 of the test subject in turn. CMU draws
from its one test file, as in the code of Mao 2019, github.com/wei-mao-2019/LearnTrajDep, `load_data_cmu`; a folder of
the user's, of which nothing is published, from all test files of an action in turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from motion_jax.data.datasets import Drawing, find_dataset
from motion_jax.errors import UserError
from motion_jax.types import Clip, Dataset

SEED = 1234567890  # of every published selection
SOURCE = 50  # the history that the published starts count from
COUNTS = {"srnn": 8, "windows256": 256}  # windows an action


@dataclasses.dataclass(frozen=True)
class Window:
    """One test window. It spans the kept rows `[start+50-S, start+50+T)`: any S predicts the same T rows."""

    clip: int  # index into the clips that were given
    start: int  # the published index, in kept (down-sampled) rows


def srnn_windows(
    dataset: str, clips: Sequence[Clip], action: str, source: int, target: int, stride: int
) -> tuple[Window, ...]:
    """The 8 windows of one action ("8 seeds").

    Args:
        dataset: its name; how its windows are drawn is in its record (`datasets.Drawing`).
        clips: the clips that windows index; those of the test split and of `action` are drawn from, ordered by trial.
        action: the action's name.
        source: S, observed frames.
        target: T, predicted frames.
        stride: rows 0, stride, 2 stride, ... are kept.

    Returns:
        8 windows, in the order in which they are drawn.

    Raises:
        UserError: the action has not the test clips that the protocol draws from, or a clip is too short.
    """
    return _draw("srnn", dataset, clips, action, source, target, stride)


def windows256(
    dataset: str, clips: Sequence[Clip], action: str, source: int, target: int, stride: int
) -> tuple[Window, ...]:
    """The 256 windows of one action; arguments and errors as in `srnn_windows`, whose 8 they begin with."""
    return _draw("windows256", dataset, clips, action, source, target, stride)


def protocol_windows(
    protocol: str, dataset: Dataset, source: int, target: int, stride: int
) -> dict[str, tuple[Window, ...]]:
    """Every action's windows, indexing `dataset.clips`, in the order of `dataset.actions`.

    An action without the test clips that the protocol draws from is left out: `lacking_actions` says what it lacks.

    Raises:
        UserError: there is no such protocol or data set, no action has its test clips, or a window is longer than those
            that are published and reaches beyond its clip.
    """
    draw = {"srnn": srnn_windows, "windows256": windows256}.get(protocol)
    if draw is None:
        raise UserError(f"eval.protocols: {protocol!r} must be one of {', '.join(COUNTS)}")
    lacking = lacking_actions(protocol, dataset, stride)
    if len(lacking) == len(dataset.actions):
        what = "; ".join(f"{action}: {why}" for action, why in lacking.items())
        raise UserError(f"data set {dataset.name!r}: protocol {protocol} has no action to draw from: {what}")
    return {
        action: draw(dataset.name, dataset.clips, action, source, target, stride)
        for action in dataset.actions
        if action not in lacking
    }


def lacking_actions(protocol: str, dataset: Dataset, stride: int) -> dict[str, str]:
    """The actions that a protocol's report must leave out, each with what it lacks. Raises `UserError` for no data set
    of that name.
    """
    drawing, lacking = find_dataset(dataset.name).drawing, {}
    for action in dataset.actions:
        try:
            for index in _test_trials(protocol, drawing, dataset.clips, action):
                _kept_rows(protocol, drawing, dataset.clips[index], stride)
        except UserError as error:
            lacking[action] = str(error)
    return lacking


def gather(
    clips: Sequence[Clip], windows: Sequence[Window], source: int, target: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """The raw rows of windows: history `[W, S, D]` and future `[W, T, D]`, float32, un-normalised."""
    spans = []
    for window in windows:
        begin = window.start + SOURCE - source
        rows = clips[window.clip].frames[::stride]
        spans.append(rows[begin : begin + source + target])
    frames = np.stack(spans).astype(np.float32)
    return frames[:, :source], frames[:, source:]


def spaced_windows(clips: Sequence[Clip], source: int, target: int, stride: int, count: int) -> tuple[Window, ...]:
    """About `count` windows, evenly spaced, the same number from every clip: of no published protocol.

    They begin with the first and end with the last that fits; a clip too short for one is passed over.

    Raises:
        UserError: all are too short.
    """
    each = max(1, count // max(1, len(clips)))
    windows = []
    for index, clip in enumerate(clips):
        last = -(-len(clip.frames) // stride) - source - target
        if last >= 0:
            begins = np.unique(np.rint(np.linspace(0, last, each)).astype(int))
            windows += [Window(index, int(begin) + source - SOURCE) for begin in begins]
    if not windows:
        names = ", ".join(clip.name for clip in clips[:3]) or "none"
        needed = (source + target - 1) * stride + 1
        raise UserError(f"a window takes {needed} rows of a clip at data.stride={stride}: none has as many ({names})")
    return tuple(windows)


def _draw(
    protocol: str, dataset: str, clips: Sequence[Clip], action: str, source: int, target: int, stride: int
) -> tuple[Window, ...]:
    """Draws starts from the trials in turn; numpy's `randint` excludes its upper end."""
    drawing = find_dataset(dataset).drawing
    trials = _test_trials(protocol, drawing, clips, action)
    lengths = [_kept_rows(protocol, drawing, clips[index], stride) for index in trials]
    generator = np.random.RandomState(SEED)
    windows = []
    for number in range(COUNTS[protocol]):
        turn = number % len(trials)
        start = int(generator.randint(drawing.first, lengths[turn] - drawing.margin))
        _check_span(protocol, clips[trials[turn]], lengths[turn], start, source, target)
        windows.append(Window(trials[turn], start))
    return tuple(windows)


def _test_trials(protocol: str, drawing: Drawing, clips: Sequence[Clip], action: str) -> list[int]:
    """Indices of the action's test clips, by subject and trial."""
    found = [index for index, clip in enumerate(clips) if clip.split == "test" and clip.action == action]
    found.sort(key=lambda index: (clips[index].subject, clips[index].trial))
    needed = drawing.trials or max(1, len(found))
    if len(found) != needed:
        names = ", ".join(clips[index].name for index in found) or "none"
        clips_of_it = "test clip" if needed == 1 else "test clips"
        raise UserError(f"protocol {protocol}: action {action!r} needs {needed} {clips_of_it}, found {names}")
    return found


def _kept_rows(protocol: str, drawing: Drawing, clip: Clip, stride: int) -> int:
    """The down-sampled length; a clip must leave at least one start to draw."""
    length = -(-len(clip.frames) // stride)
    needed = drawing.first + drawing.margin + 1
    if length < needed:
        raise UserError(
            f"protocol {protocol}: clip {clip.name} ({clip.source}) keeps {length} rows at data.stride={stride}; "
            f"it must keep at least {needed}"
        )
    return length


def _check_span(protocol: str, clip: Clip, length: int, start: int, source: int, target: int) -> None:
    """A longer history or future than the published 50 and 25 may reach beyond the clip's ends."""
    where = f"protocol {protocol}, clip {clip.name} of {length} kept rows, start {start}"
    if source > start + SOURCE:
        raise UserError(f"data.source_length={source} ({where}): must be at most {start + SOURCE}")
    if start + SOURCE + target > length:
        raise UserError(f"data.target_length={target} ({where}): must be at most {length - start - SOURCE}")
