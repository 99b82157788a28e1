"""Features of frames that another program computed (see `labelled.feature_arrays`)."""

from __future__ import annotations

from motion_jax.data.datasets._labelled import reader
from motion_jax.data.datasets.spec import DatasetSpec, LabelledFiles

SPEC = DatasetSpec(
    name="feature_arrays",
    title="feature arrays of clips",
    files=LabelledFiles(read=reader("feature_arrays"), tables=True),
    source="your own",
    terms="your own",
)
