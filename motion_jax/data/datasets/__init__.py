"""Data sets by name: the one list that commands, configurations, splits, protocols and readers look into."""

from __future__ import annotations

from motion_jax.data.datasets import cmu, feature_arrays, folder, h36m, msr_action3d, ntu, sbu, synthetic
from motion_jax.data.datasets.spec import FOLDER_ROOTS, DatasetSpec, Drawing, Generated, LabelledFiles, MotionFiles
from motion_jax.data.layouts import Layout
from motion_jax.errors import UserError
from motion_jax.runtime.plugins import load_plugin, plugin_names

__all__ = [
    "DATASETS", "FOLDER_ROOTS", "LAYOUTS", "PLUGINS", "DatasetSpec", "Drawing", "Generated", "LabelledFiles",
    "MotionFiles", "dataset_names", "find_dataset", "register_dataset",
]  # fmt: skip

PLUGINS = "motion_jax.datasets"  # the entry-point group by which other packages add data sets

DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec for spec in (
        synthetic.SPEC, synthetic.PEOPLE, h36m.SPEC, cmu.SPEC, folder.SPEC, synthetic.SESSIONS, msr_action3d.SPEC,
        ntu.SPEC, sbu.SPEC, feature_arrays.SPEC,
    )
}  # fmt: skip
LAYOUTS: dict[str, Layout] = {spec.name: spec.files for spec in DATASETS.values() if isinstance(spec.files, Layout)}
"""The text trees among this package's: the width of a row tells whose a single file is."""

_OWN = frozenset(DATASETS)


def register_dataset(spec: DatasetSpec) -> None:
    """Makes a data set known to this process: `data.name` may be its name. One registered before is replaced.

    Raises:
        UserError: the name is that of a data set of this package.
    """
    if spec.name in _OWN:
        raise UserError(f"data set {spec.name!r}: the name is taken by a data set of motion_jax")
    DATASETS[spec.name] = spec


def find_dataset(name: str, field: str = "data set") -> DatasetSpec:
    """A data set by its name: of this package, else registered, else of an installed package (the group `PLUGINS`).

    Raises:
        UserError: there is none; the message begins with `field` and lists those that there are. Or a package's does
            not load.
    """
    if name not in DATASETS and (found := load_plugin(PLUGINS, name, DatasetSpec)):
        if found.name != name:
            raise UserError(f"entry point {PLUGINS}: {name}: its data set must be called the same, not {found.name!r}")
        register_dataset(found)
    if name not in DATASETS:
        raise UserError(f"{field}={name!r}: must be one of {', '.join(dataset_names())}")
    return DATASETS[name]


def dataset_names() -> tuple[str, ...]:
    """Every name that `data.name` may be; imports no other package."""
    return tuple(dict.fromkeys([*DATASETS, *plugin_names(PLUGINS)]))
