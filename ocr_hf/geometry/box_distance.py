"""Exact distance between oriented boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ocr_hf.geometry.boxes import CORNER_SIGNS, EDGES, OrientedBox

CHUNK = 512
"""Pairs worked on at once: bounds the memory of the edge-edge distances (144 a pair) to some tens of megabytes."""


def closest_points(
    first: Sequence[OrientedBox], second: Sequence[OrientedBox]
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"], Float[np.ndarray, "n"]]:
    """Return the closest points of each pair (first[i], second[i]) of solid boxes.

    Returns (points on `first` (N, 3), points on `second` (N, 3), distances (N,)), metres. Boxes that touch or
    intersect have distance 0. Two disjoint boxes are closest at a corner and a box, or at two edges; all of these are
    compared. Pairs of upright boxes, the usual furniture, are compared as rectangles and heights, many times faster.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} boxes cannot be paired with {len(second)}; give lists of equal length")
    points_a, points_b, distance = np.zeros((len(first), 3)), np.zeros((len(first), 3)), np.zeros(len(first))
    if len(first) == 0:
        return points_a, points_b, distance
    a, b = _Stack.of(first), _Stack.of(second)
    upright = a.upright() & b.upright()
    # Furniture stands upright, so the cheap routine does nearly all the pairs of a room; the general one is for tilted
    # boxes.
    for rows, measure in ((np.flatnonzero(upright), _closest_upright), (np.flatnonzero(~upright), _closest)):
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            points_a[part], points_b[part], distance[part] = measure(a.take(part), b.take(part))
    return points_a, points_b, distance


@dataclass(frozen=True)
class _Stack:
    """Several boxes: center (N, 3), half (N, 3) half extents, axes (N, 3, 3) columns."""

    center: np.ndarray
    half: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, boxes: Sequence[OrientedBox]) -> _Stack:
        center = np.array([box.center for box in boxes])
        return cls(center, np.array([box.size for box in boxes]) / 2.0, np.array([box.rotation for box in boxes]))

    def take(self, rows: np.ndarray) -> _Stack:
        return _Stack(self.center[rows], self.half[rows], self.axes[rows])

    def upright(self) -> Bool[np.ndarray, "n"]:
        """Return which boxes have their third axis along z."""
        # Standing on its head is upright too. The bound is tight, because the flat routine below would ignore a tilt.
        return np.abs(self.axes[:, 2, 2]) > 1.0 - 1e-12

    @property
    def corners(self) -> Float[np.ndarray, "n 8 3"]:
        return self.center[:, None] + (CORNER_SIGNS * self.half[:, None]) @ self.axes.transpose(0, 2, 1)


