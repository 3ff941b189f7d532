"""Rays into an edited scene, such that whatever the edit left alone is met exactly as before."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from ocr_hf.scenes.render.ray_caster import Hits, RayCaster
from ocr_hf.scenes.render.surfaces import Surfaces

NOTHING = np.uint32(2**32 - 1)


class EditedCaster:
    """Casts rays at the triangles of a scene, less those that are gone, and at new ones.

    A caster built anew could meet the other of two coincident triangles, and pixels far from the edit would change.
    So every ray is cast at the old triangles first; only if it meets one that is gone is it cast again.

    base : casts at `surfaces`, F triangles, whose numbers are kept; gone : (F,) bool
    new : triangles that are numbered from F on, or None; threads : as for RayCaster
    """

    def __init__(
        self, base: RayCaster, surfaces: Surfaces, gone: np.ndarray, new: Surfaces | None, threads: int = 1
    ) -> None:
        self._base, self._gone = base, np.append(gone, False)
        self._kept = np.flatnonzero(~gone).astype(np.uint32)
        self._others = RayCaster(surfaces.vertices, surfaces.faces[self._kept], threads) if len(self._kept) else None
        self._threads = threads
        # Without triangles Open3D refuses to cast.
        self._new = RayCaster(new.vertices, new.faces, threads) if new is not None and len(new.faces) else None

    def with_new(self, new: Surfaces) -> EditedCaster:
        """Return a caster with other new triangles."""
        other = copy(self)
        other._new = RayCaster(new.vertices, new.faces, self._threads)
        return other

    def cast(self, rays: np.ndarray) -> Hits:
        """Return what rays (N, 6) float32 (origin, direction) meet first."""
        return self.cast_through(rays)[0]

    def cast_through(self, rays: np.ndarray) -> tuple[Hits, np.ndarray]:
        """Return what `cast` does, and which rays (n,) met something that is gone."""
        hits = self._base.cast(rays)
        count = len(self._gone) - 1
        through = np.flatnonzero(self._gone[np.minimum(hits.face, np.uint32(count))])
        if len(through):
            hits = _with(hits, through, self._behind(rays[through]))
        if self._new is not None:
            met = np.flatnonzero(self._new.meets(rays))
            near = self._new.cast(rays[met])
            first = np.flatnonzero(near.distance < hits.distance[met])
            if len(first):
                hits = _with(hits, met[first], near.at(first), count)
        return hits, through

    def _behind(self, rays: np.ndarray) -> Hits:
        """Return what rays meet first of the triangles that are not gone."""
        if self._others is None:
            count = len(rays)
            nowhere = np.full(count, np.inf, dtype=np.float32)
            zeros = np.zeros((count, 5), dtype=np.float32)
            return Hits(nowhere, np.full(count, NOTHING), zeros[:, :2], zeros[:, 2:])
        hits = self._others.cast(rays)
        missed = hits.face == NOTHING
        return replace(hits, face=np.where(missed, NOTHING, self._kept[np.where(missed, 0, hits.face)]))

    def meets_new(self, rays: np.ndarray) -> bool:
        """Return whether any of the rays (N, 6) float32 meets something new before all that was there."""
        rays = rays[self._new.meets(rays)]
        return bool((self._new.cast(rays).distance < self._base.cast(rays).distance).any())

    def blocked(self, rays: np.ndarray) -> np.ndarray:
        """Return (N,) bool: whether anything lies between origin and origin + direction of rays (N, 6) float32."""
        blocked = np.zeros(len(rays), dtype=bool) if self._others is None else self._others.blocked(rays)
        return blocked if self._new is None else blocked | self._new.blocked(rays)


class DetailedCaster:
    """Casts like another caster, but says of some triangles which of their pieces a ray meets.

    Distance and normal stay those of the whole triangle: cutting rounds the middles of edges, and must not move pixels.

    whole : the other caster; pieces, parent : triangles into which the triangles numbered `parent` (Q,) are cut
    first : the number of the first piece
    """

    def __init__(self, whole: EditedCaster, pieces: Surfaces, parent: np.ndarray, first: int, threads: int) -> None:
        self._whole, self._parent, self._first = whole, parent, np.uint32(first)
        self._cut = np.zeros(first + 1, dtype=bool)
        self._cut[parent] = True
        self._pieces = RayCaster(pieces.vertices, pieces.faces, threads)

    def cast(self, rays: np.ndarray) -> Hits:
        """Return what rays (N, 6) float32 (origin, direction) meet first."""
        return self.cast_through(rays)[0]

    def cast_through(self, rays: np.ndarray) -> tuple[Hits, np.ndarray]:
        """Return what `cast` does, and which rays (n,) met something that is gone."""
        hits, through = self._whole.cast_through(rays)
        cut = np.flatnonzero(self._cut[np.minimum(hits.face, self._first)])
        if not len(cut):
            return hits, through
        found = self._pieces.cast(rays[cut])
        # At its edge a triangle can be met where rounding lets the ray slip past all its pieces: it is shown whole.
        piece = np.minimum(found.face, np.uint32(len(self._parent) - 1))
        sure = (found.face != NOTHING) & (self._parent[piece] == hits.face[cut])
        cut, piece = cut[sure], piece[sure]
        face, barycentric = hits.face.copy(), hits.barycentric.copy()
        face[cut], barycentric[cut] = piece + self._first, found.barycentric[sure]
        return replace(hits, face=face, barycentric=barycentric), through

    def blocked(self, rays: np.ndarray) -> np.ndarray:
        """Return (N,) bool: whether anything lies between origin and origin + direction of rays (N, 6) float32."""
        return self._whole.blocked(rays)


def _with(hits: Hits, index: np.ndarray, others: Hits, first: int = 0) -> Hits:
    """Return `hits` with those at `index` (n,) replaced by `others`, their triangles numbered from `first` on."""
    distance, face, barycentric, normal = (
        array.copy() for array in (hits.distance, hits.face, hits.barycentric, hits.normal)
    )
    distance[index], barycentric[index], normal[index] = others.distance, others.barycentric, others.normal
    face[index] = others.face + np.uint32(first)
    return Hits(distance, face, barycentric, normal)
