"""The box around points is the tightest upright one, and says how it is turned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.fit_box import MIN_EXTENT_M, fit_upright_box


def points_of(center: np.ndarray, size: np.ndarray, yaw: float, seed: int = 0) -> np.ndarray:
    """The corners of a box and fifty points inside it."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    inside = np.random.default_rng(seed).uniform(-0.5, 0.5, (50, 3))
    return np.concatenate([corners, inside]) * size @ Rotation.from_euler("z", yaw).as_matrix().T + center


@given(
    st.integers(0, 2**32 - 1),
    st.floats(-40.0, 40.0).filter(lambda turn: abs(turn) > 10.0),
    st.tuples(st.floats(0.2, 3.0), st.floats(0.2, 3.0), st.floats(0.1, 2.5)),
)
def test_a_turned_box_is_found_again(seed: int, degrees: float, size: tuple[float, float, float]) -> None:
    center = np.random.default_rng(seed).uniform(-5.0, 5.0, 3)
    found = fit_upright_box(points_of(center, np.array(size), np.radians(degrees), seed))
    assert found.center == pytest.approx(center, abs=1e-9)
    assert found.size == pytest.approx(size, abs=1e-9)
    axes = Rotation.from_euler("z", np.radians(degrees)).as_matrix()
    assert found.rotation == pytest.approx(axes, abs=1e-7)


def test_every_coordinate_has_its_own_bounds() -> None:
    found = fit_upright_box(np.array([[0.0, 0.0, 5.0], [1.0, 0.0, 5.5], [0.0, 2.0, 6.0], [1.0, 2.0, 7.0]]))
    assert found.center == pytest.approx([0.5, 1.0, 6.0]) and found.size == pytest.approx([1.0, 2.0, 2.0])


@pytest.mark.parametrize("degrees", [0.0, 90.0, -90.0, 180.0])
def test_a_quarter_turn_swaps_extents_and_is_no_turn(degrees: float) -> None:
    found = fit_upright_box(points_of(np.zeros(3), np.array([2.0, 1.0, 0.5]), np.radians(degrees)))
    assert found.rotation == pytest.approx(np.eye(3), abs=1e-12)
    assert found.size == pytest.approx([1.0, 2.0, 0.5] if degrees in (90.0, -90.0) else [2.0, 1.0, 0.5], abs=1e-9)


def test_beyond_45_degrees_the_other_side_counts_as_length() -> None:
    found = fit_upright_box(points_of(np.zeros(3), np.array([2.0, 1.0, 0.5]), np.radians(60.0)))
    assert found.size == pytest.approx([1.0, 2.0, 0.5], abs=1e-9)
    assert found.rotation == pytest.approx(Rotation.from_euler("z", np.radians(-30.0)).as_matrix(), abs=1e-7)


def test_what_is_round_is_not_turned() -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 63)
    ring = np.stack([np.cos(angles), np.sin(angles), np.tile([0.0, 1.0], 32)[:63]], axis=1)
    assert fit_upright_box(ring).rotation == pytest.approx(np.eye(3), abs=1e-12)


def test_a_poster_on_a_slanted_wall_is_thin_along_it() -> None:
    along = np.array([np.cos(0.5), np.sin(0.5)])
    flat = np.array([[*(side * along), height] for side in (-1.0, 0.0, 1.0) for height in (0.0, 2.0)])
    found = fit_upright_box(flat)
    assert found.size == pytest.approx([2.0, MIN_EXTENT_M, 2.0], abs=1e-9)
    assert found.rotation[:2, 0] == pytest.approx(along, abs=1e-7)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((0, 3)), r"\(0, 3\).*at least one"),
        (np.zeros((4, 2)), r"\(4, 2\)"),
        (np.zeros(3), r"\(3,\)"),
        ([[0.0, 0.0, 0.0], [1.0, np.nan, 0.0], [0.0, 1.0, 1.0]], "not finite"),
        ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]], r"\[2.0, 0.0, 0.0\] m"),
    ],
)
def test_points_without_a_box_are_refused(points: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_upright_box(np.array(points))
