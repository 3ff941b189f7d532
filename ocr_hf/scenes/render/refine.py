"""Finer triangles where light changes: at the edges of shadows and around what stands on the floor."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.cutting import Triangles, cut_edges, triangle_areas
from ocr_hf.geometry.triples import largest, means
from ocr_hf.scenes.render.edited_caster import EditedCaster
from ocr_hf.scenes.render.lamps import lamp_light, without_emitters
from ocr_hf.scenes.render.light_points import LIFT_M, LightPoints, hemisphere, light_points
from ocr_hf.scenes.render.ray_caster import RayCaster
from ocr_hf.scenes.render.surfaces import Surfaces
from ocr_hf.scenes.scene import Light

MIN_EDGE_M, MIN_AREA_M2 = 0.12, 0.002
"""Edges shorter than this, and the edges of triangles smaller than this, are not cut."""
ROUNDS = 3
STEP = 0.18
"""An edge is cut if the light at its ends differs by more than this share of typical light."""
NEAR_M, RAYS = 0.5, 24
"""Niches are probed with RAYS rays of length NEAR_M."""
MAX_NEW_FACES = 150_000


def refine(
    surfaces: Surfaces,
    caster: RayCaster | EditedCaster,
    lamps: list[Light],
    shadow: RayCaster | EditedCaster | None = None,
) -> Surfaces:
    """Return `surfaces` with edges halved where lamp light or the openness of the place changes along them.

    caster : casts at the same surfaces (cutting doesn't move them)
    lamps : relative to the surfaces' origin; shadow : casts at what blocks their light; None: at what doesn't glow
    """
    shadow = shadow or without_emitters(surfaces, caster)
    active, budget, typical = surfaces.triangles(), len(surfaces.faces) + MAX_NEW_FACES, 0.0
    changed = np.ones(len(active.faces), dtype=bool)
    for _ in range(ROUNDS):
        # Only triangles that the last round cut: the others' light was compared already.
        keys, typical = uneven_edges(surfaces, active, changed, caster, shadow, lamps, typical)
        # A cut edge has two triangles beside it and adds one to each.
        if not len(keys) or len(active.faces) + 2 * len(keys) > budget:
            break
        active, changed = cut_edges(active, keys)
    return surfaces.with_triangles(active)


def uneven_edges(
    surfaces: Surfaces,
    active: Triangles,
    chosen: np.ndarray,
    caster: RayCaster | EditedCaster,
    shadow: RayCaster | EditedCaster,
    lamps: list[Light],
    typical: float,
) -> tuple[np.ndarray, float]:
    """Return the sorted keys (K,) of those edges of the `chosen` (F,) triangles along which light changes.

    active : the triangles, of `surfaces`; typical : lamp light that is usual, 0 to take it from these places
    Returns (keys, the usual lamp light).
    """
    large = triangle_areas(active.vertices[active.faces]) > MIN_AREA_M2
    keep = chosen & large & (largest(active.edge_lengths()) > MIN_EDGE_M)
    if not keep.any():
        return np.zeros(0, dtype=np.int64), typical
    points = light_points(surfaces.with_triangles(active[keep]))
    light = means(lamp_light(shadow, points, lamps, more=0), 1)
    typical = typical or usual_light(light)
    # x / (x + typical) compresses as the eye does: a step in the dark counts as much as one in the light.
    shade = (_openness(caster, points) + light / (light + np.float32(typical)))[points.of_corner[0]]
    uneven = np.abs(shade - shade[:, [1, 2, 0]]) > STEP
    uneven &= active[keep].edge_lengths() > MIN_EDGE_M
    return np.unique(active.edge_keys()[keep][uneven]), typical


def usual_light(light: np.ndarray) -> float:
    """Return the median of the lamp light (P,) where there is any, else 1."""
    lit = light[light > 0.0]
    return float(np.median(lit)) if len(lit) else 1.0


def _openness(caster: RayCaster | EditedCaster, points: LightPoints) -> np.ndarray:
    """Return the share (P,) float32 of the hemisphere above each point that is free up to NEAR_M."""
    rays = np.empty((len(points.place), 6), dtype=np.float32)
    rays[:, :3] = points.place + points.normal * np.float32(LIFT_M)
    free = np.zeros(len(rays), dtype=np.float32)
    for direction in hemisphere(points.normal, RAYS):
        rays[:, 3:] = direction * np.float32(NEAR_M)
        free += ~caster.blocked(rays)
    return free / RAYS
