"""A folder of the user's own recordings, of which nothing is published."""

from __future__ import annotations

from motion_jax.data.datasets.spec import DatasetSpec, MotionFiles

SPEC = DatasetSpec(
    name="folder",
    title="a folder of recordings",
    files=MotionFiles(),
    source="your own",
    terms="your own",
)
