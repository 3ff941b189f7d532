"""Cutting triangles and their normals: nothing opens, nothing moves."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.cutting import MAX_EDGE_M, MIN_CUT_AREA_M2, triangle_areas
from ocr_hf.scenes.render.lamps import lamps_of
from ocr_hf.scenes.render.normals import CREASE_DEG, corner_normals
from ocr_hf.scenes.render.ray_caster import RayCaster
from ocr_hf.scenes.render.refine import refine
from ocr_hf.scenes.render.surfaces import Surfaces, gather_surfaces
from ocr_hf.scenes.scene import Material, Mesh, Scene
from tests.scenes.boxes import box_mesh, room


def textured_box(size: np.ndarray, rotation: np.ndarray) -> Mesh:
    """Return a box whose texture coordinates are a linear function of the place."""
    box = OrientedBox(np.array([0.3, -0.2, 5.0]), size, rotation)
    mesh = box_mesh(box)
    return Mesh(mesh.vertices, mesh.faces, Material(), uv=linear_uv(mesh.vertices).astype(np.float32))


def linear_uv(points: np.ndarray) -> np.ndarray:
    return points @ np.array([[0.3, -0.1], [0.2, 0.5], [-0.4, 0.25]]) + np.array([0.1, 0.7])


def is_closed(surfaces: Surfaces) -> bool:
    """Return whether every edge has exactly one triangle on either side."""
    edges = surfaces.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(int)
    directed, count = np.unique(edges, axis=0, return_counts=True)
    return bool((count == 1).all()) and {tuple(e) for e in directed} == {tuple(e[::-1]) for e in directed}


@settings(max_examples=20)
@given(st.tuples(*[st.floats(0.02, 6.0)] * 3), st.integers(0, 1000))
def test_cutting_keeps_area_texture_and_closedness(size, seed):
    rotation = Rotation.random(random_state=seed).as_matrix()
    mesh = textured_box(np.array(size), rotation)
    surfaces = gather_surfaces(Scene("box", "test", (), (mesh,)))
    x, y, z = size
    areas = triangle_areas(surfaces.corners())
    np.testing.assert_allclose(areas.sum(), 2 * (x * y + y * z + z * x), rtol=1e-4)
    assert is_closed(surfaces)
    longest = surfaces.triangles().edge_lengths().max(axis=1)
    assert (longest[areas > 1.01 * MIN_CUT_AREA_M2] <= MAX_EDGE_M * 1.0001).all()
    np.testing.assert_allclose(surfaces.uv, linear_uv(surfaces.corners() + surfaces.origin), atol=1e-4)


def test_refining_cuts_at_shadows_and_opens_nothing():
    scene = room()
    before = gather_surfaces(scene)
    caster = RayCaster(before.vertices, before.faces)
    after = refine(before, caster, lamps_of(scene, before.origin))
    np.testing.assert_allclose(
        np.bincount(after.part, triangle_areas(after.corners())),
        np.bincount(before.part, triangle_areas(before.corners())),
        rtol=1e-4,
    )
    assert is_closed(before) == is_closed(after)
    # On the floor, new triangles lie nearer to the boxes and to the wall at x = 2.9 than old ones do.
    middle = after.corners().mean(axis=1) + after.origin
    floor = (after.part == 0) & (np.abs(middle[:, 2]) < 1e-3)
    near = [np.linalg.norm(middle[:, :2] - o.box.center[:2], axis=1) - 0.35 for o in scene.objects]
    near = np.min([*near, 2.9 - middle[:, 0]], axis=0)
    small = triangle_areas(after.corners()) < 0.3 * np.median(triangle_areas(before.corners())[before.part == 0])
    assert (floor & small).sum() > 50
    assert np.median(near[floor & small]) < 0.3 * np.median(near[floor & ~small])


def test_surfaces_far_from_the_origin_keep_their_shape():
    box = OrientedBox.axis_aligned(np.array([1e6, -2e6, 10.0]), np.array([1e6 + 1.0, -2e6 + 1.0, 11.0]))
    surfaces = gather_surfaces(Scene("far", "test", (), (box_mesh(box),)))
    np.testing.assert_allclose(np.ptp(surfaces.vertices, axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose(surfaces.origin, box.center, atol=1e-3)


def test_round_things_get_smooth_normals_and_boxes_flat_ones():
    ball = trimesh.creation.icosphere(subdivisions=3)
    corners = ball.vertices[ball.faces].astype(np.float32)
    part = np.zeros(len(corners), dtype=np.int32)
    normals = corner_normals(corners, ball.faces, part)
    assert np.einsum("fij,fij->fi", normals, corners).min() > np.cos(np.radians(1.5))
    box = trimesh.creation.box()
    corners = box.vertices[box.faces].astype(np.float32)
    normals = corner_normals(corners, box.faces, np.zeros(12, dtype=np.int32))
    np.testing.assert_allclose(normals, np.repeat(box.face_normals[:, None], 3, axis=1), atol=1e-6)


@pytest.mark.parametrize(("sides", "smooth"), [(int(360 / CREASE_DEG) + 3, True), (int(360 / CREASE_DEG) - 2, False)])
def test_prisms_are_round_from_enough_sides_on(sides, smooth):
    prism = trimesh.creation.cylinder(1.0, 2.0, sections=sides)
    corners = prism.vertices[prism.faces].astype(np.float32)
    normals = corner_normals(corners, prism.faces, np.zeros(len(corners), dtype=np.int32))
    side = np.abs(prism.face_normals[:, 2]) < 0.5
    radial = corners[side] * [1.0, 1.0, 0.0]
    radial /= np.linalg.norm(radial, axis=2, keepdims=True)
    along = np.einsum("fij,fij->fi", normals[side], radial)
    expected = 1.0 if smooth else np.cos(np.pi / sides)
    np.testing.assert_allclose(along, expected, atol=1e-4)
    # The lids stay flat either way.
    np.testing.assert_allclose(np.abs(normals[~side][..., 2]), 1.0, atol=1e-6)


def test_normals_are_not_smoothed_across_parts():
    ball = trimesh.creation.icosphere(subdivisions=2)
    corners = ball.vertices[ball.faces].astype(np.float32)
    apart = corner_normals(corners, ball.faces, np.arange(len(corners), dtype=np.int32))
    np.testing.assert_allclose(apart, np.repeat(ball.face_normals[:, None], 3, axis=1), atol=1e-5)
