"""Rigs: how the body of a file stands to the canonical one, found from its joints, its bones and how it moves.

A rig's bones point elsewhere at rest, its joints' own axes may be turned at will, its world may have another axis up,
its unit is not written down. What is the same on all humanoid rigs is which joint is the knee and where the shin
points. So each canonical joint c is given one constant rotation T_c, from the axes of the joint that plays it to those
of the canonical body, with

    G_c = W Q_s(c) T_c^-1

of the joint's rotation Q_s in the file's world and the rotation W of that world: c's bone then points where the rig's
does, in every pose. The turn about the bone that this leaves open is the one of the least rotation from the rig's rest
pose to the T-pose, chain by chain; where that is far from how the limb is held over the recording (knees and elbows
bend one way), how it is held decides. Given T_c the map is a bijection: what the canonical body covers comes back as it
was.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.data.motion.motion import Motion, positions
from motion_jax.data.motion.rotations_np import (
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotate,
    rotation_between,
    rotvec_from_quaternion,
)
from motion_jax.errors import UserError
from motion_jax.skeletons.canonical import BODY22, HEIGHT_MM, SOLE_MM
from motion_jax.skeletons.joint_map import JointMap, map_joints

_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
_SAMPLED = 200  # frames in which a body's habits are read
_OPPOSITE = np.deg2rad(150)  # a rest bone turned further from the T-pose's: the least rotation has no axis to trust
_HELD = np.deg2rad(60)  # a limb held further about its bone than this, over a recording, has turned axes
_LEANING = np.deg2rad(35)  # a trunk leaning further over its own pelvis, on average: the pelvis has turned axes
_PRONATED = np.deg2rad(110)  # forearms and hands turn this far about their bone in living bodies
_BENT = 0.15  # mean sine of a knee's or an elbow's angle, from which on it tells which way it bends
_AGREED = 0.8  # length of the mean direction of unit vectors: below it they point anywhere
_POINT = 1e-3  # of the body's size: a shorter bone has no direction
_FLOOR_SHARE = 2.0  # percentile of the lowest foot's height that is the floor: a few frames may be noise

# The joint that a canonical joint's bone points at; of those not named the only child. Where a rig lacks it, the next.
_AIMS: dict[str, tuple[str, ...]] = {
    "pelvis": (), "left_hip": ("left_knee",), "right_hip": ("right_knee",), "left_knee": ("left_ankle",),
    "right_knee": ("right_ankle",), "left_ankle": ("left_foot",), "right_ankle": ("right_foot",),
    "spine1": ("spine2", "spine3", "neck", "head"), "spine2": ("spine3", "neck", "head"), "spine3": ("neck", "head"),
    "neck": ("head",), "left_collar": ("left_shoulder",), "right_collar": ("right_shoulder",),
    "left_shoulder": ("left_elbow",), "right_shoulder": ("right_elbow",), "left_elbow": ("left_wrist",),
    "right_elbow": ("right_wrist",),
}  # fmt: skip
_HINGES = {  # which way the joint below bends: first bone x second bone in the axes of the first, in the T-pose
    "left_hip": np.array([1.0, 0, 0]), "right_hip": np.array([1.0, 0, 0]),
    "left_shoulder": np.array([0, -1.0, 0]), "right_shoulder": np.array([0, 1.0, 0]),
}  # fmt: skip
_UP_AXES = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "-x": (-1, 0, 0), "-y": (0, -1, 0), "-z": (0, 0, -1)}
_CANONICAL_HIPS = (BODY22.offsets[1] + BODY22.offsets[2]) / 2  # from the pelvis
_LEG_MM = float(np.linalg.norm(BODY22.offsets[4]) + np.linalg.norm(BODY22.offsets[7]))  # from the hip to the ankle


@dataclasses.dataclass(frozen=True, eq=False)
class Rig:
    """A body's way to the canonical one and back; found by `find_rig`."""

    joints: JointMap
    body_joints: tuple[str, ...]  # [J] of the body it was found for
    axes: np.ndarray  # [22, 4] T_c, quaternions wxyz on column vectors
    world: np.ndarray  # [4] W, which turns the file's up to +y
    scale: float  # canonical mm to the file's unit of length
    floor: float  # canonical mm, the height of the floor in the file's world
    hips: np.ndarray  # [3] from the pelvis to the middle of the hips in the pelvis's axes, the file's unit
    notes: tuple[str, ...]  # what was found and what was assumed, for reports


