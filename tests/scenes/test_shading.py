"""Baked light against physics: what a lamp, an even sky and a closed white room must give."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.render import shading
from ocr_hf.scenes.render.lamps import LAMP_RADIUS_M, lamp_light, lamps_of
from ocr_hf.scenes.render.light_points import hemisphere, light_points
from ocr_hf.scenes.render.ray_caster import RayCaster
from ocr_hf.scenes.render.surfaces import gather_surfaces
from ocr_hf.scenes.render.textures import TextureAtlas
from ocr_hf.scenes.scene import Light, Material, Mesh, Room, Scene
from tests.scenes.boxes import box_mesh


def bounced(scene: Scene, lamp_light_per_point: float, rays: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Return (light (P, 3), places (P, 3)) with the same lamp light everywhere."""
    surfaces = gather_surfaces(scene)
    caster, atlas = RayCaster(surfaces.vertices, surfaces.faces), TextureAtlas(surfaces.texture)
    points = light_points(surfaces)
    visible = np.zeros(2 * len(surfaces.faces), dtype=np.int64)
    seen, _ = shading.look_around(caster, points.place, points.normal, visible, rays)
    lamps = np.full((len(points.place), 3), lamp_light_per_point, dtype=np.float32)
    albedo = shading.mean_albedo(surfaces, atlas)
    light, _, _ = shading.with_bounces(lamps, seen, points, albedo, np.zeros(len(points.place), dtype=np.float32))
    return light, points.place + surfaces.origin


def test_directions_have_the_cosine_law():
    normal = np.array([[0.0, 0.0, 1.0], [0.6, 0.0, -0.8], [0.0, 0.0, -1.0]], dtype=np.float32)
    directions = np.stack(list(hemisphere(normal, 64)))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=2), 1.0, atol=1e-6)
    cosine = np.einsum("kpi,pi->kp", directions, normal)
    assert (cosine > 0.0).all()
    # For density cos / pi: E[cos] = 2/3, E[cos^2] = 1/2, and nothing leans to a side.
    np.testing.assert_allclose(cosine.mean(axis=0), 2 / 3, atol=5e-3)
    np.testing.assert_allclose((cosine**2).mean(axis=0), 1 / 2, atol=1e-6)
    np.testing.assert_allclose(directions.mean(axis=0), 2 / 3 * normal, atol=0.02)


def test_an_even_sky_lights_a_convex_thing_evenly(monkeypatch):
    for name in ("SKY_UP", "SKY_DOWN"):
        monkeypatch.setattr(shading, name, (0.7, 0.7, 0.7))
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    light, _ = bounced(Scene("ball", "test", (), (Mesh(ball.vertices, ball.faces),)), 0.0)
    np.testing.assert_allclose(light, 0.7, atol=1e-4)


@pytest.mark.parametrize("srgb", [0.3, 0.5, 0.7])
def test_a_closed_room_gathers_the_geometric_series_of_its_bounces(srgb):
    # In a closed space of one colour with the same lamp light everywhere, all bounces add up to E / (1 - albedo).
    inside = trimesh.creation.icosphere(subdivisions=3, radius=2.0)
    mesh = Mesh(inside.vertices, inside.faces[:, ::-1], Material((srgb,) * 3))
    light, _ = bounced(Scene("hollow", "test", (), (mesh,)), 0.3)
    albedo = srgb**shading.GAMMA
    np.testing.assert_allclose(light, 0.3 / (1.0 - albedo), rtol=0.01)


def test_lamp_light_follows_distance_angle_and_shadow():
    floor = Mesh(
        np.array([[-3.0, -3.0, 0.0], [3.0, -3.0, 0.0], [3.0, 3.0, 0.0], [-3.0, 3.0, 0.0]]),
        np.array([[0, 1, 2], [0, 2, 3]]),
    )
    shade = OrientedBox.axis_aligned(np.array([0.5, -3.0, 0.9]), np.array([3.0, 3.0, 1.0]))
    lamp = Light(np.array([0.0, 0.0, 2.0]), np.full(3, 5.0))
    scene = Scene("lamp", "test", (), (floor, box_mesh(shade)), lights=(lamp,))
    surfaces = gather_surfaces(scene)
    caster = RayCaster(surfaces.vertices, surfaces.faces)
    points = light_points(surfaces)
    light = lamp_light(caster, points, lamps_of(scene, surfaces.origin), more=12)[:, 0]
    place = points.place + surfaces.origin
    on_floor = place[:, 2] < 0.01
    square = place[:, 0] ** 2 + place[:, 1] ** 2 + 4.0
    expected = 5.0 * 2.0 / square**1.5
    # The shade's edge at x = 0.5, z = 1 throws its shadow from x = 1 on, blurred by the lamp's size.
    blur = 1.5 * LAMP_RADIUS_M
    lit, dark = on_floor & (place[:, 0] < 1.0 - 2 * blur), on_floor & (place[:, 0] > 1.0 + 2 * blur)
    assert lit.sum() > 50 and dark.sum() > 50
    np.testing.assert_allclose(light[lit], expected[lit], rtol=0.02)
    assert (light[dark] == 0.0).all()


def test_rooms_without_lamps_get_one_each_inside():
    corner = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 1.0], [1.0, 1.0], [1.0, 4.0], [0.0, 4.0]])
    rooms = (Room("L", corner), Room("low", corner + 10.0, height_m=2.0, floor_z=3.0))
    scene = Scene("rooms", "test", (), (box_mesh(OrientedBox.axis_aligned(np.zeros(3), np.ones(3))),), rooms=rooms)
    first, second = (lamp.position for lamp in lamps_of(scene, np.zeros(3)))
    assert 0.0 < first[0] < 4.0 and 0.0 < first[1] < 4.0 and (first[0] < 1.0 or first[1] < 1.0)
    assert first[2] == pytest.approx(2.2) and second[2] == pytest.approx(3.0 + 1.7)


def test_points_inside_solids_take_their_neighbours_light():
    # A post stands in the floor: the floor's points below it are dark, but must not darken the floor around.
    floor = OrientedBox.axis_aligned(np.array([-2.0, -2.0, -0.2]), np.array([2.0, 2.0, 0.0]))
    post = OrientedBox.axis_aligned(np.array([-0.4, -0.4, -0.1]), np.array([0.4, 0.4, 0.3]))
    surfaces = gather_surfaces(Scene("post", "test", (), (box_mesh(floor), box_mesh(post))))
    caster = RayCaster(surfaces.vertices, surfaces.faces)
    points = light_points(surfaces)
    visible = np.zeros(2 * len(surfaces.faces), dtype=np.int64)
    _, hidden = shading.look_around(caster, points.place, points.normal, visible, 48)
    place = points.place + surfaces.origin
    top = (np.abs(place[:, 2]) < 0.02) & (points.normal[:, 2] > 0.9)
    inside = (np.abs(place[:, :2]) < 0.39).all(axis=1)
    assert inside[top].sum() > 3
    assert (hidden[top & inside] == 1.0).all()
    assert (hidden[top & ~(np.abs(place[:, :2]) < 0.41).all(axis=1)] == 0.0).all()
    light = np.where(hidden > 0.0, 0.0, 0.8).astype(np.float32)[:, None].repeat(3, axis=1)
    filled = shading.filled(light, points, hidden)
    np.testing.assert_allclose(filled[top], 0.8, atol=1e-6)
