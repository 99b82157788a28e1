"""SBU Kinect Interaction: eight interactions of two people; K. Yun et al., CVPR Workshops 2012.

A file `s01s02/01/001/skeleton_pos.txt` has a line a frame: its number and x y z of 2 x 15 joints, separated by commas,
x and y in the image's width and height, z in units of 7.8125 = 10 m. They are inverted as the data set's README does.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np

from motion_jax.data.datasets.sbu import FILES, PAIRS
from motion_jax.data.findings import Finding, sort_findings
from motion_jax.data.labelled.files import find_files, read_bytes
from motion_jax.data.labelled.reading import Reading, Request
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton

FPS = 15.0
BODIES = 2
ACTIONS = (
    "approaching", "departing", "kicking", "pushing", "shaking hands", "hugging", "exchanging object", "punching",
)  # fmt: skip

# fmt: off
SKELETON = Skeleton.from_table("sbu", (
    # Rounded, in the units of the inverted places; numbers: a joint's place in a line.
    Joint("Torso", None, "spine", (0, 0, 0)),  # 3
    Joint("Neck", "Torso", "spine", (0, 220, 0)),  # 2
    Joint("Head", "Neck", "spine", (0, 190, 0)),  # 1
    Joint("LeftShoulder", "Neck", "left_arm", (-160, 0, 0)),  # 4
    Joint("LeftElbow", "LeftShoulder", "left_arm", (0, -270, 0)),  # 5
    Joint("LeftHand", "LeftElbow", "left_arm", (0, -270, 0)),  # 6
    Joint("RightShoulder", "Neck", "right_arm", (160, 0, 0)),  # 7
    Joint("RightElbow", "RightShoulder", "right_arm", (0, -270, 0)),  # 8
    Joint("RightHand", "RightElbow", "right_arm", (0, -270, 0)),  # 9
    Joint("LeftHip", "Torso", "left_leg", (-90, -220, 0)),  # 10
    Joint("LeftKnee", "LeftHip", "left_leg", (0, -420, 0)),  # 11
    Joint("LeftFoot", "LeftKnee", "left_leg", (0, -400, 0)),  # 12
    Joint("RightHip", "Torso", "right_leg", (90, -220, 0)),  # 13
    Joint("RightKnee", "RightHip", "right_leg", (0, -420, 0)),  # 14
    Joint("RightFoot", "RightKnee", "right_leg", (0, -400, 0)),  # 15
)).of_positions
# fmt: on
_ROWS = np.array([3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) - 1
_PATH = re.compile(r"(?:.*/)?(s\d\ds\d\d)/(?:s\d\ds\d\d/)?(\d\d)/(\d+)/skeleton_pos\.txt", re.IGNORECASE)
_COLUMNS = BODIES * 3 * len(_ROWS)


def read(request: Request) -> Reading:
    """Reads every file below `request.root`; of the five folds, the test is that of `labels.fold`.

    A file that cannot be read is left out, which is a finding.

    Raises:
        UserError: no file is called like those of the data set, or none can be used.
    """
    raw, hashes, findings = [], {}, []
    for path in find_files(request.root, FILES.pattern):
        named = _PATH.fullmatch(path)
        severity = "error" if request.strict else "warning"
        if not named or not 1 <= int(named[2]) <= len(ACTIONS) or named[1].lower() not in PAIRS:
            findings.append(Finding(severity, path, None, "left out: no path like s01s02/01/001/skeleton_pos.txt"))
            continue
        content, hashes[path] = read_bytes(request.root / path)
        try:
            places = parse_frames(content.decode("ascii", "replace"))
        except UserError as error:
            line, _, message = str(error).rpartition("|")
            findings.append(Finding(severity, path, int(line) if line else None, f"left out: {message}"))
            continue
        raw.append((path, named[1].lower(), int(named[2]), places))
    if not raw:
        raise UserError(f"{request.root}: no file in it can be used: {findings[0]}")
    numbers = sorted({number for _, _, number, _ in raw})
    sequences = tuple(
        Sequence({"positions": places}, (Segment(0, len(places), numbers.index(number)),), pair, "train", path)
        for path, pair, number, places in raw
    )
    key = hashlib.sha256(repr(("sbu", sorted(hashes.items()))).encode()).hexdigest()
    classes = tuple(ACTIONS[number - 1] for number in numbers)
    return Reading(LabelledSet("sbu", sequences, classes, FPS, key, SKELETON, BODIES), hashes, sort_findings(findings))


def parse_frames(text: str) -> np.ndarray:
    """Places `[F, 2 * 45]` of `SKELETON`, inverted: x = 1280 - 2560 x', y = 960 - 1920 y', z = 10000 z' / 7.8125.

    z is mm; x and y are of an image of 2560 x 1920, with its middle at 0.

    Raises:
        UserError: "LINE|MESSAGE", where the text is not of that form.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell for cell in line.replace(",", " ").split() if cell]
        if not cells:
            continue
        if len(cells) != 1 + _COLUMNS:
            raise UserError(f"{number}|has {len(cells)} numbers: there must be {1 + _COLUMNS}")
        try:
            rows.append([float(cell) for cell in cells[1:]])
        except ValueError:
            raise UserError(f"{number}|must hold numbers alone") from None
    if not rows:
        raise UserError("|is empty")
    places = np.array(rows).reshape(len(rows), BODIES, len(_ROWS), 3)[:, :, _ROWS]
    if not np.isfinite(places).all():
        raise UserError("|holds a place that is not finite")
    places = [1280.0, 960.0, 0.0] - places * [2560.0, 1920.0, -10000 / 7.8125]
    return places.reshape(len(rows), _COLUMNS).astype(np.float32)
