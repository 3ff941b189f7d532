"""From pixels to points: the depth of an object's visible pixels, and the checks of what it is computed from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32, UInt8

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import NEAR_M, check_intrinsics, check_poses
from ocr_hf.geometry.occlusion import Footprints


def check_cameras(
    frames: UInt8[np.ndarray, "t h w 3"],
    depth: Float[np.ndarray, "_ _ _"] | None,
    footprints: Footprints,
    camera_to_world: Float[np.ndarray, "_ 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
) -> tuple[Float[np.ndarray, "t 4 4"], Float[np.ndarray, "3 3"]]:
    """Return the poses and intrinsics of a clip's frames as float64; raise ValueError where shapes disagree."""
    num_frames, height, width = frames.shape[:3]
    poses, intrinsics = check_poses(camera_to_world), check_intrinsics(intrinsics)
    if (footprints.num_frames, footprints.height, footprints.width) != (num_frames, height, width):
        raise ValueError(
            f"footprints are for {footprints.num_frames} frames of {footprints.width}x{footprints.height}, the clip "
            f"has {num_frames} of {width}x{height}; use footprints.select(frames).resized(height, width)"
        )
    if len(poses) != num_frames:
        raise ValueError(f"camera_to_world has {len(poses)} entries for {num_frames} frames; give one per frame")
    if depth is not None and depth.shape != frames.shape[:3]:
        raise ValueError(f"depth has shape {depth.shape}, the frames {frames.shape[:3]}; they must be equal")
    return poses, intrinsics


def box_of(boxes: Mapping[int, OrientedBox], object_id: int) -> OrientedBox:
    """Return an object's box; raise KeyError where it has none."""
    if object_id not in boxes:
        raise KeyError(f"object {object_id} has no box; this noise mode needs the box of every object it moves")
    return boxes[object_id]


def lifted_depth(
    rays: Float[np.ndarray, "n 3"], depth: Float[np.ndarray, "n"] | None, box_in_camera: OrientedBox
) -> Float32[np.ndarray, "n"]:
    """Return the depth (N,) of an object's pixels, metres: as given, and on the box's front where it isn't known.

    rays : points of the pixels' centres at depth 1, camera axes
    depth : (N,) metres, 0 or not finite = unknown; None = nowhere known
    """
    if depth is None:
        return front_face_depth(rays, box_in_camera).astype(np.float32)
    metres = depth.astype(np.float32)
    unknown = ~(np.isfinite(metres) & (metres > 0.0))
    if unknown.any():
        metres[unknown] = front_face_depth(rays[unknown], box_in_camera)
    return metres


def front_face_depth(rays: Float[np.ndarray, "n 3"], box_in_camera: OrientedBox) -> Float[np.ndarray, "n"]:
    """Return the depth (N,) at which rays (depth 1 at the pixel centres) enter a box given in camera axes.

    From inside the box it is the far face. A ray that misses the box takes the depth of the box's centre.
    """
    origin = box_in_camera.to_local(np.zeros(3))
    directions = rays @ box_in_camera.rotation
    # The slab method (Kay and Kajiya 1986): a ray is in the box where it is between all three pairs of planes. A ray
    # parallel to a pair divides by zero, which gives infinities that min and max treat correctly.
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = (np.array([-0.5, 0.5])[:, None, None] * box_in_camera.size - origin) / directions
    enter = np.nanmax(bounds.min(axis=0), axis=-1)
    leave = np.nanmin(bounds.max(axis=0), axis=-1)
    front = np.where(enter > NEAR_M, enter, leave)
    return np.where((leave >= enter) & (front > NEAR_M), front, max(float(box_in_camera.center[2]), NEAR_M))
