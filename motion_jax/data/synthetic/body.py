"""The body that moves: anatomical angles to the columns of a frame, with the feet on the ground.

A pose is `[J, 3]` anatomical angles in radians: flexion, abduction (or bend to the left), rotation (inwards, or to the
left). They mean the same on both sides of the body; a hinge (knee, elbow, toes) reads flexion alone. At zero a person
stands upright with hanging arms, looking along z, with the left at x and y up.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.skeletons.bodies import H36M

SKELETON = H36M
JOINTS = len(SKELETON.joints)
SIDES = {"Right": -1, "Left": 1}  # the sign of x

_CLEARANCE_MM = {"Foot": 0.0, "ToeBase": 0.0, "Leg": 50.0, "UpLeg": 90.0}  # what may touch the ground, flesh below it
_LIFT_MM = 100.0  # a swinging foot bears no weight, as if it were this much higher than it is
_SOFTNESS_MM = 8.0  # over which weight passes from one contact to the next; shoes and carpets are about that soft
_INERTIA = np.array([1, 6, 15, 20, 15, 6, 1]) / 64  # frames; a trunk is heavy and follows its feet smoothly
_FOLDED_RAD = 2.6  # where a calf meets its thigh, a forearm its upper arm
_GENTLE_RAD = 0.05  # a hinge nears its stops over about this angle; a hard stop would jerk

Quaternion = np.ndarray  # [4, F], w x y z: components first, so that products are products of rows


@dataclasses.dataclass(frozen=True)
class Axes:
    """How one joint's anatomical angles turn it: first about y, then z, then x, all in the parent's directions."""

    flexion: int  # sign of the turn about x
    abduction: int = 0  # sign of the turn about z; 0: the joint is a hinge
    rotation: int = 0  # sign of the turn about y
    before: int = 0  # quarter turns about z from the parent's frame to upright directions
    after: int = 0  # quarter turns about z from the rest pose of the skeleton to a hanging arm


def _axes() -> dict[str, Axes]:
    table = {joint: Axes(1, 1, 1) for joint in ("Hips", "Spine", "Spine1", "Neck", "Head")}
    for side, s in SIDES.items():
        table |= {
            f"{side}UpLeg": Axes(-1, s, -s),
            f"{side}Leg": Axes(1),
            f"{side}Foot": Axes(-1, s, -s),
            f"{side}ToeBase": Axes(-1),
            f"{side}Shoulder": Axes(-1, s, -s, after=-s),
            f"{side}Arm": Axes(-1, s, -s, before=s, after=-2 * s),
            f"{side}ForeArm": Axes(1),
            f"{side}Hand": Axes(1, -s, s),  # towards the thumb, towards the palm, pronation
        }
    return table


AXES = _axes()


def index(joint: str) -> int:
    """The row of a joint in a pose."""
    return SKELETON.joints.index(joint)


def to_columns(angles: np.ndarray, heading: np.ndarray, swinging: np.ndarray) -> np.ndarray:
    """A performance as raw frames in the conventions of Human3.6M.

    Args:
        angles: `[F, J, 3]` anatomical angles, rad.
        heading: `[F]` direction of the body about the vertical, rad.
        swinging: `[F, 2]` how surely each foot is off the ground, 0 ... 1, in the order of `SIDES`.

    Returns:
        `[F, 3 + 3 J]`: root translation (mm) and root rotation as differences to the previous frame in the body's own
        directions, then each joint's axis-angle vector (rad) for row vectors, so the negative of the turn.
    """
    turns = {joint: _joint_turn(AXES[joint], angles[:, index(joint)].T) for joint in AXES}
    turns["Hips"] = _multiply(_turn(1, heading), turns["Hips"])
    columns = np.zeros((len(angles), 1 + JOINTS, 3))
    for joint, turn in turns.items():
        columns[:, 1 + index(joint)] = -_rotvec(turn).T
    columns[:, 0], columns[:, 1] = _root_differences(turns, swinging)
    return columns.reshape(len(angles), -1)


def bend_only(angles: np.ndarray) -> np.ndarray:
    """Keeps knees and elbows between straight and folded, with smooth stops, `[F, J, 3]` to the same."""
    hinges = [index(side + joint) for side in SIDES for joint in ("Leg", "ForeArm")]
    limited = angles.copy()
    limited[:, hinges, 0] = _FOLDED_RAD - _positive(_FOLDED_RAD - _positive(angles[:, hinges, 0]))
    return limited


def plant_feet(angles: np.ndarray) -> np.ndarray:
    """Turns the ankles such that the soles lie flat on the ground, `[F, J, 3]` to the same."""
    planted = angles.copy()
    tilt, bend = angles[:, index("Hips"), 0], angles[:, index("Hips"), 1]
    for side, s in SIDES.items():
        hip, knee, foot = (index(side + joint) for joint in ("UpLeg", "Leg", "Foot"))
        planted[:, foot, 0] += angles[:, knee, 0] - angles[:, hip, 0] + tilt
        planted[:, foot, 1] -= (angles[:, hip, 1] + s * bend) * np.cos(angles[:, hip, 0])
    return planted


def _positive(x: np.ndarray) -> np.ndarray:
    """The larger of x and 0, rounded where they meet."""
    return (x + np.sqrt(x**2 + _GENTLE_RAD**2)) / 2


def _root_differences(turns: dict[str, Quaternion], swinging: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Translation and rotation `[F, 3]` of the root against the previous frame; the first row holds the first tilt."""
    hips = turns["Hips"]
    back = _conjugate(np.concatenate([_turn(0, np.zeros(1)), hips[:, :-1]], axis=1))
    rotation = -_rotvec(_multiply(back, hips))
    steps = np.diff(_root_path(turns, swinging), axis=1, prepend=0)
    steps[:, 0] = 0
    return _rotate(back, steps).T, rotation.T


