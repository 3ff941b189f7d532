"""How far boxes reach into each other, against the exact distance of boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.box_distance import closest_points
from ocr_hf.geometry.box_overlap import penetration_m
from ocr_hf.geometry.boxes import OrientedBox

SEEDS = st.integers(0, 2**32 - 1)


def random_box(random: np.random.Generator, reach: float = 0.8) -> OrientedBox:
    rotation = Rotation.random(random_state=int(random.integers(2**31))).as_matrix()
    return OrientedBox(random.uniform(-reach, reach, 3), random.uniform(0.1, 1.5, 3), rotation)


def shifted(box: OrientedBox, by: np.ndarray) -> OrientedBox:
    return OrientedBox(box.center + by, box.size, box.rotation)


def distance(a: OrientedBox, b: OrientedBox) -> float:
    return float(closest_points([a], [b])[2][0])


@settings(max_examples=60)
@given(SEEDS)
def test_boxes_share_space_exactly_if_their_distance_is_zero(seed: int) -> None:
    random = np.random.default_rng(seed)
    box, others = random_box(random), [random_box(random) for _ in range(8)]
    for depth, other in zip(penetration_m(box, others), others, strict=True):
        assert (depth > 0.0) == (distance(box, other) == 0.0)
        np.testing.assert_allclose(penetration_m(other, [box])[0], depth, atol=1e-12)


@settings(max_examples=25)
@given(SEEDS)
def test_the_depth_is_the_shortest_shift_that_parts_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    box, other = random_box(random, 0.3), random_box(random, 0.3)
    depth = float(penetration_m(box, [other])[0])
    axes = [*box.rotation.T, *other.rotation.T, *(np.cross(a, b) for a in box.rotation.T for b in other.rotation.T)]
    directions = np.array([sign * axis / np.linalg.norm(axis) for axis in axes for sign in (-1, 1)])
    assume(depth > 1e-3)
    assert any(distance(box, shifted(other, (depth + 1e-6) * direction)) > 0.0 for direction in directions)
    aside = random.normal(size=(8, 3))
    directions = np.concatenate([directions, aside / np.linalg.norm(aside, axis=1, keepdims=True)])
    for direction in directions:
        assert distance(box, shifted(other, (depth - 1e-6) * direction)) == 0.0


def test_touching_boxes_share_nothing() -> None:
    unit = OrientedBox.axis_aligned(np.zeros(3), np.ones(3))
    beside = shifted(unit, np.array([1.0, 0.0, 0.0]))
    deeper = shifted(unit, np.array([0.75, 0.25, 0.0]))
    np.testing.assert_allclose(penetration_m(unit, [beside, deeper, unit]), [0.0, 0.25, 1.0])
    assert penetration_m(unit, []).shape == (0,)
