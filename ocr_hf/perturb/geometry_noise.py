"""The `geometry` mode of OCR: an object's surface points are displaced in 3D and reprojected into the frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import NEAR_M, check_intrinsics, check_poses, rigid_inverse
from ocr_hf.geometry.occlusion import Footprints, pixel_rays
from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.perturb.noise import region_noise

CELLS_PER_DIAGONAL = 64
"""Surface points in one cubic cell, whose side is this fraction of the box's diagonal, move together. Our choice."""


def geometry_region(
    frames: UInt8[np.ndarray, "t h w 3"],
    depth: Float[np.ndarray, "_ _ _"] | None,
    boxes: Mapping[int, OrientedBox],
    footprints: Footprints,
    object_ids: Iterable[int],
    camera_to_world: Float[np.ndarray, "_ 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
    strength: float | int,
    key: int,
    frame_indices: Sequence[int] | None = None,
) -> UInt8[np.ndarray, "t h w 3"]:
    """Return a copy of `frames` in which the objects' 3D geometry is perturbed; pixels outside are bit-identical.

    The visible pixels of an object are lifted to 3D, each point is displaced by N(0, (strength x box diagonal)^2) per
    axis, projected back with the frame's camera and splatted, nearest last, within the object's own footprint.
    The displacement is fixed to the object (one per cell of its box, see CELLS_PER_DIAGONAL), so the same piece of
    surface moves the same way in every frame: the clip shows one altered geometry from all sides. Footprint pixels
    that no point reaches take clamp(e), e ~ N(0, 1) on [0, 1]: the end of the `gaussian` mode's schedule, where
    nothing of the picture is left. The published description (arXiv 2511.13190) goes no further than "structured
    perturbations to the 3D geometry"; cells and fill are ours.

    frames : (T, H, W, 3) uint8
    depth : (T, H, W) metres or None; a pixel without depth is placed on the front face of its object's box
    boxes : object id -> box; footprints : of these frames; object_ids : what to perturb
    camera_to_world : (T, 4, 4); intrinsics : (3, 3), pixels of `frames`
    strength : in box diagonals, 0 = identity
    key, frame_indices : see `noise.gaussian_region`
    Raises ValueError where shapes disagree, KeyError for an object without a box.
    """
    if not (np.isfinite(strength) and strength >= 0.0):
        raise ValueError(f"strength is {strength}; geometry noise takes a share of the box's diagonal, at least 0")
    num_frames, height, width = frames.shape[:3]
    poses, intrinsics = check_poses(camera_to_world), check_intrinsics(intrinsics)
    indices = range(num_frames) if frame_indices is None else frame_indices
    if (footprints.num_frames, footprints.height, footprints.width) != (num_frames, height, width):
        raise ValueError(
            f"footprints are for {footprints.num_frames} frames of {footprints.width}x{footprints.height}, the clip "
            f"has {num_frames} of {width}x{height}; use footprints.select(frames).resized(height, width)"
        )
    for name, count in (("camera_to_world", len(poses)), ("frame_indices", len(indices))):
        if count != num_frames:
            raise ValueError(f"{name} has {count} entries for {num_frames} frames; give one per frame")
    if depth is not None and depth.shape != frames.shape[:3]:
        raise ValueError(f"depth has shape {depth.shape}, the frames {frames.shape[:3]}; they must be equal")
    out = frames.copy()
    if strength == 0.0:
        return out
    rays = pixel_rays(intrinsics, height, width).reshape(-1, 3)
    # Sorted: amodal footprints overlap, and there the later object wins, in whatever order the ids were given.
    for object_id in sorted(set(object_ids)):
        if object_id not in boxes:
            raise KeyError(f"object {object_id} has no box; geometry noise needs the box of every object it moves")
        shift = Displacement.sample(boxes[object_id], strength, stable_key("displacement", key, object_id))
        # By object, so that perturbing a second one leaves the first one's noise as it was.
        fill_key = stable_key("fill", key, object_id)
        for row, index in enumerate(indices):
            inside = footprints.mask(object_id, row)
            if inside is None:
                continue
            _splat(
                frames[row].reshape(-1, 3),
                out[row].reshape(-1, 3),
                inside,
                None if depth is None else depth[row].reshape(-1),
                rays,
                shift,
                poses[row],
                intrinsics.astype(np.float32),
                fill_key,
                index,
            )
    return out


@dataclass(frozen=True, eq=False)
class Displacement:
    """How each cell of a box moves: `table` (X, Y, Z, 3) float32 metres, in the box's own axes."""

    box: OrientedBox
    cell_m: float
    table: np.ndarray

    @classmethod
    def sample(cls, box: OrientedBox, strength: float, key: int) -> Displacement:
        """Return displacements ~ N(0, (strength x diagonal)^2) per axis for every cell of the box."""
        # At least a millimetre, since a box without extent would give cells of size 0.
        cell = max(box.diagonal, 1e-3) / CELLS_PER_DIAGONAL
        shape = (*(np.floor(box.size / cell).astype(np.int64) + 1), 3)
        # The whole table at once: a cell's value doesn't depend on which frames or pixels are asked for.
        noise = generator(key).standard_normal(shape, dtype=np.float32)
        return cls(box, cell, noise * np.float32(strength * box.diagonal))

    def at(self, local: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
        """Return the displacement (N, 3) of points given in the box's axes; points outside take the nearest cell's."""
        low = (-self.box.size / 2.0).astype(np.float32)
        cells = ((local - low) * np.float32(1.0 / self.cell_m)).astype(np.int32)
        shape = self.table.shape
        np.clip(cells, 0, np.array(shape[:3], dtype=np.int32) - 1, out=cells)
        flat = (cells[:, 0] * shape[1] + cells[:, 1]) * shape[2] + cells[:, 2]
        return self.table.reshape(-1, 3).take(flat, axis=0)


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


def _splat(
    source: UInt8[np.ndarray, "p 3"],
    out: UInt8[np.ndarray, "p 3"],
    inside: Bool[np.ndarray, "h w"],
    depth: Float[np.ndarray, "p"] | None,
    rays: Float32[np.ndarray, "p 3"],
    shift: Displacement,
    pose: Float[np.ndarray, "4 4"],
    intrinsics: Float32[np.ndarray, "3 3"],
    fill_key: int,
    frame_index: int,
) -> None:
    """Render one displaced object into one frame, in place in `out`."""
    height, width = inside.shape
    where = np.flatnonzero(inside)
    in_camera = shift.box.moved(rigid_inverse(pose))
    direction = rays.take(where, axis=0)
    if depth is None:
        metres = front_face_depth(direction, in_camera).astype(np.float32)
    else:
        metres = depth.take(where).astype(np.float32)
        unknown = ~(np.isfinite(metres) & (metres > 0.0))
        if unknown.any():
            metres[unknown] = front_face_depth(direction[unknown], in_camera)
    points = direction * metres[:, None]
    rotation, center = in_camera.rotation.astype(np.float32), in_camera.center.astype(np.float32)
    # Row vectors: `@ rotation` goes into the box's axes, `@ rotation.T` back. The shift turns with the object.
    points += shift.at((points - center) @ rotation) @ rotation.T
    image = points @ intrinsics.T
    z = points[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = image[:, 0] / z, image[:, 1] / z
    kept = np.flatnonzero((z >= NEAR_M) & (u >= 0.0) & (u < width) & (v >= 0.0) & (v < height))
    target = v[kept].astype(np.int64) * width + u[kept].astype(np.int64)
    # Points that leave the outline are dropped: outside the footprint every pixel must stay as it was.
    on_object = inside.reshape(-1)[target]
    kept, target = kept[on_object], target[on_object]
    # Far to near: where several points fall on one pixel the assignment below keeps the last, nearest one.
    order = np.argsort(-z[kept], kind="stable")
    noise = region_noise(where.size, fill_key, frame_index)
    # Noise first, points on top: what no point reaches keeps it, and no pixel of the original object is left by
    # accident.
    out[where] = (np.clip(noise, 0.0, 1.0) * np.float32(255.0) + np.float32(0.5)).astype(np.uint8)
    out[target[order]] = source[where[kept[order]]]