def find_rig(motion: Motion, joints: JointMap | None = None) -> Rig:
    """How the body of `motion` stands to the canonical one.

    Args:
        motion: a recording, from which up, floor and the way in which limbs are held are read.
        joints: which of its joints plays which canonical one; None: as `skeletons.joint_map.map_joints` finds them.

    Raises:
        UserError: a joint that is needed is not found, or a limb has no length.
    """
    joints = map_joints(motion.skeleton) if joints is None else joints
    rests = _rest_positions(motion)
    span = float(np.linalg.norm(rests - rests[0], axis=1).max())
    some = np.unique(np.linspace(0, len(motion.frames) - 1, min(_SAMPLED, len(motion.frames))).astype(int))
    sample = dataclasses.replace(
        motion, frames=motion.frames[some], places=None if motion.places is None else motion.places[some]
    )
    places = positions(sample) / motion.skeleton.translation_mm
    up, sure = _up(joints, places)
    world = rotation_between(np.array(_UP_AXES[up], float), np.array([0.0, 1.0, 0.0]))
    scale = _LEG_MM / _file_leg(motion, joints, rests, span)
    turned = _global_rotations(motion.frames[some, 3:], motion.skeleton.parents)
    trunk = rotate(world, _shoulders(places, joints) - _hips(places, joints))
    axes, corrected = _axes(joints, motion, rests, span, quaternion_multiply(world, turned), trunk)
    hips = _hips(rests, joints) - rests[_at(joints, "pelvis")]
    rig = Rig(joints, motion.skeleton.joints, axes, world, scale, 0.0, hips, ())
    floor, ground = _floor(rig, sample)
    size = HEIGHT_MM / scale
    notes = (
        *joints.notes,
        f"up is {up}" + ("" if sure else ", as is usual: the recording does not tell"),
        f"the body is {size:.4g} of the file's units tall by the length of its legs: {_unit(size)}",
        ground,
        *corrected,
        "bone lengths of the canonical body, not of this one, are what the model sees",
    )
    return dataclasses.replace(rig, floor=floor, notes=notes)


def to_canonical(rig: Rig, motion: Motion) -> Motion:
    """The motion on the canonical body: `[F, 69]`, root absolute, mm, y up, the floor at 0.

    A canonical joint that the rig lacks goes with its parent. Raises `UserError` where it is another rig's body.
    """
    _check_same(rig, motion)
    own = _global_rotations(motion.frames[:, 3:], motion.skeleton.parents)
    turned, pelvis = _canonical_rotations(rig, own), _at(rig.joints, "pelvis")
    middle = _place_of(motion, own, pelvis) + rotate(own[:, pelvis], rig.hips)
    root = rig.scale * rotate(rig.world, middle) - rotate(turned[:, 0], _CANONICAL_HIPS)
    root[:, 1] -= rig.floor
    frames = np.concatenate([root, _local_rotvecs(turned, BODY22.parents)], axis=1)
    return Motion(
        BODY22, frames, motion.fps, motion.source, notes=(*motion.notes, *rig.notes), warnings=motion.warnings
    )


def from_canonical(rig: Rig, canonical: Motion, given: Motion, at: int | np.ndarray = -1) -> Motion:
    """A motion of the canonical body on the body of `given`, in its unit, world and channels.

    Joints that the canonical body has not keep their rotations and places of frame `at` of `given`: one number, or one
    for each frame `[F]`. Raises `UserError` where `given` is another rig's body.
    """
    _check_same(rig, given)
    body = given.skeleton
    count = len(canonical.frames)
    rows = np.broadcast_to(np.arange(len(given.frames))[at], (count,))
    turned = _global_rotations(canonical.frames[:, 3:], BODY22.parents)
    back = quaternion_conjugate(rig.world)
    wanted = {
        source: quaternion_multiply(back, quaternion_multiply(turned[:, c], rig.axes[c]))
        for c, source in enumerate(rig.joints.joints)
        if source is not None and _can_turn(given, source)
    }
    kept = quaternion_from_rotvec(-given.frames[rows, 3:].reshape(count, -1, 3))
    whole = np.empty_like(kept)
    for joint, parent in enumerate(body.parents):
        above = np.broadcast_to(_IDENTITY, (count, 4)) if parent < 0 else whole[:, parent]
        whole[:, joint] = wanted[joint] if joint in wanted else quaternion_multiply(above, kept[:, joint])
    root = canonical.frames[:, :3] + [0.0, rig.floor, 0.0]
    middle = rotate(back, root + rotate(turned[:, 0], _CANONICAL_HIPS)) / rig.scale
    pelvis = _at(rig.joints, "pelvis")
    places = None if given.places is None else given.places[rows]
    still = Motion(body, np.zeros((count, body.columns)), given.fps, given.source, places=places)
    root_place = middle - rotate(whole[:, pelvis], rig.hips) - _place_of(still, whole, pelvis)
    if places is not None:
        places = places.copy()
        places[:, 0] = root_place
    frames = np.concatenate([root_place, _local_rotvecs(whole, body.parents)], axis=1)
    return dataclasses.replace(given, frames=frames, fps=canonical.fps, places=places, source=canonical.source)


