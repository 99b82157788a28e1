"""Joint maps: which joints of a real rig play the 22 of the canonical body.

The names of known rigs lie in `joint_maps.csv` beside this file: a row for each canonical joint of each rig, with the
names that it goes by, the first that a body has counting, and the public sample that they were checked on. A user's
table of the same columns comes before it. Names are compared without case, separators and prefixes ("mixamorig:",
"Bip01 "). A body whose names no rig has is mapped by its shape (`joint_guess.py`), which its map says.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

from motion_jax.errors import UserError
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.joint_guess import Guess, above, guess_joints
from motion_jax.skeletons.skeleton import Skeleton

_COLUMNS = ("rig", "joint", "names", "checked")
_SIDED = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle"))
_ARMS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist"))
REQUIRED = ("pelvis", *_SIDED, *_ARMS, "spine3")  # and the neck or the head
_ORDER = (*REQUIRED, *(joint for joint in BODY22.joints if joint not in REQUIRED))
"""The joints that a body must have choose first; spine1 and spine2 take what the chest leaves."""
GUESSED = "guessed by structure"
_SOME = 6  # joints that a refusal names
_NUMBERED = re.compile(r"[_.]\d+$")  # some exporters number all joints: LeftArm_010
_MOST = 0.7  # of a body's joints: where as many end in a number, it is no part of the name


@dataclasses.dataclass(frozen=True)
class JointMap:
    """Which joint of a body plays each canonical joint."""

    rig: str  # a rig of the table, or `GUESSED`
    joints: tuple[int | None, ...]  # [22] in the order of BODY22; None where the body lacks it
    notes: tuple[str, ...]  # what was taken for what, for a report


@dataclasses.dataclass(frozen=True)
class RigNames:
    """The joints' names of one maker's bodies."""

    name: str
    names: dict[str, tuple[str, ...]]  # canonical joint -> its names, the first that a body has counting
    checked: str  # the public sample that the names were read from, or "names only"


@dataclasses.dataclass(frozen=True)
class _Fit:
    """What a rig's names find in a body."""

    rig: RigNames
    found: dict[str, int]  # canonical joint -> joint of the body
    spelt: int  # how many of them are spelt as in the table, prefix and all

    @property
    def lacking(self) -> tuple[str, ...]:
        """The required joints that were not found."""
        return lacking(self.found)


def map_joints(body: Skeleton, table: Path | None = None) -> JointMap:
    """The joints of `body` that play the canonical ones, by their names or else by the shape of the body.

    Of the rigs that have all required joints the one that has most joints is taken; those of `table`, the user's, come
    before the others. A body without toes has its feet's end sites for them.

    Raises:
        UserError: `table` cannot be read, or required joints (`REQUIRED`, and a neck or a head) are found neither by
            names nor by structure.
    """
    own = () if table is None else read_table(table)
    notes: tuple[str, ...] = ()
    if own:
        best = _best(body, own)
        if not best.lacking:
            return _finished(body, best, ())
        notes = (f"no rig of {table} fits: {best.rig.name!r} lacks {', '.join(best.lacking)}",)
    best = _best(body, known_rigs())
    if not best.lacking:
        return _finished(body, best, notes)
    guess = guess_joints(body)
    if guess.why_not or lacking(guess.found):
        raise UserError(_refusal(body, best, guess))
    taken = ", ".join(f"{joint} = {body.joints[guess.found[joint]]}" for joint in BODY22.joints if joint in guess.found)
    nearest = f"no rig's names fit: the nearest, {best.rig.name!r}, lacks {', '.join(best.lacking)}"
    return finished_map(body, GUESSED, guess.found, (*notes, nearest, f"by structure: {taken}", *guess.notes))


def lacking(found: Iterable[str]) -> tuple[str, ...]:
    """The required joints that are not in `found`."""
    missing = tuple(joint for joint in REQUIRED if joint not in found)
    return missing if {"neck", "head"} & set(found) else (*missing, "neck or head")


