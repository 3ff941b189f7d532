"""Whether the cameras and the boxes of a recorded scene can be of one world: axes, units, poses."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.boxes import CORNER_SIGNS, OrientedBox
from ocr_hf.geometry.camera import NEAR_M, rigid_inverse
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.hull import box_points_in_image, hull_runs
from ocr_hf.geometry.occlusion import footprints_from_boxes
from ocr_hf.scenes.categories import Categories
from ocr_hf.scenes.readers.findings import Part
from ocr_hf.scenes.readers.scene_units import LONGEST_SIDE_M, check_units
from ocr_hf.scenes.scene import Mesh, Scene

UPSIDE_DOWN = -0.5
"""Median height component of the images' upward direction below which the cameras hang upside down."""
LEAST_PIXELS = 50
"""A footprint of fewer pixels is no evidence."""
LEAST_INSIDE = 0.5
"""Median share of a mask that must lie in its box's outline; right cameras and tight boxes give nearly 1."""


def check_scene(scene: Scene, camera_to_world: np.ndarray, intrinsics: np.ndarray, width: int, height: int) -> None:
    """Raise ValueError where boxes and cameras of a recorded scene contradict each other, before any picture is read.

    Args:
        scene: with boxes in metres, +Z up.
        camera_to_world: (N, 4, 4), OpenCV axes.
        intrinsics: (3, 3), pixels of width x height images.
        width: of the images.
        height: of the images.
    """
    units = _odd_sizes(scene)
    if units:
        raise ValueError(
            f"{scene.name}: {units}; correct `units` in cameras.json, or the labels or sizes in boxes.json"
        )
    boxes = [item.box for item in scene.objects]
    if not _any_in_view(boxes, camera_to_world, intrinsics, width, height):
        eyes, centers = camera_to_world[:, :3, 3], np.stack([box.center for box in boxes])
        raise ValueError(
            f"{scene.name}: none of its {len(boxes)} boxes is in view in any of {len(camera_to_world)} frames "
            f"(cameras around {_rounded(np.median(eyes, axis=0))} m, boxes around "
            f"{_rounded(np.median(centers, axis=0))} m, +Z up); check camera_axes, poses, up and units in "
            "cameras.json, and that boxes.json has the same world"
        )
    upward = float(np.median(-camera_to_world[:, 2, 1]))
    if upward < UPSIDE_DOWN:
        raise ValueError(
            f"{scene.name}: its cameras hang upside down (the images' upward direction has z {upward:.2f}); "
            "check camera_axes and up in cameras.json, or turn frames, intrinsics and poses upright together"
        )


def check_masks(
    scene: Scene, masks: Footprints, camera_to_world: np.ndarray, intrinsics: np.ndarray
) -> dict[int, float]:
    """Compare instance maps with the outlines of the boxes.

    Args:
        scene: with boxes in metres, +Z up.
        masks: footprints from instance maps.
        camera_to_world: (T, 4, 4) of these frames.
        intrinsics: (3, 3), pixels of the masks.

    Returns:
        Object id -> share of its pixels that lie in its box's outline, for objects of enough pixels.

    Raises:
        ValueError: most masks lie outside the outlines: the cameras or boxes are of another world, or in other axes.
    """
    boxes = {item.id: item.box for item in scene.objects}
    hulls = footprints_from_boxes(boxes, camera_to_world, intrinsics, masks.height, masks.width)
    shares = {i: share for i in masks.object_ids if (share := _share_inside(masks, hulls, i)) is not None}
    if shares and float(np.median(list(shares.values()))) < LEAST_INSIDE:
        typical = float(np.median(list(shares.values())))
        raise ValueError(
            f"{scene.name}: only {100 * typical:.0f} % of a typical object's mask lies in the outline of its box; "
            "check camera_axes, poses, up, units and pixel_centres in cameras.json, and that ids in boxes.json are "
            "those of the instance maps"
        )
    return shares


def check_depth(scene: Scene, tested: Footprints, hulls: Footprints) -> None:
    """Raise ValueError where depth never meets a box: another unit of depth, or another world.

    tested : from depth; hulls : outlines of the boxes in the same frames
    """
    outlined = sum(int(hulls.areas(i).sum()) for i in hulls.object_ids)
    if outlined >= LEAST_PIXELS and not tested.object_ids:
        raise ValueError(
            f"{scene.name}: boxes are outlined in {outlined} pixels, but no depth lies in any of them; check "
            "depth_unit_m and units in cameras.json, and that depth is along the optical axis"
        )


def _share_inside(masks: Footprints, hulls: Footprints, object_id: int) -> float | None:
    inside = total = 0
    for frame in masks.codes[object_id]:
        mask, hull = masks.mask(object_id, frame), hulls.mask(object_id, frame)
        total += int(mask.sum())
        inside += 0 if hull is None else int((mask & hull).sum())
    return inside / total if total >= LEAST_PIXELS else None


def _odd_sizes(scene: Scene) -> str | None:
    """Return what is told of sizes that only another unit explains, or None."""
    known = Categories()
    parts = []
    for item in scene.objects:
        category = known.of(item.label)
        if category in LONGEST_SIDE_M and not item.box.is_degenerate:
            # In the box's own axes: along the world's a turned box looks larger
            corners = CORNER_SIGNS * item.box.size / 2.0
            parts.append(Part(item.id, item.label, item.label, category, (Mesh(corners, np.arange(8).reshape(-1, 2)),)))
    found = check_units(parts) if parts else []
    return found[0].seen if found else None


def _any_in_view(
    boxes: list[OrientedBox], camera_to_world: np.ndarray, intrinsics: np.ndarray, width: int, height: int
) -> bool:
    centers = np.stack([box.center for box in boxes])
    for to_camera in rigid_inverse(camera_to_world):
        points = centers @ to_camera[:3, :3].T + to_camera[:3, 3]
        image = points @ intrinsics.T
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = image[:, :2] / image[:, 2:]
        if ((points[:, 2] > NEAR_M) & (pixels >= 0.0).all(axis=1) & (pixels < [width, height]).all(axis=1)).any():
            return True
    # Rare, and exact: a box whose centre is never in the image may still reach into it
    return any(
        len(hull_runs(box_points_in_image(box, pose, intrinsics), height, width)[0])
        for pose in camera_to_world
        for box in boxes
    )


def _rounded(point: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in np.round(point, 2))