def _can_turn(motion: Motion, joint: int) -> bool:
    """Whether files of its kind hold a rotation of this joint: ends of bones have none."""
    if motion.channels is None:
        return not motion.skeleton.joints[joint].endswith((".Site", ".End"))
    return any(word.endswith("rotation") for word in motion.channels[joint])


def _check_same(rig: Rig, motion: Motion) -> None:
    if motion.skeleton.joints != rig.body_joints:
        raise UserError(
            f"{motion.source}: a body of {len(motion.skeleton.joints)} joints, root {motion.skeleton.joints[0]!r}; the "
            f"rig was found for another, of {len(rig.body_joints)}"
        )


def _canonical_rotations(rig: Rig, source: np.ndarray) -> np.ndarray:
    """G_c `[F, 22, 4]` of the rotations Q_j `[F, J, 4]` of the file's joints in its world."""
    whole = np.empty((len(source), 22, 4))
    for c, (joint, parent) in enumerate(zip(rig.joints.joints, BODY22.parents, strict=True)):
        if joint is None:
            whole[:, c] = whole[:, parent]
            continue
        turned = quaternion_multiply(source[:, joint], quaternion_conjugate(rig.axes[c]))
        whole[:, c] = quaternion_multiply(rig.world, turned)
    return whole


def _global_rotations(rotvecs: np.ndarray, parents: tuple[int, ...]) -> np.ndarray:
    """Of frames' rotation vectors `[F, 3 J]` the joints' rotations in the world, `[F, J, 4]` on column vectors."""
    local = quaternion_from_rotvec(-rotvecs.reshape(len(rotvecs), -1, 3))
    for joint, parent in enumerate(parents):
        if parent >= 0:
            local[:, joint] = quaternion_multiply(local[:, parent], local[:, joint])
    return local


def _local_rotvecs(whole: np.ndarray, parents: tuple[int, ...]) -> np.ndarray:
    """The inverse of `_global_rotations`, `[F, 3 J]`."""
    local = [
        whole[:, joint] if parent < 0 else quaternion_multiply(quaternion_conjugate(whole[:, parent]), whole[:, joint])
        for joint, parent in enumerate(parents)
    ]
    return -rotvec_from_quaternion(np.stack(local, axis=1)).reshape(len(whole), -1)


def _place_of(motion: Motion, whole: np.ndarray, joint: int) -> np.ndarray:
    """Where a joint is, `[F, 3]` in the file's unit."""
    body = motion.skeleton
    place = np.zeros((len(whole), 3))
    while body.parents[joint] >= 0:
        away = body.offsets[joint] / body.translation_mm if motion.places is None else motion.places[:, joint]
        place += rotate(whole[:, body.parents[joint]], away)
        joint = body.parents[joint]
    return place + motion.frames[:, :3] + body.offsets[0] / body.translation_mm


def _rest_positions(motion: Motion) -> np.ndarray:
    """`[J, 3]` in the file's unit with every rotation zero; bones that change length as they are in the middle."""
    body = motion.skeleton
    away = body.offsets / body.translation_mm if motion.places is None else np.median(motion.places, axis=0)
    rest = np.zeros_like(body.offsets)
    for joint, parent in enumerate(body.parents[1:], 1):
        rest[joint] = rest[parent] + away[joint]
    return rest


def _at(joints: JointMap, name: str) -> int:
    """The joint that plays a canonical joint which every rig must have."""
    joint = joints.joints[BODY22.joints.index(name)]
    assert joint is not None, name
    return joint


def _hips(places: np.ndarray, joints: JointMap) -> np.ndarray:
    """Their middle `[..., 3]`, of places `[..., J, 3]`."""
    return (places[..., _at(joints, "left_hip"), :] + places[..., _at(joints, "right_hip"), :]) / 2


