"""Where a new thing would be seen: a guess from camera poses and boxes alone, before anything is filmed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox

CONE_DEG = 28.0
"""Half of a common vertical field of view: what is this near to the middle of the picture is probably in it."""
NEAR_M, FAR_M = 0.6, 5.0


def in_view(points: np.ndarray, poses: np.ndarray, boxes: Sequence[OrientedBox]) -> np.ndarray:
    """Guess in which frames points are seen.

    Args:
        points: (N, 3) metres, world.
        poses: (T, 4, 4) camera_to_world.
        boxes: what may stand in between; a box that a point or the camera is in hides nothing.

    Returns:
        (N, T) bool: the point is near the picture's middle, neither close nor far, and no box is in between.
    """
    eyes, ahead = poses[:, :3, 3], poses[:, :3, 2]
    rays = points[:, None] - eyes[None]
    length = np.linalg.norm(rays, axis=2)
    facing = np.einsum("nti,ti->nt", rays, ahead) >= np.cos(np.radians(CONE_DEG)) * length
    seen = facing & (length >= NEAR_M) & (length <= FAR_M)
    for box in boxes:
        row, frame = np.nonzero(seen)
        if len(row) == 0:
            break
        half = box.size / 2.0
        start, end = box.to_local(eyes[frame]), box.to_local(points[row])
        outside = (np.abs(start) > half).any(axis=1) & (np.abs(end) > half).any(axis=1)
        seen[row, frame] = ~(outside & _hits(start, end, half))
    return seen


def _hits(start: np.ndarray, end: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return (N,) bool: which segments from `start` to `end` (N, 3) meet the box |x| <= half (slab test)."""
    step = end - start
    step = np.where(np.abs(step) < 1e-12, 1e-12, step)
    one, other = (-half - start) / step, (half - start) / step
    enter = np.minimum(one, other).max(axis=1)
    leave = np.maximum(one, other).min(axis=1)
    return np.maximum(enter, 0.0) <= np.minimum(leave, 1.0)
