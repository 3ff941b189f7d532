"""The `jitter` mode of OCR: small pieces of an object's surface are displaced in 3D, each by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import NEAR_M, rigid_inverse
from ocr_hf.geometry.occlusion import Footprints, pixel_rays
from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.perturb.lift import box_of, check_cameras, lifted_depth
from ocr_hf.perturb.noise import region_noise

CELLS_PER_DIAGONAL = 64
"""Surface points in one cubic cell, whose side is this fraction of the box's diagonal, move together. Our choice."""


def jitter_region(
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
    """Return a copy of `frames` in which the objects' surfaces are jittered; pixels outside are bit-identical.

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
        raise ValueError(f"strength is {strength}; jitter takes a share of the box's diagonal, at least 0")
    poses, intrinsics = check_cameras(frames, depth, footprints, camera_to_world, intrinsics)
    height, width = frames.shape[1:3]
    indices = range(len(frames)) if frame_indices is None else frame_indices
    if len(indices) != len(frames):
        raise ValueError(f"frame_indices has {len(indices)} entries for {len(frames)} frames; give one per frame")
    out = frames.copy()
    if strength == 0.0:
        return out
    rays = pixel_rays(intrinsics, height, width).reshape(-1, 3)
    # Sorted: amodal footprints overlap, and there the later object wins, in whatever order the ids were given.
    for object_id in sorted(set(object_ids)):
        box = box_of(boxes, object_id)
        shift = Displacement.sample(box, strength, stable_key("displacement", key, object_id))
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
    metres = lifted_depth(direction, None if depth is None else depth.take(where), in_camera)
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
