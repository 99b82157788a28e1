"""Reads motion files, audits them, and writes a data set that every other command opens at once.

python -m launch.prepare --dataset=h36m --source=h3.6m/dataset --out=prepared/h36m
python -m launch.prepare --dataset=cmu --source=cmu_mocap --audit_only
python -m launch.prepare --dataset=synthetic --out=made --text     (files in the layout of Human3.6M)
python -m launch.prepare --dataset=folder --source=recordings --out=prepared/own --pattern={subject}/{action}_{trial}
python -m launch.prepare --dataset=folder --source=subjects --out=prepared/cmu_all     (CMU's tree of .asf and .amc)
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from absl import flags

from motion_jax.commands import cli
from motion_jax.config import DATASETS, DataConfig
from motion_jax.data.audit import audit_tree, audit_use
from motion_jax.data.cache import open_dataset
from motion_jax.data.findings import Finding, raise_errors, sort_findings
from motion_jax.data.folder import FolderConfig, read_folder
from motion_jax.data.layouts import LAYOUTS
from motion_jax.data.motion.rates import check_rate
from motion_jax.data.prepared import check_target, write_dataset
from motion_jax.data.splits import WAYS
from motion_jax.data.summary import describe
from motion_jax.data.trees import read_tree, write_tree
from motion_jax.errors import UserError
from motion_jax.types import Dataset

_DATASET = flags.DEFINE_enum("dataset", None, DATASETS, "Which data set the files are.", required=True)
_SOURCE = cli.define_path("source", "", "Folder that holds its files; none for synthetic.")
_OUT = cli.define_path("out", "", "Folder to write: new, empty, or one that this command wrote.")
_ACTIONS = flags.DEFINE_string("actions", "all", "all, or names separated by commas.")
_DUPLICATES = flags.DEFINE_bool("allow_duplicates", False, "Accept a file that is in both train and test.")
_AUDIT_ONLY = flags.DEFINE_bool("audit_only", False, "Report, and write nothing.")
_TEXT = flags.DEFINE_bool("text", False, "Write synthetic data as text files in the layout of Human3.6M.")
_STRICT = flags.DEFINE_bool("strict", False, "Stop at what would be passed over or left out.")
_PATTERN = flags.DEFINE_string("pattern", "", "folder: paths without suffix, with {subject}, {action}, {trial}.")
_EXCLUDE = flags.DEFINE_list("exclude", [], "folder: names or paths to leave out, with * and ?, separated by commas.")
_TEST = flags.DEFINE_list("test", [], "folder: subjects to test on; none: the last by name.")
_SPLIT = flags.DEFINE_enum("split", "auto", WAYS, "folder: how the test is chosen; auto: the first that is possible.")
_FPS = flags.DEFINE_float("fps", 50.0, "folder: frames per second; training keeps every second one.", lower_bound=0.001)
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "folder: at which the files were recorded; none: as they say.")
_UNIT = flags.DEFINE_float("unit_mm", None, "folder: mm to a unit; none: as files say (BVH: cm).", lower_bound=1e-9)
_SKELETON = cli.define_path("skeleton", "", "folder: a motion file with the body for all; none: that of most files.")
_FOLDER_ONLY = (_PATTERN, _EXCLUDE, _TEST, _SPLIT, _FPS, _INPUT_FPS, _UNIT, _SKELETON)


def main(_: list[str]) -> None:
    """Audits, reports, writes."""
    _check_flags(made=_DATASET.value == "synthetic")
    config = DataConfig(_DATASET.value, _SOURCE.value, actions=_ACTIONS.value, allow_duplicates=_DUPLICATES.value)
    source = _read(config)
    findings = sort_findings([*source.findings, *audit_use(config, source.dataset.clips, source.hashes)])
    print(describe(source.dataset, findings, source.split))
    raise_errors(findings, source.root)
    if _AUDIT_ONLY.value:
        return
    if _TEXT.value:
        write_tree(LAYOUTS["h36m"], _OUT.value, source.dataset)
    else:
        write_dataset(source.dataset, _OUT.value, source.hashes, source.findings, source.split)
    print(f"wrote {Path(_OUT.value).absolute()}")


class _Source(NamedTuple):
    """What was read, and what is known of it."""

    root: Path
    dataset: Dataset
    hashes: dict[str, str]
    findings: tuple[Finding, ...]
    split: str


def _check_flags(made: bool) -> None:
    if made == bool(_SOURCE.value):
        wanted = "stay empty: it is made, not read" if made else "name the folder that holds its files"
        raise UserError(f"--source={_SOURCE.value!r}: with --dataset={_DATASET.value} it must {wanted}")
    if _TEXT.value and not made:
        raise UserError(f"--text: it must come with --dataset=synthetic; {_DATASET.value} is text already")
    if not _AUDIT_ONLY.value:
        if not _OUT.value:
            raise UserError("--out is missing: it must name the folder to write; --audit_only needs none")
        check_target(_OUT.value)
    for flag in _FOLDER_ONLY:
        if flag.present and _DATASET.value != "folder":
            raise UserError(f"--{flag.name}={flag.value}: it must come with --dataset=folder, not {_DATASET.value}")
    check_rate(_INPUT_FPS.value, "--input_fps")


def _read(config: DataConfig) -> _Source:
    if config.name == "synthetic":
        return _Source(Path(), open_dataset(config), {}, (), "")
    if config.name == "folder":
        folder = read_folder(_folder(config))
        return _Source(Path(config.root), folder.dataset, folder.hashes, folder.findings, folder.split)
    tree = read_tree(LAYOUTS[config.name], config.root, config.actions)
    return _Source(tree.root, tree.dataset(), tree.hashes, audit_tree(tree, config, _STRICT.value), "")


def _folder(config: DataConfig) -> FolderConfig:
    """What the test windows of the usual size need is the least that a file must hold."""
    return FolderConfig(
        root=config.root,
        pattern=_PATTERN.value,
        test=tuple(_TEST.value),
        split=_SPLIT.value,
        fps=_FPS.value,
        input_fps=_INPUT_FPS.value,
        unit_mm=_UNIT.value,
        skeleton=_SKELETON.value,
        shortest=(config.source_length + config.target_length) * config.stride + 1,
        exclude=tuple(_EXCLUDE.value),
        strict=_STRICT.value,
    )
