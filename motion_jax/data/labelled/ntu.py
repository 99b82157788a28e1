"""NTU RGB+D: 60 or 120 actions of one or two people before a Kinect 2; A. Shahroudy et al., CVPR 2016.

A file `S001C002P003R002A013.skeleton` is text: the number of frames; of each frame the number of bodies; of each body
a line that begins with its id, the number of joints (25), and a line a joint that begins with x y z in metres.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np

from motion_jax.data.datasets.ntu import FILES
from motion_jax.data.findings import Finding, sort_findings
from motion_jax.data.labelled.files import find_files, read_bytes
from motion_jax.data.labelled.reading import Reading, Request
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton

FPS = 30.0
BODIES = 2
TRAINING = tuple(map(str, (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)))
"""The cross-subject test of the 60 actions: these 20 train, the other 20 test (Shahroudy 2016, section 3.2.1)."""
ACTIONS = (
    "drink water", "eat meal", "brushing teeth", "brushing hair", "drop", "pick up", "throw", "sit down", "stand up",
    "clapping", "reading", "writing", "tear up paper", "put on jacket", "take off jacket", "put on a shoe",
    "take off a shoe", "put on glasses", "take off glasses", "put on a hat", "take off a hat", "cheer up",
    "hand waving", "kicking something", "reach into pocket", "hopping", "jump up", "phone call", "play with phone",
    "type on a keyboard", "point to something", "taking a selfie", "check time", "rub two hands", "nod head",
    "shake head", "wipe face", "salute", "put palms together", "cross hands in front", "sneeze or cough", "staggering",
    "falling down", "headache", "chest pain", "back pain", "neck pain", "nausea or vomiting", "fan self",
    "punch or slap", "kicking", "pushing", "pat on back", "point finger", "hugging", "giving object",
    "touch pocket", "shaking hands", "walking towards", "walking apart",
)  # fmt: skip
"""A001 to A060; those above are called by their number, "A061"."""

# fmt: off
SKELETON = Skeleton.from_table("ntu", (
    # Rounded mm of one person; numbers: a joint's place in a file.
    Joint("SpineBase", None, "spine", (0, 0, 0)),  # 1
    Joint("SpineMid", "SpineBase", "spine", (0, 290, -70)),  # 2
    Joint("SpineShoulder", "SpineMid", "spine", (0, 210, -55)),  # 21
    Joint("Neck", "SpineShoulder", "spine", (0, 70, -20)),  # 3
    Joint("Head", "Neck", "spine", (-10, 125, -35)),  # 4
    Joint("ShoulderLeft", "SpineShoulder", "left_arm", (-165, -5, 55)),  # 5
    Joint("ElbowLeft", "ShoulderLeft", "left_arm", (-40, -225, 90)),  # 6
    Joint("WristLeft", "ElbowLeft", "left_arm", (25, -200, -90)),  # 7
    Joint("HandLeft", "WristLeft", "left_arm", (20, -40, 0)),  # 8
    Joint("HandTipLeft", "HandLeft", "left_arm", (0, -50, -10)),  # 22
    Joint("ThumbLeft", "HandLeft", "left_arm", (-45, -15, -5)),  # 23
    Joint("ShoulderRight", "SpineShoulder", "right_arm", (150, -45, -75)),  # 9
    Joint("ElbowRight", "ShoulderRight", "right_arm", (55, -220, 25)),  # 10
    Joint("WristRight", "ElbowRight", "right_arm", (-100, -120, -120)),  # 11
    Joint("HandRight", "WristRight", "right_arm", (-75, -30, -60)),  # 12
    Joint("HandTipRight", "HandRight", "right_arm", (-45, -30, -30)),  # 24
    Joint("ThumbRight", "HandRight", "right_arm", (-15, 25, -5)),  # 25
    Joint("HipLeft", "SpineBase", "left_leg", (-70, 5, -10)),  # 13
    Joint("KneeLeft", "HipLeft", "left_leg", (-10, -285, 140)),  # 14
    Joint("AnkleLeft", "KneeLeft", "left_leg", (-5, -330, 125)),  # 15
    Joint("FootLeft", "AnkleLeft", "left_leg", (-40, -60, -110)),  # 16
    Joint("HipRight", "SpineBase", "right_leg", (70, -5, -55)),  # 17
    Joint("KneeRight", "HipRight", "right_leg", (60, -310, 90)),  # 18
    Joint("AnkleRight", "KneeRight", "right_leg", (25, -320, 125)),  # 19
    Joint("FootRight", "AnkleRight", "right_leg", (-40, -60, -110)),  # 20
)).of_positions
# fmt: on
_ROWS = np.array([1, 2, 21, 3, 4, 5, 6, 7, 8, 22, 23, 9, 10, 11, 12, 24, 25, 13, 14, 15, 16, 17, 18, 19, 20]) - 1
_NAME = re.compile(r"s\d{3}c\d{3}p(\d{3})r\d{3}a(\d{3})\.skeleton", re.IGNORECASE)


def read(request: Request) -> Reading:
    """Reads every file below `request.root`.

    Two bodies a frame, side by side: those that are there longest, the longer first, of equals the one that moves more.
    Who is not there is zeros. Frames without any body are left out, and files without a frame that has one (of the 60
    actions 302 are known to be incomplete): each is a finding.

    Raises:
        UserError: no file is called like those of the data set, or none can be used.
    """
    raw, hashes, findings = [], {}, []
    for path in find_files(request.root, FILES.pattern):
        named = _NAME.fullmatch(path.rpartition("/")[2])
        assert named, path  # the pattern
        content, hashes[path] = read_bytes(request.root / path)
        try:
            places, odd = parse_frames(content.decode("ascii", "replace"))
        except UserError as error:
            line, _, message = str(error).rpartition("|")
            severity = "error" if request.strict else "warning"
            findings.append(Finding(severity, path, int(line) if line else None, f"left out: {message}"))
            continue
        findings += [Finding("warning", path, None, message) for message in odd]
        raw.append((path, str(int(named[1])), int(named[2]), places))
    if not raw:
        raise UserError(f"{request.root}: no file in it can be used: {findings[0]}")
    numbers = sorted({number for _, _, number, _ in raw})
    sequences = tuple(
        Sequence(
            {"positions": places},
            (Segment(0, len(places), numbers.index(number)),),
            subject,
            "train" if subject in TRAINING else "test",
            path,
        )
        for path, subject, number, places in raw
    )
    key = hashlib.sha256(repr(("ntu", sorted(hashes.items()))).encode()).hexdigest()
    classes = tuple(class_name(number) for number in numbers)
    return Reading(LabelledSet("ntu", sequences, classes, FPS, key, SKELETON, BODIES), hashes, sort_findings(findings))


def class_name(number: int) -> str:
    """Of an action, counted from 1."""
    return ACTIONS[number - 1] if 1 <= number <= len(ACTIONS) else f"A{number:03d}"


def parse_frames(text: str) -> tuple[np.ndarray, list[str]]:
    """Joint places `[F, 2 * 75]` mm of `SKELETON`, and what is odd about them.

    Raises:
        UserError: "LINE|MESSAGE", where the text is not of that form; LINE is empty for the whole.
    """
    lines = text.splitlines()
    bodies: dict[str, dict[int, np.ndarray]] = {}
    cursor = 0

    def integer(what: str) -> int:
        nonlocal cursor
        cell = lines[cursor].strip() if cursor < len(lines) else ""
        cursor += 1
        if not cell.isdecimal():
            found = f"{cell!r}" if cell else "nothing"
            raise UserError(f"{cursor}|{what} must be a whole number, not {found}")
        return int(cell)

    if not text.strip():
        raise UserError("|is empty")
    frames, read_frames, odd = integer("the number of frames"), 0, []
    try:
        for frame in range(frames):
            seen = {}
            for _ in range(integer("the number of bodies")):
                fields = lines[cursor].split() if cursor < len(lines) else []
                cursor += 1
                joints = integer("the number of joints")
                if joints != len(_ROWS) or not fields:
                    raise UserError(f"{cursor}|{joints} joints: there must be {len(_ROWS)}")
                rows = [line.split()[:3] for line in lines[cursor : cursor + joints]]
                if len(rows) < joints:
                    raise UserError(f"{len(lines)}|ends within a body")
                cursor += joints
                try:
                    seen[fields[0]] = np.array(rows, np.float64)[_ROWS]
                except ValueError:
                    raise UserError(f"{cursor - joints + 1}|joints must be numbers x y z") from None
            for body, places in seen.items():
                bodies.setdefault(body, {})[frame] = places
            read_frames = frame + 1
    except UserError as error:
        if not read_frames or cursor < len(lines):
            raise
        odd.append(f"is cut off after {read_frames} of {frames} frames: {str(error).rpartition('|')[2]}")
    there = sorted({frame for seen in bodies.values() for frame in seen})
    if not there:
        raise UserError(f"|none of its {frames} frames has a body")
    if len(there) < read_frames:
        odd.append(f"{read_frames - len(there)} of its {read_frames} frames have no body and are left out")
    order = sorted(bodies, key=lambda body: (-len(bodies[body]), -_moved(bodies[body])))
    if len(order) > BODIES:
        odd.append(f"{len(order)} bodies are in it: the {BODIES} that are there longest are used")
    places = np.zeros((len(there), BODIES, len(_ROWS), 3))
    for slot, body in enumerate(order[:BODIES]):
        for row, frame in enumerate(there):
            if frame in bodies[body]:
                places[row, slot] = bodies[body][frame] * 1000
    empty = ~places.any(axis=(1, 2, 3))  # only a body that is not used is there
    if not np.isfinite(places).all():
        raise UserError("|holds a place that is not finite")
    return places[~empty].reshape(-1, BODIES * len(_ROWS) * 3).astype(np.float32), odd


def _moved(seen: dict[int, np.ndarray]) -> float:
    return float(np.stack(list(seen.values())).var(axis=0).sum())
