"""Frames of a camera that refocuses: each has intrinsics of its own, and all are seen as one camera would see them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MOST_ZOOM = 1.25
"""How much longer than the shortest the common focal length may be: phones that refocus vary by some percent, so that
more is another lens."""
_EQUAL_PX = 1e-6


@dataclass(frozen=True, eq=False)
class Refocused:
    """A camera of fixed intrinsics whose picture lies within every frame.

    own : (N, 3, 3) intrinsics of the frames, pixels, without skew
    common : (3, 3) of the camera
    width, height : of all pictures
    """

    own: np.ndarray
    common: np.ndarray
    width: int
    height: int

    @classmethod
    def of(cls, own: np.ndarray, width: int, height: int) -> Refocused | None:
        """Return the camera, or None where all frames have the same intrinsics.

        Raises ValueError where they have skew, or vary by more than refocusing explains.
        """
        if np.abs(own - own[0]).max() <= _EQUAL_PX:
            return None
        if np.abs(own[:, 0, 1]).max() > _EQUAL_PX:
            raise ValueError("intrinsics that differ from frame to frame have skew; give pictures without")
        common = np.eye(3)
        for axis, pixels in enumerate((width, height)):
            focal, middle = own[:, axis, axis], own[:, axis, 2]
            center = float(np.median(middle))
            # Each border of the picture must look no further out than that of any frame
            needed = focal * np.maximum(center / middle, (pixels - center) / (pixels - middle))
            common[axis, axis], common[axis, 2] = needed.max(), center
            if needed.max() > MOST_ZOOM * focal.min():
                raise ValueError(
                    f"focal lengths run from {focal.min():.1f} to {focal.max():.1f} pixels and principal points from "
                    f"{middle.min():.1f} to {middle.max():.1f}, which no refocusing explains; write a scene for each "
                    "lens"
                )
        return cls(own, common, width, height)

    @property
    def note(self) -> str:
        """What the user should know."""
        low, high = self.own[:, 0, 0].min(), self.own[:, 0, 0].max()
        return (
            f"focal lengths run from {low:.1f} to {high:.1f} pixels: frames are cut to what a camera of "
            f"{self.common[0, 0]:.1f} sees"
        )

    def picture(self, index: int, pixels: np.ndarray) -> np.ndarray:
        """Return a frame's picture (H, W, 3) as the common camera sees it."""
        scale, shift = self._to_own(index)
        # OpenCV has the first pixel's centre at 0, we at 0.5
        shift = shift + 0.5 * scale - 0.5
        matrix = np.array([[scale[0], 0.0, shift[0]], [0.0, scale[1], shift[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(pixels, matrix, (self.width, self.height), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def map(self, index: int, pixels: np.ndarray) -> np.ndarray:
        """Return a frame's depth or ids (h, w), looked up for the common camera's pixels."""
        scale, shift = self._to_own(index)
        columns, rows = (
            self._looked_up(scale[axis], shift[axis], pixels.shape[1 - axis], whole)
            for axis, whole in enumerate((self.width, self.height))
        )
        return pixels[rows][:, columns]

    def _to_own(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (scale (2,), shift (2,)): a pixel u of the common camera is scale * u + shift of the frame."""
        own = self.own[index]
        scale = np.array([own[0, 0] / self.common[0, 0], own[1, 1] / self.common[1, 1]])
        return scale, own[:2, 2] - scale * self.common[:2, 2]

    @staticmethod
    def _looked_up(scale: float, shift: float, pixels: int, whole: int) -> np.ndarray:
        found = scale * (np.arange(pixels) + 0.5) + shift * pixels / whole
        return found.astype(np.int64).clip(0, pixels - 1)
