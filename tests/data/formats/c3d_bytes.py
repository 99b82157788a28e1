"""C3D files byte by byte, so that each of their contradictions can be written."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

BLOCK = 512
FRAMES = 5
POINTS = np.stack([np.array([[f, 100, 1000 - f / 2], [10 + f, 101, 1000 - f / 2]]) for f in range(FRAMES)])  # [5, 2, 3]

Entry = tuple[str, str, int, Sequence[int], bytes]  # group, name, type, dimensions, data


def integer(group: str, name: str, *values: int, dimensions: Sequence[int] | None = None, order: str = "<") -> Entry:
    dimensions = dimensions if dimensions is not None else [] if len(values) == 1 else [len(values)]
    return group, name, 2, dimensions, struct.pack(f"{order}{len(values)}H", *values)


def number(group: str, name: str, value: float, processor: int = 84) -> Entry:
    return group, name, 4, [], floats(np.array([value]), processor)


def text(group: str, name: str, *values: str | bytes) -> Entry:
    raw = [value if isinstance(value, bytes) else value.encode() for value in values]
    width = max(map(len, raw))
    return group, name, -1, [width, len(raw)], b"".join(value.ljust(width) for value in raw)


def floats(values: np.ndarray, processor: int) -> bytes:
    if processor == 86:
        return values.astype(">f4").tobytes()
    if processor == 85:  # VAX F: four times the number, the halves swapped
        return (values * 4).astype("<f4").view("<u2").reshape(-1, 2)[:, ::-1].tobytes()
    return values.astype("<f4").tobytes()


def usual(points: int = 2, frames: int = FRAMES) -> list[Entry]:
    return [integer("POINT", "USED", points), number("POINT", "SCALE", -1.0), number("POINT", "RATE", 100.0),
            integer("POINT", "FRAMES", frames), text("POINT", "LABELS", "LASI", "RASI"), text("POINT", "UNITS", "mm")
            ]  # fmt: skip


def build(
    points: np.ndarray = POINTS,
    entries: Sequence[Entry] | None = None,
    *,
    first: int = 1,
    last: int | None = None,
    others: int = 0,
    others_told: int | None = None,
    per_frame: int = 0,
    scale: float = -1.0,
    residuals: np.ndarray | float = 0.0,
    processor: int = 84,
    padded: bool = True,
    header_points: int | None = None,
) -> bytes:
    """A file of points `[F, M, 3]`; `others` numbers of other instruments lie behind those of each frame."""
    order = ">" if processor == 86 else "<"
    entries = usual(points.shape[1], min(len(points), 65535)) if entries is None else list(entries)
    rows = np.concatenate([points, np.broadcast_to(residuals, (*points.shape[:2], 1))], axis=-1)
    rows = rows.reshape(len(points), -1)
    rows = np.concatenate([rows, np.full((len(points), others), 7.0)], axis=1)
    data = floats(rows.ravel(), processor) if scale < 0 else np.round(rows / scale).astype(f"{order}i2").tobytes()
    parameters = _parameters(entries, order, processor)
    last = first + len(points) - 1 if last is None else last
    head = (
        struct.pack(
            f"{order}BBHHHHH",
            2,
            0x50,
            header_points or points.shape[1],
            others if others_told is None else others_told,
            first,
            last,
            0,
        )
        + floats(np.array([scale]), processor)
        + struct.pack(f"{order}HH", 2 + len(parameters) // BLOCK, per_frame)
    )
    head += floats(np.array([100.0]), processor)  # fmt: skip
    return head.ljust(BLOCK, b"\0") + parameters + (_padded(data) if padded else data)


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def _parameters(entries: Sequence[Entry], order: str, processor: int) -> bytes:
    groups = list(dict.fromkeys(entry[0] for entry in entries))
    chunks = [_chunk(group, -(number + 1), b"\0", order) for number, group in enumerate(groups)]
    for group, name, kind, dimensions, data in entries:
        body = struct.pack("bB", kind, len(dimensions)) + bytes(dimensions) + data + b"\0"
        chunks.append(_chunk(name, groups.index(group) + 1, body, order))
    content = b"".join(chunks) + bytes(2)
    blocks = -(-(len(content) + 4) // BLOCK)
    return _padded(bytes([1, 0x50, blocks, processor]) + content)


def _chunk(name: str, group: int, body: bytes, order: str) -> bytes:
    return struct.pack("bb", len(name), group) + name.encode() + struct.pack(f"{order}H", 2 + len(body)) + body
