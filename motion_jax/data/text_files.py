"""Text files of users: their bytes, bounded before memory is taken, and brought to one way of ending lines."""

from __future__ import annotations

import os
import re
from pathlib import Path

from motion_jax.runtime.files import open_file

MAX_BYTES = 1 << 28  # the longest published trial is some 20 MB; anything far beyond is not a recording
MAX_NUMBERS = 1 << 24  # of a recording: 24 minutes of 96 channels at 120 Hz

_UTF8_MARK = b"\xef\xbb\xbf"
_DOS_END = re.compile(rb"\x1a\s*\Z")  # Ctrl-Z, with which DOS ended text


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises `OSError`, also for a pipe, a device, or what is too large to be a recording."""
    with open_file(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > MAX_BYTES:
            raise OSError(0, f"it has {size} bytes, and no recording has more than {MAX_BYTES}")
        return file.read()


def plain_lines(data: bytes) -> bytes:
    """The same text with a line feed at the end of each line, without UTF-8's mark and DOS's end of file."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return _DOS_END.sub(b"", data.removeprefix(_UTF8_MARK), count=1)
