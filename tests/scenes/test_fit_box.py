"""Tight boxes: what was turned is found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.fit_box import MIN_EXTENT_M, fit_upright_box


@given(
    st.tuples(st.floats(0.5, 3.0), st.floats(0.1, 0.4), st.floats(0.1, 2.0)),
    st.floats(-np.pi, np.pi),
    st.integers(0, 99),
)
def test_a_turned_box_is_recovered(size, yaw, seed):
    box = OrientedBox.upright(np.array([3.0, -2.0, 1.0]), np.array(size), yaw)
    rng = np.random.default_rng(seed)
    inside = box.center + (rng.uniform(-0.5, 0.5, (50, 3)) * box.size) @ box.rotation.T
    found = fit_upright_box(np.concatenate([box.corners(), inside]))
    np.testing.assert_allclose(np.prod(found.size), np.prod(box.size), rtol=0.04)
    local = np.abs(found.to_local(box.corners()))
    assert (local <= found.size / 2.0 + 1e-9).all()
    np.testing.assert_allclose(found.rotation[:, 2], [0.0, 0.0, 1.0], atol=1e-12)
    turn = np.degrees(np.arctan2(found.rotation[1, 0], found.rotation[0, 0]))
    assert -45.0 - 1e-9 < turn <= 45.0 + 1e-9


@given(st.integers(0, 99), st.integers(4, 60))
def test_no_turn_is_tighter(seed, count):
    points = np.random.default_rng(seed).normal(size=(count, 3)) * [2.0, 0.7, 1.0]
    found = fit_upright_box(points)
    for yaw in np.radians(np.arange(0.0, 90.0, 3.0)):
        turned = points[:, :2] @ np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        assert found.size[0] * found.size[1] <= np.ptp(turned, axis=0).prod() / 0.97 + 1e-9


def test_round_things_keep_the_axes():
    angle = np.linspace(0.0, 2.0 * np.pi, 37)[:-1] + 0.07
    points = np.stack([np.cos(angle), np.sin(angle), angle / 10.0], axis=1)
    np.testing.assert_array_equal(fit_upright_box(points).rotation, np.eye(3))


@pytest.mark.parametrize("yaw", [0.0, 0.3, -0.5])
def test_flat_things_get_a_little_thickness(yaw):
    poster = OrientedBox.upright(np.array([1.0, 2.0, 1.5]), np.array([0.8, 0.0, 0.6]), yaw)
    found = fit_upright_box(poster.corners())
    np.testing.assert_allclose(np.sort(found.size), [MIN_EXTENT_M, 0.6, 0.8], atol=1e-9)
    rug = OrientedBox.upright(np.array([0.0, 0.0, 0.01]), np.array([2.0, 1.0, 0.0]), yaw)
    np.testing.assert_allclose(np.sort(fit_upright_box(rug.corners()).size), [MIN_EXTENT_M, 1.0, 2.0], atol=1e-9)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((0, 3)), "at least one point"),
        (np.array([[0.0, np.nan, 0.0], [1.0, 1.0, 1.0]]), "not finite"),
        (np.ones((5, 3)), "at least two extents"),
        (np.linspace(0, 1, 4)[:, None] * [1.0, 0.0, 0.0], "at least two extents"),
    ],
)
def test_points_without_extent_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        fit_upright_box(points)
