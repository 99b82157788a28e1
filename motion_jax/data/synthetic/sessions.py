"""Sessions: several actions one after the other, with true segments, and movement that announces what comes.

**These are not recordings**, as nothing of this package is. A session is eight actions of one person. Which action
follows which is a Markov chain, so that a guess by what usually follows is right more often than chance; and before an
action begins, the body starts to move towards the posture in which it begins, faintly at first and then more, so that
whoever watches knows more the nearer it comes. When that starts, and how strongly, differs from one time to the next.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.data.positions import to_positions
from motion_jax.data.synthetic import MORE_SUBJECTS, SUBJECTS, TEST_SUBJECT
from motion_jax.data.synthetic.actions import ACTIONS
from motion_jax.data.synthetic.body import to_columns
from motion_jax.data.synthetic.performance import Take, perform
from motion_jax.data.synthetic.signals import FPS, minimum_jerk
from motion_jax.data.synthetic.style import Style, draw_style
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import H36M

SESSIONS_VERSION = 4  # raise it with every change of what `make_sessions` returns

CLASSES = ("walking", "eating", "directions", "greeting", "phoning", "purchases", "sitting", "takingphoto")
LEARNERS = tuple(f"S{number}" for number in range(25, 213, 2))
"""Of the sessions alone, all of them to train on: from few sessions a network learns these, not what follows what."""
TEST_PEOPLE = (TEST_SUBJECT, *(f"S{number}" for number in (*range(12, 24, 2), *range(114, 180, 2))))
"""As many as tell two or three points in a hundred apart."""
PEOPLE = (*SUBJECTS, *(name for name in MORE_SUBJECTS[:12] if name not in TEST_PEOPLE), *LEARNERS, *TEST_PEOPLE[1:])
SESSION_FPS = 25.0  # every other frame of the performances
SESSIONS = 8  # of a person
SEGMENTS = 8  # of a session

_USUAL = 0.4  # how often the action follows that usually does,
_SECOND = 0.2  # and the one that does so second; the others share the rest
_SECONDS = (3.0, 6.5)  # of an action
_GAP_S = (0.4, 1.2)  # between two, without a label
_ANNOUNCED_S = (2.0, 3.5)  # before an action begins, its announcement does
_STRENGTH = (0.5, 0.9)  # how far on the way the body is when the gap begins, at most
_PERSONS = 1000  # above the trials of `make_clip`: other numbers, other motion


def make_sessions(seed: int) -> LabelledSet:
    """Makes the set: 1,168 sessions of "positions" (mm, the root in place) and "angles" (raw frames), at 25 Hz.

    The same seed gives the same set. People: those of `make_synthetic`, twelve more of `make_people`, `LEARNERS`, and
    more to test on: `TEST_PEOPLE` are the test split. Raises `UserError` for a negative seed.
    """
    if seed < 0:
        raise UserError(f"data.synthetic_seed={seed}: must be at least 0")
    sequences = []
    for subject in PEOPLE:
        for number in range(SESSIONS):
            session = make_session(seed, subject, number)
            positions = to_positions(H36M, session.arrays["angles"])
            sequences.append(dataclasses.replace(session, arrays={"positions": positions, **session.arrays}))
    key = hashlib.sha256(f"synthetic_sessions {SESSIONS_VERSION} {seed}".encode()).hexdigest()
    return LabelledSet("synthetic_sessions", tuple(sequences), CLASSES, SESSION_FPS, key, H36M.of_positions)


def make_session(seed: int, subject: str, number: int) -> Sequence:
    """Makes one session of `make_sessions(seed)`, with its "angles" alone."""
    person = int(subject[1:])
    rng = _generator(seed, person, _PERSONS, number)
    style = draw_style(_generator(seed, person))
    plan = _plan(rng, draw_order(_generator(seed, _PERSONS), len(CLASSES)))
    until = [*(part.start for part in plan[1:]), plan[-1].end]  # an action goes on until the next begins
    angles, rate, swinging = _performed(rng, style, seed, person, plan[0], until[0])
    for last, following, frames in zip(plan, plan[1:], until[1:], strict=False):
        weight = _weight(rng, last.end, following.start, frames)
        ahead = _performed(rng, style, seed, person, following, frames)
        angles = _faded(angles, ahead[0], weight[:, None, None])
        rate = _faded(rate, ahead[1], weight)
        swinging = _faded(swinging, ahead[2], weight[:, None])
    heading = np.concatenate([[0.0], np.cumsum(rate[:-1])])
    step = round(FPS / SESSION_FPS)
    columns = to_columns(angles[::step], heading[::step], swinging[::step]).astype(np.float32)
    segments = tuple(Segment(-(-part.start // step), -(-part.end // step), part.label) for part in plan)
    split = "test" if subject in TEST_PEOPLE else "train"
    return Sequence({"angles": columns}, segments, subject, split, f"synthetic/{subject}_{number + 1}")


def draw_order(rng: np.random.Generator, classes: int) -> np.ndarray:
    """`[C, C]` how often class j follows class i: one usually, one second, the others alike, none itself."""
    ring = rng.permutation(classes)
    order = np.full((classes, classes), (1 - _USUAL - _SECOND) / (classes - 3))
    np.fill_diagonal(order, 0.0)
    for place in range(classes):
        here = ring[place]
        order[here, ring[(place + 1) % classes]] = _USUAL
        order[here, ring[(place + 3) % classes]] = _SECOND
    return order / order.sum(axis=1, keepdims=True)


def _plan(rng: np.random.Generator, order: np.ndarray) -> list[Segment]:
    plan, at = [], 0
    label = int(rng.integers(len(order)))
    for _ in range(SEGMENTS):
        length = round(FPS * rng.uniform(*_SECONDS))
        plan.append(Segment(at, at + length, label))
        at += length + round(FPS * rng.uniform(*_GAP_S))
        label = int(rng.choice(len(order), p=order[label]))
    return plan


def _performed(
    rng: np.random.Generator, style: Style, seed: int, person: int, part: Segment, frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles `[F, J, 3]`, turning `[F]` rad a frame and swinging feet `[F, 2]` of a session that is this part alone.

    Before it begins, the body holds the part's first posture; it comes to life over the last half second.
    """
    action = ACTIONS[CLASSES[part.label]]
    taste = _generator(seed, person, 1 + list(ACTIONS).index(CLASSES[part.label]))
    angles, heading, swinging = perform(Take(action, style, taste, rng, frames - part.start + round(FPS)))
    waking = min(round(FPS / 2), part.start)
    pace = np.concatenate([np.zeros(part.start - waking), minimum_jerk(np.linspace(0, 1, waking)), np.ones(frames)])
    moment = np.cumsum(pace[:frames])
    return _between(angles, moment), np.gradient(_between(heading, moment)), _between(swinging, moment)


def _between(rows: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Rows at moments between two of them, on the straight line."""
    whole = np.minimum(moment.astype(int), len(rows) - 2)
    share = (moment - whole).reshape(-1, *[1] * (rows.ndim - 1))
    return rows[whole] * (1 - share) + rows[whole + 1] * share


def _weight(rng: np.random.Generator, ended: int, begins: int, frames: int) -> np.ndarray:
    """`[F]` how much of the pose is that of the action to come: announced from far, all of it when it begins."""
    time = np.arange(frames)
    notice = FPS * rng.uniform(*_ANNOUNCED_S)
    grown = np.clip((time - (begins - notice)) / notice, 0, 1)
    announced = rng.uniform(*_STRENGTH) * grown**2
    return announced + (1 - announced) * minimum_jerk((time - ended) / (begins - ended))


def _faded(now: np.ndarray, then: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """From rows to those of the longer `then`; past its own end `now` has no weight."""
    padded = np.concatenate([now, np.repeat(now[-1:], len(then) - len(now), axis=0)])
    return padded + weight * (then - padded)


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy))
