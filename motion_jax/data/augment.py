"""Augmentation: other motions that bodies might have made, drawn from those that were recorded.

    reverse    the window backwards
    mirror     left and right exchanged
    speed      faster or slower, read between the recorded rows (`packed_clips.py`)
    heading    turned about the vertical, of bodies whose root is absolute
    amplitude  each column's movement about its mean smaller or larger
    posture    each column held otherwise throughout the window
    rest       the joints' own axes turned, as those of other makers' rigs are against each other
    late       what is observed begins late, in one window of five: before that, its first pose is held

Amplitude, posture and rest stand for other bodies and other people, of whom there are few in most data sets; late for
recordings shorter than what a model reads. All work on raw frames,
before they are represented and normalised, window by window.
"""

from __future__ import annotations

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.motion.root_heading import STEPS
from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import ROOT, forward_kinematics
from motion_jax.geometry.rotations import (
    matrix_from_rotvec,
    quaternion_conjugate,
    quaternion_from_matrix,
    quaternion_from_rotvec,
    quaternion_multiply,
)
from motion_jax.pose_space import PoseSpace
from motion_jax.representations import TRANSLATION, continuous, rotvec_on_its_side
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array, Clip

LATE, REST = 4, 5  # which children of a window's key `late` and `rest` draw from; any numbers
LATE_SHARE = 0.2  # of windows
LEAST_SEEN = 5  # frames that move before the future begins: with fewer there is nothing to go on
SAMPLE = 2000  # rows that a body's habits are read from
PLANES = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])  # reflections that fix a plane
REFLECTIONS = np.concatenate([PLANES, [[-1, -1, -1]]])  # all diagonal matrices of determinant -1
TIED = 0.1  # directions of bones that differ by no more are alike; bodies are nearly symmetric
CROOKED = 0.3  # by more, and it is no mirror image
SIDES = (
    (r"^(.*)(left|right)(.*)$", {"left": "right", "right": "left"}, re.IGNORECASE),
    (r"^()([LR])(?=[A-Z_.])(.*)$", {"l": "r", "r": "l"}, 0),
    (r"^()([lr])(?=[_.])(.*)$", {"l": "r", "r": "l"}, 0),
    (r"^(.*[_.])([lr])()$", {"l": "r", "r": "l"}, re.IGNORECASE),
)
"""How names tell the side: LeftArm, upperarm_left; LThumb, L_Wrist; l_hand; hand_l, Hand.R."""


@dataclasses.dataclass(frozen=True, eq=False)
class Mirror:
    """The mirror image of a body's poses.

    Exchanging sides and reflecting the body at a plane M takes the places P_j to P_s(j) M, with s(j) the other side's
    joint. Rest frames of the two sides need not be mirror images of each other, so the rotations are
    R'_j = C_j R_s(j) C_parent(j)^-1 with a constant reflection C_j for each joint, such that o_child C_j = o_s(child):
    then the turn in space G'_j = C_j G_s(j) M, and every bone points where its mirror image does.
    """

    other: np.ndarray  # [J] s, the joint on the other side; a joint of the middle is its own
    signs: np.ndarray  # [J, 3] the diagonals of C_j, each of determinant -1; the root's is that of M


@dataclasses.dataclass(frozen=True, eq=False)
class Augmentation:
    """What is done to windows; made by `make_augmentation`."""

    skeleton: Skeleton
    mean: np.ndarray  # [D] raw; of one rotation's vectors, the one near it is taken
    reverse: bool = False
    mirror: Mirror | None = None
    speed: float = 0.0  # r: time is stretched by exp(U(-r, r))
    up: int | None = None  # the axis that windows are turned about
    spread: np.ndarray | None = None  # [D] standard deviation of raw columns; 0 of those that networks do not see
    amplitude: float = 0.0  # movement about the window's mean is multiplied by exp(N(0, amplitude^2)), column by column
    posture: float = 0.0  # N(0, posture^2) standard deviations are added, column by column
    rest: float = 0.0  # joints' axes are turned by N(0, rest^2) rad about each of three axes
    late: int = 0  # S, the frames that are observed, of which some are held; 0: none


