"""The default data set: motion made by code, so that everything runs before anyone has a recording.

**These are not recordings.** The set has the layout of Human3.6M (7 subjects, 15 actions, 2 trials, 50 Hz, 99 columns
of which 54 move), but its numbers are its own and no result on it compares with a published one.

The model is kinematic. Every person has a style (cadence, tempo, posture, amplitudes, asymmetry). An action is a walk
through named postures of trunk, arms and head by minimum-jerk moves with holds between them; the order and the timing
are the unpredictable part. Walking adds a gait cycle: the joint angles of level walking with limbs locked to one phase,
whose tempo and stride wander. Slow sway and a small tremor lie over everything. The root moves as the feet demand:
whatever bears weight stays where it is on the ground, so speed follows from cadence and stride.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from motion_jax.data.synthetic.actions import ACTIONS
from motion_jax.data.synthetic.body import to_columns
from motion_jax.data.synthetic.performance import Take, perform
from motion_jax.data.synthetic.signals import FPS
from motion_jax.data.synthetic.style import draw_style
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset

GENERATOR_VERSION = 1  # raise it with every change of what `make_synthetic` returns

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
TEST_SUBJECT = "S5"
TRIALS = (1, 2)
FRAMES = (1500, 3000)  # a trial's length is drawn between these; 60 s at most
MORE_SUBJECTS = tuple(f"S{number}" for number in range(12, 45))
"""Of `make_people`: each does every action once. The even ones are tests, the odd ones are there to be held out."""


def make_synthetic(seed: int) -> Dataset:
    """Makes the whole set: 210 clips of `[F, 99]` float32 in the conventions of Human3.6M, in mm and rad.

    The same seed gives the same set. Subject 5 is the test split, as in Human3.6M. Raises `UserError` for a negative
    seed.
    """
    if seed < 0:
        raise UserError(f"data.synthetic_seed={seed}: must be at least 0")
    clips = tuple(
        make_clip(seed, subject, action, trial) for subject in SUBJECTS for action in ACTIONS for trial in TRIALS
    )
    # The parameters, not the frames: those may differ in the last bit from one processor to the next.
    key = hashlib.sha256(f"synthetic {GENERATOR_VERSION} {seed}".encode()).hexdigest()
    return Dataset("synthetic", clips, tuple(ACTIONS), skeleton=H36M, fps=FPS, key=key)


def make_people(seed: int) -> Dataset:
    """Makes `make_synthetic(seed)` and 33 more people, 17 of them tests: 705 clips.

    For what must be known over people, like how often a spread holds: everybody's style is drawn alike, so that those
    who are held out are exchangeable. Raises `UserError` for a negative seed.
    """
    few = make_synthetic(seed)
    more = tuple(
        dataclasses.replace(make_clip(seed, subject, action, 1), split="train" if int(subject[1:]) % 2 else "test")
        for subject in MORE_SUBJECTS
        for action in ACTIONS
    )
    key = hashlib.sha256(f"synthetic_people {GENERATOR_VERSION} {seed}".encode()).hexdigest()
    return dataclasses.replace(few, name="synthetic_people", clips=few.clips + more, key=key)


def make_clip(seed: int, subject: str, action: str, trial: int) -> Clip:
    """Makes one clip of `make_synthetic(seed)`."""
    person = int(subject[1:])
    number = 1 + list(ACTIONS).index(action)  # from 1, because numpy seeds (1, 5) and (1, 5, 0) alike
    rng = _generator(seed, person, number, trial)
    take = Take(
        action=ACTIONS[action],
        style=draw_style(_generator(seed, person)),
        taste=_generator(seed, person, number),
        rng=rng,
        frames=int(rng.integers(*FRAMES)),
    )
    return Clip(
        frames=to_columns(*perform(take)).astype(np.float32),
        subject=subject,
        action=action,
        trial=trial,
        split="test" if subject == TEST_SUBJECT else "train",
        source="synthetic",
    )


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy))
