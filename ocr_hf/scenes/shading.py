"""Baked light: how bright every corner of every triangle is, computed once per scene."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.scene import Scene
from ocr_hf.scenes.surfaces import Surfaces


def bake(scene: Scene, surfaces: Surfaces) -> np.ndarray:
    """Return (2, F, 3, 3) float32 gains on sRGB values: side (front, back) x triangle x corner x colour."""
    a, b, c = (surfaces.vertices[surfaces.faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    gain = np.empty((2, len(normal), 3, 3), dtype=np.float32)
    for side, sign in enumerate((1.0, -1.0)):
        up = sign * normal[:, 2]
        gain[side] = (0.75 + 0.2 * up + 0.1 * sign * normal[:, 0] + 0.05 * sign * normal[:, 1])[:, None, None]
    return gain
