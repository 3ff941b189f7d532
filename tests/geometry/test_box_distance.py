"""The distance between boxes is that of a general optimiser, in any position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.box_distance import CHUNK, closest_points
from ocr_hf.geometry.boxes import OrientedBox


def random_box(rng: np.random.Generator, spread_m: float = 2.0) -> OrientedBox:
    rotation = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    return OrientedBox(rng.uniform(-spread_m, spread_m, 3), rng.uniform(0.05, 1.5, 3), rotation)


def by_optimiser(a: OrientedBox, b: OrientedBox) -> float:
    def squared(local: np.ndarray) -> float:
        apart = a.center + a.rotation @ local[:3] - b.center - b.rotation @ local[3:]
        return float(apart @ apart)

    bounds = [(-edge / 2.0, edge / 2.0) for edge in (*a.size, *b.size)]
    found = minimize(squared, np.zeros(6), bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-12})
    return float(np.sqrt(found.fun))


@settings(max_examples=60)
@given(st.integers(0, 2**31))
def test_agrees_with_an_optimiser_and_points_lie_on_the_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_box(rng), random_box(rng)
    (on_a,), (on_b,), (distance,) = closest_points([a], [b])
    assert distance == pytest.approx(by_optimiser(a, b), abs=2e-3)
    assert np.linalg.norm(on_a - on_b) == pytest.approx(distance, abs=1e-12)
    if distance > 0.0:
        for box, point in ((a, on_a), (b, on_b)):
            assert (np.abs(box.to_local(point)) <= box.size / 2.0 + 1e-9).all()


@settings(max_examples=60)
@given(st.integers(0, 2**31))
def test_symmetric_and_unchanged_by_rigid_motion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_box(rng), random_box(rng)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    motion[:3, 3] = rng.uniform(-9.0, 9.0, 3)
    distance = closest_points([a], [b])[2]
    assert closest_points([b], [a])[2] == pytest.approx(distance, abs=1e-9)
    assert closest_points([a.moved(motion)], [b.moved(motion)])[2] == pytest.approx(distance, abs=1e-9)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [((2.0, 0.0, 0.0), 1.0), ((2.0, 2.0, 0.0), 2.0**0.5), ((2.0, 2.0, 2.0), 3.0**0.5), ((1.0, 0.0, 0.0), 0.0)],
    ids=["faces", "edges", "corners", "touching"],
)
def test_unit_cubes(shift: tuple[float, float, float], expected: float) -> None:
    cube = OrientedBox(np.zeros(3), np.ones(3), np.eye(3))
    other = OrientedBox(np.array(shift), np.ones(3), np.eye(3))
    assert closest_points([cube], [other])[2] == pytest.approx(expected, abs=1e-12)


def test_one_inside_the_other_or_pierced_has_no_distance() -> None:
    cube = OrientedBox(np.zeros(3), np.ones(3), np.eye(3))
    inside = OrientedBox(np.zeros(3), np.full(3, 0.2), np.eye(3))
    rod = OrientedBox(np.zeros(3), np.array([0.1, 0.1, 5.0]), np.eye(3))
    assert (closest_points([cube, cube], [inside, rod])[2] == 0.0).all()


def test_crossed_rods_are_closest_at_their_edges() -> None:
    first = OrientedBox(np.zeros(3), np.array([4.0, 0.2, 0.2]), np.eye(3))
    # Turned about its own length by 45 degrees, the second rod shows the first one an edge.
    second = OrientedBox.upright(np.zeros(3), np.array([0.2, 4.0, 0.2]), 0.3)
    roll = Rotation.from_rotvec(np.radians(45.0) * second.rotation[:, 1]).as_matrix()
    second = OrientedBox(np.array([0.1, 0.2, 1.0]), second.size, roll @ second.rotation)
    assert closest_points([first], [second])[2] == pytest.approx(1.0 - 0.1 - 0.1 * 2.0**0.5, abs=1e-9)


def test_lists_longer_than_a_chunk_are_worked_through_in_order() -> None:
    cube = OrientedBox(np.zeros(3), np.ones(3), np.eye(3))
    others = [OrientedBox(np.array([2.0 + i, 0.0, 0.0]), np.ones(3), np.eye(3)) for i in range(CHUNK + 3)]
    assert closest_points([cube] * len(others), others)[2] == pytest.approx(1.0 + np.arange(len(others)))


def test_unequal_lists_are_refused() -> None:
    cube = OrientedBox(np.zeros(3), np.ones(3), np.eye(3))
    with pytest.raises(ValueError, match="1 boxes cannot be paired with 2"):
        closest_points([cube], [cube, cube])