def _root_path(turns: dict[str, Quaternion], swinging: np.ndarray) -> np.ndarray:
    """Where the root is, `[3, F]` mm, if whatever bears weight stays where it is on the ground."""
    points, clearance = _contact_points(turns)
    lift = _LIFT_MM * np.repeat(swinging.T, len(points) // len(SIDES), axis=0)
    height = points[:, 1] - clearance[:, None] + lift
    load = np.exp((height.min(axis=0) - height) / _SOFTNESS_MM)
    load /= load.sum(axis=0)
    between = (load[:, 1:] + load[:, :-1]) / 2
    path = np.zeros(points.shape[1:])
    path[:, 1:] = -np.cumsum((between[:, None] * np.diff(points, axis=2)).sum(axis=0), axis=1)
    path[1] = -(load * height).sum(axis=0)
    margin = len(_INERTIA) // 2
    padded = np.pad(path, ((0, 0), (margin, margin)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(row, _INERTIA, mode="valid") for row in padded])


def _contact_points(turns: dict[str, Quaternion]) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the legs' joints relative to the root, `[8, 3, F]` mm, and their clearance `[8]` mm."""
    points, clearance = [], []
    for side in SIDES:
        frame, point = turns["Hips"], np.zeros((3, 1))
        for joint in ("UpLeg", "Leg", "Foot", "ToeBase"):
            point = point + _rotate(frame, SKELETON.offsets[index(side + joint)][:, None])
            frame = _multiply(frame, turns[side + joint])
            points.append(point)
            clearance.append(_CLEARANCE_MM[joint])
    return np.stack(points), np.asarray(clearance)


def _joint_turn(axes: Axes, angles: np.ndarray) -> Quaternion:
    turn = _turn(0, axes.flexion * angles[0])
    if axes.abduction:
        turn = _multiply(turn, _turn(2, axes.abduction * angles[1]))
        turn = _multiply(turn, _turn(1, axes.rotation * angles[2]))
    if axes.before:
        turn = _multiply(_turn(2, np.array([axes.before * np.pi / 2])), turn)
    if axes.after:
        turn = _multiply(turn, _turn(2, np.array([axes.after * np.pi / 2])))
    return turn


def _turn(axis: int, angle: np.ndarray) -> Quaternion:
    turn = np.zeros((4, len(angle)))
    turn[0] = np.cos(angle / 2)
    turn[1 + axis] = np.sin(angle / 2)
    return turn


def _multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    w = a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]
    x = a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2]
    y = a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1]
    z = a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]
    return np.stack([w, x, y, z])


def _conjugate(q: Quaternion) -> Quaternion:
    return q * np.array([[1.0], [-1.0], [-1.0], [-1.0]])


def _rotate(q: Quaternion, vector: np.ndarray) -> np.ndarray:
    """Vectors `[3, F]` turned by `q`."""
    pure = np.concatenate([np.zeros((1, vector.shape[1])), vector])
    return _multiply(_multiply(q, pure), _conjugate(q))[1:]


def _rotvec(q: Quaternion) -> np.ndarray:
    """Axis-angle vectors `[3, F]`; continuous through pi, because the products of half angles above are."""
    length = np.sqrt((q[1:] ** 2).sum(axis=0))
    # Below 1e-12 the quotient angle / sin(angle / 2) equals its limit 2 to the last bit, and 0 / 0 is avoided.
    ratio = np.where(length < 1e-12, 2.0, 2 * np.arctan2(length, q[0]) / np.maximum(length, 1e-12))
    return q[1:] * ratio