def _shoulders(places: np.ndarray, joints: JointMap) -> np.ndarray:
    """Their middle, likewise."""
    return (places[..., _at(joints, "left_shoulder"), :] + places[..., _at(joints, "right_shoulder"), :]) / 2


def _file_leg(motion: Motion, joints: JointMap, rests: np.ndarray, span: float) -> float:
    """From the hip over the knee to the ankle in the file's unit, mean of left and right."""
    total = 0.0
    for side in ("left", "right"):
        for upper, lower in ((f"{side}_hip", f"{side}_knee"), (f"{side}_knee", f"{side}_ankle")):
            length = float(np.linalg.norm(rests[_at(joints, lower)] - rests[_at(joints, upper)]))
            if length < _POINT * span:
                names = (motion.skeleton.joints[_at(joints, upper)], motion.skeleton.joints[_at(joints, lower)])
                raise UserError(
                    f"{motion.source}: no bone between {names[0]!r} and {names[1]!r}, which are taken for {upper} and "
                    f"{lower}: another joint map (--joint_map=FILE) may name better ones"
                )
            total += length
    return total / 2


def _up(joints: JointMap, places: np.ndarray) -> tuple[str, bool]:
    """Which axis of the world is up, of places `[F, J, 3]`, and whether the recording tells: trunks are above feet."""
    feet = (places[:, _at(joints, "left_ankle")] + places[:, _at(joints, "right_ankle")]) / 2
    chest = _shoulders(places, joints)
    tall = (chest - feet).mean(axis=0)
    found = max(_UP_AXES, key=lambda name: float(tall @ _UP_AXES[name]))
    share = float(tall @ _UP_AXES[found]) / max(float(np.linalg.norm(tall)), 1e-12)  # no height at all: not sure
    sure = share > np.cos(np.pi / 4) and np.linalg.norm(tall) > 0.5 * np.linalg.norm(chest - feet, axis=-1).mean()
    return (found, True) if sure else ("y", False)


def _unit(size: float) -> str:
    """The unit in which a body of that height is nearest to an adult's."""
    units = {"mm": 1.0, "cm": 10.0, "inches": 25.4, "m": 1000.0, "units of CMU's files (56.4 mm)": 56.444}
    name = min(units, key=lambda unit: abs(np.log(size * units[unit] / HEIGHT_MM)))
    return f"{size * units[name] / 1000:.2f} m if they are {name}"


def _floor(rig: Rig, sample: Motion) -> tuple[float, str]:
    """The height of the floor in canonical mm, and the words for it: where the lowest foot is nearly always."""
    places = positions(to_canonical(rig, sample))
    ankles = places[:, [BODY22.joints.index(f"{side}_ankle") for side in ("left", "right")], 1] - SOLE_MM
    toes = places[:, [BODY22.joints.index(f"{side}_foot") for side in ("left", "right")], 1] - (SOLE_MM - 60)
    lowest = np.minimum(ankles, toes).min(axis=1)
    floor = float(np.percentile(lowest, _FLOOR_SHARE))
    return floor, f"the floor is at {floor / rig.scale:.4g} of the file's units, below the lowest foot"


