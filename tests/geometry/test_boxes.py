"""Oriented boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.boxes import EDGES, OrientedBox


def random_box(random: np.random.Generator) -> OrientedBox:
    rotation = Rotation.random(random_state=int(random.integers(2**31))).as_matrix()
    return OrientedBox(random.uniform(-3, 3, 3), random.uniform(0.1, 3, 3), rotation)


@given(st.integers(0, 2**32 - 1))
def test_corners_lie_half_an_extent_from_the_centre_along_every_axis(seed):
    box = random_box(np.random.default_rng(seed))
    np.testing.assert_allclose(np.abs(box.to_local(box.corners())), np.tile(box.size / 2, (8, 1)), atol=1e-12)
    lengths = np.linalg.norm(box.corners()[EDGES[:, 0]] - box.corners()[EDGES[:, 1]], axis=1)
    np.testing.assert_allclose(np.sort(lengths), np.sort(np.repeat(box.size, 4)))
    np.testing.assert_allclose(box.diagonal, np.linalg.norm(box.corners()[0] - box.corners()[7]))


def test_the_box_between_two_corners():
    box = OrientedBox.axis_aligned(np.array([1.0, -2.0, 0.0]), np.array([3.0, 4.0, 0.5]))
    np.testing.assert_allclose(box.center, [2.0, 1.0, 0.25])
    np.testing.assert_allclose(box.size, [2.0, 6.0, 0.5])
    np.testing.assert_allclose(box.rotation, np.eye(3))


@given(st.integers(0, 2**32 - 1), st.floats(-3.1, 3.1))
def test_an_upright_box_is_turned_about_the_vertical(seed, yaw):
    random = np.random.default_rng(seed)
    center, size = random.uniform(-3, 3, 3), random.uniform(0.1, 3, 3)
    box = OrientedBox.upright(center, size, yaw)
    np.testing.assert_allclose(box.center, center)
    np.testing.assert_allclose(box.size, size)
    np.testing.assert_allclose(box.rotation, Rotation.from_euler("z", yaw).as_matrix(), atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_a_moved_box_has_the_moved_corners(seed):
    random = np.random.default_rng(seed)
    box, motion = random_box(random), np.eye(4)
    motion[:3, :3] = Rotation.random(random_state=seed % 2**31).as_matrix()
    motion[:3, 3] = random.uniform(-3, 3, 3)
    expected = box.corners() @ motion[:3, :3].T + motion[:3, 3]
    np.testing.assert_allclose(box.moved(motion).corners(), expected, atol=1e-12)


def test_upright_turns_counter_clockwise_seen_from_above():
    box = OrientedBox.upright(np.zeros(3), np.array([2.0, 1.0, 1.0]), np.pi / 2)
    np.testing.assert_allclose(box.rotation[:, 0], [0.0, 1.0, 0.0], atol=1e-12)


def test_the_floor_polygon_has_the_footprint_s_area():
    from shapely import Polygon

    box = OrientedBox.upright(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.5, 1.0]), 0.3)
    polygon = Polygon(box.floor_polygon())
    np.testing.assert_allclose(polygon.area, 1.0)
    assert polygon.exterior.is_ccw
    assert len(OrientedBox(np.zeros(3), np.zeros(3), np.eye(3)).floor_polygon()) == 0


@pytest.mark.parametrize(
    ("center", "size", "rotation", "message"),
    [
        ([0.0, np.nan, 0.0], [1.0, 1.0, 1.0], np.eye(3), "finite"),
        ([0.0, 0.0, 0.0], [1.0, -1.0, 1.0], np.eye(3), "at least 0"),
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], np.diag([1.0, 1.0, -1.0]), "right-handed"),
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], np.ones((3, 3)), "orthonormal"),
        ([0.0, 0.0], [1.0, 1.0, 1.0], np.eye(3), "shape"),
    ],
)
def test_what_is_no_box_is_refused(center, size, rotation, message):
    with pytest.raises(ValueError, match=message):
        OrientedBox(np.array(center), np.array(size), rotation)