def _closest_upright(a: _Stack, b: _Stack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `_closest` does, for boxes that stand upright: one of two rectangles' closest points is a corner."""
    # Upright boxes are prisms: the squared distance is that of the two floor rectangles plus that of the two height
    # intervals, and the two can be minimised one after the other.
    flat_a, flat_b = _flattened(a), _flattened(b)
    # The z sign alternates fastest in CORNER_SIGNS, so every second corner gives the four of the flattened box once.
    corners_a, corners_b = flat_a.corners[:, ::2], flat_b.corners[:, ::2]
    candidates_a = np.concatenate([corners_a, _nearest_in_box(corners_b, flat_a)], axis=1)
    candidates_b = np.concatenate([_nearest_in_box(corners_a, flat_b), corners_b], axis=1)
    rows = np.arange(len(a.center))
    best = ((candidates_a - candidates_b) ** 2).sum(-1).argmin(axis=1)
    points_a, points_b = candidates_a[rows, best], candidates_b[rows, best]
    # Overlapping rectangles need have no corner in each other (two crossing bars), so the distance can't tell.
    above_each_other = ~_separated(flat_a, flat_b, edges=False)[:, None]
    middle = (points_a + points_b) / 2.0
    points_a = np.where(above_each_other, middle, points_a)
    points_b = np.where(above_each_other, middle, points_b)
    low = np.maximum(a.center[:, 2] - a.half[:, 2], b.center[:, 2] - b.half[:, 2])
    high = np.minimum(a.center[:, 2] + a.half[:, 2], b.center[:, 2] + b.half[:, 2])
    # Where the heights overlap both points are in the middle of the overlap, elsewhere on the facing sides.
    a_below = a.center[:, 2] < b.center[:, 2]
    points_a[:, 2] = np.where(low <= high, (low + high) / 2.0, np.where(a_below, high, low))
    points_b[:, 2] = np.where(low <= high, (low + high) / 2.0, np.where(a_below, low, high))
    return points_a, points_b, np.linalg.norm(points_a - points_b, axis=1)


def _flattened(boxes: _Stack) -> _Stack:
    return _Stack(boxes.center * [1.0, 1.0, 0.0], boxes.half * [1.0, 1.0, 0.0], boxes.axes)


def _closest(a: _Stack, b: _Stack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    on_b = _nearest_in_box(a.corners, b)
    on_a = _nearest_in_box(b.corners, a)
    edge_a, edge_b = _nearest_on_edges(a.corners[:, EDGES], b.corners[:, EDGES])
    candidates_a = np.concatenate([a.corners, on_a, edge_a], axis=1)
    candidates_b = np.concatenate([on_b, b.corners, edge_b], axis=1)
    squared = ((candidates_a - candidates_b) ** 2).sum(-1)
    best = squared.argmin(axis=1)
    rows = np.arange(len(best))
    points_a, points_b = candidates_a[rows, best], candidates_b[rows, best]
    # Candidates lie on the surfaces, so their distance says nothing about boxes that interpenetrate; the separating
    # axis test decides that.
    together = ~_separated(a, b)
    middle = (points_a + points_b) / 2.0
    points_a, points_b = np.where(together[:, None], middle, points_a), np.where(together[:, None], middle, points_b)
    return points_a, points_b, np.linalg.norm(points_a - points_b, axis=1)


def _nearest_in_box(points: np.ndarray, box: _Stack) -> np.ndarray:
    """Return the nearest points (N, K, 3) of the solid boxes to `points` (N, K, 3)."""
    local = (points - box.center[:, None]) @ box.axes
    local = np.clip(local, -box.half[:, None], box.half[:, None])
    return box.center[:, None] + local @ box.axes.transpose(0, 2, 1)


def _nearest_on_edges(edges_a: np.ndarray, edges_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the closest points (N, E * F, 3) of every pair of segments of (N, E, 2, 3) and (N, F, 2, 3)."""
    # Ericson, Real-Time Collision Detection (2005), section 5.1.9: minimise over both parameters, clamp one, solve for
    # the other, clamp again. One pass suffices because the objective is convex.
    start_a, start_b = edges_a[:, :, None, 0], edges_b[:, None, :, 0]
    along_a, along_b = edges_a[:, :, None, 1] - start_a, edges_b[:, None, :, 1] - start_b
    between = start_a - start_b
    aa, bb, ab = (along_a**2).sum(-1), (along_b**2).sum(-1), (along_a * along_b).sum(-1)
    ad, bd = (along_a * between).sum(-1), (along_b * between).sum(-1)
    # Parallel edges have no unique pair; any start will do, because the corners of the boxes are compared too.
    determinant = aa * bb - ab * ab
    s = np.where(determinant > 1e-12 * aa * bb, (ab * bd - ad * bb) / np.where(determinant > 0.0, determinant, 1.0), 0)
    s = np.clip(s, 0.0, 1.0)
    t = np.clip((ab * s + bd) / np.where(bb > 0.0, bb, 1.0), 0.0, 1.0)
    s = np.clip((ab * t - ad) / np.where(aa > 0.0, aa, 1.0), 0.0, 1.0)
    points_a, points_b = start_a + s[..., None] * along_a, start_b + t[..., None] * along_b
    count = points_a.shape[1] * points_a.shape[2]
    return points_a.reshape(-1, count, 3), points_b.reshape(-1, count, 3)


def _separated(a: _Stack, b: _Stack, edges: bool = True) -> Bool[np.ndarray, "n"]:
    """Return whether a separating axis exists: three face normals of each box, and nine cross products of edges.

    edges : False leaves out the cross products, which upright boxes don't need
    """
    # Gottschalk, Lin and Manocha, OBBTree (SIGGRAPH 1996): these fifteen axes are enough for two boxes.
    normals_a, normals_b = a.axes.transpose(0, 2, 1), b.axes.transpose(0, 2, 1)
    axes = [normals_a, normals_b]
    if edges:
        axes.append(np.cross(normals_a[:, :, None], normals_b[:, None, :]).reshape(-1, 9, 3))
    axes = np.concatenate(axes, axis=1)
    reach_a = (np.abs(axes @ a.axes) * a.half[:, None]).sum(-1)
    reach_b = (np.abs(axes @ b.axes) * b.half[:, None]).sum(-1)
    gap = np.abs((axes @ (b.center - a.center)[:, :, None])[:, :, 0]) - reach_a - reach_b
    # The cross product of parallel edges is the zero vector, whose gap is 0: strictly greater keeps it from counting as
    # a separating axis. Touching boxes count as joined.
    return (gap > 1e-12).any(axis=1)
