"""The places at which light is computed: corners of triangles, merged where they crowd; and where they look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.triples import lengths, means
from ocr_hf.scenes.render.normals import corner_normals
from ocr_hf.scenes.render.surfaces import Surfaces

MERGE_M = 0.02
"""Points nearer to each other than about this, and facing alike, are computed once."""
INWARD, INWARD_M = 0.05, 0.01
"""Points move by this share (at most so many metres) from the corner into their triangles: exactly in the corner of
a room they would lie in the wall."""

LIFT_M = 0.003
"""Rays start this far above their surface, so that it doesn't shade itself."""


@dataclass(frozen=True, eq=False)
class LightPoints:
    """Where light is computed.

    place : (P, 3) float32, on the surface; normal : (P, 3) float32, away from it
    of_corner : (2, F, 3) int32, the point that lights each corner of each triangle, seen from its front or back
    """

    place: np.ndarray
    normal: np.ndarray
    of_corner: np.ndarray


def light_points(surfaces: Surfaces) -> LightPoints:
    """Return the points of all triangles' fronts; their backs share them."""
    corners = surfaces.corners()
    normal = corner_normals(corners, surfaces.faces, surfaces.part).reshape(-1, 3)
    inward = means(corners, 1)[:, None] - corners
    share = np.minimum(np.float32(INWARD), np.float32(INWARD_M) / np.maximum(lengths(inward), np.float32(1e-9)))
    inward *= share[..., None]
    part = np.repeat(surfaces.part.astype(np.int64), 3)
    vertex = surfaces.faces.reshape(-1).astype(np.int64)
    # First one point per place and direction, at the mean of what meets there; then one per small cell.
    # Never across parts: two meshes that touch (a cup on a table) are lit on their own.
    point, _ = _numbered(part, vertex, _direction_code(normal, 4))
    place = _mean((corners + inward).reshape(-1, 3), point)
    normal = _mean(normal, point)
    normal /= np.maximum(lengths(normal), np.float32(1e-9))[:, None]
    owner = np.zeros(len(place), dtype=np.int64)
    owner[point] = part
    cell = np.floor(place / np.float32(MERGE_M)).astype(np.int64) - 2**20
    merged, first = _numbered(owner, cell[:, 0], cell[:, 1], cell[:, 2], _direction_code(normal, 2))
    of_corner = merged[point].astype(np.int32).reshape(1, -1, 3)
    return LightPoints(place[first], normal[first], np.repeat(of_corner, 2, axis=0))


def with_backs(points: LightPoints, faces: np.ndarray) -> LightPoints:
    """Return `points` and, for the backs of the triangles chosen by `faces` (F,) bool, points that face away."""
    used, index = np.unique(points.of_corner[0, faces], return_inverse=True)
    of_corner = points.of_corner.copy()
    of_corner[1, faces] = index.reshape(-1, 3) + len(points.place)
    return LightPoints(
        np.concatenate([points.place, points.place[used]]),
        np.concatenate([points.normal, -points.normal[used]]),
        of_corner,
    )


def spiral(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return angles (count,) in radians and heights (count,) in (0, 1) of evenly spread points: a golden spiral."""
    step = np.arange(count) + 0.5
    return step * np.pi * (3.0 - np.sqrt(5.0)), 1.0 - step / count


def hemisphere(normal: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Yield `count` unit directions (P, 3) float32 above surfaces with normals (P, 3), as a matte surface weighs them.

    The same turns from each normal, so equal surroundings get equal light and no noise appears.
    """
    # Basis of Duff et al., "Building an Orthonormal Basis, Revisited" (JCGT 2017).
    x, y, z = normal.T
    sign = np.where(z >= 0.0, np.float32(1.0), np.float32(-1.0))
    a = np.float32(-1.0) / (sign + z)
    b = x * y * a
    first = np.stack([np.float32(1.0) + sign * x * x * a, sign * b, -sign * x], axis=1)
    second = np.stack([b, sign + y * y * a, -y], axis=1)
    for turn, height in zip(*spiral(count), strict=True):
        radius = np.sqrt(1.0 - height)
        along, across, up = np.array([radius * np.cos(turn), radius * np.sin(turn), np.sqrt(height)], np.float32)
        # Malley's method: a uniform spiral on the disc, lifted onto the hemisphere, is cosine-weighted (Pharr, Jakob
        # and Humphreys, Physically Based Rendering, 13.6.3). Each ray then has the same weight.
        yield first * along + second * across + normal * up


def _direction_code(normal: np.ndarray, steps: int) -> np.ndarray:
    """Return (N,) int64, equal for normals (N, 3) that agree to about 1 / steps."""
    x, y, z = (np.rint(normal * steps).astype(np.int64) + steps).T
    return (x * (2 * steps + 1) + y) * (2 * steps + 1) + z


def _numbered(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for rows of int64 keys (N,) each their number, equal rows having one, and each number's first row."""
    order = np.lexsort(keys)
    changed = np.zeros(len(order) - 1, dtype=bool)
    for key in keys:
        ordered = key[order]
        changed |= ordered[1:] != ordered[:-1]
    new = np.append(True, changed)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return number, order[new]  # lexsort is stable: the first of a run is the row that came first


def _mean(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return the mean (M, 3) float32 of the values (N, 3) with each number (N,)."""
    count = np.bincount(number)
    return np.stack([np.bincount(number, weights=v) / count for v in values.T], axis=1).astype(np.float32)
