"""The rays of a camera's pixels, and which pixels can show a box."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.boxes import CORNER_SIGNS, EDGES
from ocr_hf.scenes.render.shading import GAMMA

NEAREST_M = 1e-3
"""Nothing is nearer to a camera."""


class PixelRays:
    """Rays through the pixels of a frame. Their z along the camera's axis is 1, so hit distances are depths."""

    def __init__(self, intrinsics: np.ndarray, width: int, height: int, exposure: float) -> None:
        self.width, self.height = width, height
        # Light scales by the exposure, stored values by its root (`GAMMA`)
        self.gain = np.float32(exposure ** (1.0 / GAMMA))
        self._inverse = np.linalg.inv(intrinsics)
        self.pixel = 0.5 * float(self._inverse[0, 0] + self._inverse[1, 1])
        self._rays = np.empty((height, width, 6), dtype=np.float32)

    def rays(self, rotation: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Return (H W, 6) float32 rays through the pixel centres; the next call overwrites them."""
        turned = rotation @ self._inverse
        columns = turned[:, :1] * (np.arange(self.width) + 0.5)
        rows = turned[:, 1:2] * (np.arange(self.height) + 0.5) + turned[:, 2:]
        self._rays[..., :3] = origin
        np.add(columns.T[None], rows.T[:, None], out=self._rays[..., 3:], casting="same_kind")
        return self._rays.reshape(-1, 6)

    def rays_within(
        self, rotation: np.ndarray, origin: np.ndarray, rows: np.ndarray, columns: np.ndarray, samples: int
    ) -> np.ndarray:
        """Return (samples N, 6) float32 rays through `samples` places off the centre of each of N pixels."""
        # On a ring around the centre, turned so that no two share a row or a column.
        angle = 2.0 * np.pi * np.arange(samples) / samples + 0.35
        offset = 0.5 + 0.35 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        image = np.ones((samples, len(rows), 3))
        image[..., 0] = columns + offset[:, :1]
        image[..., 1] = rows + offset[:, 1:]
        rays = np.empty((samples, len(rows), 6), dtype=np.float32)
        rays[..., :3] = origin
        rays[..., 3:] = image @ (rotation @ self._inverse).T
        return rays.reshape(-1, 6)

    def around(self, low: np.ndarray, high: np.ndarray, rotation: np.ndarray) -> tuple[slice, slice]:
        """Return rows and columns of the pixels that can show anything in a box.

        low, high : (3,), of the box, from the camera along the world's axes; rotation : (3, 3), the camera's
        """
        corners = np.where(CORNER_SIGNS > 0, high, low) @ rotation
        first, second = corners[EDGES[:, 0]], corners[EDGES[:, 1]]
        # The box is cut off closely before the camera, where its edges pass through the plane.
        passes = (first[:, 2] < NEAREST_M) != (second[:, 2] < NEAREST_M)
        first, second = first[passes], second[passes]
        share = (NEAREST_M - first[:, 2:]) / (second[:, 2:] - first[:, 2:])
        points = np.concatenate([corners[corners[:, 2] >= NEAREST_M], first + share * (second - first)])
        if not len(points):
            return slice(0, 0), slice(0, 0)
        image = points @ np.linalg.inv(self._inverse).T
        image = image[:, :2] / image[:, 2:]
        # A pixel more on every side: rounding must not lose one.
        low, high = np.floor(image.min(axis=0)) - 1, np.ceil(image.max(axis=0)) + 1
        (left, top), (right, bottom) = (np.clip(end, 0, (self.width, self.height)).astype(int) for end in (low, high))
        return slice(top, bottom), slice(left, right)
