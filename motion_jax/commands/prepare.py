"""Reads motion files, audits them, and writes a data set that every other command opens at once.

motion-jax prepare --dataset=h36m --source=h3.6m/dataset     (--config.data.name=h36m then finds it)
motion-jax prepare --dataset=h36m --source=h3.6m/dataset --out=prepared/h36m
motion-jax prepare --dataset=cmu --source=cmu_mocap --audit_only
motion-jax prepare --dataset=synthetic --out=made --text     (files in the layout of Human3.6M)
motion-jax prepare --dataset=folder --source=recordings --out=prepared/own --pattern={subject}/{action}_{trial}
motion-jax prepare --dataset=folder --source=subjects --out=prepared/cmu_all     (CMU's tree of .asf and .amc)
motion-jax prepare --dataset=msr_action3d --source=MSRAction3DSkeletonReal3D
motion-jax prepare --dataset=folder --source=recordings --table=labels.csv --out=prepared/labelled
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import NamedTuple

from absl import flags

from motion_jax.commands import cli
from motion_jax.commands.outputs import resolved
from motion_jax.config import DataConfig, LabelsConfig
from motion_jax.data.audit import audit_tree, audit_use
from motion_jax.data.cache import is_made, open_dataset, prepared_place
from motion_jax.data.datasets import (
    FOLDER_ROOTS,
    DatasetSpec,
    Generated,
    LabelledFiles,
    MotionFiles,
    dataset_names,
    find_dataset,
    h36m,
)
from motion_jax.data.findings import Finding, raise_errors, sort_findings
from motion_jax.data.folder import read_folder
from motion_jax.data.labelled.open import check_classes, chosen, hold_out, read_source, with_classes
from motion_jax.data.labelled.prepared import check_labelled_target, is_prepared_labelled, write_labelled
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.data.labelled.summary import describe_labelled
from motion_jax.data.layouts import Layout
from motion_jax.data.motion.rates import check_rate
from motion_jax.data.motion.units import check_unit
from motion_jax.data.prepared import check_target, is_prepared, read_manifest, write_dataset
from motion_jax.data.splits import WAYS
from motion_jax.data.summary import describe
from motion_jax.data.trees import read_tree, write_tree
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path
from motion_jax.runtime.folders import written_folder
from motion_jax.runtime.names import in_line
from motion_jax.types import Dataset

_DATASET = flags.DEFINE_enum("dataset", None, dataset_names(), "Which data set the files are.", required=True)
_SOURCE = cli.define_path("source", "", "Folder that holds its files; none for what is made by code.")
_OUT = cli.define_path(
    "out",
    "",
    "Folder to write: new or empty, or with --overwrite one that this command wrote; none: "
    "prepared/DATASET in the cache folder, where an empty data.root finds it.",
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace a prepared data set that is there.")
_ACTIONS = flags.DEFINE_string("actions", "all", "all, or names separated by commas.")
_DUPLICATES = flags.DEFINE_bool("allow_duplicates", False, "Accept a file that is in both train and test.")
_AUDIT_ONLY = flags.DEFINE_bool("audit_only", False, "Report, and write nothing.")
_TABLE = cli.define_paths("table", "", "CSV of what the recordings show: file,start,end,label (docs/labels.md).")
_STRICT = flags.DEFINE_bool("strict", False, "Stop at what would be passed over or left out.")
_TEXT = flags.DEFINE_bool("text", False, "Write synthetic data as text files in the layout of Human3.6M.")
_PATTERN = flags.DEFINE_string("pattern", None, "Paths without suffix, with {subject}, {action}, {trial}.")
_EXCLUDE = flags.DEFINE_list("exclude", None, "Names or paths to leave out, with * and ?, separated by commas.")
_TEST = flags.DEFINE_list("test", None, "Subjects to test on, separated by commas; none: the last by name.")
_SPLIT = flags.DEFINE_enum("split", None, WAYS, "How the test is chosen; auto: the first way that is possible.")
_FPS = flags.DEFINE_float(
    "fps",
    None,
    "Frames per second of the data set: 50, of which training keeps every second; with --body 25, all kept.",
)
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the recordings, where files do not say them.")
_UNIT = flags.DEFINE_float("unit_mm", None, "mm to a unit of length, where files do not say it.")
_SKELETON = cli.define_path("skeleton", None, "A motion file with the body for all; none: that of most files.")
_BODY = flags.DEFINE_enum("body", None, ("body22",), "Put all humanoid bodies on the canonical one.")
_JOINT_MAP = cli.define_path("joint_map", None, "CSV of joints' names for --body: rig,joint,names,checked.")
_ROOT = flags.DEFINE_enum("root", None, FOLDER_ROOTS, "How the root's path is told (docs/own_data.md).")
_WORKERS = flags.DEFINE_integer("workers", None, "Processes that read recordings; none: one for each 32 MB of files, "
                                "at most one a core. The data set is the same.", lower_bound=1)  # fmt: skip
_OF_RECORDINGS = (
    _BODY, _JOINT_MAP, _PATTERN, _EXCLUDE, _TEST, _SPLIT, _FPS, _INPUT_FPS, _UNIT, _SKELETON, _ROOT,
)  # fmt: skip

CANONICAL_FPS = 25.0


def main(_: list[str]) -> None:
    """Audits, reports, writes."""
    spec = find_dataset(_DATASET.value, "--dataset")
    out = _check_flags(spec)
    config = DataConfig(spec.name, _SOURCE.value, actions=_ACTIONS.value, allow_duplicates=_DUPLICATES.value)
    if _BODY.value:  # windows as configs/canonical.py has them
        config = dataclasses.replace(config, source_length=25, target_length=25, stride=1)
    if isinstance(spec.files, LabelledFiles) or _TABLE.value:
        _prepare_labelled(spec, config, out)
        return
    try:
        source = _read(spec, config)
    except UserError as error:  # it names the fields that the flags fill
        raise UserError(re.sub(r"^data\.(root|actions)=", _flag_of_field, str(error))) from None
    findings = sort_findings([*source.findings, *audit_use(config, source.dataset.clips, source.hashes)])
    print(describe(source.dataset, findings, source.split))
    raise_errors(findings, source.root)
    if _AUDIT_ONLY.value:
        return
    if _TEXT.value:
        with written_folder(out.absolute()) as draft:
            write_tree(h36m.LAYOUT, draft, source.dataset)
    else:
        write_dataset(source.dataset, out, source.hashes, source.findings, source.split)
    _print_written(spec, out)


def _untrainable(dataset: LabelledSet, config: DataConfig) -> list[Finding]:
    """What training would refuse, as it stands; other settings may do."""
    try:
        check_classes(dataset, config)
    except UserError as error:
        return [Finding("warning", _TABLE.value or _SOURCE.value, None, f"training would refuse this: {error}")]
    return []


def _prepare_labelled(spec: DatasetSpec, config: DataConfig, out: Path) -> None:
    labels = LabelsConfig(table=_TABLE.value)
    described = dataclasses.replace(spec, files=_described(spec.files)) if isinstance(spec.files, MotionFiles) else spec
    try:
        reading = read_source(described, config, labels, _STRICT.value)
        shown = hold_out(chosen(spec, reading.dataset, config, labels), config, spec.validation)
    except UserError as error:
        flagged = re.sub(r"^data\.(root|actions)=", _flag_of_field, str(error))
        raise UserError(re.sub(r"^labels\.table=", "--table=", flagged)) from None
    findings = sort_findings([*reading.findings, *_untrainable(shown, config)])
    print(describe_labelled(shown, reading._replace(findings=findings), spec.split or reading.split))
    raise_errors(reading.findings, _SOURCE.value)
    if _AUDIT_ONLY.value:
        return
    chosen_alone = shown.classes != reading.dataset.classes
    kept = with_classes(reading.dataset, shown.classes) if chosen_alone else reading.dataset
    write_labelled(reading._replace(dataset=kept), out)
    _print_written(spec, out)


def _print_written(spec: DatasetSpec, out: Path) -> None:
    found = "" if _OUT.value else f": --config.data.name={spec.name} finds it there"
    print(f"wrote {in_line(out.absolute())}{found}")


class _Source(NamedTuple):
    """What was read, and what is known of it."""

    root: Path
    dataset: Dataset
    hashes: dict[str, str]
    findings: tuple[Finding, ...]
    split: str


def _check_flags(spec: DatasetSpec) -> Path:
    """The folder to write."""
    labelled = isinstance(spec.files, LabelledFiles) or bool(_TABLE.value)
    made = is_made(spec)
    if _TABLE.value and not (isinstance(spec.files, MotionFiles) or getattr(spec.files, "tables", False)):
        raise UserError(f"--table={_TABLE.value}: it is for recordings and feature arrays, not --dataset={spec.name}")
    if made == bool(_SOURCE.value):
        wanted = "stay empty: it is made, not read" if made else "name the folder that holds its files"
        raise UserError(f"--source={_SOURCE.value!r}: with --dataset={spec.name} it must {wanted}")
    if _TEXT.value and spec.name != "synthetic":
        raise UserError(f"--text: it must come with --dataset=synthetic, not {spec.name}")
    out = Path(_OUT.value)
    if not _AUDIT_ONLY.value:
        if made and not _OUT.value:
            raise UserError(
                f"--out is missing: with --dataset={spec.name} it must name the folder to write, as "
                f"--out=prepared/{spec.name}: what is made by code needs no preparing, so that there is no usual place"
            )
        out = out if _OUT.value else prepared_place(spec.name)
        (check_labelled_target if labelled else check_target)(out)
        if _SOURCE.value and resolved(out) in (source := resolved(_SOURCE.value), *source.parents):
            raise UserError(f"--out={out}: is or holds --source={_SOURCE.value}, which is read: give another folder")
        if is_prepared_labelled(out) and not _OVERWRITE.value:
            raise UserError(f"--out={out}: a prepared labelled set is there already; --overwrite replaces it")
        if is_prepared(out) and not _OVERWRITE.value:
            raise UserError(f"--out={out}: {_prepared_before(out)} is there already; --overwrite replaces it")
    for flag in _OF_RECORDINGS:
        if flag.value is not None and not isinstance(spec.files, MotionFiles):
            raise UserError(f"--{flag.name}={flag.value}: it is for folders of recordings, not --dataset={spec.name}")
    if _WORKERS.value is not None and (labelled or not isinstance(spec.files, MotionFiles)):
        raise UserError(f"--workers={_WORKERS.value}: it is for folders of recordings, not --dataset={spec.name}")
    check_rate(_FPS.value, "--fps")
    check_rate(_INPUT_FPS.value, "--input_fps")
    check_unit(_UNIT.value, "--unit_mm")
    return out


def _flag_of_field(field: re.Match[str]) -> str:
    return {"root": "--source=", "actions": "--actions="}[field[1]]


def _prepared_before(out: Path) -> str:
    try:
        manifest = read_manifest(out)
    except UserError:  # damaged, or of another version: preparing it anew is the cure
        return "a prepared data set that cannot be read"
    clips = len(manifest.clips)
    return f"prepared data set {manifest.dataset!r} of {clips} clip{'s' * (clips != 1)}"


def _read(spec: DatasetSpec, config: DataConfig) -> _Source:
    if isinstance(spec.files, Layout):
        tree = read_tree(spec.files, config.root, config.actions)
        return _Source(tree.root, tree.dataset(), tree.hashes, audit_tree(tree, config, _STRICT.value), spec.split)
    if isinstance(spec.files, Generated):
        return _Source(Path(), open_dataset(config), {}, (), spec.split)
    assert isinstance(spec.files, MotionFiles)  # `main`
    files = _described(spec.files)
    # What the test windows of the usual size need is the least that a file must hold.
    shortest = (config.source_length + config.target_length) * config.stride + 1
    folder = read_folder(
        config.root,
        files,
        actions=config.actions,
        shortest=shortest,
        strict=_STRICT.value,
        name=spec.name,
        workers=_WORKERS.value,
        scratch=_scratch(),
    )
    return _Source(Path(config.root), folder.dataset, folder.hashes, folder.findings, spec.split or folder.split)


def _scratch() -> Path | None:
    """Where the data set will be there is room for it; the system's temporary files may lie in memory."""
    if _AUDIT_ONLY.value or not _OUT.value:
        return None
    return next(folder for folder in user_path(_OUT.value).absolute().parents if folder.is_dir())


def _described(files: MotionFiles) -> MotionFiles:
    """What the flags say in place of what is known of the data set."""
    given = {"fps": CANONICAL_FPS, "root": "heading"} if _BODY.value else {}
    given |= {flag.name: flag.value for flag in _OF_RECORDINGS if flag.value is not None}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return dataclasses.replace(files, **given)
