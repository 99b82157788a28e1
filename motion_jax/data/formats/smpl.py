"""SMPL parameters in numpy's archive: AMASS, SMPL, SMPL-H, SMPL-X, and what video estimators write.

Which file it is, the names of its arrays say; F frames, and N people before them where a file holds several:

    poses `[F, 66 | 72 | 156 | 165]`, trans                  AMASS (SMPL-H, SMPL-X), 3DPW
    root_orient, pose_body, pose_hand, pose_jaw, pose_eye    SMPL-X; SLAHMR `[N, F, ...]` with track_mask
    global_orient, body_pose, transl, left_hand_pose, ...    GVHMR; 4D-Humans as matrices `[F, 23, 3, 3]`
    pose_world, trans_world `[F, 72]`; pose, trans           WHAM

Rotations are vectors or matrices of local rotations that act on column vectors; a motion holds their transposes. What
is read stays in `Motion.extras`: each array by its name, the ones of frames without their frames, so that a file of the
same layout can be written of any motion that came of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.arrays import Archive
from motion_jax.data.formats.format import ReadOptions
from motion_jax.data.motion.motion import Motion, moving_joints
from motion_jax.data.motion.rotations_np import matrix_from_rotvec, rotvec_from_matrix
from motion_jax.data.text_files import MAX_NUMBERS
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.skeletons.smpl import BODIES, BODY, METRE, SMPL, SMPL_H, SMPL_X

RATES = ("mocap_framerate", "mocap_frame_rate", "fps", "framerate", "frame_rate")

_WHOLE = {"all": tuple(sorted(BODIES))}
_PARTS = {"root": (1,), "body": (21, 23), "hands": (30,), "left": (15,), "right": (15,)}
_FACE = {"jaw": (1,), "eyes": (2,), "left_eye": (1,), "right_eye": (1,)}
_COUNTS = {**_WHOLE, **_PARTS, **_FACE}
"""How many joints an array of each part of the body may turn."""

_SPLIT = {"root_orient": "root", "pose_body": "body", "pose_hand": "hands", "pose_jaw": "jaw", "pose_eye": "eyes"}
_NAMED = {
    "global_orient": "root", "body_pose": "body", "left_hand_pose": "left", "right_hand_pose": "right",
    "jaw_pose": "jaw", "leye_pose": "left_eye", "reye_pose": "right_eye",
}  # fmt: skip
_CARRIED = ("betas", "gender", "genders", "surface_model_type", "num_betas", "model_type")
_OBJECTS = ("markers_latent_vids", "latent_labels", "marker_labels", "labels")  # AMASS has objects there; not needed
_FARTHEST = 1e6  # m
_WIDEST = 1e4  # rad
_SQUARE = 1e-3  # a matrix that is further than this from a rotation is none
_LISTED = 12


class _Family(NamedTuple):
    """Files that name their arrays alike."""

    needed: tuple[str, ...]
    parts: Mapping[str, str]  # arrays of rotations, and which part of the body each turns
    trans: tuple[str, ...]  # names that the translation may have


_FAMILIES = (
    _Family(("pose_world",), {"pose_world": "all"}, ("trans_world",)),
    _Family(("poses",), {"poses": "all", **_SPLIT}, ("trans", "transl")),
    _Family(("root_orient", "pose_body"), _SPLIT, ("trans", "transl")),
    _Family(("global_orient", "body_pose"), _NAMED, ("transl", "trans")),
    _Family(("pose", "trans"), {"pose": "all"}, ("trans",)),
)


class _Turns(NamedTuple):
    """What one array of rotations holds."""

    joints: tuple[int, ...]  # of the body
    matrices: bool


class _Layout(NamedTuple):
    """What a file's arrays are."""

    body: Skeleton
    lead: int  # axes before those of a frame: 1 of frames, or 2 of people and frames
    turns: dict[str, _Turns]  # the first ones turn every joint that the later ones do
    trans: str | None
    unfit: tuple[str, ...]  # arrays of rotations that are not read


def is_smpl(names: tuple[str, ...]) -> bool:
    """Whether arrays of these names are SMPL parameters."""
    return any(set(family.needed) <= set(names) for family in _FAMILIES)


def from_smpl(motion: Motion) -> bool:
    """Whether a motion came of SMPL parameters and still has their joints."""
    layout = _layout({name: array.shape for name, array in motion.extras.items()}, "extras")
    return layout is not None and set(layout.body.joints) <= set(motion.skeleton.joints)


