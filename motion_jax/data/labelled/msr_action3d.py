"""MSR Action3D: 20 actions by 10 people before a depth camera, as text; W. Li et al., CVPR Workshops 2010.

A file `a01_s02_e03_skeleton3D.txt` has 20 rows a frame, one a joint: x y z in metres and a confidence, or x y z alone.
Those of `a01_s02_e03_skeleton.txt` are pixels and depth; they are taken as they are, upright.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from pathlib import Path

import numpy as np

from motion_jax.data.datasets.msr_action3d import FILES
from motion_jax.data.findings import Finding, sort_findings
from motion_jax.data.labelled.files import find_files, read_bytes
from motion_jax.data.labelled.reading import Reading, Request
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton

FPS = 15.0
ACTIONS = (
    "high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x",
    "draw tick", "draw circle", "hand clap", "two hand wave", "side-boxing", "bend", "forward kick", "side kick",
    "jogging", "tennis swing", "tennis serve", "golf swing", "pickup & throw",
)  # fmt: skip
TRAINING = ("1", "3", "5", "7", "9")
"""The cross-subject test: these train, the others test."""

# fmt: off
SKELETON = Skeleton.from_table("msr_action3d", (
    # Rounded mm of one person; the joints' places in the files are what counts. Numbers: a row's place in a file.
    Joint("HipCenter", None, "spine", (0, 0, 0)),  # 7
    Joint("Spine", "HipCenter", "spine", (0, 205, 10)),  # 4
    Joint("ShoulderCenter", "Spine", "spine", (0, 200, -190)),  # 3
    Joint("Head", "ShoulderCenter", "spine", (0, 250, -35)),  # 20
    Joint("LeftShoulder", "ShoulderCenter", "left_arm", (-180, -40, 90)),  # 1
    Joint("LeftElbow", "LeftShoulder", "left_arm", (-60, -260, -10)),  # 8
    Joint("LeftWrist", "LeftElbow", "left_arm", (25, -285, -50)),  # 10
    Joint("LeftHand", "LeftWrist", "left_arm", (0, -70, 0)),  # 12
    Joint("RightShoulder", "ShoulderCenter", "right_arm", (180, -50, 95)),  # 2
    Joint("RightElbow", "RightShoulder", "right_arm", (50, -265, 5)),  # 9
    Joint("RightWrist", "RightElbow", "right_arm", (-15, -280, -65)),  # 11
    Joint("RightHand", "RightWrist", "right_arm", (0, -70, 0)),  # 13
    Joint("LeftHip", "HipCenter", "left_leg", (-145, -15, -115)),  # 5
    Joint("LeftKnee", "LeftHip", "left_leg", (25, -570, 60)),  # 14
    Joint("LeftAnkle", "LeftKnee", "left_leg", (-35, -415, 85)),  # 16
    Joint("LeftFoot", "LeftAnkle", "left_leg", (-10, -35, -165)),  # 18
    Joint("RightHip", "HipCenter", "right_leg", (135, -20, -130)),  # 6
    Joint("RightKnee", "RightHip", "right_leg", (-10, -570, 75)),  # 15
    Joint("RightAnkle", "RightKnee", "right_leg", (10, -425, 35)),  # 17
    Joint("RightFoot", "RightAnkle", "right_leg", (-5, -15, -165)),  # 19
)).of_positions
# fmt: on
_ROWS = np.array([7, 4, 3, 20, 1, 8, 10, 12, 2, 9, 11, 13, 5, 14, 16, 18, 6, 15, 17, 19]) - 1
_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_skeleton(3d)?\.txt", re.IGNORECASE)
_EMPTY = 0.5  # of the frames: a recording with more that are all zeros cannot be used
_LARGEST_M = 20.0  # beyond it places are no metres but pixels


def read(request: Request) -> Reading:
    """Reads every file below `request.root`.

    Frames in which every joint is zero are left out, and a file that cannot be read or of which more than half is so,
    whole: each is a finding. (557 of 567 sequences are in the usual tests, "ten that have missing skeletons" left out.)

    Raises:
        UserError: no file is called like those of the data set.
    """
    sequences, hashes, findings = [], {}, []
    for path in find_files(request.root, FILES.pattern):
        named = _NAME.fullmatch(path.rpartition("/")[2])
        if not named or not 1 <= int(named[1]) <= len(ACTIONS):
            findings.append(_left_out(request, path, None, f"names no action a01 to a{len(ACTIONS)}"))
            continue
        content, hashes[path] = read_bytes(request.root / path)
        try:
            places, odd = parse_frames(content.decode("ascii", "replace"), named[4] is not None)
        except UserError as error:
            line, _, message = str(error).rpartition("|")
            findings.append(_left_out(request, path, int(line) if line else None, message))
            continue
        findings += [Finding("warning", path, None, message) for message in odd]
        segment = Segment(0, len(places), int(named[1]) - 1)
        subject = str(int(named[2]))
        split = "train" if subject in TRAINING else "test"
        sequences.append(Sequence({"positions": places}, (segment,), subject, split, path))
    return Reading(_dataset(request.root, sequences, hashes, findings), hashes, sort_findings(findings))


def parse_frames(text: str, metres: bool = True) -> tuple[np.ndarray, list[str]]:
    """Joint places `[F, 60]` mm of `SKELETON`, and what is odd about them.

    Raises:
        UserError: "LINE|MESSAGE", where the text is not of that form; LINE is empty for the whole.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise UserError("|is empty")
    odd = []
    if len(lines) > 1 and not text.endswith("\n") and len(lines[-1].split()) < len(lines[0].split()):
        odd.append("is cut off within its last row")
        lines = lines[:-1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rows = np.array([line.split() for line in lines], np.float64)
    except ValueError:
        raise UserError(_first_fault(lines)) from None
    if rows.shape[1] not in (3, 4):
        raise UserError(f"1|has {rows.shape[1]} columns: x y z and a confidence, or x y z, must be there")
    if not np.isfinite(rows).all():
        raise UserError(f"{int(np.argwhere(~np.isfinite(rows))[0, 0]) + 1}|holds a number that is not finite")
    if rest := len(rows) % len(_ROWS):
        odd.append(f"is cut off: its last frame has {rest} of {len(_ROWS)} rows and is left out")
        rows = rows[: len(rows) - rest]
    if not len(rows):
        raise UserError(f"|is cut off in its first frame: it has {len(lines)} of {len(_ROWS)} rows")
    places = rows[:, :3].reshape(-1, len(_ROWS), 3)[:, _ROWS]
    zero = ~np.asarray(places.any(axis=(1, 2)))
    if zero.mean() > _EMPTY:
        raise UserError(f"|{zero.sum()} of its {len(zero)} frames are all zeros: there is no body in them")
    if zero.any():
        odd.append(f"{zero.sum()} of its {len(zero)} frames are all zeros, without a body, and are left out")
        places = places[~zero]
    if joints := int((~places.any(axis=2)).sum()):
        odd.append(f"{joints} joints of its {len(places)} frames are zeros: they are used as they are")
    if metres and np.abs(places).max() <= _LARGEST_M:
        places = places * 1000
    else:
        places = places * [1.0, -1.0, 1.0]  # rows of an image count downwards
        odd.append("places are pixels and depth, not metres: lengths are no mm")
    return places.reshape(len(places), -1).astype(np.float32), odd


def _first_fault(lines: list[str]) -> str:
    width = len(lines[0].split())
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if len(cells) != width:
            return f"{number}|has {len(cells)} columns where the first has {width}"
        for cell in cells:
            try:
                float(cell)
            except ValueError:
                return f"{number}|{cell!r} is no number"
    return "|is no table of numbers"


def _left_out(request: Request, path: str, line: int | None, message: str) -> Finding:
    return Finding("error" if request.strict else "warning", path, line, f"left out: {message}")


def _dataset(root: Path, sequences: list[Sequence], hashes: dict[str, str], findings: list[Finding]) -> LabelledSet:
    if not sequences:
        raise UserError(f"{root}: no file in it can be used: {findings[0]}")
    shown = sorted({sequence.segments[0].label for sequence in sequences})
    renamed = [
        Sequence(
            s.arrays, (s.segments[0]._replace(label=shown.index(s.segments[0].label)),), s.subject, s.split, s.source
        )
        for s in sequences
    ]
    key = hashlib.sha256(repr(("msr_action3d", sorted(hashes.items()))).encode()).hexdigest()
    return LabelledSet("msr_action3d", tuple(renamed), tuple(ACTIONS[n] for n in shown), FPS, key, SKELETON)
