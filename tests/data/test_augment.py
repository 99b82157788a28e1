"""Laws of augmentation: mirror images, motions backwards, faster and turned are what kinematics says they are."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.config import DataConfig
from motion_jax.data.augment import (
    Augmentation,
    Mirror,
    find_mirror,
    make_augmentation,
    mirror_frames,
    other_side,
    other_sides,
    reverse_windows,
    turn_windows,
    vary_bodies,
)
from motion_jax.data.motion.root_heading import to_heading
from motion_jax.data.packed_clips import pack_clips, sample_windows
from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import differentiate_root, frame_positions, pose_positions
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import CMU, H36M, SKELETONS
from motion_jax.skeletons.skeleton import Root, Skeleton
from motion_jax.types import Clip

F = 6
BODIES = pytest.mark.parametrize("name", sorted(SKELETONS))


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def motion(body: Skeleton, frames: int = F, seed: int = 0) -> np.ndarray:
    """A slow walk about the rest pose."""
    rng = np.random.default_rng(seed)
    return 0.2 * rng.normal(size=body.columns) + 0.05 * rng.normal(size=(frames, body.columns)).cumsum(axis=0)


@functools.cache
def mirror(name: str) -> Mirror:
    return find_mirror(SKELETONS[name], motion(SKELETONS[name], 200, 1))


def symmetrised(body: Skeleton, known: Mirror) -> Skeleton:
    """With bones that are the mean of each other's mirror images."""
    above = known.signs[np.maximum(body.parents, 0)]
    return dataclasses.replace(body, offsets=(body.offsets + (body.offsets * above)[known.other]) / 2)


@functools.cache
def mirroring(name: str, root: Root):
    """Compiled once; the bodies of a name differ in nothing else that it reads."""
    body = dataclasses.replace(SKELETONS[name], root=root)
    known = mirror(name)
    return jax.jit(lambda frames, mean: mirror_frames(known, body, frames, mean))


def mirrored(body: Skeleton, name: str, frames: np.ndarray) -> np.ndarray:
    return np.asarray(mirroring(name, body.root)(frames, frames.mean(axis=0)))


