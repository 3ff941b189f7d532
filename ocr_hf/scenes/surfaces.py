"""All the triangles of a scene in one set of flat arrays, cut fine enough to carry baked light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.scenes.scene import Mesh, Scene

MAX_EDGE_M = 0.2
"""Edges longer than this are halved, so that light interpolated between corners follows soft shadows."""
MAX_CUT_FACES = 150_000
"""About how many triangles the cutting may make; larger scenes get longer edges."""


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Every triangle of a scene.

    origin : (3,) float64, world position of the arrays' origin (keeps float32 exact far from the world's origin)
    vertices : (V, 3) float32, metres from `origin`
    faces : (F, 3) uint32
    uv : (V, 2) float32
    color : (V, 3) float32 sRGB in [0, 1], material times vertex colour
    part : (F,) int32, index of the mesh that each triangle came from; the arrays below have one value per part
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


def gather_surfaces(scene: Scene) -> Surfaces:
    """Return the scene's triangles, long edges halved; degenerate triangles are left out.

    Raises ValueError if the scene has no triangle or a mesh is malformed, naming object and mesh.
    """
    named = [("structure", 0, i, mesh) for i, mesh in enumerate(scene.structure)]
    named += [(f"object {o.id} ('{o.label}')", o.id, i, mesh) for o in scene.objects for i, mesh in enumerate(o.meshes)]
    parts = []
    for owner, instance, index, mesh in named:
        checked = _checked(mesh, f"scene '{scene.name}', {owner}, mesh {index}")
        if len(checked[1]):
            parts.append((instance, mesh.material, *checked))
    if not parts:
        raise ValueError(f"scene '{scene.name}' has no triangles to render; give its objects or structure meshes")
    low = np.min([vertices.min(axis=0) for _, _, vertices, *_ in parts], axis=0)
    high = np.max([vertices.max(axis=0) for _, _, vertices, *_ in parts], axis=0)
    origin = np.round((low + high) / 2.0, 3)
    max_edge = _edge_limit(parts)
    vertices, faces, uv, color, part, start = [], [], [], [], [], 0
    for index, (_, _, points, triangles, attributes) in enumerate(parts):
        points, attributes, triangles = subdivide(
            (points - origin).astype(np.float32), attributes, triangles, max_edge
        )
        vertices.append(points)
        uv.append(attributes[:, :2])
        color.append(attributes[:, 2:])
        faces.append((triangles + start).astype(np.uint32))
        part.append(np.full(len(triangles), index, dtype=np.int32))
        start += len(points)
    return Surfaces(
        origin=origin,
        vertices=np.concatenate(vertices),
        faces=np.concatenate(faces),
        uv=np.concatenate(uv),
        color=np.concatenate(color),
        part=np.concatenate(part),
        texture=tuple(material.texture for _, material, *_ in parts),
        instance=np.array([instance for instance, *_ in parts], dtype=np.uint16),
        emission=np.array([material.emission for _, material, *_ in parts], dtype=np.float32),
    )


def _checked(mesh: Mesh, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (vertices (V, 3) float64, faces (F, 3) int64, attributes (V, 5) float32 u v r g b) of a sound mesh."""
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64)
    if len(faces) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64), np.zeros((0, 5), dtype=np.float32)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"{where}: vertices {vertices.shape}, faces {faces.shape}; give (V, 3) and (F, 3)")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(
            f"{where}: faces name vertex {faces.min() if faces.min() < 0 else faces.max()}, "
            f"but there are {len(vertices)}; check the mesh"
        )
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
    cross = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    faces = faces[np.linalg.norm(cross, axis=1) > 1e-12]
    used, inverse = np.unique(faces, return_inverse=True)
    return vertices[used], inverse.reshape(-1, 3), attributes[used]


def _edge_limit(parts: list) -> float:
    """Return the edge length (metres) at which cutting stays within MAX_CUT_FACES triangles, at least MAX_EDGE_M."""
    area = 0.0
    for _, _, vertices, faces, _ in parts:
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0
        area += areas[areas > 0.25 * MAX_EDGE_M**2].sum()
    # A triangle whose longest edge lies between L/2 and L has an area of about L^2 / 6.
    return max(MAX_EDGE_M, float(np.sqrt(6.0 * area / MAX_CUT_FACES)))


def subdivide(
    vertices: np.ndarray, attributes: np.ndarray, faces: np.ndarray, max_edge: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Halve every edge longer than `max_edge` until none is left; faces stay planar and neighbours stay joined.

    vertices : (V, 3) float32; attributes : (V, A) float32, interpolated; faces : (F, 3) int
    Returns (vertices, attributes, faces), more of each. Whether an edge is cut depends on its two ends only,
    so triangles that share an edge are cut alike and no crack opens.
    """
    faces = np.asarray(faces, dtype=np.int64)
    done = []
    while len(faces):
        corner = vertices[faces]
        length = np.linalg.norm(corner - corner[:, [1, 2, 0]], axis=2)
        long = length > max_edge
        count = long.sum(axis=1)
        done.append(faces[count == 0])
        faces, long, count = faces[count > 0], long[count > 0], count[count > 0]
        if not len(faces):
            break
        # Turn each face so that its pattern of long edges is one of TTT, TTF, TFF (edge i joins corners i and i + 1).
        first = np.where(count == 1, long.argmax(axis=1), np.where(count == 2, (long.argmin(axis=1) + 1) % 3, 0))
        faces = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
        following = faces[:, [1, 2, 0]]
        key = np.minimum(faces, following) * len(vertices) + np.maximum(faces, following)
        cut = np.arange(3) < count[:, None]
        keys, inverse = np.unique(key[cut], return_inverse=True)
        middle = np.zeros(faces.shape, dtype=np.int64)
        middle[cut] = inverse + len(vertices)
        low, high = np.divmod(keys, len(vertices))
        vertices = np.concatenate([vertices, (vertices[low] + vertices[high]) * np.float32(0.5)])
        attributes = np.concatenate([attributes, (attributes[low] + attributes[high]) * np.float32(0.5)])
        faces = np.concatenate([_split(faces[count == n], middle[count == n], n) for n in (1, 2, 3)])
    return vertices, attributes, np.concatenate(done) if done else faces


def _split(faces: np.ndarray, middle: np.ndarray, count: int) -> np.ndarray:
    """Return the triangles into which faces fall when their first `count` edges get the vertices `middle`."""
    (a, b, c), (ab, bc, ca) = faces.T, middle.T
    if count == 1:
        triangles = [(a, ab, c), (ab, b, c)]
    elif count == 2:
        triangles = [(ab, b, bc), (a, ab, bc), (a, bc, c)]
    else:
        triangles = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([np.stack(t, axis=1) for t in triangles])
