"""All the triangles of a scene in one set of flat arrays, cut fine enough to carry baked light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.scenes.scene import Mesh, Scene

MAX_EDGE_M = 0.25
"""Edges longer than this are halved, so that light interpolated between corners follows soft shadows."""
MIN_CUT_AREA_M2 = 0.003
"""Triangles smaller than this are not cut for their own sake: slivers would fall into thousands of pieces."""
MAX_CUT_FACES = 150_000
"""About how many triangles the cutting may make; larger scenes get longer edges."""


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Every triangle of a scene. Corners at the same place share one vertex.

    origin : (3,) float64, world position of the vertices' origin (keeps float32 exact far from the world's origin)
    vertices : (V, 3) float32, metres from `origin`
    faces : (F, 3) uint32
    uv : (F, 3, 2) float32, texture coordinates of each triangle's corners
    color : (F, 3, 3) float32 sRGB in [0, 1], material times vertex colour
    part : (F,) int32, index of the mesh that each triangle came from; the fields below have one value per part
    texture : tuple of (H, W, 3) uint8 arrays or None
    instance : (parts,) uint16, object id or 0
    emission : (parts,) float32
    """

    origin: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    color: np.ndarray
    part: np.ndarray
    texture: tuple[np.ndarray | None, ...]
    instance: np.ndarray
    emission: np.ndarray

    def corners(self) -> np.ndarray:
        """Return the (F, 3, 3) float32 positions of the triangles' corners."""
        return self.vertices[self.faces]


def gather_surfaces(scene: Scene) -> Surfaces:
    """Return the scene's triangles, long edges halved; degenerate triangles are left out.

    Raises ValueError if the scene has no triangle or a mesh is malformed, naming object and mesh.
    """
    named = [("structure", 0, i, mesh) for i, mesh in enumerate(scene.structure)]
    named += [(f"object {o.id} ('{o.label}')", o.id, i, mesh) for o in scene.objects for i, mesh in enumerate(o.meshes)]
    corners, attributes, part = [], [], []
    for index, (owner, _, number, mesh) in enumerate(named):
        positions, values = _corner_values(mesh, f"scene '{scene.name}', {owner}, mesh {number}")
        corners.append(positions)
        attributes.append(values)
        part.append(np.full(len(positions), index, dtype=np.int32))
    if not sum(map(len, corners)):
        raise ValueError(f"scene '{scene.name}' has no triangles to render; give its objects or structure meshes")
    corners, attributes, part = np.concatenate(corners), np.concatenate(attributes), np.concatenate(part)
    origin = np.round((corners.min(axis=(0, 1)) + corners.max(axis=(0, 1))) / 2.0, 3)
    vertices, faces = _welded((corners - origin).astype(np.float32))
    vertices, faces, attributes, part = _cut(vertices, faces, attributes, part, _edge_limit(corners))
    return Surfaces(
        origin=origin,
        vertices=vertices,
        faces=faces.astype(np.uint32),
        uv=np.ascontiguousarray(attributes[..., :2]),
        color=np.ascontiguousarray(attributes[..., 2:]),
        part=part,
        texture=tuple(mesh.material.texture for *_, mesh in named),
        instance=np.array([instance for _, instance, *_ in named], dtype=np.uint16),
        emission=np.array([mesh.material.emission for *_, mesh in named], dtype=np.float32),
    )


def _corner_values(mesh: Mesh, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (F, 3, 3) float64 and u v r g b (F, 3, 5) float32 of the corners of a mesh's sound triangles."""
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64)
    if len(faces) == 0:
        return np.zeros((0, 3, 3)), np.zeros((0, 3, 5), dtype=np.float32)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"{where}: vertices {vertices.shape}, faces {faces.shape}; give (V, 3) and (F, 3)")
    if faces.min() < 0 or faces.max() >= len(vertices):
        wrong = faces.min() if faces.min() < 0 else faces.max()
        raise ValueError(f"{where}: a face names vertex {wrong}, but there are {len(vertices)}; check the mesh")
    if not np.isfinite(vertices[faces]).all():
        bad = int(np.flatnonzero(~np.isfinite(vertices).all(axis=1))[0])
        raise ValueError(f"{where}: vertex {bad} is {vertices[bad].tolist()}; every coordinate must be finite")
    attributes = np.zeros((len(vertices), 5), dtype=np.float32)
    attributes[:, 2:] = mesh.material.color
    for name, array, columns in (("uv", mesh.uv, 2), ("vertex_colors", mesh.vertex_colors, 3)):
        if array is not None and np.shape(array) != (len(vertices), columns):
            raise ValueError(f"{where}: {name} has shape {np.shape(array)}; give ({len(vertices)}, {columns})")
    if mesh.uv is not None:
        attributes[:, :2] = np.nan_to_num(mesh.uv, posinf=0.0, neginf=0.0)
    if mesh.vertex_colors is not None:
        attributes[:, 2:] *= np.asarray(mesh.vertex_colors, dtype=np.float32) / 255.0
    corners = vertices[faces]
    sound = _areas(corners) > 1e-12
    return corners[sound], attributes[faces[sound]]


