"""Lamps: where they are and what arrives straight from them."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.light_points import LIFT_M, LightPoints, spiral
from ocr_hf.scenes.ray_caster import RayCaster
from ocr_hf.scenes.scene import Light, Scene
from ocr_hf.scenes.surfaces import Surfaces

LAMP_RADIUS_M = 0.12
"""Lamps are balls of this size, so that shadows have soft edges."""
NEAR_M = 0.5
"""Nearer than this to a lamp, its light no longer grows."""
DEFAULT_POWER, DEFAULT_HEIGHT_M = 4.0, 2.2
"""For scenes without lamps: one in each room, this bright and at most this high."""


def lamps_of(scene: Scene, origin: np.ndarray) -> list[Light]:
    """Return the scene's lamps relative to `origin` (3,); of a scene without, one in the middle of each room."""
    lamps = list(scene.lights)
    if not lamps:
        from shapely.geometry import Polygon

        for room in scene.rooms:
            middle = Polygon(room.polygon).representative_point()
            height = room.floor_z + min(DEFAULT_HEIGHT_M, 0.85 * room.height_m)
            lamps.append(Light(np.array([middle.x, middle.y, height]), np.full(3, DEFAULT_POWER)))
    return [Light(np.asarray(lamp.position) - origin, np.asarray(lamp.power)) for lamp in lamps]


def without_emitters(surfaces: Surfaces, caster: RayCaster) -> RayCaster:
    """Return a caster for shadows: a glowing lamp shade doesn't hold back the light of the lamp inside it."""
    dark = surfaces.emission[surfaces.part] <= 0.0
    if dark.all() or not dark.any():
        return caster
    return RayCaster(surfaces.vertices, np.ascontiguousarray(surfaces.faces[dark]))


def lamp_light(caster: RayCaster, points: LightPoints, lamps: list[Light], more: int) -> np.ndarray:
    """Return what arrives straight from the lamps, (P, 3) float32, linear.

    Four points of each lamp are tested for shadow, and `more` where they disagree: in the edge of a shadow.
    """
    light = np.zeros((len(points.place), 3), dtype=np.float32)
    start = points.place + points.normal * np.float32(LIFT_M)
    for lamp in lamps:
        toward = lamp.position.astype(np.float32) - start
        square = np.einsum("ij,ij->i", toward, toward)
        facing = np.einsum("ij,ij->i", toward, points.normal) / np.sqrt(np.maximum(square, np.float32(1e-12)))
        strength = np.maximum(facing, 0.0) / np.maximum(square, np.float32(NEAR_M**2))
        lit = np.flatnonzero(strength * lamp.power.max() > 0.005)
        rays = np.concatenate([start[lit], toward[lit]], axis=1)
        share = _open_share(caster, rays, 4)
        edge = np.flatnonzero((share > 0.0) & (share < 1.0))
        if more and len(edge):
            share[edge] = (4.0 * share[edge] + more * _open_share(caster, rays[edge], more)) / (4.0 + more)
        light[lit] += (share * strength[lit])[:, None] * lamp.power.astype(np.float32)
    return light


def _open_share(caster: RayCaster, rays: np.ndarray, samples: int) -> np.ndarray:
    """Return the share (N,) float32 of `samples` points of a lamp that the starts of rays (N, 6) to its middle see."""
    turn, height = spiral(samples)
    height = 2.0 * height - 1.0
    radius = np.sqrt(1.0 - height**2)
    ball = LAMP_RADIUS_M * np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)
    middle, share = rays[:, 3:].copy(), np.zeros(len(rays), dtype=np.float32)
    rays = rays.copy()
    for offset in ball.astype(np.float32):
        rays[:, 3:] = middle + offset
        share += ~caster.blocked(rays)
    return share / np.float32(samples)
