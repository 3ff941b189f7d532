"""The official sampled distance: the same bits on every machine, and close to the exact one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from ocr_hf.geometry.box_distance import closest_points
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.questions.official_distance import _fused, nearest, sample_box

VALUES = st.floats(-100.0, 100.0, allow_subnormal=False).filter(lambda x: x == 0.0 or abs(x) > 1e-30)


@given(VALUES, VALUES, VALUES)
def test_fused_multiply_add_rounds_once(a: float, b: float, c: float) -> None:
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    assert float(_fused(np.array([a]), b, np.array([c]))[0]) == pytest.approx(float(exact), rel=2.3e-16, abs=1e-300)


def box(rng: np.random.Generator) -> OrientedBox:
    return OrientedBox.upright(rng.uniform(-3, 3, 3), rng.uniform(0.06, 1.5, 3), rng.uniform(0, 6.28))


@settings(max_examples=40)
@given(st.integers(0, 2**31))
def test_nearest_is_the_minimum_over_all_pairs_and_near_the_exact_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = box(rng), box(rng)
    first, second = cKDTree(sample_box(a)), cKDTree(sample_box(b))
    point_a, point_b, distance = nearest(first, second)
    assert distance == first.query(second.data)[0].min()
    assert np.linalg.norm(point_a - point_b) == pytest.approx(distance, abs=1e-12)
    exact = float(closest_points([a], [b])[2][0])
    assert exact - 1e-9 <= distance <= exact + 0.3


def test_points_are_in_the_shell_five_centimetres_apart() -> None:
    cloud = sample_box(OrientedBox(np.zeros(3), np.array([1.0, 1.0, 0.5]), np.eye(3)))
    assert (np.abs(cloud) <= [0.5, 0.5, 0.25]).all()
    assert ((np.abs(cloud) > [0.25, 0.25, 0.125]).any(axis=1)).all()
    assert np.diff(np.unique(cloud[:, 0])) == pytest.approx(1.0 / 19.0)


def test_a_box_without_volume_has_no_cloud() -> None:
    with pytest.raises(ValueError, match="without volume"):
        sample_box(OrientedBox(np.zeros(3), np.array([1.0, 0.0, 1.0]), np.eye(3)))


def test_a_thin_box_keeps_points_although_all_fail_the_crop() -> None:
    cloud = sample_box(OrientedBox.upright(np.array([0.3, 0.2, 0.1]), np.array([0.5, 0.5, 0.03]), 0.4))
    assert len(cloud)
