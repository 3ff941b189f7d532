"""From a recording's declared axes and units to ours: metres, +Z up, OpenCV cameras, camera to world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_poses, rigid_inverse

TO_Z_UP: dict[str, np.ndarray] = {
    "+x": np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "-x": np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
    "+y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
    "-y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "+z": np.eye(3),
    "-z": np.diag([1.0, -1.0, -1.0]),
}
"""The axis that points up -> the rotation (determinant +1, so no mirror image) that turns it to +Z."""
GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Conventions:
    """What a recording declares.

    up : a key of TO_Z_UP
    unit_m : metres of its unit
    camera_axes : "opencv" or "opengl"
    poses : "camera_to_world" or "world_to_camera"
    """

    up: str
    unit_m: float
    camera_axes: str
    poses: str

    def camera_to_world(self, matrices: np.ndarray) -> np.ndarray:
        """Return poses (N, 4, 4) as ours; raise ValueError for one that is no rigid motion."""
        poses = check_poses(matrices).copy()
        if self.poses == "world_to_camera":
            poses = rigid_inverse(poses)
        if self.camera_axes == "opengl":
            poses = poses @ GL_TO_CV
        poses[:, :3, 3] *= self.unit_m
        poses[:, :3] = TO_Z_UP[self.up] @ poses[:, :3]
        return poses

    def points(self, points: np.ndarray) -> np.ndarray:
        """Return points (N, 3) of the world as ours."""
        return points * self.unit_m @ TO_Z_UP[self.up].T

    def box(self, center: np.ndarray, size: np.ndarray, rotation: np.ndarray) -> OrientedBox:
        """Return a box as ours; raise ValueError where it is none."""
        # Checked before it is turned, so that a message has the file's own numbers
        OrientedBox(center, size, rotation)
        return OrientedBox(self.points(center), size * self.unit_m, TO_Z_UP[self.up] @ rotation)
