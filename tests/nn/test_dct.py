"""The DCT as a matrix, against scipy's."""

import numpy as np
import scipy.fft

from motion_jax.nn.dct import dct_matrix


def test_it_is_scipys_and_orthonormal():
    x = np.random.default_rng(0).normal(size=(7, 3))
    np.testing.assert_allclose(dct_matrix(7) @ x, scipy.fft.dct(x, axis=0, norm="ortho"), atol=1e-6)
    np.testing.assert_allclose(dct_matrix(50) @ dct_matrix(50).T, np.eye(50), atol=1e-6)
