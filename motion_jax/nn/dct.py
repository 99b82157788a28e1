"""The discrete cosine transform over time, as a matrix: a short trajectory in few smooth components (Mao et al. 2019).

Multiplying by a fixed matrix is what published code does too: at these lengths no fast transform is faster, and time
may be any axis.
"""

from __future__ import annotations

import numpy as np


def dct_matrix(length: int) -> np.ndarray:
    """The orthonormal DCT-II `[K, S]` of sequences of `length` S, K = S, float32; its transpose is the inverse."""
    frame = np.arange(length)
    basis = np.cos(np.pi / length * (frame + 0.5) * frame[:, None])
    basis *= np.sqrt(2 / length)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)
