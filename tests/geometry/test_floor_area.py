"""A scan's floor area comes out as that of the room's outline."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_hf.geometry.floor_area import alpha_shape_area, scan_floor_area


def test_rectangle_and_its_turned_copy() -> None:
    points = np.random.default_rng(0).uniform([0.0, 0.0], [6.0, 4.0], (10_000, 2))
    assert alpha_shape_area(points) == pytest.approx(24.0, rel=0.02)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert alpha_shape_area(points @ turn.T + [5.0, -3.0]) == pytest.approx(alpha_shape_area(points), rel=1e-4)


def test_notch_of_an_l_shaped_room_is_left_out_and_a_hole_is_floor() -> None:
    points = np.random.default_rng(1).uniform(0.0, 5.0, (10_000, 2))
    ell = points[~((points[:, 0] > 3.0) & (points[:, 1] > 3.0))]
    assert alpha_shape_area(ell) == pytest.approx(21.0, rel=0.03)
    under_a_bed = points[~((np.abs(points - 2.5) < 0.8).all(axis=1))]
    assert alpha_shape_area(under_a_bed) == pytest.approx(25.0, rel=0.02)


def test_two_rooms_are_added_up() -> None:
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.uniform(0.0, 3.0, (5000, 2)), rng.uniform(0.0, 2.0, (5000, 2)) + [10.0, 0.0]])
    assert alpha_shape_area(points) == pytest.approx(9.0 + 4.0, rel=0.03)


def test_a_scan_of_many_points_is_sampled() -> None:
    rng = np.random.default_rng(3)
    scan = rng.uniform([0.0, 0.0, 0.0], [5.0, 4.0, 2.5], (200_000, 3))
    assert scan_floor_area(scan, np.random.default_rng(0)) == pytest.approx(20.0, rel=0.02)
    assert scan_floor_area(scan, np.random.default_rng(0)) == scan_floor_area(scan, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((2, 2)), "2 points span no floor"),
        (np.array([[0.0, 0.0], [1.0, np.nan], [2.0, 1.0]]), "span no floor"),
        (np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), "on one line"),
    ],
)
def test_points_without_area_are_refused(points: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        alpha_shape_area(points)
