"""Oriented 3D boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

CORNER_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
"""(8, 3) signs of a box's corners in its own axes; corners i and j share an edge if they differ in one sign."""
EDGES = np.array([(i, j) for i in range(8) for j in range(i + 1, 8) if bin(i ^ j).count("1") == 1])
"""(12, 2) indices into the corners."""


@dataclass(frozen=True, eq=False)
class OrientedBox:
    """A box in the world.

    Args:
        center: (3,) float64, metres.
        size: (3,) float64, full extents along the box's axes, metres.
        rotation: (3, 3) float64, columns are the box's axes in the world, determinant +1.

    Raises:
        ValueError: a value is not finite, an extent is negative, or `rotation` is no rotation.

    Example:
        >>> import numpy as np
        >>> from ocr_hf.geometry.boxes import OrientedBox
        >>> sofa = OrientedBox.upright(np.array([1.0, 2.0, 0.4]), np.array([2.0, 0.9, 0.8]), yaw_rad=np.pi / 2)
        >>> sofa.corners().min(axis=0).round(2)
        array([0.55, 1.  , 0.  ])
    """

    center: np.ndarray
    size: np.ndarray
    rotation: np.ndarray

    def __post_init__(self) -> None:
        for name, shape in (("center", (3,)), ("size", (3,)), ("rotation", (3, 3))):
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.shape != shape:
                raise ValueError(f"box {name} has shape {array.shape}; it must be {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"box {name} is {array.tolist()}; every value must be finite")
            # A copy that can't be written to: boxes are shared between scenes, clips and rows, and frozen means frozen.
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        # Zero is allowed: VSI-Bench counts instances that it has no box of (readers/vsi_meta.py).
        if (self.size < 0.0).any():
            raise ValueError(f"box size is {self.size.tolist()}; extents are full lengths in metres, at least 0")
        if (
            # Loose enough for axes stored as float32 or with five decimals.
            np.abs(self.rotation.T @ self.rotation - np.eye(3)).max() > 1e-4 or np.linalg.det(self.rotation) < 0.0
        ):
            raise ValueError(f"box rotation is {self.rotation.tolist()}; columns must be right-handed orthonormal axes")

    @classmethod
    def axis_aligned(cls, low: np.ndarray, high: np.ndarray) -> OrientedBox:
        """Make a box along the world's axes.

        Args:
            low: (3,) corner with the least coordinates, metres.
            high: (3,) corner with the greatest, metres.

        Returns:
            The box between them.
        """
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        return cls((low + high) / 2.0, high - low, np.eye(3))

    @classmethod
    def upright(cls, center: np.ndarray, size: np.ndarray, yaw_rad: float) -> OrientedBox:
        """Make a box that stands on the floor's plane.

        Args:
            center: (3,) metres.
            size: (3,) full extents, metres, before turning.
            yaw_rad: turn about +Z, radians, counter-clockwise seen from above.

        Returns:
            The turned box.
        """
        cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
        return cls(center, size, np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]))

    @property
    def diagonal(self) -> float:
        """Length of the space diagonal, metres."""
        return float(np.linalg.norm(self.size))

    @property
    def is_degenerate(self) -> bool:
        """True if an extent is zero (below a tenth of a millimetre)."""
        return bool((self.size < 1e-4).any())

    def corners(self) -> Float[np.ndarray, "8 3"]:
        """List the corners.

        Returns:
            (8, 3) float64 in the world, metres, ordered as CORNER_SIGNS.
        """
        # Row vectors: p @ R.T is R p for each point.
        return self.center + (CORNER_SIGNS * self.size / 2.0) @ self.rotation.T

    def to_local(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Bring points into the box's own axes, origin at its centre.

        Args:
            points: (..., 3) in the world, metres.

        Returns:
            (..., 3) along the box's axes, metres.
        """
        return (points - self.center) @ self.rotation

    def moved(self, matrix: Float[np.ndarray, "4 4"]) -> OrientedBox:
        """Move the box rigidly.

        Args:
            matrix: (4, 4), rotation and translation in the world.

        Returns:
            The box after the motion.
        """
        rotation = matrix[:3, :3]
        return OrientedBox(rotation @ self.center + matrix[:3, 3], self.size, rotation @ self.rotation)

    def floor_polygon(self) -> Float[np.ndarray, "n 2"]:
        """Look at the box from above.

        Returns:
            (n, 2) float64 convex outline, counter-clockwise, metres; (0, 2) where the box has no area from above.
        """
        from scipy.spatial import ConvexHull, QhullError

        points = self.corners()[:, :2]
        try:
            return points[ConvexHull(points).vertices]
        # Qhull refuses points on one line: a box without thickness, seen from its edge.
        except QhullError:
            return points[:0]
