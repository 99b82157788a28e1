"""100STYLE: a hundred styles of walking, running, standing and turning by one performer."""

from __future__ import annotations

from motion_jax.data.datasets.spec import DatasetSpec, MotionFiles

SPEC = DatasetSpec(
    name="100style",
    title="100STYLE",
    # Neutral/Neutral_FW.bvh: there is one performer, so that the style takes the subject's place, and the test is of
    # styles that were not trained on. Files begin and end with a T-pose, which the table of cuts leaves out.
    files=MotionFiles(pattern="**/{subject}_{action}", fps=60.0, cuts="Frame_Cuts.csv"),
    source="I. Mason, S. Starke and T. Komura, Real-Time Style Modelling of Human Locomotion via Feature-Wise "
    "Transformations and Local Motion Phases, PACMCGIT 2022; zenodo.org/records/8127870",
    terms="CC BY 4.0",
)
