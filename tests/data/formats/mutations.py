"""Broken motion files out of sound ones, the same for the same seed: what a disk, a network or an enemy does."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np

Dice = np.random.Generator
Mutation = Callable[[Dice, bytes], bytes]

MOST = 1 << 22  # bytes of an endless input
NUMBERS = (
    b"4000000000000", b"-4000000000000", b"0", b"-1", b"1e309", b"-1e308", b"nan", b"inf", b"1_000", b"0x10", b"1e-320",
    b"99999999999999999999999999", b"1,5", b"", b"9999999", b"2147483648", b"65536", b"3.4e38", b"1e9", b"\xd9\xa1",
)  # fmt: skip
WORDS = (
    b"{", b"}", b"JOINT", b"End Site", b"ROOT", b"MOTION", b"CHANNELS 6", b"CHANNELS 7", b"OFFSET", b"begin", b"end",
    b"root", b":bonedata", b":hierarchy", b":root", b"dof", b"[Hips]", b"[EndOfFile]", b"[Header]", b"GLOBAL",
    b"Segment:", b"Frames: 4000000000000", b"NumFrames 4000000000000", b"#", b",", b"\t", b"\0", b"\xff", b"Hips",
)  # fmt: skip


def flip_bytes(dice: Dice, data: bytes) -> bytes:
    changed = bytearray(data)
    for place in dice.integers(0, len(data), dice.integers(1, 20)):
        changed[place] = dice.integers(0, 256)
    return bytes(changed)


def flip_bit(dice: Dice, data: bytes) -> bytes:
    changed = bytearray(data)
    changed[dice.integers(0, len(data))] ^= 1 << dice.integers(0, 8)
    return bytes(changed)


def flip_head(dice: Dice, data: bytes) -> bytes:
    head = min(len(data), 1024)
    return flip_bytes(dice, data[:head]) + data[head:]


def cut(dice: Dice, data: bytes) -> bytes:
    return data[: dice.integers(0, len(data))]


def cut_out(dice: Dice, data: bytes) -> bytes:
    start, stop = sorted(dice.integers(0, len(data), 2))
    return data[:start] + data[stop:]


def fill(dice: Dice, data: bytes) -> bytes:
    start, length = dice.integers(0, len(data)), dice.integers(1, 64)
    return data[:start] + bytes([dice.choice([0, 255])]) * length + data[start + length :]


def drop_lines(dice: Dice, data: bytes) -> bytes:
    lines = data.split(b"\n")
    for _ in range(dice.integers(1, 4)):
        del lines[dice.integers(0, len(lines))]
        lines = lines or [b""]
    return b"\n".join(lines)


def repeat_line(dice: Dice, data: bytes) -> bytes:
    lines = data.split(b"\n")
    place = dice.integers(0, len(lines))
    times = min(int(2 ** dice.integers(0, 20)), MOST // (len(lines[place]) + 1))
    return b"\n".join(lines[:place] + [lines[place]] * times + lines[place:])


def swap_lines(dice: Dice, data: bytes) -> bytes:
    lines = data.split(b"\n")
    a, b = dice.integers(0, len(lines), 2)
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def lengthen_line(dice: Dice, data: bytes) -> bytes:
    words = data.split(b" ")
    place = dice.integers(0, len(words))
    times = min(int(2 ** dice.integers(0, 22)), MOST // (len(words[place]) + 1))
    return b" ".join(words[:place] + [words[place]] * times + words[place:])


def lengthen_word(dice: Dice, data: bytes) -> bytes:
    place, times = dice.integers(0, len(data)), int(2 ** dice.integers(0, 22))
    return data[:place] + data[place : place + 1] * times + data[place:]


def change_number(dice: Dice, data: bytes) -> bytes:
    words = data.split(b" ")
    for _ in range(dice.integers(1, 3)):
        place = dice.integers(0, len(words))
        tail = words[place][words[place].find(b"\n") :] if b"\n" in words[place] else b""
        words[place] = NUMBERS[dice.integers(0, len(NUMBERS))] + tail
    return b" ".join(words)


def insert_word(dice: Dice, data: bytes) -> bytes:
    place = dice.integers(0, len(data))
    return data[:place] + b" " + WORDS[dice.integers(0, len(WORDS))] + b" " + data[place:]


def nest(dice: Dice, data: bytes) -> bytes:
    place = dice.integers(0, len(data))
    piece = (b"{", b"}", b"{ OFFSET 0 0 0 JOINT x ", b"JOINT a\n{\nOFFSET 1 1 1\nCHANNELS 0\n")[dice.integers(0, 4)]
    return data[:place] + piece * int(dice.integers(1, 10000)) + data[place:]


def encode(dice: Dice, data: bytes) -> bytes:
    text = data.decode("latin-1")
    way = dice.integers(0, 6)
    if way == 0:
        return text.encode(("utf-16", "utf-16-le", "utf-32", "utf-7")[dice.integers(0, 4)])
    changed = {
        1: "\ufeff" + text,
        2: text.replace("\n", "\r"),
        3: text.replace("\n", "\r\n"),
        4: text.replace(" ", "\u00a0"),
    }
    return changed.get(int(way), text.replace("e", "\u00e9")).encode("utf-8")


def noise(dice: Dice, data: bytes) -> bytes:
    return dice.bytes(int(dice.integers(0, len(data) + 1)))


def blank(dice: Dice, _: bytes) -> bytes:
    return (b"", b"\n", b" " * 1000, b"\n" * MOST, b"\xef\xbb\xbf", b"#" * 100, b" \n" * 1000)[dice.integers(0, 7)]


TEXT: tuple[Mutation, ...] = (
    flip_bytes, flip_bit, flip_head, cut, cut, cut_out, drop_lines, repeat_line, swap_lines, lengthen_line,
    lengthen_word, change_number, change_number, change_number, insert_word, insert_word, nest, encode, noise, blank,
)  # fmt: skip
BINARY: tuple[Mutation, ...] = (flip_bytes, flip_bit, flip_head, flip_head, cut, cut_out, fill, fill, noise, blank)


def deep_bvh(depth: int, frames: int) -> bytes:
    """Joints in a chain, and frames of one number."""
    head = b"".join(b"JOINT j%d { OFFSET 0 1 0 CHANNELS 0\n" % j for j in range(depth))
    body = b"HIERARCHY ROOT r { OFFSET 0 0 0 CHANNELS 1 Xposition\n" + head + b"}" * (depth + 1)
    return body + b"\nMOTION\nFrames: %d\nFrame Time: 0.1\n" % frames + b"0\n" * frames


def deep_asf(depth: int) -> bytes:
    bone = b"begin\nname b%d\ndirection 0 1 0\nlength 1\nend\n"
    chain = b"\n".join(b"b%d b%d" % (j, j + 1) for j in range(depth - 1))
    bones = b"".join(bone % j for j in range(depth))
    return b":root\norder TX\n:bonedata\n" + bones + b":hierarchy\nbegin\nroot b0\n" + chain + b"\nend\n"


def long_amc(frames: int) -> bytes:
    """Frames of one number, for `deep_asf`."""
    return b"".join(b"%d\nroot 0\n" % frame for frame in range(frames))


def deep_htr(depth: int, sample: bytes) -> bytes:
    head, tail = sample.replace(b"Segments 3", b"Segments %d" % (depth + 3)).split(b"Tail\tHips\n")
    return head + b"".join(b"s%d\ts%d\n" % (j + 1, j) for j in range(depth)) + b"s0\tHips\n" + tail


def change_array(dice: Dice, archive: bytes) -> bytes:
    """One array of an archive with other numbers, another shape or another type, in a sound archive."""
    with np.load(io.BytesIO(archive)) as content:
        arrays = dict(content)
    name = list(arrays)[dice.integers(0, len(arrays))]
    array = np.atleast_1d(arrays[name]).copy()
    odd = (np.nan, np.inf, 1e300, -1, 0, 4e12, 1e-320)[dice.integers(0, 7)]
    changes: list[Callable[[], np.ndarray]] = [
        lambda: array[:-1],
        lambda: array[None],
        lambda: array.astype(object).astype("U"),
        lambda: np.full(array.shape, odd),
        lambda: np.where(dice.random(array.shape) < 0.2, odd, array if array.dtype.kind in "if" else 0),
        lambda: array[dice.permutation(len(array))],
        lambda: np.zeros((1000000, *array.shape[1:]), array.dtype) if array.size < 64 else array[:0],
        lambda: array.astype("f2") if array.dtype.kind in "if" else array.astype("U1"),
        lambda: array.reshape(-1)[:1].reshape(()),
    ]
    with np.errstate(all="ignore"):
        arrays[name] = changes[dice.integers(0, len(changes))]()
    if dice.integers(0, 6) == 0:
        del arrays[name]
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def bomb(dice: Dice) -> bytes:
    """An archive of few bytes whose arrays claim, or are, many."""
    claims = [(1 << 40,), (1 << 20, 1 << 20), (-1,), (1 << 27,), (0, 1 << 62), (1 << 62, 4), (3,) * 60]
    shape = claims[dice.integers(0, len(claims))]
    kind = ("<f8", "|O", "<U4", "|b1", "<U0", "<c16", "|V0", ">f4")[dice.integers(0, 8)]
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b" " * 20 + b"\n"
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    if dice.integers(0, 4) == 0:
        header = b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + b"(" * 100000
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("frames.npy", header + bytes(int(dice.choice([0, 1 << 10, 1 << 26]))))
        for number in range(int(dice.choice([0, 7, 3000]))):
            archive.writestr(f"a{number}.npy", header)
    return file.getvalue()
