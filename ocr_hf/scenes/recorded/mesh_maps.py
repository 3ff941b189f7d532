"""Depth and instance maps cast from a scan's mesh, for cameras that have none of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ocr_hf.geometry.camera import scale_intrinsics
from ocr_hf.scenes.recorded.segmented_mesh import SegmentedMesh

MOST_PIXELS = 960
"""Of the longer side of a map: rays cost time, and footprints are resized to clips' pixels anyway."""


class MeshMaps:
    """Casts a ray through the centre of each pixel of a map.

    vertices : (V, 3) metres; faces : (F, 3)
    vertex_ids : (V,) object id of each vertex; a face has its first corner's
    width, height : of the pictures, whose shape the maps have
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, vertex_ids: np.ndarray, width: int, height: int):
        from ocr_hf.scenes.render.ray_caster import RayCaster

        # Far from the world's origin 32-bit numbers are coarse
        self._origin = vertices.mean(axis=0)
        self._caster = RayCaster((vertices - self._origin).astype(np.float32), faces.astype(np.uint32))
        # One more: what a ray meets where it meets nothing
        self._ids = np.append(vertex_ids[faces[:, 0]], 0).astype(np.uint16)
        scale = min(1.0, MOST_PIXELS / max(width, height))
        self._size = max(1, round(width * scale)), max(1, round(height * scale))
        self._scale = self._size[0] / width, self._size[1] / height

    def see(self, pose: np.ndarray, intrinsics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return depth (h, w) float32 metres, 0 = nothing, and object ids (h, w) uint16.

        pose : (4, 4) camera to world; intrinsics : (3, 3) pixels of the pictures, the first one's centre at 0.5
        """
        width, height = self._size
        v, u = np.mgrid[0:height, 0:width] + 0.5
        camera = scale_intrinsics(intrinsics, *self._scale)
        # 1 along the optical axis, so that the distance of a hit is its depth
        directions = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera).T @ pose[:3, :3].T
        rays = np.empty((height * width, 6), dtype=np.float32)
        rays[:, :3], rays[:, 3:] = pose[:3, 3] - self._origin, directions.reshape(-1, 3)
        hits = self._caster.cast(rays)
        met = np.isfinite(hits.distance)
        depth = np.where(met, hits.distance, np.float32(0.0)).reshape(height, width)
        return depth, self._ids[np.where(met, hits.face, len(self._ids) - 1)].reshape(height, width)


class MappedFrames:
    """The maps of a scan's frames; the mesh is opened when the first is asked for.

    mesh : the scan's, with the objects of its vertices
    poses : (N, 4, 4) camera to world; a frame whose pose isn't finite has no maps
    intrinsics : (3, 3) or (N, 3, 3), pixels of the pictures, the first one's centre at 0.5
    width, height : of the pictures
    """

    def __init__(self, mesh: SegmentedMesh, poses: np.ndarray, intrinsics: np.ndarray, width: int, height: int) -> None:
        self._mesh, self._poses, self._size = mesh, poses, (width, height)
        self._intrinsics = np.broadcast_to(intrinsics, (len(poses), 3, 3))
        self._maps: MeshMaps | None = None
        self._last: tuple[int, tuple[np.ndarray, np.ndarray]] | None = None

    def depth(self, indices: Sequence[int]) -> Iterator[np.ndarray | None]:
        """Yield depth (h, w) float32 metres, 0 = nothing."""
        return (self._see(int(index), 0) for index in indices)

    def instances(self, indices: Sequence[int]) -> Iterator[np.ndarray | None]:
        """Yield object ids (h, w) uint16."""
        return (self._see(int(index), 1) for index in indices)

    def _see(self, index: int, which: int) -> np.ndarray | None:
        if not np.isfinite(self._poses[index]).all():
            return None
        if self._maps is None:
            mesh = self._mesh
            self._maps = MeshMaps(mesh.vertices, mesh.faces, mesh.vertex_ids, *self._size)
        # A frame's depth and ids are asked for one after the other
        if self._last is None or self._last[0] != index:
            self._last = index, self._maps.see(self._poses[index], self._intrinsics[index])
        return self._last[1][which]
