"""Splits: which clips train, which choose the checkpoint, which are the test."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from motion_jax.config import DataConfig
from motion_jax.data.datasets import dataset_names, find_dataset
from motion_jax.errors import UserError
from motion_jax.types import Clip, Dataset

WAYS = ("auto", "subject", "trial", "file", "time")
"""How the test of unpublished recordings is chosen; see `hold_out_test`."""

_TEST_SHARE = 5  # by time, one frame in this many is the test


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """Disjoint sets of clips; `validation` is empty when nothing is held out."""

    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]


def split_clips(dataset: Dataset, config: DataConfig) -> Splits:
    """Holds the clips of `config.validation` out of the training split. Test clips are never held out or chosen by.

    Several subjects or trials are separated by commas.
    "auto" is what the data set's record says; where it says nothing, the last training subject, or the last trial where
    no subjects are named, of several; else nothing.

    Raises:
        UserError: no training clip is of that subject or trial, or none is left to train on.
    """
    candidates = dataset.split("train")
    wanted = _usual(dataset.name, candidates) if config.validation == "auto" else config.validation
    if not candidates:
        raise UserError(f"data set {dataset.name!r} has no training clips (data.actions={config.actions!r})")
    names = () if wanted == "none" else tuple(name.strip() for name in wanted.split(","))
    held = tuple(clip for clip in candidates if not set(names).isdisjoint(_labels(clip)))
    train = tuple(clip for clip in candidates if clip not in held)
    labels = {label for clip in candidates for label in _labels(clip)}
    for name in names:
        if name not in labels:
            raise UserError(
                f"data.validation={config.validation!r} holds out {name!r}, which no training clip of "
                f"{dataset.name!r} carries: must be none or one of {', '.join(sorted(labels))}"
            )
    if not train:
        raise UserError(f"data.validation={config.validation!r} leaves no clip of {dataset.name!r} to train on")
    return Splits(train, held, dataset.split("test"))


def _usual(name: str, candidates: tuple[Clip, ...]) -> str:
    if name in dataset_names() and (published := find_dataset(name).validation):
        return published
    labels = sorted({label for clip in candidates for label in _labels(clip)})
    return labels[-1] if len(labels) > 1 else "none"


def hold_out_test(
    clips: Sequence[Clip], subjects: tuple[str, ...] = (), by: str = "auto", shortest: int = 1
) -> tuple[tuple[Clip, ...], str]:
    """Chooses the test of recordings for which nobody has published one.

    Args:
        clips: whose `split` is not yet chosen.
        subjects: who is the test; (): the last by name, where the test is chosen by subject.
        by: "subject"; "trial": the last of every action of a person's that has several; "file": the last by name;
            "time": the last fifth of every recording, in frames that are not trained on; or "auto": by subject where
            there are several (or `subjects` names some), else by trial where an action has several, else by file where
            there are several, else by time.
        shortest: frames that each part of a recording must have where it is cut; a shorter one trains as a whole.

    Returns:
        The clips with their splits, more of them where recordings were cut; and a sentence on how.

    Raises:
        UserError: a subject is unknown, or nothing would be left to train on or to test.
    """
    everyone = sorted({clip.subject for clip in clips})
    _check_subjects(subjects, everyone)
    if by == "auto":
        by = _finest(clips, subjects, everyone)
    elif subjects and by != "subject":
        raise UserError(f"--test={','.join(subjects)}: names subjects, so --split={by} must be subject or auto")
    if by == "time":
        return _cut(clips, shortest)
    if by == "subject":
        chosen = subjects or tuple(everyone[-1:])
        held = {id(clip) for clip in clips if clip.subject in chosen}
        how = f"by subject: {', '.join(name or 'who is not named' for name in chosen)}"
    elif by == "trial":
        last = {key: max(clip.trial for clip in clips if _key(clip) == key) for key in _several(clips)}
        held = {id(clip) for clip in clips if clip.trial == last.get(_key(clip))}
        how = f"by trial: the last of every action that has several ({len(held)} of {len(clips)} recordings)"
    else:
        test = max(clips, key=lambda clip: clip.source)
        held = {id(test)}
        alone = not any(clip.action == test.action for clip in clips if clip is not test)
        how = f"by file: {test.source}, the last by name"
        how += f", whose action {test.action!r} is not trained on (--split=time tests on all actions)" if alone else ""
    if not 0 < len(held) < len(clips):
        raise UserError(
            f"--split={by}: of {len(clips)} recordings that are long enough {len(held)} would be the test: at least "
            f"one must be, and one must not; --split=time cuts each recording in two"
        )
    return tuple(dataclasses.replace(clip, split="test" if id(clip) in held else "train") for clip in clips), how


def _check_subjects(chosen: tuple[str, ...], everyone: list[str]) -> None:
    unknown = [name for name in chosen if name not in everyone]
    if not unknown:
        return
    named = [name for name in everyone if name]
    allowed = f"it must be among {', '.join(named)}" if named else "the paths name no subjects; --pattern says where"
    raise UserError(f"--test={','.join(chosen)}: no subject {unknown[0]!r}: {allowed}")


def _finest(clips: Sequence[Clip], subjects: tuple[str, ...], everyone: list[str]) -> str:
    """The first way that leaves something on both sides."""
    if subjects or len(everyone) > 1:
        return "subject"
    if _several(clips):
        return "trial"
    return "file" if len(clips) > 1 else "time"


def _key(clip: Clip) -> tuple[str, str]:
    return clip.subject, clip.action


def _several(clips: Sequence[Clip]) -> set[tuple[str, str]]:
    """Actions with more than one trial."""
    keys = [_key(clip) for clip in clips]
    return {key for key in keys if keys.count(key) > 1}


def _cut(clips: Sequence[Clip], shortest: int) -> tuple[tuple[Clip, ...], str]:
    parts: list[Clip] = []
    for clip in clips:
        begin = len(clip.frames) - max(len(clip.frames) // _TEST_SHARE, shortest)
        if begin < shortest:
            parts.append(dataclasses.replace(clip, split="train"))
        else:
            parts.append(dataclasses.replace(clip, split="train", frames=clip.frames[:begin]))
            parts.append(dataclasses.replace(clip, split="test", frames=clip.frames[begin:]))
    whole = 2 * len(clips) - len(parts)
    if whole == len(clips):
        longest = max(clips, key=lambda clip: len(clip.frames))
        raise UserError(
            f"{longest.source}: {len(longest.frames)} frames: to train on its beginning and test on its end takes "
            f"{2 * shortest}, and there is no other recording to test on"
        )
    rest = f"; too short to cut, and trained on whole: {whole} of {len(clips)}" if whole else ""
    tested = [len(part.frames) for part in parts if part.split == "test"]
    counts = f"{min(tested)}" if min(tested) == max(tested) else f"{min(tested)} to {max(tested)}"
    how = f"by time: the last {counts} frames of each recording, which share none with what is trained on{rest}"
    return tuple(parts), how


def _labels(clip: Clip) -> tuple[str, ...]:
    return (clip.subject,) if clip.subject else (f"trial {clip.trial}",)
