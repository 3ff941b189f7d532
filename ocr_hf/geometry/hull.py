"""The image of a box: its near-plane-clipped convex hull, rasterised exactly."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ocr_hf.geometry.boxes import EDGES, OrientedBox
from ocr_hf.geometry.camera import NEAR_M, rigid_inverse, transform


def box_points_in_image(
    box: OrientedBox, camera_to_world: Float[np.ndarray, "4 4"], intrinsics: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "n 2"]:
    """Return image points (N, 2) whose convex hull is exactly the image of the box's part beyond the near plane.

    The part of a box in front of the plane z = NEAR_M is the hull of its corners there and of the points where its
    edges cross the plane; both project to finite pixels. Empty (0, 2) for a box that is wholly behind.
    """
    corners = transform(rigid_inverse(camera_to_world), box.corners())
    depth = corners[:, 2] - NEAR_M
    first, second = corners[EDGES[:, 0]], corners[EDGES[:, 1]]
    a, b = depth[EDGES[:, 0]], depth[EDGES[:, 1]]
    # Clipping before projecting: a corner behind the camera projects to the wrong side of the image, and the hull of
    # such points can be anywhere.
    crossing = (a > 0.0) != (b > 0.0)
    share = (a[crossing] / (a[crossing] - b[crossing]))[:, None]
    points = np.concatenate([corners[depth > 0.0], first[crossing] + share * (second[crossing] - first[crossing])])
    image = points @ intrinsics.T
    return image[:, :2] / image[:, 2:3]


def hull_runs(
    points: Float[np.ndarray, "n 2"], height: int, width: int
) -> tuple[Int[np.ndarray, "r"], Int[np.ndarray, "r"]]:
    """Return (starts, lengths) of the runs, in column-major pixel order, of pixels whose centre is in the points' hull.

    A vertical line cuts a convex hull where it cuts the segments between all pairs of its points, so each column's
    first and last row are a minimum and a maximum over those pairs: exact, and without building the hull.
    """
    nothing = np.zeros(0, dtype=np.int64)
    if len(points) < 3:
        return nothing, nothing
    left, right = points[:, 0].min(), points[:, 0].max()
    # The 0.5 are pixel centres: column c is covered where left <= c + 0.5 <= right.
    columns = np.arange(max(0, np.ceil(left - 0.5)), min(width - 1, np.floor(right - 0.5)) + 1, dtype=np.int64)
    if columns.size == 0:
        return nothing, nothing
    i, j = np.triu_indices(len(points), k=1)
    start, end = points[i], points[j]
    # Vertical segments meet no column's centre line in one point; their ends belong to other pairs as well.
    upright = start[:, 0] == end[:, 0]
    start, end = start[~upright], end[~upright]
    share = (columns[:, None] + 0.5 - start[:, 0]) / (end[:, 0] - start[:, 0])
    on_segment = (share >= 0.0) & (share <= 1.0)
    cut = start[:, 1] + share * (end[:, 1] - start[:, 1])
    top = np.where(on_segment, cut, np.inf).min(axis=1, initial=np.inf)
    bottom = np.where(on_segment, cut, -np.inf).max(axis=1, initial=-np.inf)
    # Clipped before the cast: infinities and the huge coordinates of points close to the near plane overflow int64.
    top, bottom = np.clip(top, 0.0, height + 1.0), np.clip(bottom, -1.0, height)
    first = np.ceil(top - 0.5).astype(np.int64)
    last = np.minimum(np.floor(bottom - 0.5).astype(np.int64), height - 1)
    seen = last >= first
    return (columns * height + first)[seen], (last - first + 1)[seen]
