"""Network frames as a grid of joints and coordinates, for models whose layers know joints."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array


@dataclasses.dataclass(frozen=True, eq=False)
class JointGrid:
    """Where each kept column lies in a grid of K tokens with C coordinates, and how the tokens hang together.

    A token is a triple of the raw frame with a kept column: a joint, or the translation. Tokens are in the order of the
    frame. Coordinates whose column is dropped are zero in the grid and left out on the way back.
    """

    joints: np.ndarray  # [K] the skeleton's joint; -1: the translation
    parents: np.ndarray  # [K] the token of the closest ancestor that has one; -1 where none has
    columns: np.ndarray  # [K, C] the kept column, counted among the n kept ones; 0 where the mask is false
    mask: np.ndarray  # [K, C] bool, whether there is a column

    @property
    def tokens(self) -> int:
        """K."""
        return self.mask.shape[0]

    @property
    def count(self) -> int:
        """n, kept columns."""
        return int(self.mask.sum())

    @property
    def coordinates(self) -> int:
        """C."""
        return self.mask.shape[1]

    @property
    def adjacency(self) -> np.ndarray:
        """`[K, K]` bool: each token with itself, its parent and its children."""
        linked = np.eye(self.tokens, dtype=bool)
        for token, parent in enumerate(self.parents):
            if parent >= 0:
                linked[token, parent] = linked[parent, token] = True
        return linked

    def to_grid(self, x: Array) -> Array:
        """Columns `[..., n]` to `[..., K, C]`."""
        return self._moved(x, self._placement(x.dtype)).reshape(*x.shape[:-1], *self.mask.shape)

    def from_grid(self, grid: Array) -> Array:
        """`[..., K, C]` to columns `[..., n]`."""
        return self._moved(grid.reshape(*grid.shape[:-2], -1), self._placement(grid.dtype).T)

    def _placement(self, dtype: np.dtype) -> np.ndarray:
        """`[n, K C]`, a one for each column."""
        places = np.flatnonzero(self.mask)
        placement = np.zeros((len(places), self.mask.size), dtype)
        placement[self.columns.ravel()[places], places] = 1
        return placement

    def _moved(self, x: Array, placement: np.ndarray) -> Array:
        """A product, not a gather, whose gradient would be a scatter; and nothing where nothing moves."""
        if np.array_equal(placement, np.eye(len(placement), placement.shape[1])) and self.mask.all():
            return x
        return jnp.matmul(x, placement, precision=jax.lax.Precision.HIGHEST)


def joint_grid(space: PoseSpace) -> JointGrid:
    """The grid of network frames of `space`, without the action's columns; C is 3 at least.

    Triple j of a frame of positions is joint j; of other frames, triple 0 is the translation and triple j + 1 joint j.
    """
    triples, token_of = np.unique(space.triples, return_inverse=True)
    of_positions = space.columns == 3 * len(space.skeleton.joints)
    joints = triples if of_positions else triples - 1
    columns = np.zeros((len(triples), max(3, int(space.axes.max(initial=0)) + 1)), int)
    mask = np.zeros(columns.shape, bool)
    columns[token_of, space.axes] = np.arange(len(space.kept))
    mask[token_of, space.axes] = True
    return JointGrid(joints, _parents(joints, space.skeleton), columns, mask)


def _parents(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Of each joint the token of its closest ancestor among `joints`; the translation stands above the root."""
    tokens = {int(joint): token for token, joint in enumerate(joints)}
    parents = []
    for joint in joints:
        ancestor = -1 if joint < 0 else skeleton.parents[joint]
        while ancestor >= 0 and ancestor not in tokens:
            ancestor = skeleton.parents[ancestor]
        parents.append(-1 if joint < 0 else tokens.get(ancestor, -1))  # ancestor -1 is the translation, if there is one
    return np.array(parents)
