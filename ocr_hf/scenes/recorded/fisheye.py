"""Pictures of a fisheye lens, as COLMAP's OPENCV_FISHEYE describes it, turned into those of a pinhole camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_STEPS = 50
"""Halvings of the range of focal lengths; far below a millionth of a pixel."""
_BORDER = 33
"""Points on each border of the picture that must lie within the lens's."""


@dataclass(frozen=True, eq=False)
class Fisheye:
    """A lens and the pinhole camera that its pictures are brought to.

    lens : (3, 3) pixels, the first pixel's centre at 0.5
    bent : (4,) k1 to k4: a ray at angle t from the axis is at t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8)
    intrinsics : (3, 3) of the pinhole camera, which looks where the lens does and sees no more than it
    width, height : of both pictures
    """

    lens: np.ndarray
    bent: np.ndarray
    intrinsics: np.ndarray
    width: int
    height: int

    @classmethod
    def of(cls, lens: np.ndarray, bent: np.ndarray, width: int, height: int) -> Fisheye:
        """Return the widest pinhole camera whose picture has no black border, its axis in the middle.

        Raises ValueError for a lens that has none.
        """
        across, down = (np.linspace(0.0, side, _BORDER) for side in (width, height))
        border = np.concatenate(
            [
                np.column_stack([across, np.full(_BORDER, 0.0)]),
                np.column_stack([across, np.full(_BORDER, height)]),
                np.column_stack([np.full(_BORDER, 0.0), down]),
                np.column_stack([np.full(_BORDER, width), down]),
            ]
        )
        if not (np.isfinite(lens).all() and np.isfinite(bent).all() and lens[0, 0] > 0.0 and lens[1, 1] > 0.0):
            raise ValueError(f"a lens of {lens.tolist()} and {bent.tolist()} sees nothing; copy the camera again")

        def fits(focal: float) -> bool:
            camera = np.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]])
            found = _seen(border, camera, lens, bent)
            return bool((found >= 0.0).all() and (found[:, 0] <= width).all() and (found[:, 1] <= height).all())

        low, high = 0.05 * lens[0, 0], 20.0 * lens[0, 0]
        if not fits(high):
            raise ValueError(f"a lens of {lens.tolist()} and {bent.tolist()} sees nothing; copy the camera again")
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if fits(middle) else (middle, high)
        camera = np.array([[high, 0.0, width / 2.0], [0.0, high, height / 2.0], [0.0, 0.0, 1.0]])
        return cls(lens, bent, camera, width, height)

    def undistorted(self, picture: np.ndarray) -> np.ndarray:
        """Return the picture (H, W, 3) that the pinhole camera sees."""
        v, u = np.mgrid[0 : self.height, 0 : self.width] + 0.5
        found = _seen(np.stack([u, v], axis=-1).reshape(-1, 2), self.intrinsics, self.lens, self.bent)
        # OpenCV has the first pixel's centre at 0
        found = (found - 0.5).astype(np.float32).reshape(self.height, self.width, 2)
        return cv2.remap(picture, found, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _seen(pixels: np.ndarray, camera: np.ndarray, lens: np.ndarray, bent: np.ndarray) -> np.ndarray:
    """Return where a lens shows what a pinhole camera sees at `pixels` (N, 2)."""
    rays = (pixels - camera[:2, 2]) / camera[[0, 1], [0, 1]]
    off_axis = np.linalg.norm(rays, axis=1)
    angle = np.arctan(off_axis)
    square = angle**2
    with np.errstate(over="ignore", invalid="ignore"):
        bending = 1.0 + square * (bent[0] + square * (bent[1] + square * (bent[2] + square * bent[3])))
        scale = np.where(off_axis > 1e-9, angle * bending / np.maximum(off_axis, 1e-9), 1.0)
        return rays * scale[:, None] * lens[[0, 1], [0, 1]] + lens[:2, 2]
