"""Shapes: closed, outward-facing, of known volume, with texture coordinates in metres."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.scenes.homes import primitives as shapes
from tests.scenes.meshes import closed_parts

length = st.floats(0.05, 3.0)
WAVE = np.stack([*np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 0.5, 5)), 0.1 * np.ones((5, 9))], axis=-1)
EXAMPLES = {
    "box": shapes.box((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
    "block": shapes.block(0, 1, 2, 4, 5, 8),
    "rounded box": shapes.rounded_box((1.0, 0.6, 0.3), 0.1),
    "cylinder": shapes.cylinder(0.5, 0.0, 2.0, 1.0, 1.0),
    "cone frustum": shapes.cylinder(0.5, 0.0, 2.0, top=0.1),
    "lathe to a point": shapes.lathe([(0.0, 0.0), (0.3, 0.2), (0.1, 0.5), (0.0, 0.7)], smooth=True),
    "lathe with bands": shapes.lathe([(0.2, 0.0), (0.3, 0.2), (0.1, 0.5)]),
    "ring": shapes.lathe([(0.2, 0.0), (0.3, 0.0), (0.3, 0.1), (0.2, 0.1), (0.2, 0.0)]),
    "ellipsoid": shapes.ellipsoid((0.5, 0.3, 0.2)),
    "tube": shapes.tube([(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)], 0.05),
    "L prism": shapes.prism([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)], 0.0, 1.0),
    "extruded": shapes.extruded([(0, 0), (1, 0), (1, 1)], -1.0, 1.0),
    "sheet": shapes.sheet(WAVE, thickness=0.01),
}


def volume(shape: shapes.Shape) -> float:
    """Signed, m3: positive where the faces of a closed shape face outwards."""
    return sum(closed_parts(shape.vertices, shape.faces)[0])


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_shape_is_one_closed_solid_that_looks_outwards(name: str) -> None:
    shape = EXAMPLES[name]
    volumes, opened = closed_parts(shape.vertices, shape.faces)
    assert opened == 0 and len(volumes) == 1 and volumes[0] > 0.0
    assert shape.uv.shape == (len(shape.vertices), 2) and np.isfinite(shape.uv).all()
    assert shape.faces.dtype == np.int32 and shape.uv.dtype == np.float32


@given(x=length, y=length, z=length, turn=st.floats(-4, 4), axis=st.sampled_from([0, 1, 2]))
def test_moving_and_turning_keep_size_and_side(x: float, y: float, z: float, turn: float, axis: int) -> None:
    shape = shapes.box((x, y, z)).turned(turn, axis).moved(1.0, 2.0, 3.0)
    assert volume(shape) == pytest.approx(x * y * z)
    assert np.allclose(shape.vertices.mean(axis=0), [1.0, 2.0, 3.0])


def test_known_volumes() -> None:
    assert volume(EXAMPLES["box"]) == pytest.approx(6.0)
    assert volume(EXAMPLES["L prism"]) == pytest.approx(3.0)
    assert volume(shapes.cylinder(0.5, 0, 2, segments=200)) == pytest.approx(np.pi / 2, rel=1e-3)
    ball = 4 / 3 * np.pi * 0.5 * 0.3 * 0.2
    assert volume(shapes.ellipsoid((0.5, 0.3, 0.2), rings=60)) == pytest.approx(ball, rel=1e-2)
    ring = volume(shapes.lathe([(0.2, 0), (0.3, 0), (0.3, 0.1), (0.2, 0.1), (0.2, 0)], 200))
    assert ring == pytest.approx(np.pi * (0.09 - 0.04) * 0.1, rel=1e-3)


@given(x=length, y=length, z=length, radius=st.floats(0.001, 1.0))
def test_a_rounded_box_fills_its_box_to_the_faces(x: float, y: float, z: float, radius: float) -> None:
    vertices = shapes.rounded_box((x, y, z), radius).vertices
    assert np.allclose(np.ptp(vertices, axis=0), (x, y, z))
    assert 0.4 * x * y * z < volume(shapes.rounded_box((x, y, z), radius)) <= x * y * z


def test_texture_coordinates_are_metres_and_grain_follows_the_longest_side() -> None:
    shape = shapes.box((0.1, 0.2, 2.0))
    for a, b in zip(shape.faces[:, 0], shape.faces[:, 1], strict=True):
        edge, drawn = shape.vertices[b] - shape.vertices[a], shape.uv[b] - shape.uv[a]
        assert np.linalg.norm(drawn) == pytest.approx(np.linalg.norm(edge), rel=1e-5)
    assert np.ptp(shape.uv[:, 0]) == pytest.approx(2.0)


def test_a_cushion_is_closed_and_thickest_in_its_middle() -> None:
    shape = shapes.pillow_shape(0.6, 0.4, 0.15)
    assert np.allclose(np.ptp(shape.vertices, axis=0), [0.6, 0.4, 0.15], atol=0.005)
    assert volume(shape) > 0.3 * 0.6 * 0.4 * 0.15
    assert np.abs(shape.vertices[np.abs(shape.vertices[:, 2]).argmax(), :2]).max() < 1e-9


def test_a_polygon_that_is_not_simple_is_refused() -> None:
    with pytest.raises(ValueError, match="counter-clockwise"):
        shapes.triangulate(np.array([[0.0, 0], [0, 1], [1, 1], [1, 0]]))