def read_smpl(archive: Archive, options: ReadOptions) -> Motion:
    """The motion of one person. Raises `UserError` that names the array."""
    path = archive.path
    if options.unit_mm is not None:
        raise UserError(f"{path}: SMPL's lengths are metres: unit_mm={options.unit_mm} must not be given")
    names = archive.names
    wanted = {*_CARRIED, *RATES, *(name for family in _FAMILIES for name in (*family.parts, *family.trans))}
    for name in set(names) - set(_OBJECTS):
        if name in wanted or archive.holds_objects(name):
            archive.header(name)  # raises on objects
    shapes = {name: archive.header(name).shape for name in names if name in wanted}
    layout = _layout(shapes, str(path))
    assert layout is not None
    main = next(iter(layout.turns))
    lead = shapes[main][: layout.lead]
    _check_size(layout, lead, main, path)
    rate = next((name for name in RATES if name in names), None)
    fps = options.fps or find_rate(archive)
    if fps is None:
        raise UserError(
            f"{path}: does not say its frames per second (no array {', '.join(RATES)}): give them by --input_fps (in "
            f"Python fps=)"
        )
    person = _person(lead, options.person, path)
    kept, mask_note = _kept(archive, lead, person)
    taken = _needed_turns(layout)
    local = np.zeros((kept.stop - kept.start, len(layout.body.joints), 3))
    for name in taken:
        turns = layout.turns[name]
        values = _of_person(_numbers(archive, name), layout.lead, person)[kept]
        local[:, turns.joints] = -_vectors(values, turns, name, kept.start, path)
    trans = np.zeros((len(local), 3))
    if layout.trans is not None:
        trans = _of_person(_numbers(archive, layout.trans), layout.lead, person)[kept].astype(np.float64)
        _check_below(trans, _FARTHEST, layout.trans, "m", kept.start, path)
    return Motion(
        skeleton=layout.body,
        frames=np.concatenate([trans, local.reshape(len(local), -1)], axis=1),
        fps=fps,
        source=str(path),
        notes=(*_notes(archive, layout, lead, person), *mask_note),
        extras=_extras(archive, layout, rate, lead, person, kept),
    )


def write_smpl(motion: Motion, path: Path) -> None:
    """Writes the layout that a motion came of, else AMASS's; the body's joints must have SMPL's names.

    Joints beyond the canonical 22 that the motion lacks are not turned. Raises `UserError` if it lacks one of the 22,
    or joints move from their places.
    """
    own = motion.skeleton.joints
    lacking = [name for name in BODY.joints if name not in own]
    if lacking:
        some = ", ".join(lacking[:6]) + f" and {len(lacking) - 6} more" * (len(lacking) > 6)
        raise UserError(
            f"{path}: SMPL needs the joints of its body by their names ({', '.join(BODY.joints[:3])}, ...): "
            f"{motion.skeleton.name!r} lacks {some}: it must be written as .bvh or .npz"
        )
    if moved := moving_joints(motion):
        raise UserError(f"{path}: {moved[0]} moves from its place, which SMPL cannot hold: write .bvh or .motion.npz")
    extras = motion.extras if from_smpl(motion) else _amass(own)
    layout = _layout({name: array.shape for name, array in extras.items()}, str(path))
    assert layout is not None
    local = -motion.frames[:, 3:].reshape(len(motion.frames), -1, 3)
    columns = [own.index(name) if name in own else None for name in layout.body.joints]
    trans = _metres(motion)
    if layout.trans is None and trans.any():
        extras = {**extras, "transl": np.zeros((0,) if layout.lead == 1 else (1, 0))}
    arrays = {}
    for name, array in extras.items():
        if name in layout.turns:
            turns = layout.turns[name]
            values = np.zeros((len(local), len(turns.joints), 3))
            for place, joint in enumerate(turns.joints):
                if (column := columns[joint]) is not None:
                    values[:, place] = local[:, column]
            arrays[name] = _shaped(matrix_from_rotvec(values) if turns.matrices else values, array, layout.lead)
        elif name in (layout.trans, "transl"):
            arrays[name] = _shaped(trans, array, layout.lead)
        elif name in RATES:
            arrays[name] = _same_number(motion.fps, array)
        else:
            arrays[name] = _as_long(array, len(local), layout.lead) if name == "betas" else array
    if not set(RATES) & set(arrays):
        arrays["fps"] = np.float64(motion.fps)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _layout(shapes: Mapping[str, tuple[int, ...]], source: str) -> _Layout | None:
    """What arrays of these shapes are; None: no SMPL parameters. Raises `UserError` where a needed one does not fit."""
    family = next((family for family in _FAMILIES if set(family.needed) <= set(shapes)), None)
    if family is None:
        return None
    trans = next((name for name in family.trans if name in shapes), None)
    if trans is not None and not (len(shapes[trans]) in (2, 3) and shapes[trans][-1] == 3):
        raise UserError(f"{source}: {trans} is {list(shapes[trans])}: it must be [F, 3], or [N, F, 3] of N people")
    first = family.needed[0]
    leads = (1, 2) if trans is None else (len(shapes[trans]) - 1,)
    lead = next((lead for lead in leads if _fitting(shapes[first], lead, family.parts[first])), leads[0])
    frames = shapes[first][:lead]
    fitting, unfit = {}, []
    for name, part in family.parts.items():
        if name not in shapes:
            continue
        found = _fitting(shapes[name], lead, part)
        if found is None and name in family.needed:
            raise UserError(f"{source}: {name} is {list(shapes[name])}: it must be {_allowed(part, lead)}")
        if found is None:
            unfit.append(name)
        elif shapes[name][:lead] != frames:
            raise UserError(f"{source}: {_unlike(name, shapes[name], first, shapes[first])}")
        else:
            fitting[name] = part, found
    if trans is not None and shapes[trans][:lead] != frames:
        raise UserError(f"{source}: {_unlike(trans, shapes[trans], first, shapes[first])}")
    body = _body({part: count for part, (count, _) in fitting.values()})
    turns = {}
    for name, (part, (count, matrices)) in fitting.items():
        joints = _joints(part, count, body)
        if joints is None:
            unfit.append(name)
        else:
            turns[name] = _Turns(joints, matrices)
    return _Layout(body, lead, turns, trans, tuple(unfit))