def plain(name: str) -> str:
    """A joint's name as it is compared: without case, separators and what stands before a colon."""
    return "".join(letter for letter in name.rpartition(":")[2].casefold() if letter not in " _-.")


@functools.cache
def known_rigs() -> tuple[RigNames, ...]:
    """The rigs of `joint_maps.csv`, in its order."""
    text = resources.files("motion_jax.skeletons").joinpath("joint_maps.csv").read_text(encoding="utf-8")
    return _parsed(text, "joint_maps.csv")


def read_table(path: Path) -> tuple[RigNames, ...]:
    """The rigs of a user's table, a CSV file with the columns rig, joint, names, checked.

    Raises:
        UserError: the file cannot be read, or a line of it has a fault.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise UserError(f"{path}: cannot be read as a table of joints: it is a pipe, a device or a folder")
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{path}: cannot be read as a table of joints: {why}") from None
    return _parsed(text, str(path))


def _parsed(text: str, source: str) -> tuple[RigNames, ...]:
    rigs: dict[str, dict[str, tuple[str, ...]]] = {}
    checked: dict[str, str] = {}
    first: dict[str, int] = {}
    for line, row in _rows(text, source):
        where = f"{source}:{line}"
        name, joint, names = row["rig"], row["joint"], tuple(n.strip() for n in row["names"].split("|") if n.strip())
        if not name:
            raise UserError(f"{where}: the rig has no name")
        if joint not in BODY22.joints:
            raise UserError(f"{where}: joint {joint!r}; it must be one of {', '.join(BODY22.joints)}")
        if not all(map(plain, names)) or not names:
            raise UserError(f"{where}: names {row['names']!r}; it must be joints' names separated by '|'")
        if joint in rigs.setdefault(name, {}):
            raise UserError(
                f"{where}: joint {joint!r} of rig {name!r} a second time; its names go on one line, with '|'"
            )
        rigs[name][joint] = names
        checked.setdefault(name, row["checked"] or "names only")
        first.setdefault(name, line)
    if not rigs:
        raise UserError(f"{source}: no rig is in it; lines must be {','.join(_COLUMNS)}")
    for name, names in rigs.items():
        if missing := lacking(names):
            raise UserError(f"{source}:{first[name]}: rig {name!r} has no line for {', '.join(missing)}")
    return tuple(RigNames(name, names, checked[name]) for name, names in rigs.items())


def _rows(text: str, source: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows, by column."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header: list[str] | None = None
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if header is None:
                header = cells
                if sorted(header) not in (sorted(_COLUMNS), sorted(_COLUMNS[:3])):
                    columns = ",".join(_COLUMNS)
                    raise UserError(f"{source}:{reader.line_num}: columns {','.join(cells)!r}; they must be {columns}")
                continue
            if len(cells) != len(header):
                raise UserError(f"{source}:{reader.line_num}: {len(cells)} columns; they must be {','.join(header)}")
            yield reader.line_num, {"checked": ""} | dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise UserError(f"{source}:{reader.line_num}: is no line of a CSV file: {error}") from None


def _best(body: Skeleton, rigs: tuple[RigNames, ...]) -> _Fit:
    """Of the rigs that lack least the one that leaves least of the spine, has most and is most like its row; the
    first of equals.
    """
    fits = [fit for rig in rigs for fit in _fits(body, rig)]
    return max(
        fits,
        key=lambda fit: (
            -len(fit.lacking),
            -_idle_chest(body, fit.found),
            len(fit.found),
            -len(fit.rig.names.keys() - fit.found.keys()),
            fit.spelt,
        ),
    )


def _idle_chest(body: Skeleton, found: dict[str, int]) -> int:
    """How many joints that play nothing lie between the chest and the joint where the arms part."""
    if not {"spine3", "left_shoulder", "right_shoulder"} <= found.keys():
        return 0
    arms = [above(body, found[f"{side}_shoulder"]) for side in ("left", "right")]
    trunk = [joint for joint in arms[0] if joint in arms[1]]
    idle = trunk[: trunk.index(found["spine3"])] if found["spine3"] in trunk else []
    return len(set(idle) - set(found.values()))


def _fits(body: Skeleton, rig: RigNames) -> Iterator[_Fit]:
    """What is found with each prefix that the pelvis could have, such as "Bip01 "."""
    numbers: dict[str, int] = {}
    names = [_NUMBERED.sub("", joint) for joint in body.joints]
    counted = sum(name != joint for name, joint in zip(names, body.joints, strict=True))
    compared = names if counted > _MOST * len(names) else body.joints
    # what begins with an underscore is a helper at the joint of that name ("__UpLeg_L" above "UpLeg_L") and gives way
    for number, joint in sorted(enumerate(compared), key=lambda numbered: numbered[1].startswith("_")):
        numbers.setdefault(plain(joint), number)
    ends = {plain(name) for name in rig.names["pelvis"]}
    prefixes = {joint.removesuffix(end) for joint in numbers for end in ends if joint.endswith(end)}
    for prefix in sorted({"", *prefixes}, key=lambda prefix: (len(prefix), prefix)):
        found: dict[str, int] = {}
        spelt = 0
        for joint in _ORDER:
            for name in rig.names.get(joint, ()):
                number = numbers.get(prefix + plain(name), numbers.get(plain(name)))
                if number is not None and number not in found.values() and _hangs_right(body, joint, number, found):
                    found[joint] = number
                    spelt += body.joints[number] == name
                    break
        yield _Fit(rig, found, spelt)


def _hangs_right(body: Skeleton, joint: str, number: int, found: dict[str, int]) -> bool:
    """Whether a body's joint lies below and above what plays the canonical joints above and below `joint`."""
    return all(number in above(body, found[lower]) for lower in found if joint in _ABOVE[lower]) and all(
        found[upper] in above(body, number) for upper in _ABOVE[joint] if upper in found
    )


