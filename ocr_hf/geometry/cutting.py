"""Cutting triangles into smaller ones without opening cracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.triples import largest, lengths

MAX_EDGE_M = 0.35
"""Edges longer than this are halved, so that light interpolated between corners follows the large shadows."""
MIN_CUT_AREA_M2 = 0.004
"""Smaller triangles are cut only where a neighbour cuts a shared edge: slivers would fall into thousands of pieces."""
MAX_CUT_FACES = 150_000
"""About how many triangles `halve_long_edges` may make; larger scenes get longer edges."""


@dataclass(frozen=True, eq=False)
class Triangles:
    """Triangles with values at their corners.

    vertices : (V, 3) float32, metres; faces : (F, 3) int64, equal places have equal indices
    attributes : (F, 3, A) float32, interpolated along cut edges; part : (F,) int32, passed on
    """

    vertices: np.ndarray
    faces: np.ndarray
    attributes: np.ndarray
    part: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Triangles:
        """Return the chosen (F,) triangles with all the vertices."""
        return Triangles(self.vertices, self.faces[chosen], self.attributes[chosen], self.part[chosen])

    def edge_keys(self) -> np.ndarray:
        """Return (F, 3) int64, a number for each edge (edge i joins corners i and i + 1), equal where it is shared."""
        following = self.faces[:, [1, 2, 0]]
        return np.minimum(self.faces, following) * len(self.vertices) + np.maximum(self.faces, following)

    def edge_lengths(self) -> np.ndarray:
        """Return (F, 3) float32 lengths of the edges, metres."""
        corners = self.vertices[self.faces]
        return lengths(corners - corners[:, [1, 2, 0]])


def joined(pieces: list[Triangles]) -> Triangles:
    """Return all the triangles of `pieces`; the last one's vertices include the others'."""
    arrays = [(piece.faces, piece.attributes, piece.part) for piece in pieces]
    return Triangles(pieces[-1].vertices, *(np.concatenate(parts) for parts in zip(*arrays, strict=True)))


def triangle_areas(corners: np.ndarray) -> np.ndarray:
    """Return the areas (F,) of triangles (F, 3, 3)."""
    return 0.5 * lengths(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def halve_long_edges(triangles: Triangles) -> Triangles:
    """Halve the longest edges of all but the smallest triangles until they are about MAX_EDGE_M long at most."""
    areas = triangle_areas(triangles.vertices[triangles.faces])
    # A triangle whose longest edge lies between L/2 and L has an area of about L^2 / 6.
    budget = float(np.sqrt(6.0 * areas[areas > MIN_CUT_AREA_M2].sum(dtype=np.float64) / MAX_CUT_FACES))
    max_edge = max(MAX_EDGE_M, budget)
    done = []
    while True:
        length = triangles.edge_lengths()
        # Only each triangle's longest edge is halved (longest-edge bisection, Rivara 1984): repeated midpoint cuts of
        # all edges would quadruple the triangles where one cut is enough.
        short = largest(length) <= max_edge
        # Only long edges are cut, so a triangle without one has no neighbour that could cut it: finished for good.
        done.append(triangles[short])
        triangles, longest = triangles[~short], length[~short].argmax(axis=1)
        large = triangle_areas(triangles.vertices[triangles.faces]) > MIN_CUT_AREA_M2
        keys = np.unique(triangles.edge_keys()[large, longest[large]])
        if not len(keys):
            return joined([*done, triangles])
        triangles, _ = cut_edges(triangles, keys)


def cut_edges(triangles: Triangles, keys: np.ndarray) -> tuple[Triangles, np.ndarray]:
    """Halve the edges with the given sorted, unique `keys` (see Triangles.edge_keys) in all triangles that have them.

    Returns (triangles, (F,) bool: which of them are new pieces).
    """
    key = triangles.edge_keys()
    middle = np.searchsorted(keys, key)
    # searchsorted gives len(keys) beyond the last key; clamped, the comparison then says no.
    cut = keys[np.minimum(middle, len(keys) - 1)] == key
    count = cut.sum(axis=1)
    low, high = np.divmod(keys, len(triangles.vertices))
    # The middle is made from the edge's key, not from a triangle, so both neighbours get the same vertex: no
    # T-junction, hence no crack through which rays could slip.
    middles = (triangles.vertices[low] + triangles.vertices[high]) * np.float32(0.5)
    vertices = np.concatenate([triangles.vertices, middles])
    whole = count == 0
    pieces = [Triangles(vertices, triangles.faces[whole], triangles.attributes[whole], triangles.part[whole])]
    touched = np.flatnonzero(~whole)
    cut, count, part = cut[touched], count[touched], triangles.part[touched]
    # Turn each triangle so that its cut edges come first.
    first = np.where(count == 1, cut.argmax(axis=1), np.where(count == 2, (cut.argmin(axis=1) + 1) % 3, 0))
    turn = (first[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(triangles.faces[touched], turn, axis=1)
    middle = np.take_along_axis(middle[touched], turn, axis=1) + len(triangles.vertices)
    attributes = np.take_along_axis(triangles.attributes[touched], turn[:, :, None], axis=1)
    for number, patterns in _PIECES.items():
        chosen = count == number
        corner = np.concatenate([faces[chosen], middle[chosen]], axis=1)
        values = attributes[chosen]
        values = np.concatenate([values, (values + values[:, [1, 2, 0]]) * np.float32(0.5)], axis=1)
        for pattern in patterns:
            pieces.append(Triangles(vertices, corner[:, pattern], values[:, pattern], part[chosen]))
    result = joined(pieces)
    return result, np.arange(len(result.faces)) >= whole.sum()


_PIECES = {
    1: ((0, 3, 2), (3, 1, 2)),
    2: ((3, 1, 4), (0, 3, 4), (0, 4, 2)),
    3: ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)),
}
"""Triangles into which one falls when its first 1, 2 or 3 edges are cut: corners 0-2, middles 3-5 of edges 0-2."""
