"""A room of coloured boxes, ray-cast by an independent slab test: exact depth and instance maps without a renderer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import NEAR_M, intrinsics_from_fov, look_at


def ray_box(
    box: OrientedBox, pose: np.ndarray, intrinsics: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (hit (H, W), depth (H, W)) of the rays through the pixel centres, beyond the near plane."""
    v, u = np.mgrid[0:height, 0:width] + 0.5
    directions = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(intrinsics).T @ pose[:3, :3].T
    origin, local = (pose[:3, 3] - box.center) @ box.rotation, directions @ box.rotation
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = (-box.size / 2 - origin) / local, (box.size / 2 - origin) / local
    enter = np.maximum(np.fmax.reduce(np.fmin(near, far), axis=-1), NEAR_M)
    leave = np.fmin.reduce(np.fmax(near, far), axis=-1)
    return enter <= leave, np.where(enter <= leave, enter, np.inf)


@dataclass(frozen=True)
class BoxClip:
    """Frames of the room; object ids are the keys of `boxes`. The back wall and floor have no id."""

    boxes: dict[int, OrientedBox]
    poses: np.ndarray
    intrinsics: np.ndarray
    frames: np.ndarray
    depth: np.ndarray
    instances: np.ndarray


def room_of_boxes() -> dict[int, OrientedBox]:
    """Three boxes; from the clip's last poses the third hides a part of the first."""
    return {
        1: OrientedBox.upright(np.array([0.0, 3.0, 0.5]), np.array([1.0, 0.6, 1.0]), 0.4),
        2: OrientedBox.upright(np.array([-1.2, 3.5, 0.7]), np.array([0.8, 0.5, 1.4]), -0.6),
        3: OrientedBox.upright(np.array([0.5, 2.0, 0.4]), np.array([0.4, 0.4, 0.8]), 0.2),
    }


def box_clip(num_frames: int = 4, height: int = 84, width: int = 112) -> BoxClip:
    """Return a clip of the room with noise as texture, so that any change of a pixel shows."""
    boxes = room_of_boxes()
    intrinsics = intrinsics_from_fov(width, height, 70.0)
    target = np.array([0.0, 3.0, 0.5])
    poses = np.stack([look_at(np.array([x, -0.3, 1.4]), target) for x in np.linspace(-1.0, 1.0, num_frames)])
    depth = np.full((num_frames, height, width), 6.0)
    instances = np.zeros((num_frames, height, width), dtype=np.uint16)
    for frame, pose in enumerate(poses):
        for object_id, box in boxes.items():
            hit, metres = ray_box(box, pose, intrinsics, height, width)
            nearer = hit & (metres < depth[frame])
            depth[frame][nearer], instances[frame][nearer] = metres[nearer], object_id
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)
    return BoxClip(boxes, poses, intrinsics, frames, depth.astype(np.float32), instances)
