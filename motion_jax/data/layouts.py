"""Layouts: where a published data set keeps its trials, and what their numbers mean; one table each, no code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from motion_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Group:
    """The trials of one folder."""

    folder: str
    subject: str  # "" where the data set does not say
    split: str  # "train" | "test"
    trials: int  # of every action, numbered from 1


@dataclasses.dataclass(frozen=True)
class Trial:
    """One file of a tree."""

    path: str  # below the tree's root, with slashes
    subject: str
    action: str
    trial: int
    split: str


@dataclasses.dataclass(frozen=True)
class Layout:
    """One data set's file tree, and what its numbers mean."""

    name: str  # a value of `data.name`
    skeleton: str  # a key of `bodies.SKELETONS`
    fps: float
    columns: int  # D = root translation 3 + 3 a joint
    actions: tuple[str, ...]  # the published order, which the one-hot code keeps
    starts: tuple[str, ...]  # where the tree may begin below the folder that the user names
    groups: tuple[Group, ...]
    pattern: str  # a trial's path
    root_steps: bool  # columns 0-2 are differences to the previous frame; False: positions
    unit_mm: float  # of columns 0-2
    halved: Mapping[str, int]  # lengths of some files once every second row is dropped

    def path(self, folder: str, action: str, trial: int) -> str:
        """Where one trial lies below the root."""
        return self.pattern.format(folder=folder, action=action, trial=trial)

    def trials(self, actions: tuple[str, ...]) -> tuple[Trial, ...]:
        """Every file that a complete tree holds for `actions`, in order: by group, action, trial."""
        return tuple(
            Trial(self.path(group.folder, action, trial), group.subject, action, trial, group.split)
            for group in self.groups
            for action in actions
            for trial in range(1, group.trials + 1)
        )


def find_tree(layout: Layout, root: Path) -> Path:
    """The folder that holds the layout's groups: `root`, or one of the usual folders below it.

    Raises:
        UserError: there is none; it names the folders that were looked for.
    """
    for start in layout.starts:
        if any((root / start / group.folder).is_dir() for group in layout.groups):
            return root / start
    if root.is_file():
        raise UserError(f"data.root={str(root)!r}: is a file: name its folder, {str(root.parent)!r}")
    if not root.is_dir():
        raise UserError(f"data.root={str(root)!r}: no such folder")
    wanted = ", ".join(group.folder for group in layout.groups)
    raise UserError(
        f"data.root={str(root)!r}: no {layout.name!r} tree: it must hold folders like {wanted}, "
        f"themselves or below {' or '.join(start for start in layout.starts if start)}"
    )


def choose_actions(text: str, valid: tuple[str, ...]) -> tuple[str, ...]:
    """The actions that `data.actions` names, in the order of `valid`: "all", or names separated by commas.

    Raises:
        UserError: a name is not in `valid`, or there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return valid
    unknown = [name for name in names if name not in valid]
    if unknown or not names:
        found = f"unknown action {unknown[0]!r}" if unknown else "no action"
        raise UserError(f"data.actions={text!r}: {found}; it must be all, or some of {', '.join(valid)}")
    return tuple(action for action in valid if action in names)
