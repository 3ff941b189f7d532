"""The camera of the experiments' rooms, which looks from one side to the other."""

from __future__ import annotations

import numpy as np


def panning_camera(rng: np.random.Generator, frames: int, pan_deg: float, height_m: float) -> np.ndarray:
    """Return camera-to-world poses (frames, 4, 4): the first half looks to the left, the second half to the right.

    Args:
        rng: turns each frame by up to one degree.
        frames: an even number.
        pan_deg: how far to each side of the y axis.
        height_m: of the camera, which stands at the origin and looks level.
    """
    poses = np.tile(np.eye(4), (frames, 1, 1))
    yaws = np.repeat([pan_deg, -pan_deg], frames // 2) + rng.uniform(-1.0, 1.0, frames)
    for pose, yaw in zip(poses, np.radians(yaws), strict=True):
        forward = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
        down = np.array([0.0, 0.0, -1.0])
        pose[:3, 0], pose[:3, 1], pose[:3, 2] = np.cross(down, forward), down, forward
        pose[:3, 3] = 0.0, 0.0, height_m
    return poses
