"""Ray casting on the CPU: the one place that talks to Open3D's `RaycastingScene` (Embree)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays met first.

    distance : (N,) float32 in units of the ray's direction, inf = nothing
    face : (N,) uint32, 2**32 - 1 = nothing
    barycentric : (N, 2) float32, weights of the face's second and third corner
    normal : (N, 3) float32, unit normal of the face, on the side from which its corners run counter-clockwise
    """

    distance: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray
    normal: np.ndarray

    def at(self, index: np.ndarray) -> Hits:
        """Return the hits of some rays (n,)."""
        return Hits(self.distance[index], self.face[index], self.barycentric[index], self.normal[index])


class RayCaster:
    """Casts rays at triangles.

    vertices : (V, 3) float32; faces : (F, 3) uint32
    threads : processor threads used by each call; the answers don't depend on it

    Safe in forked workers: a child can use a caster that its parent built and used, and can build its own
    (tests/scenes/test_render.py does both). Can't be pickled.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, threads: int = 1) -> None:
        import open3d as o3d

        self._tensor = o3d.core.Tensor.from_numpy
        self._threads = threads
        # One thread builds, so that the tree, and which of two coincident faces is met first, never varies.
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(self._tensor(vertices), self._tensor(faces))

    def cast(self, rays: np.ndarray) -> Hits:
        """Return what rays (N, 6) float32 (origin, direction) meet first."""
        answer = self._scene.cast_rays(self._tensor(rays), nthreads=self._threads)
        return Hits(
            distance=answer["t_hit"].numpy(),
            face=answer["primitive_ids"].numpy(),
            barycentric=answer["primitive_uvs"].numpy(),
            normal=answer["primitive_normals"].numpy(),
        )

    def meets(self, rays: np.ndarray) -> np.ndarray:
        """Return (N,) bool: whether rays (N, 6) float32 meet anything at all, in half the time that `cast` takes."""
        return self._scene.test_occlusions(self._tensor(rays), nthreads=self._threads).numpy()

    def blocked(self, rays: np.ndarray) -> np.ndarray:
        """Return (N,) bool: whether anything lies between origin and origin + direction of rays (N, 6) float32."""
        return self._scene.test_occlusions(self._tensor(rays), tfar=1.0, nthreads=self._threads).numpy()
