"""SBU Kinect Interaction (see `labelled.sbu`)."""

from __future__ import annotations

from motion_jax.data.datasets._labelled import code_of, reader
from motion_jax.data.datasets.spec import DatasetSpec, LabelledFiles

PAIRS = (
    "s01s02", "s01s03", "s01s07", "s02s01", "s02s03", "s02s06", "s02s07", "s03s02", "s03s04", "s03s05", "s03s06",
    "s04s02", "s04s03", "s04s06", "s05s02", "s05s03", "s06s02", "s06s03", "s06s04", "s07s01", "s07s03",
)  # fmt: skip
_FOLDS = ((1, 9, 15, 19), (5, 7, 10, 16), (2, 3, 20, 21), (4, 6, 8, 11), (12, 13, 14, 17, 18))  # of the README

FILES = LabelledFiles(
    read=reader("sbu"),
    code=code_of("sbu"),
    pattern="skeleton_pos.txt",
    folds=tuple(tuple(PAIRS[number - 1] for number in fold) for fold in _FOLDS),
)

SPEC = DatasetSpec(
    name="sbu",
    title="SBU Kinect Interaction",
    files=FILES,
    split="five folds of pairs of people (Yun 2012): labels.fold is the test",
    source="K. Yun et al., Two-person Interaction Detection Using Body-Pose Features and Multiple Instance Learning, "
    "CVPR Workshops 2012",
    terms="for research only",
)
