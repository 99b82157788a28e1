"""MSR Action3D (see `labelled.msr_action3d`)."""

from __future__ import annotations

from motion_jax.data.datasets._labelled import code_of, reader
from motion_jax.data.datasets.spec import DatasetSpec, LabelledFiles

_AS1 = ("horizontal arm wave", "hammer", "forward punch", "high throw", "hand clap", "bend", "tennis serve",
        "pickup & throw")  # fmt: skip
_AS2 = ("high arm wave", "hand catch", "draw x", "draw tick", "draw circle", "two hand wave", "forward kick",
        "side-boxing")  # fmt: skip
_AS3 = ("high throw", "forward kick", "side kick", "jogging", "tennis swing", "tennis serve", "golf swing",
        "pickup & throw")  # fmt: skip

FILES = LabelledFiles(
    read=reader("msr_action3d"),
    code=code_of("msr_action3d"),
    pattern="a??_s??_e??_skeleton*.txt",
    action_sets={"as1": _AS1, "as2": _AS2, "as3": _AS3},  # Li 2010, Table 1
)

SPEC = DatasetSpec(
    name="msr_action3d",
    title="MSR Action3D",
    files=FILES,
    split="cross-subject (Li 2010): subjects 1 3 5 7 9 train, 2 4 6 8 10 are the test",
    validation="9",
    source="W. Li et al., Action Recognition Based on A Bag of 3D Points, CVPR Workshops 2010",
    terms="not stated by its authors",
)
