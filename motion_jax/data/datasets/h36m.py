"""Human3.6M, as the field uses it: exponential maps at 50 Hz."""

from __future__ import annotations

from motion_jax.data.datasets.spec import DatasetSpec, Drawing
from motion_jax.data.layouts import Group, Layout

ACTIONS = (
    "walking", "eating", "smoking", "discussion", "directions", "greeting", "phoning", "posing", "purchases", "sitting",
    "sittingdown", "takingphoto", "waiting", "walkingdog", "walkingtogether",
)  # fmt: skip
LAYOUT = Layout(
    # Ionescu 2014, as exponential maps of Jain 2016; root columns and test lengths: Martinez 2017.
    name="h36m",
    skeleton="h36m",
    fps=50.0,
    columns=99,
    actions=ACTIONS,
    starts=("", "dataset", "h3.6m/dataset"),
    groups=tuple(Group(f"S{n}", f"S{n}", "test" if n == 5 else "train", 2) for n in (1, 5, 6, 7, 8, 9, 11)),
    pattern="{folder}/{action}_{trial}.txt",
    root_steps=True,
    unit_mm=1.0,
    halved={"S5/walking_1.txt": 1500, "S5/walking_2.txt": 1261, "S5/eating_1.txt": 1638, "S5/eating_2.txt": 1166},
)

SPEC = DatasetSpec(
    name="h36m",
    title="Human3.6M",
    files=LAYOUT,
    split="as published (Martinez 2017): subject S5 is the test",
    drawing=Drawing(trials=2, first=16, margin=150),  # Martinez 2017, `find_indices_srnn`
    validation="S11",
    source="C. Ionescu et al., Human3.6M, TPAMI 2014, vision.imar.ro/human3.6m; as exponential maps: A. Jain et al., "
    "Structural-RNN, CVPR 2016",
    terms="for academic use by those who were granted it there; it may not be passed on",
)