_ABOVE = {
    name: tuple(BODY22.joints[upper] for upper in above(BODY22, joint)) for joint, name in enumerate(BODY22.joints)
}


def _finished(body: Skeleton, fit: _Fit, notes: tuple[str, ...]) -> JointMap:
    """The map of a fit that lacks nothing required."""
    return finished_map(body, fit.rig.name, fit.found, (*notes, f"joints by the names of rig {fit.rig.name!r}"))


def finished_map(body: Skeleton, rig: str, found: dict[str, int], notes: tuple[str, ...]) -> JointMap:
    """The map with feet's end sites for toes that lack, and notes of what lacks."""
    found = dict(found)
    for side in ("left", "right"):
        foot, ankle = f"{side}_foot", found[f"{side}_ankle"]
        ends = [joint for joint, parent in enumerate(body.parents) if parent == ankle and joint not in body.parents]
        ends = [joint for joint in ends if body.offsets[joint].any()]
        if foot not in found and len(ends) == 1:
            found[foot] = ends[0]
            notes += (f"{foot} is {body.joints[ends[0]]!r}",)
    if missing := [joint for joint in BODY22.joints if joint not in found]:
        notes += (f"without {', '.join(missing)}",)
    return JointMap(rig, tuple(found.get(joint) for joint in BODY22.joints), notes)


def _refusal(body: Skeleton, best: _Fit, guess: Guess) -> str:
    """One line: what the nearest rig lacks, what was found, why the shape does not tell, and the way out."""
    has = ", ".join(f"{joint} = {body.joints[number]}" for joint, number in best.found.items())
    some = ", ".join(body.joints[:_SOME]) + ", ..." * (len(body.joints) > _SOME)
    shape = guess.why_not or f"no {', '.join(lacking(guess.found))}"
    return (
        f"skeleton {body.name!r}: its joints cannot be mapped to the canonical body: by names it lacks "
        f"{', '.join(best.lacking)} of {best.rig.name!r}, the nearest rig (found: {has or f'none of {some}'}); by its "
        f"shape: {shape}; name its joints with --joint_map=FILE"
    )
