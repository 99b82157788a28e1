"""Examples: labelled segments, whole or in windows, as batches of a fixed number of lengths."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Several
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from motion_jax.config import LabelsConfig
from motion_jax.data.labelled.modalities import inputs_of
from motion_jax.data.labelled.sequences import Segment, Sequence
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.types import Array

ROWS = 3  # which child of a draw's key the examples' own keys come from; 0 and 1 draw them


class Packed(NamedTuple):
    """Sequences end to end, and where examples lie in them, shortest bucket first."""

    frames: Array  # [F, D] float32, normalised, the modalities side by side
    first: Array  # [M] int32, the row where an example begins
    length: Array  # [M] int32, its frames
    label: Array  # [M] int32


class LabelledBatch(NamedTuple):
    """Examples of one bucket, padded to the longest."""

    frames: Array  # [B, L, D], 0 in padding
    mask: Array  # [B, L] float32, 1 for frames
    label: Array  # [B] int32
    bucket: Array  # [B] int32, the same number in all rows
    keys: Array  # [B, 2] uint32, raw PRNG key data of each example


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """All examples of a split. Nothing is cut away: each frame of a segment is in an example."""

    packed: Packed
    lengths: tuple[int, ...]  # frames that the examples of each bucket are padded to, ascending
    until: tuple[int, ...]  # [buckets] one past the last example of each
    segment: np.ndarray  # [M] int32, which segment of the split an example shows
    segments: int

    @property
    def label(self) -> np.ndarray:
        """`[M]`."""
        return np.asarray(self.packed.label)

    def counts(self, classes: int) -> np.ndarray:
        """`[C]` how often each class occurs."""
        return np.bincount(self.label, minlength=classes)


def make_examples(sequences: Several[Sequence], space: LabelSpace, labels: LabelsConfig, fps: float) -> Examples:
    """The examples of every segment, as `labels` says.

    A segment longer than `labels.window` (not 0) becomes windows, one every `labels.hop` frames (0: half a window), of
    which the last ends where the segment does. Any other segment is one example. Examples are sorted into at most
    `labels.buckets` buckets of about equally many; those of a bucket are padded to its longest.

    Args:
        sequences: of one split.
        space: of the run.
        labels: of the run.
        fps: of the sequences.

    Raises:
        UserError: no segment at all, one without a frame, or a sequence that lacks an input.
    """
    frames, places, begin, segment = [], [], 0, 0
    for sequence in sequences:
        rows = np.concatenate(inputs_of(sequence, space, labels, fps), axis=-1)
        for one in sequence.segments:
            pieces = _pieces(one, sequence.source, labels)
            places += [(begin + first, length, one.label, segment) for first, length in pieces]
            segment += 1
        frames.append(rows)
        begin += len(rows)
    if not places:
        raise UserError("no labelled segment in a split that needs one")
    table = np.array(places, np.int32)
    lengths = bucket_lengths(table[:, 1], labels.buckets)
    bucket = np.searchsorted(lengths, table[:, 1])
    order = np.argsort(bucket, kind="stable")
    first, length, label, numbers = table[order].T
    packed = Packed(*map(jnp.asarray, (np.concatenate(frames).astype(np.float32), first, length, label)))
    until = np.cumsum(np.bincount(bucket, minlength=len(lengths)))
    return Examples(packed, tuple(map(int, lengths)), tuple(map(int, until)), numbers, segment)


def check_step(sequences: Several[Sequence], labels: LabelsConfig) -> None:
    """Warns where `labels.frame_step` leaves segments of several frames one frame: there is no motion in it.

    Raises:
        UserError: it leaves none of them two.
    """
    step = labels.frame_step
    long = [one for sequence in sequences for one in sequence.segments if one.end - one.start > 1]
    single = sum(-(-one.end // step) - -(-one.start // step) <= 1 for one in long)
    if single and single == len(long):
        longest = max(one.end - one.start for one in long)
        raise UserError(
            f"labels.frame_step={step}: leaves at most one frame of each segment, in which nothing moves: the "
            f"longest has {longest} frames"
        )
    if single:
        logging.warning("labels.frame_step=%d: leaves at most one frame, without motion, of %d of %d training segments",
                        step, single, len(long))  # fmt: skip


def count_examples(sequences: Several[Sequence], labels: LabelsConfig, classes: int) -> np.ndarray:
    """`[C]` how often each class occurs among the examples that `make_examples` would make."""
    found = [one.label for sequence in sequences for one in sequence.segments
             for _ in _pieces(one, sequence.source, labels)]  # fmt: skip
    return np.bincount(np.array(found, np.int64), minlength=classes)


def _pieces(segment: Segment, source: str, labels: LabelsConfig) -> list[tuple[int, int]]:
    """First frame and length of each example of a segment, in frames that are kept."""
    begin, end = (-(-at // labels.frame_step) for at in (segment.start, segment.end))
    length, window = end - begin, labels.window
    if length < 1:
        raise UserError(
            f"{source}: its segment of frames {segment.start} to {segment.end} has no frame left after "
            f"labels.frame_step={labels.frame_step}"
        )
    if not window or length <= window:
        return [(begin, length)]
    hop = labels.hop or max(window // 2, 1)
    starts = [*range(begin, end - window, hop), end - window]
    return [(start, window) for start in starts]


def bucket_lengths(lengths: np.ndarray, buckets: int) -> np.ndarray:
    """At most `buckets` lengths, ascending, of which the last is the longest: upper bounds of equal shares."""
    ordered = np.sort(lengths)
    shares = -(-np.arange(1, buckets + 1) * len(ordered) // buckets)
    return np.unique(ordered[shares - 1])


def sample_examples(examples: Examples, packed: Packed, key: Array, batch: int) -> LabelledBatch:
    """B examples with replacement, all of one bucket, which is drawn in proportion to its examples; consumes `key`.

    So every example is drawn as often as any other. The draw depends on the key alone.

    Args:
        examples: whose buckets are drawn from.
        packed: `examples.packed`, on the device.
        key: of the draw.
        batch: B.
    """
    bucket_key, row_key = jax.random.split(key)
    until = jnp.asarray(examples.until)
    bucket = jnp.searchsorted(until, jax.random.randint(bucket_key, (), 0, until[-1]), side="right")
    low = jnp.where(bucket > 0, until[bucket - 1], 0)
    rows = jax.random.randint(row_key, (batch,), low, until[bucket])
    keys = jax.random.key_data(jax.random.split(jax.random.fold_in(key, ROWS), batch))
    frames, mask = gather(packed, rows, examples.lengths[-1])
    number = jnp.full((batch,), bucket, jnp.int32)
    return LabelledBatch(frames, mask, packed.label[rows], number, keys)


def gather(packed: Packed, rows: Array, longest: int) -> tuple[Array, Array]:
    """Frames `[B, L, D]` and mask `[B, L]` of the examples `rows` `[B]`, padded to L = `longest`."""
    at = jnp.arange(longest)
    inside = at < packed.length[rows][:, None]
    places = packed.first[rows][:, None] + jnp.where(inside, at, 0)
    return jnp.where(inside[..., None], packed.frames[places], 0), inside.astype(jnp.float32)
