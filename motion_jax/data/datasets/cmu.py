"""Eight actions of CMU's motion capture database, as the field uses them: exponential maps at 120 Hz."""

from __future__ import annotations

from motion_jax.data.datasets.spec import DatasetSpec, Drawing
from motion_jax.data.layouts import Group, Layout

ACTIONS = (
    "basketball", "basketball_signal", "directing_traffic", "jumping", "running", "soccer", "walking", "washwindow",
)  # fmt: skip

LAYOUT = Layout(
    # mocap.cs.cmu.edu, as exponential maps of Li 2018. The files are at 120 Hz, whatever papers label the horizons.
    name="cmu",
    skeleton="cmu",
    fps=120.0,
    columns=117,
    actions=ACTIONS,
    starts=("", "cmu_mocap"),
    groups=(Group("train", "", "train", 5), Group("test", "", "test", 1)),
    pattern="{folder}/{action}/{action}_{trial}.txt",
    root_steps=False,
    unit_mm=56.444,
    halved={
        "test/basketball/basketball_1.txt": 289,
        "test/running/running_1.txt": 82,
        "test/walking/walking_1.txt": 180,
        "test/soccer/soccer_1.txt": 299,
        "test/jumping/jumping_1.txt": 1043,
        "test/washwindow/washwindow_1.txt": 1377,
    },
)

SPEC = DatasetSpec(
    name="cmu",
    title="CMU Mocap",
    files=LAYOUT,
    split="as published (Li 2018): one recording of each action is the test",
    drawing=Drawing(trials=1, first=0, margin=75),  # Mao 2019, `load_data_cmu`
    validation="trial 5",  # files name no subjects
    source="mocap.cs.cmu.edu, created with funding from NSF EIA-0196217; as exponential maps: C. Li et al., "
    "Convolutional Sequence to Sequence Model for Human Dynamics, CVPR 2018",
    terms="free for all uses but selling the data itself, with acknowledgement of mocap.cs.cmu.edu",
)