def _fitting(shape: tuple[int, ...], lead: int, part: str) -> tuple[int, bool] | None:
    """How many joints an array turns, and whether by matrices; None where it does not fit its part of the body."""
    rest = shape[lead:]
    numbers = math.prod(rest)
    if len(shape) <= lead:
        return None
    if rest[-2:] == (3, 3) and numbers % 9 == 0 and numbers // 9 in _COUNTS[part]:
        return numbers // 9, True
    return (numbers // 3, False) if numbers % 3 == 0 and numbers // 3 in _COUNTS[part] else None


def _allowed(part: str, lead: int) -> str:
    frames = "F" if lead == 1 else "N, F"
    widths = " or ".join(f"[{frames}, {3 * count}]" for count in _COUNTS[part])
    counts = " or ".join(map(str, _COUNTS[part]))
    return f"{widths}, rotation vectors of {counts} joints, or matrices [{frames}, J, 3, 3]"


def _unlike(name: str, shape: tuple[int, ...], first: str, other: tuple[int, ...]) -> str:
    return f"{name} is {list(shape)} and {first} {list(other)}: they must have as many frames"


def _body(counts: Mapping[str, int]) -> Skeleton:
    """The smallest body that has every joint that is turned."""
    if "all" in counts:
        return BODIES[counts["all"]]
    if counts["body"] == 23:
        return SMPL
    if set(counts) & set(_FACE):
        return SMPL_X
    return SMPL_H if set(counts) & {"hands", "left", "right"} else BODY


def _joints(part: str, count: int, body: Skeleton) -> tuple[int, ...] | None:
    """The joints of a part of the body, in SMPL's order; None where the body does not have them."""
    whole = tuple(range(len(body.joints)))
    fingers, face = whole[-30:] if body in (SMPL_H, SMPL_X) else (), whole[22:25] if body is SMPL_X else ()
    joints = {
        "all": whole, "root": whole[:1], "body": whole[1 : count + 1], "hands": fingers, "left": fingers[:15],
        "right": fingers[15:], "jaw": face[:1], "eyes": face[1:], "left_eye": face[1:2], "right_eye": face[2:],
    }[part]  # fmt: skip
    return joints if len(joints) == count else None


def _needed_turns(layout: _Layout) -> list[str]:
    """Arrays that must be read: where one turns the whole body, the others say the same again."""
    names = list(layout.turns)
    return names[:1] if len(layout.turns[names[0]].joints) == len(layout.body.joints) else names


def _check_size(layout: _Layout, lead: tuple[int, ...], name: str, path: Path) -> None:
    if not math.prod(lead):
        raise UserError(f"{path}: {name} has no frames: it must have one or more")
    if math.prod(lead) * layout.body.columns > MAX_NUMBERS:
        raise UserError(
            f"{path}: {name} has {math.prod(lead)} frames of {layout.body.columns} numbers: it must be {MAX_NUMBERS} "
            f"numbers at most"
        )


def _person(lead: tuple[int, ...], person: int | None, path: Path) -> int:
    """Which person, from 0. Raises `UserError` where there are several and none was chosen, or not that one."""
    people = lead[0] if len(lead) == 2 else 1
    if person is None and people > 1:
        raise UserError(
            f"{path}: holds {people} people: {choose(people)}; motion-jax convert --person=1 --output=one.npz writes a "
            f"file of one"
        )
    if person is not None and not 1 <= person <= people:
        raise UserError(f"{path}: person {person}: it holds {people}: it must be 1 to {people}")
    return (person or 1) - 1


def choose(people: int) -> str:
    """How a user says which of several people is meant."""
    return f"choose one with --person=1 to {people} (in Python read_motion(path, person=1))"


def _kept(archive: Archive, lead: tuple[int, ...], person: int) -> tuple[slice, tuple[str, ...]]:
    """The frames in which a person was tracked, from the first to the last, and a note."""
    frames = lead[-1]
    if "track_mask" not in archive.names or archive.header("track_mask").shape != lead:
        return slice(0, frames), ()
    mask = archive.read("track_mask")
    if mask.dtype.kind not in "biuf":
        raise UserError(f"{archive.path}: track_mask is {mask.dtype}: it must be numbers")
    seen = np.flatnonzero(_of_person(mask, len(lead), person) > 0)
    if not len(seen):
        raise UserError(f"{archive.path}: track_mask: person {person + 1} is in no frame")
    first, last = int(seen[0]), int(seen[-1])
    if (first, last) == (0, frames - 1):
        return slice(0, frames), ()
    return slice(first, last + 1), (
        f"frames {first} to {last} of {frames}, in which the person was tracked (track_mask)",
    )


def _of_person(values: np.ndarray, lead: int, person: int) -> np.ndarray:
    return values[person] if lead == 2 else values


def _numbers(archive: Archive, name: str) -> np.ndarray:
    """An array of finite numbers. Raises `UserError` that names it and the frame."""
    values = archive.read(name)
    if values.dtype.kind != "f":
        raise UserError(f"{archive.path}: {name} is {values.dtype}: it must be floating-point numbers")
    return values


def _check_below(values: np.ndarray, most: float, name: str, unit: str, first: int, path: Path) -> None:
    """Raises `UserError` that names the frame where numbers are not finite or beyond what a body can do."""
    bad = ~(np.abs(values) <= most)
    if bad.any():
        place = np.argwhere(bad)[0]
        found = values[tuple(place)]
        raise UserError(
            f"{path}: {name}: frame {first + int(place[0])} has {found:g}: it must be a finite number of {unit}, at "
            f"most {most:g}"
        )


def _vectors(values: np.ndarray, turns: _Turns, name: str, first: int, path: Path) -> np.ndarray:
    """Rotation vectors `[F, J, 3]` float64 of an array's frames."""
    wide = values.reshape(len(values), len(turns.joints), *((3, 3) if turns.matrices else (3,))).astype(np.float64)
    _check_below(wide, _WIDEST, name, "rad" if not turns.matrices else "matrices", first, path)
    if not turns.matrices:
        return wide
    off = np.abs(wide @ np.swapaxes(wide, -1, -2) - np.eye(3)).max(axis=(-2, -1))
    bad = np.argwhere((off > _SQUARE) | (np.linalg.det(wide) < 0))
    if len(bad):
        frame, joint = bad[0]
        raise UserError(f"{path}: {name}: frame {first + frame}, matrix {joint} is no rotation: it must be one")
    return rotvec_from_matrix(wide)


def find_rate(archive: Archive) -> float | None:
    """Frames per second, as an archive says; None where it does not. Raises `UserError` where it says no rate."""
    name = next((name for name in RATES if name in archive.names), None)
    if name is None:
        return None
    value = archive.read(name)
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < float(value.ravel()[0]) < math.inf:
        shown = value.ravel()[0] if value.size == 1 else f"{value.dtype} {list(value.shape)}"
        raise UserError(f"{archive.path}: {name} is {shown}: it must be one finite number above 0")
    return float(value.ravel()[0])


def _notes(archive: Archive, layout: _Layout, lead: tuple[int, ...], person: int) -> tuple[str, ...]:
    """What was taken for granted, and what is not kept."""
    notes = [
        f"{layout.body.name}, {len(layout.body.joints)} joints; bones are the canonical body's, as SMPL's own body "
        f"files are licensed and not read: the pelvis is put at {layout.trans or 'the origin'}"
    ]
    if layout.trans is None:
        notes.append("no array of translations (trans, transl): the root stays at the origin")
    if len(lead) == 2 and lead[0] > 1:
        notes.append(f"person {person + 1} of {lead[0]}")
    read = {*layout.turns, layout.trans, *_CARRIED, *RATES, "track_mask"}
    left = [name[:32] for name in archive.names if name not in read]
    if left:
        more = f" and {len(left) - _LISTED} more" * (len(left) > _LISTED)
        notes.append(f"not kept: {', '.join(left[:_LISTED])}{more}")
    return tuple(notes)


def _extras(
    archive: Archive, layout: _Layout, rate: str | None, lead: tuple[int, ...], person: int, kept: slice
) -> dict[str, np.ndarray]:
    """The file's arrays in their order, those of frames without any."""
    extras: dict[str, np.ndarray] = {}
    for name in archive.names:
        if name in layout.turns or name == layout.trans:
            header = archive.header(name)
            one = (0,) if len(lead) == 1 else (1, 0)
            extras[name] = np.zeros((*one, *header.shape[len(lead) :]), header.dtype.newbyteorder("="))
        elif name == rate:
            extras[name] = archive.read(name)
        elif name in _CARRIED:
            extras[name] = _carried(archive, name, lead, person, kept)
    return extras


def _carried(archive: Archive, name: str, lead: tuple[int, ...], person: int, kept: slice) -> np.ndarray:
    """An array that is not of rotations, of one person and the frames that were kept where it tells them apart."""
    values = archive.read(name)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UserError(f"{archive.path}: {name} must be finite numbers")
    by_person = values.ndim >= 2 if name == "betas" else values.ndim == 1
    if len(lead) == 2 and by_person and len(values) == lead[0]:
        values = values[person : person + 1]
    axis = len(lead) - 1
    if name == "betas" and values.ndim == len(lead) + 1 and values.shape[axis] == lead[-1]:
        values = values[kept] if axis == 0 else values[:, kept]
    return values


def _as_long(betas: np.ndarray, frames: int, lead: int) -> np.ndarray:
    """Shape parameters of each frame for so many frames, the last ones again; others as they are."""
    axis = lead - 1
    if betas.ndim != lead + 1 or betas.shape[axis] in (1, frames):
        return betas
    return np.repeat(np.take(betas, [-1], axis=axis), frames, axis=axis)


def _metres(motion: Motion) -> np.ndarray:
    """`[F, 3]` where the root is, m."""
    body = motion.skeleton
    factor = body.translation_mm * body.true_scale / METRE
    trans = motion.frames[:, :3] if factor == 1 else motion.frames[:, :3] * factor
    return trans + body.offsets[0] * body.true_scale / METRE if body.offsets[0].any() else trans


def _shaped(values: np.ndarray, like: np.ndarray, lead: int) -> np.ndarray:
    """Values of all frames in the shape and type of an array without frames."""
    rest = like.shape[lead:] or values.shape[1:]
    return values.reshape(*((1,) if lead == 2 else ()), len(values), *rest).astype(like.dtype)


def _same_number(value: float, like: np.ndarray) -> np.ndarray:
    """A number in another's shape, and in its type where that holds it."""
    same = np.full(like.shape, value).astype(like.dtype)
    return same if float(same.ravel()[0]) == value else np.full(like.shape, np.float64(value))


def _amass(joints: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of AMASS, for a body of these joints."""
    whole = next((body for body in (SMPL_X, SMPL_H, SMPL) if set(body.joints) <= set(joints)), SMPL_H)
    return {
        "trans": np.zeros((0, 3)),
        "gender": np.array("neutral"),
        "mocap_framerate": np.array(0.0),
        "betas": np.zeros(10 if whole is SMPL else 16),
        "poses": np.zeros((0, 3 * len(whole.joints))),
    }
