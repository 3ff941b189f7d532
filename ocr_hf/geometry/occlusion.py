"""Which pixels show which object: footprints from instance maps, from depth, or from boxes alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Integer

from ocr_hf.geometry import rle
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_intrinsics, check_poses, rigid_inverse
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.hull import box_points_in_image, hull_runs

__all__ = ["Footprints", "footprints_from_boxes", "footprints_from_depth", "footprints_from_instances", "pixel_rays"]


def pixel_rays(intrinsics: Float[np.ndarray, "3 3"], height: int, width: int) -> Float[np.ndarray, "h w 3"]:
    """Return (H, W, 3) float32 points of the pixels' centres at depth 1 in camera axes; times depth they are lifted."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1)
    return (pixels @ np.linalg.inv(intrinsics).T).astype(np.float32)


def footprints_from_instances(instances: Integer[np.ndarray, "t h w"]) -> Footprints:
    """Take modal footprints from instance maps.

    Args:
        instances: (T, H, W) integers, 0 = background, else object id.

    Returns:
        What of each object is seen, occlusion respected.
    """
    num_frames, height, width = instances.shape
    codes: dict[int, dict[int, bytes]] = {}
    for frame, instance_map in enumerate(instances):
        for object_id, code in rle.encode_instances(instance_map):
            codes.setdefault(object_id, {})[frame] = code
    return Footprints(height, width, num_frames, False, codes)


def footprints_from_depth(
    depth: Float[np.ndarray, "t h w"],
    boxes: Mapping[int, OrientedBox],
    camera_to_world: Float[np.ndarray, "_ 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
    margin_m: float | int = 0.01,
) -> Footprints:
    """Find modal footprints without instance maps: the pixels whose lifted point lies in an object's box.

    A pixel in several boxes belongs to the smallest (the cup, not the table). Whatever else is in a box counts as the
    object: floor under a bed, for one.

    Args:
        depth: (T, H, W) float, metres along the camera's z axis; 0 or not finite = unknown: belongs to no object.
        boxes: object id -> box.
        camera_to_world: (T, 4, 4), OpenCV axes, metres.
        intrinsics: (3, 3), pixels of `depth`.
        margin_m: boxes are grown by this on every side, metres; about the depth's error.

    Returns:
        What of each object is seen, occlusion respected.

    Raises:
        ValueError: there is not one pose per frame, or a camera is not usable.
    """
    intrinsics, poses = check_intrinsics(intrinsics), check_poses(camera_to_world)
    _same_length("depth", depth, poses)
    num_frames, height, width = depth.shape
    rays = pixel_rays(intrinsics, height, width)
    # Largest first: smaller boxes overwrite it below.
    ordered = sorted(boxes.items(), key=lambda item: -float(np.prod(item[1].size)))
    codes: dict[int, dict[int, bytes]] = {}
    for frame, (pose, metres) in enumerate(zip(poses, depth, strict=True)):
        known = np.isfinite(metres) & (metres > 0.0)
        metres = np.where(known, metres, 0.0)
        owner = np.zeros((height, width), dtype=np.int64)
        to_camera = rigid_inverse(pose)
        for object_id, box in ordered:
            grown = OrientedBox(box.center, box.size + 2.0 * margin_m, box.rotation)
            # Only the box's bounding rectangle in the image is lifted to 3D; for a cup that is a hundredth of the
            # frame.
            points = box_points_in_image(grown, pose, intrinsics)
            window = _window(points, height, width)
            if window is None:
                continue
            # The box comes to the camera instead of each pixel's point to the world: one matrix product less for every
            # pixel.
            in_camera = grown.moved(to_camera)
            local = in_camera.to_local(rays[window] * metres[window][..., None])
            inside = (np.abs(local) <= grown.size / 2.0).all(axis=-1) & known[window]
            owner[window][inside] = object_id
        for object_id, code in rle.encode_instances(owner):
            codes.setdefault(object_id, {})[frame] = code
    return Footprints(height, width, num_frames, False, codes)


def footprints_from_boxes(
    boxes: Mapping[int, OrientedBox],
    camera_to_world: Float[np.ndarray, "t 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
) -> Footprints:
    """Project boxes, where nothing else is known: *amodal* footprints, each box's hull clipped at the near plane.

    Occlusion is not known, so a footprint also covers what stands in front of the object (`amodal` is True). A box
    behind the camera, or outside the image, has an empty one.

    Args:
        boxes: object id -> box.
        camera_to_world: (T, 4, 4), OpenCV axes, metres.
        intrinsics: (3, 3), pixels of a width x height frame.
        height: of the frames, pixels.
        width: of the frames, pixels.

    Returns:
        The footprints, `amodal` True.

    Raises:
        ValueError: a camera is not usable.
    """
    intrinsics, poses = check_intrinsics(intrinsics), check_poses(camera_to_world)
    codes: dict[int, dict[int, bytes]] = {}
    for object_id, box in boxes.items():
        for frame, pose in enumerate(poses):
            starts, lengths = hull_runs(box_points_in_image(box, pose, intrinsics), height, width)
            if starts.size:
                codes.setdefault(object_id, {})[frame] = rle.encode_runs(starts, lengths, height, width)
    return Footprints(height, width, len(poses), True, codes)


def _window(points: np.ndarray, height: int, width: int) -> tuple[slice, slice] | None:
    """Return the (rows, columns) of the image that the points' bounding box covers, or None."""
    if len(points) == 0:
        return None
    low = np.clip(np.floor(points.min(axis=0)), 0, [width, height]).astype(np.int64)
    high = np.clip(np.ceil(points.max(axis=0)), 0, [width, height]).astype(np.int64)
    if (high <= low).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _same_length(name: str, array: np.ndarray, poses: np.ndarray) -> None:
    if len(array) != len(poses):
        raise ValueError(f"{name} has {len(array)} frames but there are {len(poses)} poses; give one pose per frame")
