"""Finer triangles where an edit makes light change: at new shadows and around what was put down."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ocr_hf.geometry.cutting import Triangles, cut_edges
from ocr_hf.geometry.triples import means
from ocr_hf.scenes.render.edit_reach import Reach
from ocr_hf.scenes.render.light_points import LightPoints, light_points, with_backs
from ocr_hf.scenes.render.refine import ROUNDS, uneven_edges, usual_light
from ocr_hf.scenes.render.surfaces import Surfaces


@dataclass(frozen=True, eq=False)
class Pieces:
    """What some triangles of a scene are cut into.

    surfaces : the Q pieces, with all the vertices of the scene before their own
    parent : (Q,) int64, the triangles that they come from
    weight : (Q, 3, 3) float32, what the parent's corners weigh at each corner of a piece
    """

    surfaces: Surfaces
    parent: np.ndarray
    weight: np.ndarray

    def between(self, values: np.ndarray, of_corner: np.ndarray, corner: np.ndarray) -> np.ndarray:
        """Return what values (P, ...) of the scene's points are at corners of pieces.

        of_corner : (2, F, 3), the scene's; corner : (n, 3), side, piece and corner of each
        """
        side, piece, number = corner.T
        weight = self.weight[piece, number]
        values = values[of_corner[side, self.parent[piece]]]
        return np.einsum("nk,nk...->n...", weight, values)

    def corners(self, values: np.ndarray) -> np.ndarray:
        """Return values (2, Q, 3, X) at the pieces' corners of those (2, Q, 3, X) at their parents' corners."""
        return np.einsum("qck,sqkx->sqcx", self.weight, values)

    def points(self, baked: LightPoints) -> tuple[LightPoints, np.ndarray]:
        """Return (the light points of the pieces, (p, 4) int64: side, piece, corner of one of each point's corners).

        baked : the points of the scene. Corners of the scene's triangles keep theirs; the pieces' are numbered after.
        """
        points = light_points(self.surfaces)
        backs = (baked.of_corner[0] != baked.of_corner[1]).any(axis=1)[self.parent]
        points = with_backs(points, backs) if backs.any() else points
        middle = np.broadcast_to((self.weight < 1.0).all(axis=2), points.of_corner.shape)
        used, first, number = np.unique(points.of_corner[middle], return_index=True, return_inverse=True)
        own = self.weight.argmax(axis=2)
        of_corner = np.take_along_axis(baked.of_corner[:, self.parent], np.broadcast_to(own, middle.shape), axis=2)
        of_corner = of_corner.astype(np.int64)
        of_corner[middle] = number.reshape(-1) + len(baked.place)
        return LightPoints(points.place[used], points.normal[used], of_corner), np.argwhere(middle)[first]


def cut_at_changes(reach: Reach, chosen: np.ndarray, kept: np.ndarray) -> Pieces | None:
    """Cut triangles as `refine` does; None where light is even.

    chosen : (F,) bool, triangles to cut; their neighbours are cut only where they share a cut edge
    kept : (F,) bool, triangles that the edited scene still has
    """
    lit = reach.lit
    surfaces = lit.surfaces
    meets = np.zeros(len(surfaces.vertices), dtype=bool)
    meets[surfaces.faces[chosen]] = True
    # Whoever shares an edge with a chosen triangle has two corners in common with it.
    working = np.flatnonzero(kept & (meets[surfaces.faces].sum(axis=1) >= 2))
    if not len(working):
        return None
    whole = surfaces.triangles()[working]
    origin = np.zeros((len(working), 3, 4), dtype=np.float32)
    origin[..., :3] = np.eye(3, dtype=np.float32)
    origin[..., 3] = np.arange(len(working))[:, None]  # exact in float32, and halfway between two equal numbers too
    active = replace(whole, attributes=np.concatenate([whole.attributes, origin], axis=2))
    changed = np.ones(len(working), dtype=bool)
    typical = usual_light(means(lit.baked.lamp, 1))
    for _ in range(ROUNDS):
        asked = changed & chosen[working[_parent(active)]]
        keys, _ = uneven_edges(surfaces, active, asked, reach.caster, reach.shadow, lit.lamps, typical)
        if not len(keys):
            break
        active, changed = cut_edges(active, keys)
    parent = _parent(active)
    cut = np.bincount(parent, minlength=len(working))[parent] > 1
    if not cut.any():
        return None
    active, parent = active[cut], parent[cut]
    return Pieces(surfaces.with_triangles(active), working[parent], active.attributes[..., 5:8])


def _parent(active: Triangles) -> np.ndarray:
    return active.attributes[:, 0, 8].astype(np.int64)
