"""NTU RGB+D, 60 or 120 actions (see `labelled.ntu`)."""

from __future__ import annotations

from motion_jax.data.datasets._labelled import code_of, reader
from motion_jax.data.datasets.spec import DatasetSpec, LabelledFiles

FILES = LabelledFiles(read=reader("ntu"), code=code_of("ntu"), pattern="s???c???p???r???a???.skeleton")

SPEC = DatasetSpec(
    name="ntu",
    title="NTU RGB+D",
    files=FILES,
    split="cross-subject (Shahroudy 2016): 20 of the 40 subjects train, the others are the test",
    validation="38",
    source="A. Shahroudy et al., NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis, CVPR 2016",
    terms="for academic research by those who signed its agreement; it may not be passed on",
)