def make_augmentation(space: PoseSpace, clips: tuple[Clip, ...], config: DataConfig) -> Augmentation | None:
    """What `config.augmentation` names, for training clips `clips` of the raw frames of `space`; None for nothing.

    Raises:
        UserError: joints' names tell no left and right, a body is not symmetric, or turning it about the vertical
            would change nothing.
    """
    names, body = config.augmentation_names, space.skeleton
    if not names:
        return None
    if body.columns != space.columns:
        raise UserError(
            f"data.augmentation={config.augmentation!r} needs the frames of a whole skeleton: {body.name!r} has "
            f"{body.columns} columns, these have {space.columns}"
        )
    if "rest" in names and body.positions:
        raise UserError(f"data.augmentation: 'rest' turns joints' axes, and those of skeleton {body.name!r} are places")
    if "heading" in names and (body.positions or body.root_steps):
        why = "positions have the root in place" if body.positions else "its root holds steps from row to row"
        raise UserError(f"data.augmentation: 'heading' would change nothing on skeleton {body.name!r}: {why}")
    sample = np.concatenate([clip.frames for clip in clips])
    sample = sample[:: max(1, len(sample) // SAMPLE)].astype(np.float64)
    return Augmentation(
        body,
        space.raw.mean,
        reverse="reverse" in names,
        mirror=_mirror(body, sample) if "mirror" in names else None,
        speed=config.speed_range if "speed" in names else 0.0,
        up=_vertical(body, sample) if "heading" in names else None,
        spread=np.where(np.isin(np.arange(space.columns), space.raw.kept), space.raw.std, 0),
        amplitude=config.amplitude_range if "amplitude" in names else 0.0,
        posture=config.posture_range if "posture" in names else 0.0,
        rest=config.rest_range if "rest" in names else 0.0,
        late=config.source_length if "late" in names else 0,
    )


def _mirror(body: Skeleton, sample: np.ndarray) -> Mirror:
    """`find_mirror`, whose plane must be upright where the root is told from the vertical on."""
    mirror = find_mirror(body, sample)
    if body.root == "heading" and not body.positions and mirror.signs[0, 1] < 0:
        raise UserError(
            f"data.augmentation: 'mirror': skeleton {body.name!r}: its sides lie along y at rest, which is up for "
            f"a root of heading: it cannot be mirrored"
        )
    return mirror


def augment_windows(augmentation: Augmentation, windows: Array, ahead: Array, key: Array) -> Array:
    """Windows `[B, F, D]`, each reversed, mirrored or turned by its own coins; consumes `key`.

    `ahead` `[B, F, 6]` are the roots one recorded row later: what a reversed root of steps is made of.
    """
    reverse_key, mirror_key, heading_key, body_key = jax.random.split(key, 4)
    batch = len(windows)
    if augmentation.reverse:
        coin = jax.random.bernoulli(reverse_key, shape=(batch, 1, 1))
        windows = jnp.where(coin, reverse_windows(augmentation.skeleton, windows, ahead), windows)
    if augmentation.mirror is not None:
        coin = jax.random.bernoulli(mirror_key, shape=(batch, 1, 1))
        mirrored = mirror_frames(augmentation.mirror, augmentation.skeleton, windows, augmentation.mean)
        windows = jnp.where(coin, mirrored, windows)
    if augmentation.up is not None:
        angle = jax.random.uniform(heading_key, (batch,), windows.dtype, -jnp.pi, jnp.pi)
        windows = turn_windows(augmentation.up, windows, angle, augmentation.mean)
    windows = vary_bodies(augmentation, windows, body_key)
    if augmentation.rest:
        draws = jax.random.normal(jax.random.fold_in(key, REST), (batch, len(augmentation.skeleton.joints), 3))
        turns = augmentation.rest * draws * free_axes(augmentation.skeleton)
        windows = turn_axes(augmentation.skeleton, windows, turns.astype(windows.dtype), augmentation.mean)
    if augmentation.late:
        windows = begin_late(augmentation.skeleton, windows, augmentation.late, jax.random.fold_in(key, LATE))
    return windows


def turn_axes(skeleton: Skeleton, windows: Array, turns: Array, mean: np.ndarray) -> Array:
    """`[B, F, D]` of rotations, with each joint's own axes turned by the vectors `turns` `[B, J, 3]`.

    A joint that is turned by G in space is then turned by C G: its local rotation R becomes C R C_parent^-1. The root
    keeps its axes, which say where down is.
    """
    parents = np.array(skeleton.parents)[1:]
    axes = quaternion_from_rotvec(turns)[:, None]  # [B, 1, J, 4]
    axes = axes.at[..., 0, :].set(jnp.asarray([1, 0, 0, 0], axes.dtype))
    rotvecs = windows[..., ROOT:].reshape(*windows.shape[:-1], -1, 3)
    turned = quaternion_multiply(axes[..., 1:, :], quaternion_from_rotvec(rotvecs))
    turned = quaternion_multiply(turned, quaternion_conjugate(axes[..., parents, :]))
    near = mean[ROOT:].reshape(-1, 3).astype(windows.dtype)
    joints = _near(turned, near).reshape(*windows.shape[:-1], -1)
    return jnp.concatenate([windows[..., :ROOT], joints.astype(windows.dtype)], axis=-1)


def free_axes(skeleton: Skeleton) -> np.ndarray:
    """`[J, 3]` about which of its axes a joint's may be turned: of the long bones of limbs, that of the bone alone.

    Those point where they point on every rig; which way is front on them, and how a neck or a foot is held at rest,
    rigs do not agree on.
    """
    lengths = np.linalg.norm(skeleton.offsets, axis=1)
    free = np.ones((len(lengths), 3))
    for joint in range(len(lengths)):
        children = [child for child, parent in enumerate(skeleton.parents) if parent == joint]
        if len(children) == 1 and lengths[children[0]] > lengths.max() / 2:
            free[joint] = np.abs(skeleton.offsets[children[0]]) / lengths[children[0]]
    return free


def begin_late(skeleton: Skeleton, windows: Array, observed: int, key: Array) -> Array:
    """Windows `[B, F, D]`, of some of which the first frames of `observed` are one pose, held; consumes `key`.

    The root does not move while it is held, whichever form it has.
    """
    coin_key, frame_key = jax.random.split(key)
    coin = jax.random.bernoulli(coin_key, LATE_SHARE, (len(windows), 1))
    first = jax.random.randint(frame_key, (len(windows), 1), 1, max(observed - LEAST_SEEN, 2))
    held = coin & (jnp.arange(windows.shape[1]) <= first)  # [B, F]
    pose = jnp.take_along_axis(windows, first[..., None], axis=1)
    steps = step_columns(skeleton)
    pose = jnp.where(np.isin(np.arange(windows.shape[-1]), steps), 0, pose).astype(windows.dtype)
    return jnp.where(held[..., None], pose, windows)


def step_columns(skeleton: Skeleton) -> tuple[int, ...]:
    """The columns of a frame that tell of the time since the row before: 0 where a body stands still."""
    if skeleton.positions or skeleton.root == "absolute":
        return ()
    return tuple(range(ROOT)) if skeleton.root == "difference" else STEPS


def vary_bodies(augmentation: Augmentation, windows: Array, key: Array) -> Array:
    """Windows `[B, F, D]`, each column of each moved less or more, and held otherwise; consumes `key`.

    Not so the steps of a root that is told from its heading.
    """
    if augmentation.spread is None or not (augmentation.amplitude or augmentation.posture):
        return windows
    amplitude_key, posture_key = jax.random.split(key)
    shape = (len(windows), 1, windows.shape[-1])
    mean = jnp.mean(windows, axis=1, keepdims=True)
    factor = jnp.exp(augmentation.amplitude * jax.random.normal(amplitude_key, shape))
    offset = augmentation.posture * augmentation.spread * jax.random.normal(posture_key, shape)
    if augmentation.skeleton.root == "heading":  # a root that goes faster than its legs carry it slides
        steps = np.isin(np.arange(windows.shape[-1]), STEPS)
        factor, offset = jnp.where(steps, 1, factor), jnp.where(steps, 0, offset)
    return (mean + factor * (windows - mean) + offset).astype(windows.dtype)


def reverse_windows(skeleton: Skeleton, windows: Array, ahead: Array) -> Array:
    """`[B, F, D]` backwards.

    Of a root of differences each is undone one row later: the step to a frame from the one after it, told in the frame
    of that one. With a change R and a move t, that is R^-1 and -t R^-1. Of a "heading" root that is so of velocity and
    turn; height and tilt are their frame's own.
    """
    if skeleton.root == "heading" and not skeleton.positions:
        turn = ahead[..., 4]
        sine, cosine = jnp.sin(turn), jnp.cos(turn)
        side, forward = ahead[..., 0], ahead[..., 2]
        steps = jnp.stack([forward * sine - side * cosine, -forward * cosine - side * sine, -turn], axis=-1)
        windows = windows.at[..., np.array(STEPS)].set(steps.astype(windows.dtype))
    if skeleton.root == "difference" and not skeleton.positions:
        change, move = ahead[..., TRANSLATION:ROOT], ahead[..., :TRANSLATION]
        back = -jnp.sum(move[..., :, None] * matrix_from_rotvec(-change), axis=-2)
        windows = jnp.concatenate([back, -change, windows[..., ROOT:]], axis=-1)
    return windows[..., ::-1, :]


def mirror_frames(mirror: Mirror, skeleton: Skeleton, frames: Array, mean: np.ndarray) -> Array:
    """The mirror images of frames `[..., F, D]` that follow each other in time."""
    signs = mirror.signs.astype(frames.dtype)
    if skeleton.positions:
        places = frames.reshape(*frames.shape[:-1], -1, 3)[..., mirror.other, :] * signs[0]
        return places.reshape(frames.shape)
    rotvecs = frames[..., TRANSLATION:].reshape(*frames.shape[:-1], -1, 3)
    above = signs[np.maximum(np.array(skeleton.parents), 0)]  # of the root's "parent", space, M
    rotvecs = -above * rotvecs[..., mirror.other, :]  # C R C of a reflection C turns about -C r
    turned = np.flatnonzero((above != signs).any(axis=1))  # whose rest frames are no mirror images
    if len(turned):
        extra = quaternion_from_matrix(np.stack([np.diag(diagonal) for diagonal in (signs * above)[turned]]))
        quaternions = quaternion_multiply(extra, quaternion_from_rotvec(rotvecs[..., turned, :]))
        near = mean[TRANSLATION:].reshape(-1, 3)[turned].astype(frames.dtype)
        rotvecs = jnp.asarray(rotvecs).at[..., turned, :].set(_near(quaternions, near))
    joints = rotvecs.reshape(*frames.shape[:-1], -1)
    return jnp.concatenate([frames[..., :TRANSLATION] * signs[0], joints], axis=-1)


def turn_windows(up: int, windows: Array, angle: Array, mean: np.ndarray) -> Array:
    """`[B, F, D]` of an absolute root, each turned by `angle` `[B]` rad about the axis `up` through the origin."""
    axis = np.eye(3)[up].astype(windows.dtype)
    turn = (angle[:, None] * axis)[:, None]  # [B, 1, 3]
    places = jnp.sum(windows[..., :TRANSLATION, None] * matrix_from_rotvec(turn), axis=-2)
    turns = jnp.broadcast_to(quaternion_from_rotvec(turn), (*windows.shape[:-1], 4))
    turned = quaternion_multiply(quaternion_from_rotvec(windows[..., TRANSLATION:ROOT]), turns)
    rotvecs = _near(turned[..., None, :], mean[None, TRANSLATION:ROOT].astype(windows.dtype))[..., 0, :]
    return jnp.concatenate([places, rotvecs, windows[..., ROOT:]], axis=-1)


def branch_near(frames: Array, reference: Array) -> Array:
    """Raw frames `[..., D]` with each rotation vector r as (1 - 2 pi k / |r|) r, which is the same rotation, with the
    whole k that brings it nearest to that of `reference`.
    """
    r, near = (x[..., TRANSLATION:].reshape(*x.shape[:-1], -1, 3) for x in (frames, reference))
    x, y, z = jnp.moveaxis(r, -1, 0)  # sums over three columns are slow
    a, b, c = jnp.moveaxis(near, -1, 0)
    squared = x * x + y * y + z * z
    far = squared > 1  # no shorter vector's other branch is nearer to what it comes from
    length = jnp.sqrt(jnp.where(far, squared, 1))
    along = (x * a + y * b + z * c) / length  # of `near`, on the axis of r
    whole = jnp.where(far, jnp.round((length - along) / (2 * jnp.pi)), 0)
    joints = (r * (1 - 2 * jnp.pi * whole / length)[..., None]).reshape(*frames.shape[:-1], -1)
    return jnp.concatenate([frames[..., :TRANSLATION], joints], axis=-1)


def _near(quaternions: Array, mean: np.ndarray) -> Array:
    """Unit quaternions `[..., F, J, 4]` as rotation vectors that go on over time, the first near `mean` `[J, 3]`."""
    first = quaternions[..., 0, :, :]
    distances = [jnp.sum((rotvec_on_its_side(q) - mean) ** 2, axis=-1, keepdims=True) for q in (first, -first)]
    reference = jnp.where(distances[0] <= distances[1], first, -first)
    return rotvec_on_its_side(continuous(quaternions, reference, 0))


def find_mirror(skeleton: Skeleton, frames: np.ndarray) -> Mirror:
    """The mirror of a body, from its joints' names, its bones and frames `[F, D]` of its motion.

    Where bones leave several reflections of a joint's frame, that one is taken under which the mean rotation of one
    side becomes most like the other's.

    Raises:
        UserError: joints' names tell no left and right, or the two sides are no mirror images.
    """
    other = np.array(other_sides(skeleton))
    parents = np.array(skeleton.parents)
    rest = np.asarray(forward_kinematics(skeleton, np.zeros((len(parents), 3))), np.float64)
    rest = rest - rest[0]
    apart = [np.linalg.norm(rest * plane - rest[other]) for plane in PLANES]
    signs = np.zeros((len(parents), 3), int)
    signs[0] = PLANES[int(np.argmin(apart))]
    if min(apart) > CROOKED * np.linalg.norm(rest):
        raise UserError(f"data.augmentation: 'mirror': the sides of skeleton {skeleton.name!r} are no mirror images")
    if skeleton.positions:
        return Mirror(other, np.repeat(signs[:1], len(parents), axis=0))
    rotvecs = frames[:, TRANSLATION:].reshape(len(frames), -1, 3)
    means = np.asarray(matrix_from_rotvec(rotvecs), np.float64).mean(axis=0)  # [J, 3, 3]
    for joint, parent in enumerate(parents):
        if parent < 0:
            continue
        if other[joint] < joint:
            signs[joint] = signs[other[joint]]
            continue
        residuals = np.array([_bend(skeleton, other, joint, diagonal) for diagonal in REFLECTIONS])
        if residuals.min() > CROOKED:
            raise UserError(
                f"data.augmentation: 'mirror': skeleton {skeleton.name!r}: the bones below {skeleton.joints[joint]!r} "
                f"and {skeleton.joints[other[joint]]!r} are no mirror images"
            )
        pair = [joint, other[joint]]
        images = REFLECTIONS[:, None, :, None] * means[other[pair]] * signs[parent]  # [4, 2, 3, 3]
        unlike = np.linalg.norm(images - means[pair], axis=(2, 3)).sum(axis=1)
        signs[joint] = REFLECTIONS[int(np.argmin(np.where(residuals <= residuals.min() + TIED, unlike, np.inf)))]
    return Mirror(other, signs)


def _bend(skeleton: Skeleton, other: np.ndarray, joint: int, diagonal: np.ndarray) -> float:
    """How far the directions of a joint's bones, reflected, are from those of the other side's."""
    worst = 0.0
    for child, parent in enumerate(skeleton.parents):
        here, there = skeleton.offsets[child], skeleton.offsets[other[child]]
        if parent == joint and here.any() and there.any():
            apart = here * diagonal / np.linalg.norm(here) - there / np.linalg.norm(there)
            worst = max(worst, float(np.linalg.norm(apart)))
    return worst


def other_sides(skeleton: Skeleton) -> tuple[int, ...]:
    """`[J]` for each joint that of the other side, by name; itself where the name tells no side.

    Raises:
        UserError: no name tells a side, or one side has a joint that the other lacks.
    """
    others = []
    for joint, name in enumerate(skeleton.joints):
        found = other_side(name)
        if found is None or (found not in skeleton.joints and not _is_sided(name)):
            others.append(joint)
        elif found in skeleton.joints:
            others.append(skeleton.joints.index(found))
        else:
            raise UserError(f"data.augmentation: 'mirror': skeleton {skeleton.name!r} has {name!r} but no {found!r}")
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0 and skeleton.parents[others[joint]] != others[parent]:
            names = f"{skeleton.joints[joint]!r} and {skeleton.joints[others[joint]]!r}"
            raise UserError(f"data.augmentation: 'mirror': skeleton {skeleton.name!r}: {names} hang on other joints")
    if others == list(range(len(others))):
        raise UserError(
            f"data.augmentation: 'mirror' needs joints whose names tell the side, as LeftFoot and RightFoot: skeleton "
            f"{skeleton.name!r} has {', '.join(skeleton.joints)}"
        )
    return tuple(others)


def other_side(name: str) -> str | None:
    """The joint's name on the other side; None where the name tells none."""
    for pattern, swapped, flags in SIDES:
        if match := re.match(pattern, name, flags):
            before, side, after = match.groups()
            new = swapped[side.lower()]
            new = new.upper() if side.isupper() else new.capitalize() if side[0].isupper() else new
            return before + new + after
    return None


def _is_sided(name: str) -> bool:
    """Whether a name surely tells a side, as left and right do; a letter may mean something else."""
    return bool(re.search("left|right", name, re.IGNORECASE))


def _vertical(skeleton: Skeleton, frames: np.ndarray) -> int:
    """The axis along which, in the mean, the trunk is furthest above the legs."""
    rotvecs = frames[:, TRANSLATION:].reshape(len(frames), -1, 3)
    places = np.asarray(forward_kinematics(skeleton, rotvecs), np.float64).mean(axis=0)
    legs = [joint for joint in range(len(places)) if skeleton.parts[joint].endswith("leg")]
    rest = [joint for joint in range(len(places)) if joint not in legs]
    if not legs:
        raise UserError(f"data.augmentation: 'heading' needs a body with legs: skeleton {skeleton.name!r} has none")
    return int(np.argmax(np.abs(places[rest].mean(axis=0) - places[legs].mean(axis=0))))
