"""Boxes of objects that a recording has masks and depth of, but no boxes: around what was seen of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import cv2
import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import scale_intrinsics, transform
from ocr_hf.geometry.fit_box import fit_upright_box
from ocr_hf.geometry.occlusion import pixel_rays

SURVEYED = 64
"""Frames with both, evenly spread over the recording, that are looked at."""
POINTS = 2000
"""Most points of an object that a frame adds."""
LEAST_POINTS = 50


def seen_boxes(
    maps: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    intrinsics: np.ndarray,
    width: int,
    height: int,
    object_ids: Collection[int],
) -> dict[int, OrientedBox]:
    """Fit upright boxes to the points that masks cut out of depth.

    A side that no frame shows is missing from the box. The outermost pixels of a mask are left out: depth between an
    object and what is behind it is that of neither.

    Args:
        maps: of each frame depth (h, w) in metres, 0 = unknown, instance ids (h', w'), and its pose (4, 4).
        intrinsics: (3, 3), pixels of width x height images, whose shape the maps have.
        width: of the images.
        height: of the images.
        object_ids: which objects are wanted.

    Returns:
        Object id -> box, of those that were seen in enough pixels.
    """
    points: dict[int, list[np.ndarray]] = defaultdict(list)
    for depth, ids, pose in maps:
        rows, columns = ids.shape
        camera = scale_intrinsics(intrinsics, columns / width, rows / height)
        # Nearest depth for each pixel of the ids, where the two maps differ in size
        down = ((np.arange(rows) + 0.5) * depth.shape[0] / rows).astype(np.int64)
        right = ((np.arange(columns) + 0.5) * depth.shape[1] / columns).astype(np.int64)
        metres = depth[down][:, right]
        rays = pixel_rays(camera, rows, columns)
        for object_id in np.intersect1d(ids, list(object_ids)).tolist():
            inner = cv2.erode((ids == object_id).astype(np.uint8), np.ones((3, 3), dtype=np.uint8), borderValue=0)
            shown = (inner > 0) & (metres > 0.0)
            found = rays[shown] * metres[shown][:, None]
            # Every n-th, not the first: those would all be at the top
            found = found[:: -(-max(len(found), 1) // POINTS)]
            points[object_id].append(transform(pose, found.astype(np.float64)))
    boxes = {}
    for object_id, parts in sorted(points.items()):
        together = np.concatenate(parts)
        if len(together) >= LEAST_POINTS and np.sort(np.ptp(together, axis=0))[1] > 1e-6:
            boxes[object_id] = fit_upright_box(together)
    return boxes