def _axes(
    joints: JointMap, motion: Motion, rests: np.ndarray, span: float, turned: np.ndarray, trunk: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """T_c `[22, 4]`, and what was corrected by the recording; `turned` `[F, J, 4]` are W Q_j.

    `trunk` `[F, 3]` leads from the hips' middle to the shoulders' in the canonical world.
    """
    names, parents = BODY22.joints, BODY22.parents
    axes = np.empty((22, 4))
    whole = np.empty((len(turned), 22, 4))  # G_c
    corrected = []
    for c, name in enumerate(names):
        joint = joints.joints[c]
        if joint is None:
            axes[c], whole[:, c] = axes[parents[c]], whole[:, parents[c]]
            continue
        axes[c], angle = _rest_axes(c, joints, motion, rests, span, axes[parents[c]])
        whole[:, c] = quaternion_multiply(turned[:, joint], quaternion_conjugate(axes[c]))
        if name == "pelvis":
            pitch = _pitch(whole[:, 0], trunk)
            if abs(pitch) > _LEANING:
                axes[0] = quaternion_multiply(quaternion_from_rotvec(np.array([pitch, 0, 0])), axes[0])
                whole[:, 0] = quaternion_multiply(turned[:, joint], quaternion_conjugate(axes[0]))
                corrected.append(f"{motion.skeleton.joints[joint]} by {np.rad2deg(abs(pitch)):.0f} degrees")
            continue
        held, sure = _held(c, joints, rests, turned, whole)
        limit = _PRONATED if name.endswith(("elbow", "wrist")) else _HELD
        far = held is not None and np.linalg.norm(held) > limit
        if held is not None and (far or sure or angle > _OPPOSITE):
            axes[c] = quaternion_multiply(quaternion_from_rotvec(held), axes[c])
            whole[:, c] = quaternion_multiply(turned[:, joint], quaternion_conjugate(axes[c]))
            if far:
                corrected.append(f"{motion.skeleton.joints[joint]} by {np.rad2deg(np.linalg.norm(held)):.0f} degrees")
    if not corrected:
        return axes, ()
    return axes, (f"axes turned to how the joints are held over the recording: {', '.join(corrected)}",)


def _rest_axes(
    c: int, joints: JointMap, motion: Motion, rests: np.ndarray, span: float, above: np.ndarray
) -> tuple[np.ndarray, float]:
    """T_c `[4]` by the rest pose, and how far (rad) its bone turns to the T-pose beyond what its parent does."""
    name, joint = BODY22.joints[c], joints.joints[c]
    if name == "pelvis":
        left = rests[_at(joints, "left_hip")] - rests[_at(joints, "right_hip")]
        return _framed(left, _trunk(joints, rests) - _hips(rests, joints)), 0.0
    bone, rest_bone = _bone(c), _rest_bone(c, joints, motion, rests, span)
    if bone is None or rest_bone is None:
        return above, 0.0
    arms = [joints.joints[BODY22.joints.index(f"{side}_collar")] for side in ("left", "right")]
    if None in arms:
        arms = [_at(joints, f"{side}_shoulder") for side in ("left", "right")]
    if name == "spine3" and all(motion.skeleton.parents[arm] == joint for arm in arms if arm is not None):
        left = rests[_at(joints, "left_shoulder")] - rests[_at(joints, "right_shoulder")]
        apart = rests[arms[0]] - rests[arms[1]]  # in the chest's own axes, where shoulders may hang on turned collars
        return _framed(apart if np.linalg.norm(apart) > _POINT * span else left, rest_bone), 0.0
    pointing = rotate(above, rest_bone)
    angle = float(np.arccos(np.clip(pointing @ bone, -1, 1)))
    return quaternion_multiply(rotation_between(pointing, bone), above), angle


def _pitch(pelvis: np.ndarray, trunk: np.ndarray) -> float:
    """How the axes of the pelvis `[F, 4]` must turn about the hips' line so that the trunk is, on average, above it."""
    mean = rotate(quaternion_conjugate(pelvis), trunk).mean(axis=0)
    return float(np.arctan2(-mean[2], mean[1]))


def _held(
    c: int, joints: JointMap, rests: np.ndarray, turned: np.ndarray, whole: np.ndarray
) -> tuple[np.ndarray | None, bool]:
    """How the axes of a joint must turn `[3]` so that it is held, on average, as in living bodies; None: unknown.

    Joints with a bone turn about it alone, those at the ends of chains at will. Beside it, whether a hinge says so:
    that is the same in every recording of a body, where means depend on what is done in it.
    """
    name, parent, bone = BODY22.joints[c], BODY22.parents[c], _bone(c)
    local = quaternion_multiply(quaternion_conjugate(whole[:, parent]), whole[:, c])
    if bone is None:
        return _mean_rotation(local), False
    hinge = _twist_of_hinge(c, joints, rests, turned, whole[:, c], bone) if name in _HINGES else None
    twist = _mean_twist(local, bone) if hinge is None else hinge
    return (None if twist is None else twist * bone), hinge is not None


def _framed(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The rotation `[4]` that brings left to +x, and up as near to +y as that allows."""
    left = left / max(float(np.linalg.norm(left)), 1e-12)  # two in one place: no direction, whichever
    first = rotation_between(left, np.array([1.0, 0.0, 0.0]))
    raised = rotate(first, up) * [0, 1, 1]
    length = float(np.linalg.norm(raised))
    if length < 1e-9 * float(np.linalg.norm(up)):  # a trunk along the hips' line: any up is as good
        return first
    return quaternion_multiply(rotation_between(raised / length, np.array([0.0, 1.0, 0.0]), about=0), first)


def _trunk(joints: JointMap, rests: np.ndarray) -> np.ndarray:
    """The first joint of the trunk above the hips that lies apart from the pelvis."""
    pelvis = rests[_at(joints, "pelvis")]
    size = float(np.linalg.norm(rests - rests[0], axis=1).max())
    for name in ("spine1", "spine2", "spine3", "neck", "head"):
        joint = joints.joints[BODY22.joints.index(name)]
        if joint is not None and np.linalg.norm(rests[joint] - pelvis) > 20 * _POINT * size:
            return rests[joint]
    return _shoulders(rests, joints)


def _bone(c: int) -> np.ndarray | None:
    """Where the bone of a canonical joint points in the T-pose; None of the pelvis and of the ends of chains."""
    aims = _AIMS.get(BODY22.joints[c])
    if not aims:
        return None
    away = BODY22.offsets[BODY22.joints.index(aims[0])]
    return away / np.linalg.norm(away)


def _rest_bone(c: int, joints: JointMap, motion: Motion, rests: np.ndarray, span: float) -> np.ndarray | None:
    """Where the rig's bone points at rest, in the file's axes; None where nothing tells."""
    own = joints.joints[c]
    assert own is not None
    name = BODY22.joints[c]
    aims = [joints.joints[BODY22.joints.index(aim)] for aim in _AIMS.get(name, ())]
    found = [rests[aim] for aim in aims if aim is not None]
    if name == "spine3" and not found:
        found = [_shoulders(rests, joints)]
    if name in ("left_ankle", "right_ankle") and not found:
        found = _below(own, motion, rests)
    for place in found:
        away = place - rests[own]
        length = float(np.linalg.norm(away))
        if length > _POINT * span:
            return away / length
    return None


def _below(joint: int, motion: Motion, rests: np.ndarray) -> list[np.ndarray]:
    """Where the joints are that hang on a joint, the farthest first."""
    under = {joint}
    for other, parent in enumerate(motion.skeleton.parents):
        if parent in under:
            under.add(other)
    under.discard(joint)
    return sorted((rests[other] for other in under), key=lambda place: -float(np.linalg.norm(place - rests[joint])))


def _twist_of_hinge(
    c: int, joints: JointMap, rests: np.ndarray, turned: np.ndarray, whole: np.ndarray, bone: np.ndarray
) -> float | None:
    """How far about its bone a thigh or an upper arm is from where its knee or elbow bends as one does.

    The lower bone's direction needs no axes of its own: it is where the rig's bone is. None: it is hardly ever bent.
    """
    name = BODY22.joints[c]
    lower = BODY22.joints.index(_AIMS[name][0])
    joint, end = joints.joints[lower], joints.joints[BODY22.joints.index(_AIMS[_AIMS[name][0]][0])]
    assert joint is not None
    assert end is not None
    away = rests[end] - rests[joint]
    shin = rotate(turned[:, joint], away / np.linalg.norm(away))
    normal = np.cross(bone, rotate(quaternion_conjugate(whole), shin))
    sines = np.linalg.norm(normal, axis=-1)
    mean = normal.sum(axis=0) / max(float(sines.sum()), 1e-12)  # a limb that is always straight: length 0, not agreed
    if sines.mean() < _BENT or np.linalg.norm(mean) < _AGREED:
        return None
    wanted = _HINGES[name]
    # the axes turn by what brings `mean` to `wanted`
    return float(np.arctan2(np.cross(mean, wanted) @ bone, mean @ wanted))


def _mean_rotation(local: np.ndarray) -> np.ndarray | None:
    """The mean `[3]` of rotations `[F, 4]`: the one nearest to all; None where they have none in common."""
    shares, vectors = np.linalg.eigh(local.T @ local / len(local))
    return rotvec_from_quaternion(vectors[:, -1]) if shares[-1] > _AGREED else None


def _mean_twist(local: np.ndarray, bone: np.ndarray) -> float | None:
    """Mean turn about the bone of rotations `[F, 4]`, to be undone; None where they have none in common."""
    along = local[:, 1:] @ bone
    halves = np.stack([local[:, 0], along], axis=-1)
    length = np.linalg.norm(halves, axis=-1)
    double = np.stack([halves[:, 0] ** 2 - halves[:, 1] ** 2, 2 * halves[:, 0] * halves[:, 1]], axis=-1)  # whole turns
    mean = double.sum(axis=0) / max(float((length**2).sum()), 1e-12)
    if np.linalg.norm(mean) < _AGREED:
        return None
    return float(np.arctan2(mean[1], mean[0]))
