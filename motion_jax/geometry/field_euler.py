"""The Euler angles in which the field has measured its errors since 2015, formula for formula.

Published errors are sums of squared differences of exactly these angles, so their quirks are part of the number: an
axis that is a little too short, poles recognised by exact equality, no wrapping. For any other purpose use
`rotations.euler_from_matrix`.

Source: `expmap2rotmat` and `rotmat2euler` of the evaluation code of Martinez, Black and Romero, "On human motion
prediction using recurrent neural networks", CVPR 2017, which port Graham Taylor's Matlab motion toolbox.
"""

from __future__ import annotations

import jax.numpy as jnp

from motion_jax.geometry.rotations import ArrayLike, matrix_multiply, safe_norm
from motion_jax.types import Array

# The published code divides by the angle plus float32's machine precision, whatever the precision it computes in.
AXIS_EPSILON = 1.1920929e-07


def field_matrix(rotvec: ArrayLike) -> Array:
    """Rotation vectors `[..., 3]`, rad, to matrices `[..., 3, 3]` as the field computes them.

    R = I + sin t K + (1 - cos t) K^2 with K the cross product by r / (t + 1.19e-7) and t = |r|. Its gradient is 0 at
    r = 0: measure with it, do not train through it.
    """
    r = jnp.asarray(rotvec)
    angle = safe_norm(r)[..., None]
    x, y, z = jnp.moveaxis(r / (angle + AXIS_EPSILON), -1, 0)
    zero = jnp.zeros_like(x)
    cross = jnp.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    angle = angle[..., None]
    turn = jnp.sin(angle) * cross + (1 - jnp.cos(angle)) * matrix_multiply(cross, cross)
    return jnp.eye(3, dtype=r.dtype) + turn


def field_euler_from_matrix(matrix: ArrayLike) -> Array:
    """Matrices `[..., 3, 3]` to the field's angles E1, E2, E3 `[..., 3]`, rad.

    Off the poles R = Rx(-E1) Ry(-E2) Rz(-E3). A pole is R02 of exactly +1 or -1; beyond, which rounding in float32
    can reach, counts as the pole, where the published code would return NaN.
    """
    m = jnp.asarray(matrix)
    sine = m[..., 0, 2]
    pole = jnp.abs(sine) >= 1
    # The arguments are made harmless where the branch is not taken, so that no NaN reaches a gradient.
    e2 = -jnp.arcsin(jnp.where(pole, 0, sine))
    cosine = jnp.cos(e2)
    e1 = jnp.arctan2(m[..., 1, 2] / cosine, jnp.where(pole, 1, m[..., 2, 2] / cosine))
    e3 = jnp.arctan2(m[..., 0, 1] / cosine, jnp.where(pole, 1, m[..., 0, 0] / cosine))
    e1_at_pole = jnp.arctan2(m[..., 0, 1], jnp.where(pole, sine, 1))
    e2_at_pole = -jnp.sign(sine) * (jnp.pi / 2)
    return jnp.stack(
        [jnp.where(pole, e1_at_pole, e1), jnp.where(pole, e2_at_pole, e2), jnp.where(pole, 0, e3)], axis=-1
    )


def field_euler(rotvec: ArrayLike) -> Array:
    """Rotation vectors `[..., 3]`, rad, to the field's angles E1, E2, E3 `[..., 3]`, rad."""
    return field_euler_from_matrix(field_matrix(rotvec))
