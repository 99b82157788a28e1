"""What is too large to be motion is found in every type of real numbers, by its index and without a warning."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from motion_jax.data.finite import LARGEST, as_array, check_values, real_numbers
from motion_jax.errors import UserError

FLOATS = (np.float16, np.float32, np.float64, np.longdouble)
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)


def _extremes(dtype: type) -> tuple[object, ...]:
    """Numbers of `dtype` that no motion has."""
    if dtype in FLOATS:
        return (np.nan, np.inf, -np.inf) + (() if dtype is np.float16 else (np.finfo(dtype).min, np.finfo(dtype).max))
    return tuple(bound for bound in (np.iinfo(dtype).min, np.iinfo(dtype).max) if abs(bound) > LARGEST)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_the_first_bad_number_of_every_type_is_named_by_its_index(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        good = np.arange(6).astype(dtype).reshape(2, 3)
        check_values(good, "x")
        found = real_numbers(good, "x")
        np.testing.assert_array_equal(found, np.arange(6, dtype=np.float32).reshape(2, 3), strict=True)
        check_values(good[:0], "x")
        for value in _extremes(dtype):
            bad = good.copy()
            bad[1, 1:] = value
            with pytest.raises(UserError, match=r"x: frame 1, column 1 is .*: must be within ±16777216"):
                check_values(bad, "x")
            with pytest.raises(UserError, match=r"x\[1, 1\] is .*: every value must be finite, within ±16777216"):
                real_numbers(bad, "x")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble, np.int32, np.int64])
def test_the_bound_is_the_last_number_that_passes(dtype):
    bound = np.array([-LARGEST, LARGEST]).astype(dtype)
    np.testing.assert_array_equal(real_numbers(bound, "x"), bound)
    with pytest.raises(UserError, match=re.escape("x[1] is ")):
        real_numbers(bound + np.array([0, 2]).astype(dtype), "x")


def test_float32_is_not_copied():
    rows = np.ones((2, 3), np.float32)
    assert real_numbers(rows, "x") is rows


def test_masked_and_ragged_arrays_are_refused():
    masked = np.ma.masked_array(np.ones((1, 2)), [[False, True]])
    for call in (
        lambda: real_numbers(masked, "x"),
        lambda: check_values(masked, "x"),
        lambda: as_array(masked, "x", "[F]"),
        lambda: as_array([masked[0]], "x", "[F]"),
    ):
        with pytest.raises(UserError, match="x is a masked array with masked values"):
            call()
    with pytest.raises(UserError, match=r"x is no array, its rows differ in length: must be \[F, 2\]"):
        as_array([[1, 2], [3]], "x", "[F, 2]")
    unmasked = np.ma.masked_array(np.ones(2), [False, False])
    assert type(real_numbers(unmasked, "x")) is np.ndarray
