"""Sums over three are NumPy's own, bit by bit: what was filmed before stays as it is."""

import numpy as np
import pytest

from ocr_hf.geometry.triples import all_three, largest, lengths, means


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_results_are_those_of_reductions(dtype):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(500, 3, 3)) * 10.0 ** rng.integers(-12, 12, (500, 1, 1))).astype(dtype)
    values[0] = 0.0
    assert lengths(values).dtype == means(values, 1).dtype == largest(values).dtype == dtype
    np.testing.assert_array_equal(lengths(values), np.linalg.norm(values, axis=-1))
    np.testing.assert_array_equal(largest(values), values.max(axis=-1))
    for axis in (1, 2, -1):
        np.testing.assert_array_equal(means(values, axis), values.mean(axis=axis))
    np.testing.assert_array_equal(all_three(values > 0.0), (values > 0.0).all(axis=-1))
    assert lengths(values[:0]).shape == (0, 3)


@pytest.mark.parametrize("shape", ((5, 2), (5, 4)))
def test_other_counts_are_refused(shape):
    for reduce in (lengths, largest, all_three):
        with pytest.raises(ValueError, match="unpack"):
            reduce(np.zeros(shape))