def matrices(frames: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(np.asarray(frames)[..., 3:].reshape(-1, 3)).as_matrix()


@BODIES
def test_names_tell_the_sides(name):
    body = SKELETONS[name]
    sides = [body.side(joint) for joint in range(len(body.joints))]
    for joint, other in enumerate(other_sides(body)):
        assert {"left": "right", "right": "left", "centre": "centre"}[sides[joint]] == sides[other]


@pytest.mark.parametrize(
    ("name", "other"),
    [("LeftFoot", "RightFoot"), ("L_Wrist_End.Site", "R_Wrist_End.Site"), ("RThumb", "LThumb"), ("hand_l", "hand_r"),
     ("upperarm.R", "upperarm.L"), ("mixamorig:LeftArm", "mixamorig:RightArm"), ("LowerBack", None), ("Root", None),
     ("lumbar", None), ("RIGHT_HIP", "LEFT_HIP")],
)  # fmt: skip
def test_the_name_of_the_other_side(name, other):
    assert other_side(name) == other


@BODIES
def test_a_mirror_image_mirrored_is_the_motion(name):
    body, frames = SKELETONS[name], motion(SKELETONS[name])
    once = mirrored(body, name, frames)
    assert np.abs(matrices(once) - matrices(frames)).max() > 0.1
    twice = mirrored(body, name, once)
    np.testing.assert_allclose(matrices(twice), matrices(frames), atol=1e-9)
    np.testing.assert_allclose(twice[:, :3], frames[:, :3], atol=1e-12)


@BODIES
def test_a_symmetric_body_mirrored_is_where_its_mirror_image_is(name):
    """In space, and with the root in place, as networks of positions see it."""
    known, body = mirror(name), symmetrised(SKELETONS[name], mirror(name))
    frames = motion(body)
    image = mirrored(body, name, frames)
    for places in (frame_positions, pose_positions):
        expected = np.asarray(places(body, frames))[:, known.other] * known.signs[0]
        np.testing.assert_allclose(places(body, image), expected, atol=1e-5)
    of_positions = find_mirror(body.of_positions, np.zeros((1, 96)))
    raw = pose_positions(body, frames).reshape(F, -1)
    seen = mirror_frames(of_positions, body.of_positions, raw, np.zeros(0))
    np.testing.assert_allclose(seen, pose_positions(body, image).reshape(F, -1), atol=1e-5)


@BODIES
def test_the_published_bodies_are_nearly_symmetric(name):
    body, frames, known = SKELETONS[name], motion(SKELETONS[name]), mirror(name)
    expected = np.asarray(pose_positions(body, frames))[:, known.other] * known.signs[0]
    apart = np.linalg.norm(pose_positions(body, mirrored(body, name, frames)) - expected, axis=-1)
    bones = np.linalg.norm(body.offsets, axis=1)
    assert apart.max() < 3 * np.abs(bones - bones[known.other]).max()  # Human3.6M's left wrist ends 37 mm earlier
    assert np.median(apart) < 20


@BODIES
def test_mirrored_differences_are_those_of_the_mirrored_walk(name):
    """Whether the root is mirrored before or after its differences are formed."""
    body = dataclasses.replace(SKELETONS[name], root="difference")
    walk = motion(body)
    image = differentiate_root(body, mirrored(body, name, walk))
    seen = mirrored(body, name, np.asarray(differentiate_root(body, walk)))
    np.testing.assert_allclose(matrices(image), matrices(seen), atol=1e-9)
    np.testing.assert_allclose(image[1:, :3], seen[1:, :3], atol=1e-9)


def test_a_root_of_heading_backwards_and_mirrored_is_that_of_the_walk_so():
    walk, body = motion(H36M, F + 2), dataclasses.replace(H36M, root="heading")
    rows = to_heading(walk)
    seen = np.asarray(reverse_windows(body, jnp.asarray(rows[None, :-1]), jnp.asarray(rows[None, 1:])))[0]
    np.testing.assert_allclose(seen[:, :6], to_heading(walk[::-1])[:-1, :6], atol=1e-9)
    image = to_heading(mirrored(H36M, "h36m", walk))
    np.testing.assert_allclose(mirrored(body, "h36m", rows)[:, :6], image[:, :6], atol=1e-9)


def test_rotations_go_on_in_the_mirror():
    body, name = H36M, "h36m"
    slow = motion(body)[:1] + np.linspace(0, 1e-2, F)[:, None] * np.ones(body.columns)
    assert np.abs(np.diff(mirrored(body, name, slow), axis=0)).max() < 2e-2


def test_differences_backwards_are_those_of_the_walk_backwards():
    body, walk = H36M, motion(H36M, F + 1)
    forward = np.asarray(differentiate_root(body, walk))
    backward = np.asarray(differentiate_root(body, walk[::-1]))
    seen = np.asarray(reverse_windows(body, jnp.asarray(forward[None, :-1]), jnp.asarray(forward[None, 1:])))[0]
    np.testing.assert_allclose(matrices(seen), matrices(backward[1:]), atol=1e-9)
    np.testing.assert_allclose(seen[:, :3], backward[1:, :3], atol=1e-9)
    np.testing.assert_array_equal(seen[:, 6:], walk[:-1, 6:][::-1])
    absolute = np.asarray(reverse_windows(CMU, jnp.asarray(motion(CMU))[None], jnp.zeros((1, F, 117))))
    np.testing.assert_array_equal(absolute[0], motion(CMU)[::-1])


@pytest.mark.parametrize("up", [1, 2])
def test_turned_about_the_vertical_a_body_is_where_it_was_turned_to(up):
    frames, angle = np.stack([motion(CMU), motion(CMU, seed=3)]), jnp.asarray([0.4, -2.5])
    turned = jax.jit(turn_windows, static_argnums=0)(up, frames, angle, frames.mean(axis=(0, 1)))
    for window, image, turn in zip(frames, turned, angle, strict=True):
        rotation = Rotation.from_rotvec(float(turn) * np.eye(3)[up]).as_matrix()
        np.testing.assert_allclose(frame_positions(CMU, image), frame_positions(CMU, window) @ rotation, atol=1e-6)


CONFIG = DataConfig(source_length=4, target_length=2, stride=2)


def clips(body: Skeleton, lengths: tuple[int, ...] = (60, 12)) -> tuple[Clip, ...]:
    """Every column says which row it is of: a thousandth of it, and a clip is a tenth further on."""
    return tuple(
        Clip(np.repeat(0.1 * number + 1e-3 * np.arange(length), body.columns).reshape(length, -1).astype(np.float32),
             "S1", "walking", number, "train", "")
        for number, length in enumerate(lengths)
    )  # fmt: skip


def drawn(body: Skeleton, augmentation: Augmentation | None, windows: str = "clips") -> np.ndarray:
    columns = body.columns
    space = PoseSpace(np.zeros(columns), np.ones(columns), tuple(range(columns)), (), body, 25.0)
    packed = pack_clips(clips(body), space, CONFIG)
    batch = sample_windows(packed, jax.random.key(0), 256, space, CONFIG, windows, augmentation)
    return np.concatenate([batch.history, batch.future], axis=1)


@pytest.mark.parametrize("windows", ["clips", "frames"])
def test_windows_are_stretched_within_their_clip(windows):
    body = CMU
    seen = drawn(body, Augmentation(body, np.zeros(body.columns), speed=0.25), windows)[..., 0]
    steps = np.diff(seen, axis=1)
    np.testing.assert_allclose(steps, np.repeat(steps[:, :1], 5, axis=1), atol=1e-6)
    rates = steps[:, 0] / 2e-3
    second = seen[:, 0] >= 0.0999
    assert np.exp(-0.25) - 1e-3 <= rates.min() < 0.9
    assert 1.1 < rates[~second].max() <= np.exp(0.25) + 1e-3
    assert rates[second].max() <= 1.1 + 1e-3  # 11 rows are all that the second clip has
    for own, begin, rows in ((seen[~second], 0, 59), (seen[second], 0.1, 11)):
        assert begin - 1e-6 <= own.min()
        assert own.max() <= begin + 1e-3 * rows + 1e-6
    assert len(np.unique(np.round(seen[:, 0], 6))) > 100  # between the rows too


@pytest.mark.parametrize(("root", "grow"), [("difference", range(6)), ("heading", (0, 2, 4))])
def test_steps_grow_with_speed(root, grow):
    body = dataclasses.replace(H36M, root=root)
    seen = drawn(body, Augmentation(body, np.zeros(body.columns), speed=0.25))
    rates = np.diff(seen[..., 10], axis=1)[:, :1] / 2e-3
    for column in range(7):
        expected = seen[..., 10] * (rates if column in grow else 1)
        np.testing.assert_allclose(seen[..., column], expected, atol=1e-5)


def test_half_of_the_windows_are_reversed_and_the_draw_is_the_same():
    seen, plain = drawn(CMU, Augmentation(CMU, np.zeros(117), reverse=True)), drawn(CMU, None)
    backwards = seen[:, 0, 0] > seen[:, -1, 0]
    assert 0.4 < backwards.mean() < 0.6
    np.testing.assert_array_equal(np.where(backwards[:, None, None], seen[:, ::-1], seen), plain)


def space_of(body: Skeleton) -> PoseSpace:
    return PoseSpace(np.zeros(body.columns), np.ones(body.columns), (0, 1, 2), (), body, 25.0)


def config(names: str) -> DataConfig:
    return DataConfig(augmentation=names)


def test_what_the_config_names_is_done():
    assert make_augmentation(space_of(CMU), clips(CMU), config("")) is None
    made = make_augmentation(space_of(CMU), clips(CMU), config("reverse, mirror,speed,heading"))
    assert made is not None
    assert (made.reverse, made.speed, made.up) == (True, 0.25, 1)
    assert made.mirror is not None
    only = make_augmentation(space_of(H36M), clips(H36M), config("reverse"))
    assert only is not None
    assert (only.reverse, only.mirror, only.speed, only.up) == (True, None, 0.0, None)


NAMELESS = dataclasses.replace(CMU, joints=tuple(f"joint{j}" for j in range(38)))
CROOKED = dataclasses.replace(CMU, offsets=CMU.offsets * np.where(np.arange(38) == 3, -1, 1)[:, None])


@pytest.mark.parametrize(
    ("body", "names", "said"),
    [(NAMELESS, "mirror", "'mirror' needs joints whose names tell the side"), (CROOKED, "mirror", "no mirror images"),
     (H36M, "heading", "'heading' would change nothing on skeleton 'h36m': its root holds steps"),
     (CMU.of_positions, "heading", "'heading' would change nothing .* positions have the root in place")],
)  # fmt: skip
def test_what_a_body_cannot_be_is_refused(body, names, said):
    with pytest.raises(UserError, match=said):
        make_augmentation(space_of(body), clips(body), config(names))


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match=r"data\.augmentation='reverse,twist': 'twist' must be one of reverse, mirror"):
        config("reverse,twist")


def test_bodies_vary_column_by_column_and_not_in_time():
    windows = np.random.default_rng(7).normal(size=(64, 5, 9)).astype(np.float32)
    spread = np.array([1, 2, 0, 1, 1, 1, 1, 1, 1.0])
    key = jax.random.key(0)
    held = Augmentation(H36M, np.zeros(9), spread=spread, posture=0.3)
    offset = np.asarray(vary_bodies(held, jnp.asarray(windows), key)) - windows
    np.testing.assert_allclose(offset, np.broadcast_to(offset[:, :1], offset.shape), atol=1e-5)
    np.testing.assert_allclose(offset[:, 0].std(axis=0), 0.3 * spread, rtol=0.3, atol=1e-6)
    moved = Augmentation(H36M, np.zeros(9), spread=spread, amplitude=0.2)
    varied = np.asarray(vary_bodies(moved, jnp.asarray(windows), key))
    np.testing.assert_allclose(varied.mean(1), windows.mean(1), atol=1e-5)
    factor = (varied - varied.mean(1, keepdims=True)) / (windows - windows.mean(1, keepdims=True))
    np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1], factor.shape), rtol=1e-2)
    np.testing.assert_allclose(np.log(factor[:, 0]).std(), 0.2, rtol=0.15)
