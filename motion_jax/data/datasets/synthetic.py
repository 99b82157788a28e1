"""The synthetic set in the form of Human3.6M (see `data.synthetic`): everything runs on it before anyone has data.

`synthetic_people` is the same with 33 more people, for what must be measured over people; `synthetic_sessions` has
several actions in a recording, for recognition and anticipation.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from motion_jax.data.datasets import h36m
from motion_jax.data.datasets.spec import DatasetSpec, Generated, LabelledFiles
from motion_jax.types import Dataset

if TYPE_CHECKING:
    from motion_jax.data.labelled.reading import Reading, Request

_PACKAGE = Path(__file__).parents[2]


def _make(seed: int) -> Dataset:
    from motion_jax.data import synthetic  # nothing of it is loaded without need

    return synthetic.make_synthetic(seed)


def _make_people(seed: int) -> Dataset:
    from motion_jax.data import synthetic  # as above

    return synthetic.make_people(seed)


def _make_sessions(request: Request) -> Reading:
    from motion_jax.data.labelled.reading import Reading  # as above
    from motion_jax.data.synthetic.sessions import make_sessions

    return Reading(make_sessions(request.data.synthetic_seed))


_SESSIONS = _PACKAGE / "data" / "synthetic" / "sessions.py"  # no clip is made by it
_CODE = (
    *sorted({*(_PACKAGE / "data" / "synthetic").glob("*.py")} - {_SESSIONS}),
    *sorted((_PACKAGE / "skeletons").glob("*.py")),  # the body that moves
)

SPEC = DatasetSpec(
    name="synthetic",
    title="Synthetic motion",
    files=Generated(make=_make, code=_CODE),
    split="as Human3.6M's: subject S5 is the test",
    drawing=h36m.SPEC.drawing,
    validation=h36m.SPEC.validation,
    source="made by this package; these are no recordings",
    terms="none",
)

PEOPLE = dataclasses.replace(
    SPEC,
    name="synthetic_people",
    title="Synthetic motion of 40 people",
    files=Generated(make=_make_people, code=_CODE),
    split="subject S5 and the even ones of S12 to S44 are the test",
    drawing=dataclasses.replace(SPEC.drawing, trials=None),
    validation=",".join(f"S{number}" for number in range(11, 45, 2)),
)

SESSIONS = DatasetSpec(
    name="synthetic_sessions",
    title="Synthetic sessions of several actions",
    files=LabelledFiles(read=_make_sessions, code=(*_CODE, _SESSIONS), made=True),
    split="subject S5 and the even ones of S12 to S22 and S114 to S178 are the test",
    validation="S11,S13,S15,S17,S19,S21",
    source="made by this package; these are no recordings",
    terms="none",
)
