"""PoseLayout: which columns of a live pose are read on a straight line, and which are rotation vectors."""

from __future__ import annotations

from typing import NamedTuple

from motion_jax.skeletons.skeleton import Skeleton


class PoseLayout(NamedTuple):
    """The columns of a pose `[D]`: lengths (or any other numbers) first, then rotation vectors."""

    straight: int  # columns that go straight from one pose to the next
    turns: int = 0  # rotation vectors after them, three columns each, which go along the shortest arc
    people: int = 0  # whose joint places the straight columns hold, side by side; 0: they hold no places of joints

    @property
    def columns(self) -> int:
        """D."""
        return self.straight + 3 * self.turns

    @classmethod
    def of_body(cls, skeleton: Skeleton, people: int = 1) -> PoseLayout:
        """Of a body's frames: a translation and rotation vectors, or where its joints are, of people side by side."""
        joints = len(skeleton.joints)
        return cls(3 * joints * people, people=people) if skeleton.positions else cls(3, joints)
