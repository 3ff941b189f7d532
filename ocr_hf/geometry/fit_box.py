"""Tight upright boxes around points."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox

MIN_EXTENT_M = 0.002
"""Paper-thin objects (rugs, posters) get this thickness, since a box without volume can't be asked about."""
TURN_GAIN = 0.97
"""A turned box must cover less than this share of the axis-aligned one's floor area to be preferred: round things
have no direction of their own."""


def fit_upright_box(points: np.ndarray) -> OrientedBox:
    """Return the box, turned about +Z only, of least floor area around points (N, 3) in metres.

    The turn is within (-45, 45] degrees, so size[0] and size[1] lie nearest to x and y.
    Raises ValueError for no points, values that are not finite, or points on one line.
    """
    from scipy.spatial import ConvexHull, QhullError

    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise ValueError(f"points have shape {points.shape}; give (N, 3) with at least one point")
    if not np.isfinite(points).all():
        raise ValueError("points hold a value that is not finite; check the mesh")
    extent = np.sort(np.ptp(points, axis=0))
    if extent[1] < 1e-6:
        raise ValueError(f"points span only {extent[::-1].tolist()} m along x, y, z; a box needs at least two extents")
    yaw = 0.0
    try:
        # A rectangle of least area has a side along an edge of the convex hull (Freeman and Shapira 1975), so the
        # hull's edges are the only directions to try.
        hull = points[ConvexHull(points[:, :2]).vertices, :2]
        edges = np.roll(hull, -1, axis=0) - hull
        angles = np.arctan2(edges[:, 1], edges[:, 0])
    except QhullError:
        # Seen from above it is a line (a poster on a wall): only its own direction can be tight.
        _, _, axes = np.linalg.svd(points[:, :2] - points[:, :2].mean(axis=0), full_matrices=False)
        hull, angles = points[:, :2], np.arctan2(axes[:1, 1], axes[:1, 0])
    # Angle 0, the axis-aligned box, comes first: argmin then prefers it among equals.
    angles = np.append(0.0, _quarter(angles))
    spans = np.array([_spans(hull, angle) for angle in angles])
    # Lines have no area; their longest side stands in for it.
    cost = np.maximum(spans, MIN_EXTENT_M).prod(axis=1)
    best = int(cost.argmin())
    # Below 1e-4 rad the turn is rounding noise in the mesh; 0 keeps such boxes exactly axis-aligned.
    if cost[best] < TURN_GAIN * cost[0] and abs(angles[best]) > 1e-4:
        yaw = float(angles[best])
    turned = points[:, :2] @ _axes(yaw)
    low = np.append(turned.min(axis=0), points[:, 2].min())
    high = np.append(turned.max(axis=0), points[:, 2].max())
    center = (low + high) / 2.0
    center[:2] = _axes(yaw) @ center[:2]
    return OrientedBox.upright(center, np.maximum(high - low, MIN_EXTENT_M), yaw)


def _quarter(angles: np.ndarray) -> np.ndarray:
    """Return the angles, turned by multiples of 90 degrees, within (-45, 45] degrees."""
    # ceil, not round: np.round sends exact halves to even numbers, hence 45 degrees to either end of the range.
    quarter = np.pi / 2.0
    return angles - quarter * np.ceil(angles / quarter - 0.5)


def _axes(yaw: float) -> np.ndarray:
    """Return the (2, 2) matrix whose columns are the axes turned by `yaw`."""
    return np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])


def _spans(points: np.ndarray, yaw: float) -> np.ndarray:
    """Return the (2,) extents of points (N, 2) along the axes turned by `yaw`."""
    return np.ptp(points @ _axes(yaw), axis=0)
