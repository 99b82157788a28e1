"""Bandai-Namco Research's motion data sets 1 and 2: everyday actions, each in several styles, at 30 Hz."""

from __future__ import annotations

from motion_jax.data.datasets.spec import DatasetSpec, MotionFiles

SPEC = DatasetSpec(
    name="bandai_namco",
    title="Bandai-Namco-Research-Motiondataset",
    # dataset-1_walk_active_001.bvh; the files name no performers, so that the style takes the subject's place. One of
    # the two sets at a time: both have a first walk in the style "active".
    files=MotionFiles(pattern="**/dataset-*_{action}_{subject}_{trial}", fps=30.0),
    source="Bandai Namco Research Inc., github.com/BandaiNamcoResearchInc/Bandai-Namco-Research-Motiondataset",
    terms="CC BY-NC 4.0 (not for commercial use)",
)