def _areas(corners: np.ndarray) -> np.ndarray:
    """Return the areas (F,) of triangles (F, 3, 3)."""
    return 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)


def _welded(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (vertices (V, 3) float32, faces (F, 3) int64) in which equal corners of (F, 3, 3) are one vertex."""
    flat = corners.reshape(-1, 3) + np.float32(0.0)  # -0.0 becomes 0.0, so equal places have equal bits
    order = np.lexsort(flat.T)
    ordered = flat[order]
    new = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    faces = np.empty(len(flat), dtype=np.int64)
    faces[order] = np.cumsum(new) - 1
    return np.ascontiguousarray(ordered[new]), faces.reshape(-1, 3)


def _edge_limit(corners: np.ndarray) -> float:
    """Return the edge length (metres) at which cutting stays within MAX_CUT_FACES triangles, at least MAX_EDGE_M."""
    areas = _areas(corners)
    # A triangle whose longest edge lies between L/2 and L has an area of about L^2 / 6.
    return max(MAX_EDGE_M, float(np.sqrt(6.0 * areas[areas > MIN_CUT_AREA_M2].sum() / MAX_CUT_FACES)))


def _cut(
    vertices: np.ndarray, faces: np.ndarray, attributes: np.ndarray, part: np.ndarray, max_edge: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Halve the longest edges of triangles larger than MIN_CUT_AREA_M2 until they are at most `max_edge` long.

    vertices : (V, 3) float32; faces : (F, 3) int64; attributes : (F, 3, A) float32; part : (F,)
    Returns the same four. An edge is halved for all the triangles that share it: no crack can open.
    """
    done = []
    while True:
        corners = vertices[faces]
        length = np.linalg.norm(corners - corners[:, [1, 2, 0]], axis=2)
        short = length.max(axis=1) <= max_edge
        done.append((faces[short], attributes[short], part[short]))
        faces, attributes, part = faces[~short], attributes[~short], part[~short]
        corners, length = corners[~short], length[~short]
        longest = length.argmax(axis=1)
        wanted = _areas(corners) > MIN_CUT_AREA_M2
        following = faces[:, [1, 2, 0]]
        key = np.minimum(faces, following) * len(vertices) + np.maximum(faces, following)
        keys = np.unique(key[wanted, longest[wanted]])
        if not len(keys):
            done.append((faces, attributes, part))
            return vertices, *(np.concatenate(arrays) for arrays in zip(*done, strict=True))
        middle = np.searchsorted(keys, key)
        cut = keys[np.minimum(middle, len(keys) - 1)] == key
        count = cut.sum(axis=1)
        # Turn each triangle so that its cut edges come first (edge i joins corners i and i + 1).
        first = np.where(count == 1, cut.argmax(axis=1), np.where(count == 2, (cut.argmin(axis=1) + 1) % 3, 0))
        turn = (first[:, None] + np.arange(3)) % 3
        faces = np.take_along_axis(faces, turn, axis=1)
        middle = np.take_along_axis(middle, turn, axis=1) + len(vertices)
        attributes = np.take_along_axis(attributes, turn[:, :, None], axis=1)
        low, high = np.divmod(keys, len(vertices))
        vertices = np.concatenate([vertices, (vertices[low] + vertices[high]) * np.float32(0.5)])
        pieces = [(faces[count == 0], attributes[count == 0], part[count == 0])]
        for number in (1, 2, 3):
            chosen = count == number
            corner = np.concatenate([faces[chosen], middle[chosen]], axis=1)
            values = attributes[chosen]
            values = np.concatenate([values, (values + values[:, [1, 2, 0]]) * np.float32(0.5)], axis=1)
            for triangle in _PIECES[number]:
                pieces.append((corner[:, triangle], values[:, triangle], part[chosen]))
        faces, attributes, part = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))


_PIECES = {
    1: ((0, 3, 2), (3, 1, 2)),
    2: ((3, 1, 4), (0, 3, 4), (0, 4, 2)),
    3: ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)),
}
"""Triangles into which one falls when its first 1, 2 or 3 edges are cut: corners 0-2, middles 3-5 of edges 0-2."""
