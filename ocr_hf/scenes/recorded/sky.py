"""Recordings that lie on their side: pictures, intrinsics and poses turned upright together, by quarter turns.

The centre of the pixel in row r and column c has image coordinates (c + 0.5, r + 0.5).
"""

from __future__ import annotations

import numpy as np

from ocr_hf.registry import unknown_choice

SKY = ("Up", "Right", "Down", "Left")
"""Where the sky is in a picture that n quarter turns counter-clockwise set upright."""
_LEAST_TILT = 0.2
"""Cameras whose image plane shows less of the world's upward direction than this look straight up or down."""
_TURN = np.array([[0.0, -1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""From the axes of a camera whose picture was turned once counter-clockwise to those before: right was down before."""


def quarter_turns(camera_to_world: np.ndarray, sky: str | None = None) -> int:
    """Return by how many quarter turns counter-clockwise a recording is set upright, 0 to 3.

    camera_to_world : (N, 4, 4), OpenCV axes, +Z up
    sky : what is told of it, a word of SKY in any case; taken where the poses don't tell
    """
    # The world's upward direction along the image's axes
    right, down = camera_to_world[:, 2, :2].mean(axis=0)
    if np.hypot(right, down) < _LEAST_TILT:
        word = "Up" if sky is None else sky.capitalize()
        if word not in SKY:
            raise ValueError(unknown_choice("sky_direction", word, SKY))
        return SKY.index(word)
    if abs(down) >= abs(right):
        return 0 if down < 0.0 else 2
    return 1 if right > 0.0 else 3


def turned_picture(pixels: np.ndarray, turns: int) -> np.ndarray:
    """Return a picture or map (H, W, ...) after quarter turns counter-clockwise."""
    return np.ascontiguousarray(np.rot90(pixels, turns))


def turned_camera(intrinsics: np.ndarray, width: int, height: int, turns: int) -> np.ndarray:
    """Return intrinsics (N, 3, 3), without skew, of width x height pictures after quarter turns."""
    found = intrinsics.copy()
    for _ in range(turns):
        before = found.copy()
        found[:, 0, 0], found[:, 1, 1] = before[:, 1, 1], before[:, 0, 0]
        # A pixel (u, v) comes to (v, width - u)
        found[:, 0, 2], found[:, 1, 2] = before[:, 1, 2], width - before[:, 0, 2]
        width, height = height, width
    return found


def turned_pose(camera_to_world: np.ndarray, turns: int) -> np.ndarray:
    """Return poses (N, 4, 4) of the cameras of pictures after quarter turns."""
    return camera_to_world @ np.linalg.matrix_power(_TURN, turns)
