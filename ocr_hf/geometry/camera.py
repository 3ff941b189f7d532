"""Pinhole cameras.

World: metres, right-handed, +Z up. Camera: OpenCV axes (x right, y down, z forward).
The centre of the pixel in row r and column c has image coordinates (u, v) = (c + 0.5, r + 0.5).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

NEAR_M = 0.05
"""Points nearer to the camera plane than this (metres) are treated as not projectable."""


def intrinsics_from_fov(width: int, height: int, horizontal_fov_deg: float) -> Float[np.ndarray, "3 3"]:
    """Return the (3, 3) pinhole matrix, in pixels, of a camera whose principal point is the image centre."""
    if not 0.0 < horizontal_fov_deg < 180.0:
        raise ValueError(f"horizontal_fov_deg is {horizontal_fov_deg}; give an angle between 0 and 180 degrees")
    focal = 0.5 * width / np.tan(np.radians(horizontal_fov_deg) / 2.0)
    return np.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]])


def scale_intrinsics(intrinsics: Float[np.ndarray, "3 3"], scale_x: float, scale_y: float) -> Float[np.ndarray, "3 3"]:
    """Return the pinhole matrix of the same camera after its frames were resized by (scale_x, scale_y)."""
    return np.diag([scale_x, scale_y, 1.0]) @ intrinsics


def check_intrinsics(intrinsics: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Return `intrinsics` as (3, 3) float64; raise ValueError if it isn't a finite, regular pinhole matrix."""
    matrix = np.asarray(intrinsics, dtype=np.float64)
    if matrix.shape != (3, 3):
        raise ValueError(f"intrinsics have shape {matrix.shape}; give a (3, 3) pinhole matrix in pixels")
    if not np.isfinite(matrix).all():
        raise ValueError(f"intrinsics hold a value that is not finite: {matrix.tolist()}; check the camera file")
    if matrix[0, 0] <= 0.0 or matrix[1, 1] <= 0.0 or abs(np.linalg.det(matrix)) < 1e-9:
        raise ValueError(f"intrinsics are singular: {matrix.tolist()}; both focal lengths must be positive pixels")
    return matrix


def check_poses(camera_to_world: np.ndarray) -> Float[np.ndarray, "t 4 4"]:
    """Return `camera_to_world` as (T, 4, 4) float64; raise ValueError naming the first pose that is no rigid motion."""
    poses = np.asarray(camera_to_world, dtype=np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4):
        raise ValueError(f"camera_to_world has shape {poses.shape}; give (T, 4, 4) matrices")
    finite = np.isfinite(poses).all(axis=(1, 2))
    if not finite.all():
        first = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"camera_to_world[{first}] is not finite (a lost frame?); drop the frame and its pose")
    rotation = poses[:, :3, :3]
    error = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    bottom = np.abs(poses[:, 3] - [0.0, 0.0, 0.0, 1.0]).max(axis=1)
    # Poses from trackers and from matrices printed with four decimals are off by up to about 1e-4; a scale or a
    # reflection is off by far more.
    bad = (error > 1e-3) | (np.linalg.det(rotation) < 0.0) | (bottom > 1e-6)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"camera_to_world[{first}] is not a rigid motion: {poses[first].tolist()}; "
            "its rotation must be orthonormal with determinant +1 and its last row 0 0 0 1"
        )
    return poses


def rigid_inverse(matrix: Float[np.ndarray, "*batch 4 4"]) -> Float[np.ndarray, "*batch 4 4"]:
    """Return the inverse of rigid motions (..., 4, 4)."""
    # The transpose instead of np.linalg.inv: exact for rotations, and no rounding that would make the inverse of a
    # rigid motion slightly non-rigid.
    inverse = np.zeros_like(matrix)
    rotation_t = np.swapaxes(matrix[..., :3, :3], -1, -2)
    inverse[..., :3, :3] = rotation_t
    inverse[..., :3, 3] = -(rotation_t @ matrix[..., :3, 3:4])[..., 0]
    inverse[..., 3, 3] = 1.0
    return inverse


def transform(matrix: Float[np.ndarray, "4 4"], points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Return points (..., 3) moved by the rigid motion `matrix`."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def project(
    points: Float[np.ndarray, "*n 3"], intrinsics: Float[np.ndarray, "3 3"], camera_to_world: Float[np.ndarray, "4 4"]
) -> tuple[Float[np.ndarray, "*n 2"], Float[np.ndarray, "*n"]]:
    """Project world points into the image: z (u, v, 1)^T = K [R|t] (x, y, z, 1)^T (arXiv 2511.13190).

    points : (..., 3) float, metres, world
    Returns (pixels (..., 2) as (u, v), depth (...) in metres along the camera's z axis). Points with
    depth below NEAR_M have pixels NaN.
    """
    in_camera = transform(rigid_inverse(camera_to_world), points)
    depth = in_camera[..., 2]
    image = in_camera @ intrinsics.T
    # NaN rather than a clipped value: a point at or behind the camera has no image, and whoever averages or rasterises
    # it must notice.
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = np.where(depth[..., None] >= NEAR_M, image[..., :2] / image[..., 2:3], np.nan)
    return pixels, depth


def back_project(
    pixels: Float[np.ndarray, "*n 2"],
    depth: Float[np.ndarray, "*n"],
    intrinsics: Float[np.ndarray, "3 3"],
    camera_to_world: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "*n 3"]:
    """Lift pixels (..., 2) with depth (...) in metres to world points (..., 3); the inverse of `project`."""
    # Depth runs along the z axis, not along the ray: K^-1 gives points at z = 1, so one factor lifts them.
    homogeneous = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    in_camera = (homogeneous @ np.linalg.inv(intrinsics).T) * depth[..., None]
    return transform(camera_to_world, in_camera)


def look_at(
    eye: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"], up: Float[np.ndarray, "3"] | None = None
) -> Float[np.ndarray, "4 4"]:
    """Return the camera_to_world pose at `eye` that looks at `target` with `up` (default +Z) upwards in the image."""
    up = np.array([0.0, 0.0, 1.0]) if up is None else up
    forward = target - eye
    length = np.linalg.norm(forward)
    # A look along `up` has no right-hand side: refused below rather than turned at random.
    right = np.cross(forward, up)
    if length < 1e-9 or np.linalg.norm(right) < 1e-9 * length:
        raise ValueError(f"eye {eye.tolist()} and target {target.tolist()} give no view direction; move them apart")
    forward, right = forward / length, right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(forward, right), forward, eye
    return pose
