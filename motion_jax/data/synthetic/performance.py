"""One performance of an action: what a person does, as the anatomical angles of every frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from motion_jax.data.synthetic.actions import Action
from motion_jax.data.synthetic.body import AXES, JOINTS, SIDES, bend_only, index, plant_feet
from motion_jax.data.synthetic.gait import gait_pose, swing
from motion_jax.data.synthetic.postures import ARM_JOINTS, LEG_JOINTS, arm_posture, body_posture, head_posture
from motion_jax.data.synthetic.signals import FPS, Progress, phase_of, plan_moves, visit, wander
from motion_jax.data.synthetic.style import Style

_SCATTER_DEG = 4.0  # how far one visit to a posture is from the next
_SWAY_DEG, _SWAY_S = 2.2, 0.5  # slow drift of every joint while a posture is held
_LEG_SWAY = 0.35  # of that in hips and legs, which stand on the ground
_TREMOR_DEG, _TREMOR_S = 0.15, 0.04  # what muscles and a marker system add
_LEAN = 0.3  # rad of trunk a rad of hip: people lean forward to get up and to sit down
_BODY_MOVE_S = 1.4
_HEAD_HOLD_S, _HEAD_MOVE_S = 1.0, 0.6
_PULSE_S = 2.0  # over which tempo and stride change
_TURN_S = 1.5  # over which the walked path changes its curve
_STANDING_TURN = 0.15  # people who do not walk turn this much as fast
_BEAT_HZ = 1.6


@dataclasses.dataclass(frozen=True)
class Take:
    """One trial, about to be played."""

    action: Action
    style: Style
    taste: np.random.Generator  # which postures this person likes in this action; the same in each of their trials
    rng: np.random.Generator  # what differs between trials
    frames: int  # F


def perform(take: Take) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plays a take.

    Returns:
        Anatomical angles `[F, J, 3]` (see `body.py`) and heading `[F]`, rad, and how surely each foot swings `[F, 2]`.
    """
    body, walking = _body(take)
    held = take.style.posture + body + _head(take) + _arm(take, "Right") + _arm(take, "Left") + _sway(take)
    gait, swinging = _gait(take, walking)
    angles = plant_feet(bend_only(held)) + gait + np.radians(_TREMOR_DEG) * _noise(take, _TREMOR_S)
    return bend_only(angles), _heading(take, walking), swinging


def _body(take: Take) -> tuple[np.ndarray, np.ndarray]:
    """Trunk and legs `[F, J, 3]`, and how fully the person walks `[F]`, 0 ... 1."""
    names, progress = _visits(take, take.action.body, take.action.body_hold_s, _BODY_MOVE_S)
    stations = np.stack([body_posture(name) for name in names])
    angles = visit(stations, progress)
    effort = np.abs(np.diff(stations[:, index("LeftUpLeg"), 0]))[progress.move]
    angles[:, index("Spine"), 0] += _LEAN * effort * 16 * progress.share**2 * (1 - progress.share) ** 2
    # Squared: whoever rises from a chair is up before the first step.
    return angles, visit(np.array([name == "walk" for name in names], float), progress) ** 2


def _head(take: Take) -> np.ndarray:
    return _postures(take, take.action.head, _HEAD_HOLD_S, _HEAD_MOVE_S, head_posture, ("Neck", "Head"))


def _arm(take: Take, side: str) -> np.ndarray:
    """An arm that visits its postures, with beats of the hand that come and go."""
    action = take.action
    names = action.right if side == "Right" else action.left
    joints = tuple(side + joint for joint in ARM_JOINTS)
    angles = _postures(
        take, names, action.hand_hold_s, action.hand_move_s, lambda name: arm_posture(name, side), joints
    )
    tempo = _BEAT_HZ * take.style.tempo * (1 + 0.1 * wander(take.rng, take.frames, 1, 1.0)[:, 0])
    vigour = np.tanh(wander(take.rng, take.frames, 1, 0.7)[:, 0] ** 2)
    beat = np.radians(action.beat_deg) * vigour * np.sin(phase_of(tempo, take.rng.uniform(0, 2 * np.pi)))
    angles[:, index(side + "ForeArm"), 0] += beat
    angles[:, index(side + "Arm"), 2] += 0.6 * beat
    angles[:, index(side + "Hand"), 1] += 0.8 * beat
    return angles


