"""Seeing an altered object again by the same camera: its visible surface is lifted, altered in 3D and drawn anew.

What only another view could show stays unknown: sides of the object that the camera didn't see are missing, and what
was behind it is filled from around and flagged. Scenes with meshes are rendered again instead (`ocr-hf build
--variants`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import NEAR_M, rigid_inverse
from ocr_hf.geometry.occlusion import Footprints, pixel_rays
from ocr_hf.perturb.alteration import Alteration
from ocr_hf.perturb.degrade import fill_holes
from ocr_hf.perturb.lift import check_cameras, lifted_depth

STEEPEST = 0.3
"""Most by which inverse depth changes from one pixel to the next within a surface, as a share of itself."""
OVERLAP = 0.1
"""By how many pixels of the source each pixel's patch is enlarged, so that no cracks open where a surface is bent."""
LARGEST_PX = 64
"""Widest patch that one pixel may become; it would take an object that comes within a few centimetres of the camera."""
CONTACT = 0.02
"""Share of the depth by which an altered object may lie behind what it touches, as feet on the floor, and still win."""
MARGIN_PX = 24
"""Surroundings from which a hole is filled."""


def reproject(
    frames: UInt8[np.ndarray, "t h w 3"],
    depth: Float[np.ndarray, "_ _ _"] | None,
    boxes: Mapping[int, OrientedBox],
    footprints: Footprints,
    alterations: Mapping[int, Alteration],
    camera_to_world: Float[np.ndarray, "_ 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
) -> tuple[UInt8[np.ndarray, "t h w 3"], Bool[np.ndarray, "t h w"]]:
    """Return the frames with altered objects, and which of their pixels were filled from around.

    An object's visible pixels become patches of its surface, which are altered in 3D, projected and drawn, the nearest
    on top. What stands in front of an altered object hides it: by depth, or without it by the front of the box of the
    object whose footprint a pixel is in. Pixels that the object has left, and one pixel around, in which its colours
    bleed, are filled smoothly.

    Args:
        frames: (T, H, W, 3) uint8.
        depth: (T, H, W) metres, 0 or not finite = unknown, or None.
        boxes: object id -> box, for depth where none is known.
        footprints: of these frames and of their size.
        alterations: object id -> what is done to it.
        camera_to_world: (T, 4, 4).
        intrinsics: (3, 3), pixels of `frames`.

    Returns:
        (T, H, W, 3) uint8 and (T, H, W) bool.

    Raises:
        ValueError: shapes disagree.
    """
    poses, intrinsics = check_cameras(frames, depth, footprints, camera_to_world, intrinsics)
    camera = _Camera(intrinsics, pixel_rays(intrinsics, *frames.shape[1:3]))
    out, filled = frames.copy(), np.zeros(frames.shape[:3], dtype=bool)
    for row, pose in enumerate(poses):
        inside = {object_id: footprints.mask(object_id, row) for object_id in sorted(alterations)}
        inside = {object_id: mask for object_id, mask in inside.items() if mask is not None}
        if not inside:
            continue
        view = _View(frames[row], None if depth is None else depth[row], inside, footprints, row, boxes, pose, camera)
        out[row], filled[row] = view.altered(alterations)
    return out, filled


@dataclass(frozen=True, eq=False)
class _Camera:
    """intrinsics : (3, 3) float64; rays : (H, W, 3) float32, points of the pixels' centres at depth 1"""

    intrinsics: np.ndarray
    rays: np.ndarray


@dataclass(frozen=True, eq=False)
class _Patches:
    """Parts of a surface, one for each pixel covered in the frame: flat positions, depth, place in the source."""

    at: np.ndarray
    z: np.ndarray
    uv: np.ndarray


@dataclass(frozen=True, eq=False)
class _View:
    """One frame, and the masks of the altered objects that it shows."""

    frame: np.ndarray
    depth: np.ndarray | None
    inside: dict[int, np.ndarray]
    footprints: Footprints
    row: int
    boxes: Mapping[int, OrientedBox]
    pose: np.ndarray
    camera: _Camera

    def altered(self, alterations: Mapping[int, Alteration]) -> tuple[np.ndarray, np.ndarray]:
        """Return the frame (H, W, 3) uint8 with the objects altered, and its filled pixels (H, W) bool."""
        left = np.logical_or.reduce(list(self.inside.values()))
        other_ids = [i for i in self.footprints.object_ids if i not in self.inside]
        others = self.footprints.region(other_ids, [self.row])[0]
        hole = left | (_grown(left) & ~others)
        nearest = np.full(left.size, np.inf, dtype=np.float32)
        colours = np.zeros((left.size, 3), dtype=np.uint8)
        for object_id, mask in self.inside.items():
            window, metres = self._lifted(object_id, mask)
            patches = _drawn(metres, window, alterations[object_id], self.pose, self.camera)
            kept = patches.z < nearest[patches.at]
            at = patches.at[kept]
            nearest[at] = patches.z[kept]
            colours[at] = _looked_up(self.frame, mask, window, patches.uv[kept])
        at = np.flatnonzero(np.isfinite(nearest))
        at = at[nearest[at] < (1.0 + CONTACT) * self._depth_behind(hole, others, other_ids, at)]
        filled = hole.reshape(-1).copy()
        filled[at] = False
        out = _filled(self.frame, hole, others, filled.reshape(hole.shape)).reshape(-1, 3)
        out[at] = colours[at]
        return out.reshape(self.frame.shape), filled.reshape(hole.shape)

    def _lifted(self, object_id: int, mask: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray]:
        """Return the window (rows, columns) of an object, and its depth there (h, w) float32, NaN beside the object."""
        window = _window(mask, 0)
        seen = mask[window]
        metres = np.full(seen.shape, np.nan, dtype=np.float32)
        depth = None if self.depth is None else self.depth[window][seen]
        metres[seen] = lifted_depth(self.camera.rays[window][seen], depth, self._in_camera(object_id))
        return window, metres

    def _in_camera(self, object_id: int) -> OrientedBox:
        return self.boxes[object_id].moved(rigid_inverse(self.pose))

    def _depth_behind(self, hole: np.ndarray, others: np.ndarray, other_ids: list[int], at: np.ndarray) -> np.ndarray:
        """Return the depth (N,) of what the frame shows at flat positions, infinite in the hole and where unknown."""
        if self.depth is not None:
            metres = self.depth.reshape(-1)[at].astype(np.float32)
            metres[~(np.isfinite(metres) & (metres > 0.0))] = np.inf
        else:
            metres = np.full(at.shape, np.inf, dtype=np.float32)
            for object_id in other_ids if others.reshape(-1)[at].any() else ():
                mask = self.footprints.mask(object_id, self.row)
                if mask is None or object_id not in self.boxes:
                    continue
                shown = mask.reshape(-1)[at]
                if shown.any():
                    rays = self.camera.rays.reshape(-1, 3)[at[shown]]
                    front = lifted_depth(rays, None, self._in_camera(object_id))
                    metres[shown] = np.minimum(metres[shown], front)
        metres[hole.reshape(-1)[at]] = np.inf
        return metres


def _filled(frame: np.ndarray, hole: np.ndarray, others: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the frame with the wanted part of the hole filled from what belongs to no object: walls and floors.

    What stands on an object or in front of it says nothing of what is behind it.
    """
    out = frame.copy()
    if not wanted.any():
        return out
    window = _window(hole, MARGIN_PX)
    unknown = hole[window] | others[window]
    # Where nothing but objects is around, they serve rather than grey
    unknown = hole[window] if unknown.all() else unknown
    out[window][wanted[window]] = fill_holes(frame[window], unknown)[wanted[window]]
    return out


def _grown(mask: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) grown by one pixel in the 8 directions."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), dtype=np.uint8)).astype(bool)


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns that a mask (H, W), not empty, covers, with a margin within the frame."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, mask.shape[0])),
        slice(max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, mask.shape[1])),
    )


def _slope(inverse: np.ndarray, axis: int) -> np.ndarray:
    """Return by how much inverse depth (h, w), NaN beside the object, changes per pixel along an axis.

    The smaller of the two differences with the neighbours: exact on planes, and no surface reaches across an edge of
    depth. Inverse depth and not depth, for that is what is linear in the image of a plane.
    """
    step = np.diff(inverse, axis=axis)
    before, after = (np.pad(step, [side if a == axis else (0, 0) for a in (0, 1)], constant_values=np.nan)
                     for side in ((1, 0), (0, 1)))  # fmt: skip
    slope = np.where(np.isnan(after) | (np.abs(before) < np.abs(after)), before, after)
    slope = np.where(np.isnan(slope), np.float32(0.0), slope)
    most = np.float32(STEEPEST) * np.where(np.isnan(inverse), np.float32(0.0), inverse)
    return np.clip(slope, -most, most)


def _drawn(
    metres: Float32[np.ndarray, "h w"],
    window: tuple[slice, slice],
    alteration: Alteration,
    pose: np.ndarray,
    camera: _Camera,
) -> _Patches:
    """Return the pixels of the frame that an altered object covers; what faces away is left out.

    Each pixel of the object is taken for a small plane, whose centre and two tangents are altered and projected: an
    affine map of the pixel's square. A surface has no holes however much it is magnified.
    """
    height, width = camera.rays.shape[:2]
    rows, columns = np.nonzero(~np.isnan(metres))
    inverse = np.float32(1.0) / metres
    near = inverse[rows, columns]
    half = [slope[rows, columns] * np.float32(0.5) for slope in (_slope(inverse, 1), _slope(inverse, 0))]
    rays = camera.rays[window][rows, columns]
    aside = (np.linalg.inv(camera.intrinsics)[:, :2] * 0.5).T.astype(np.float32)
    points = np.concatenate([rays / near[:, None], *((rays + aside[i]) / (near + half[i])[:, None] for i in range(2))])
    to_world = pose[:3, :3].astype(np.float32)
    base = (pose[:3, 3] - alteration.base).astype(np.float32)
    altered = (alteration.moved(points @ to_world.T + base) - base) @ to_world
    z = altered[:, 2].reshape(3, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pixel = ((altered @ camera.intrinsics.T.astype(np.float32))[:, :2] / altered[:, 2:]).reshape(3, -1, 2)
    tangents = 2.0 * (pixel[1:] - pixel[0])
    turn = tangents[0, :, 0] * tangents[1, :, 1] - tangents[0, :, 1] * tangents[1, :, 0]
    kept = np.flatnonzero((z.min(axis=0) >= NEAR_M) & (turn > 1e-6) & np.isfinite(pixel).all(axis=(0, 2)))
    center, (along_u, along_v), turn = pixel[0, kept], tangents[:, kept], turn[kept]
    reach = (np.abs(along_u) + np.abs(along_v)) * np.float32(0.5 + OVERLAP)
    # Bounds of floats first: those of far-off places would overflow as integers
    low = np.clip(np.ceil(center - reach - 0.5), 0, [width, height]).astype(np.int64)
    high = np.clip(np.floor(center + reach - 0.5), -1, [width - 1, height - 1]).astype(np.int64)
    wide, tall = np.clip(high - low + 1, 0, LARGEST_PX).T
    source, place = _repeated(wide * tall)
    to = low[source] + np.stack([place % wide[source], place // wide[source]], axis=-1)
    offset = to + np.float32(0.5) - center[source]
    a = (along_v[source, 1] * offset[:, 0] - along_v[source, 0] * offset[:, 1]) / turn[source]
    b = (along_u[source, 0] * offset[:, 1] - along_u[source, 1] * offset[:, 0]) / turn[source]
    on = np.flatnonzero(np.maximum(np.abs(a), np.abs(b)) <= 0.5 + OVERLAP)
    source, a, b, to = source[on], a[on], b[on], to[on]
    pick = kept[source]
    depth = z[0, pick] + 2.0 * (a * (z[1, pick] - z[0, pick]) + b * (z[2, pick] - z[0, pick]))
    at = to[:, 1] * width + to[:, 0]
    front = _front(at, depth.astype(np.float32), height * width)
    uv = np.stack([columns[pick] + a, rows[pick] + b], axis=-1)[front]
    return _Patches(at[front], depth[front].astype(np.float32), uv)


def _repeated(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for counts (N,) each index as often as its count says, and the numbers 0, 1, ... within each."""
    source = np.repeat(np.arange(len(counts)), counts)
    return source, np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)


def _front(at: np.ndarray, z: np.ndarray, size: int) -> np.ndarray:
    """Return the indices of the nearest entry at each of the places `at` (N,); of equally near ones the first."""
    # Depth and index in one number: positive floats are ordered as their bits are
    packed = (np.maximum(z, NEAR_M).astype("<f4").view("<u4").astype(np.uint64) << np.uint64(32)) | np.arange(
        len(z), dtype=np.uint64
    )
    best = np.full(size, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(best, at, packed)
    return np.flatnonzero(best[at] == packed)


def _looked_up(frame: np.ndarray, mask: np.ndarray, window: tuple[slice, slice], uv: np.ndarray) -> np.ndarray:
    """Return colours (N, 3) uint8 at places (N, 2) of the window, interpolated between the object's own pixels only."""
    if len(uv) == 0:
        return np.zeros((0, 3), dtype=np.uint8)
    own = mask[window].astype(np.float32)
    weighted = np.dstack([frame[window] * own[..., None], own])
    # remap takes no more than 32,767 columns
    columns = 1024
    places = np.zeros((-(-len(uv) // columns) * columns, 2), dtype=np.float32)
    places[: len(uv)] = uv
    found = cv2.remap(
        weighted, places.reshape(-1, columns, 2), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    ).reshape(-1, 4)[: len(uv)]
    return np.clip(found[:, :3] / np.maximum(found[:, 3:], 1e-3) + 0.5, 0.0, 255.0).astype(np.uint8)
