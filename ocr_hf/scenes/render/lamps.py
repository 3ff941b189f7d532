"""Lamps: where they are, and their direct light."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.render.light_points import LIFT_M, LightPoints, spiral
from ocr_hf.scenes.render.ray_caster import RayCaster
from ocr_hf.scenes.render.surfaces import Surfaces
from ocr_hf.scenes.scene import Light, Room, Scene, SceneObject

LAMP_RADIUS_M = 0.12
"""Lamps are balls of this size, so that shadows have soft edges."""
NEAR_M = 0.5
"""Inverse-square falloff stops here: nearer to a lamp its light no longer grows, or its shade would burn out."""
DEFAULT_POWER, DEFAULT_HEIGHT_M = 4.0, 2.2
"""For scenes without lamps: one in each room, this bright and at most this high."""
CLEAR_M = 0.9
"""Such a lamp keeps this distance from objects, whose shadows would otherwise fill the room."""


def lamps_of(scene: Scene, origin: np.ndarray) -> list[Light]:
    """Return the scene's lamps relative to `origin` (3,); of a scene without, one near the middle of each room."""
    lamps = scene.lights or [
        Light(_default_lamp_position(room, scene.objects), np.full(3, DEFAULT_POWER)) for room in scene.rooms
    ]
    return [Light(np.asarray(lamp.position) - origin, np.asarray(lamp.power)) for lamp in lamps]


def _default_lamp_position(room: Room, objects: tuple[SceneObject, ...]) -> np.ndarray:
    """Return the place (3,) for a room's lamp: near the middle, but away from chandeliers and high cupboards."""
    from shapely import contains_xy
    from shapely.geometry import Polygon

    outline = Polygon(room.polygon)
    middle = outline.representative_point()
    steps = np.arange(-4, 5) * 0.4
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) + [middle.x, middle.y]
    places = places[contains_xy(outline, *places.T)]
    away = np.linalg.norm(places - [middle.x, middle.y], axis=1)
    height = room.floor_z + min(DEFAULT_HEIGHT_M, 0.85 * room.height_m)
    places = np.column_stack([places, np.full(len(places), height)])
    gap = np.full(len(places), np.inf)
    for item in objects:
        outside = np.abs(item.box.to_local(places)) - item.box.size / 2.0
        gap = np.minimum(gap, np.linalg.norm(np.maximum(outside, 0.0), axis=1))
    # A soft constraint: in a crowded room some place must be taken, the one that trades least.
    return places[np.argmin(away + 5.0 * np.maximum(CLEAR_M - gap, 0.0))]


def without_emitters(surfaces: Surfaces, caster: RayCaster) -> RayCaster:
    """Return a caster for shadows: a glowing lamp shade doesn't block the light of the lamp inside it."""
    dark = surfaces.emission[surfaces.part] <= 0.0
    if dark.all() or not dark.any():
        return caster
    return RayCaster(surfaces.vertices, np.ascontiguousarray(surfaces.faces[dark]))


def lamp_light(caster: RayCaster, points: LightPoints, lamps: list[Light], more: int) -> np.ndarray:
    """Return the direct light of the lamps, (P, 3) float32, linear.

    Four points of each lamp are tested for shadow, and `more` where they disagree: in the edge of a shadow.
    """
    light = np.zeros((len(points.place), 3), dtype=np.float32)
    start = points.place + points.normal * np.float32(LIFT_M)
    for lamp in lamps:
        toward = lamp.position.astype(np.float32) - start
        square = np.einsum("ij,ij->i", toward, toward)
        facing = np.einsum("ij,ij->i", toward, points.normal) / np.sqrt(np.maximum(square, np.float32(1e-12)))
        strength = np.maximum(facing, 0.0) / np.maximum(square, np.float32(NEAR_M**2))
        # Light this weak is invisible; leaving it out saves most of the shadow rays in a flat of several rooms.
        lit = np.flatnonzero(strength * lamp.power.max() > 0.005)
        rays = np.concatenate([start[lit], toward[lit]], axis=1)
        share = open_share(caster, rays, 4)
        edge = np.flatnonzero((share > 0.0) & (share < 1.0))
        if more and len(edge):
            share[edge] = (4.0 * share[edge] + more * open_share(caster, rays[edge], more)) / (4.0 + more)
        light[lit] += (share * strength[lit])[:, None] * lamp.power.astype(np.float32)
    return light


def open_share(caster: RayCaster, rays: np.ndarray, samples: int) -> np.ndarray:
    """Return the share (N,) float32 of `samples` points of a lamp that the starts of rays (N, 6) to its middle see."""
    turn, height = spiral(samples)
    height = 2.0 * height - 1.0
    radius = np.sqrt(1.0 - height**2)
    ball = LAMP_RADIUS_M * np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)
    middle, share = rays[:, 3:].copy(), np.zeros(len(rays), dtype=np.float32)
    rays = rays.copy()
    for offset in ball.astype(np.float32):
        # Direction reaches exactly to the lamp (length 1 = the lamp), so `blocked` sees only what lies between.
        rays[:, 3:] = middle + offset
        share += ~caster.blocked(rays)
    return share / np.float32(samples)