def _gait(take: Take, walking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What walking adds, `[F, J, 3]`, a rhythm whose tempo and stride vary; and how surely each foot swings."""
    action, style = take.action, take.style
    pulse = 1 + action.pulse * wander(take.rng, take.frames, 2, _PULSE_S)
    # The rhythm quickens sooner than the stride grows: a first step is short, not slow.
    frequency = action.cadence * style.cadence_hz * pulse[:, 0] * walking * (2 - walking)
    freedom = np.ones((JOINTS, 1))
    freedom[[index(side + joint) for side in SIDES for joint in ARM_JOINTS]] = action.swing
    stride = (walking * pulse[:, 1])[:, None, None] * freedom * style.amplitude
    phase = phase_of(frequency, take.rng.uniform(0, 2 * np.pi))
    return stride * gait_pose(phase), walking[:, None] * swing(phase)


def _heading(take: Take, walking: np.ndarray) -> np.ndarray:
    """Where the body faces, `[F]` rad, 0 at first."""
    rate = np.radians(take.action.turning_deg) * wander(take.rng, take.frames, 1, _TURN_S)[:, 0]
    steps = rate * (_STANDING_TURN + (1 - _STANDING_TURN) * walking) / FPS
    return np.concatenate([[0.0], np.cumsum(steps[:-1])])


def _postures(
    take: Take,
    names: tuple[str, ...],
    hold_s: float,
    move_s: float,
    posture: Callable[[str], np.ndarray],
    joints: tuple[str, ...],
) -> np.ndarray:
    """Visits to named postures of some joints, each a little different from the last time, `[F, J, 3]`."""
    visited, progress = _visits(take, names, hold_s, move_s)
    rows = [index(joint) for joint in joints]
    stations = np.stack([posture(name)[rows] for name in visited])
    stations += np.radians(_SCATTER_DEG) * take.rng.standard_normal(stations.shape)
    angles = np.zeros((take.frames, JOINTS, 3))
    angles[:, rows] = visit(stations, progress)
    return angles


def _visits(take: Take, names: tuple[str, ...], hold_s: float, move_s: float) -> tuple[list[str], Progress]:
    """Names of K + 1 postures, never one twice in a row where there is another, and the K moves between them."""
    tempo = take.style.tempo
    progress = plan_moves(take.rng, take.frames, hold_s / tempo, move_s / tempo)
    liking = take.taste.dirichlet(np.full(len(names), 4.0))
    visited = [names[0]]
    for _ in range(progress.moves):
        allowed = np.array([len(set(names)) == 1 or name != visited[-1] for name in names])
        share = liking * allowed
        visited.append(names[take.rng.choice(len(names), p=share / share.sum())])
    return visited, progress


def _sway(take: Take) -> np.ndarray:
    """How a held posture drifts, `[F, J, 3]`."""
    share = np.ones((JOINTS, 1))
    share[[index(joint) for joint in ("Hips", *(side + leg for side in SIDES for leg in LEG_JOINTS))]] = _LEG_SWAY
    return np.radians(_SWAY_DEG) * take.style.sway * share * _noise(take, _SWAY_S)


def _noise(take: Take, seconds: float) -> np.ndarray:
    """Independent smooth noise of unit variance for every angle that the body has, `[F, J, 3]`."""
    noise = np.zeros((take.frames, JOINTS, 3))
    wandering = wander(take.rng, take.frames, 3 * len(AXES), seconds)
    noise[:, [index(joint) for joint in AXES]] = wandering.reshape(take.frames, -1, 3)
    return noise
