"""All the triangles of a scene in one set of flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ocr_hf.geometry.cutting import Triangles, halve_long_edges, triangle_areas
from ocr_hf.scenes.scene import Mesh, Scene


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

    def chosen(self, faces: np.ndarray) -> Surfaces:
        """Return the chosen (C,) triangles with all vertices and parts."""
        return replace(self, faces=self.faces[faces], uv=self.uv[faces], color=self.color[faces], part=self.part[faces])

    def following(self, other: Surfaces) -> Surfaces:
        """Return these surfaces, their parts numbered after those of `other`, which they name too."""
        return replace(
            self,
            part=self.part + np.int32(len(other.texture)),
            texture=other.texture + self.texture,
            instance=np.append(other.instance, self.instance),
            emission=np.append(other.emission, self.emission),
        )

    def triangles(self) -> Triangles:
        """Return the triangles in the form in which they are cut."""
        attributes = np.concatenate([self.uv, self.color], axis=2)
        return Triangles(self.vertices, self.faces.astype(np.int64), attributes, self.part)

    def with_triangles(self, triangles: Triangles) -> Surfaces:
        """Return the same surfaces, cut into `triangles`."""
        return replace(
            self,
            vertices=triangles.vertices,
            faces=triangles.faces.astype(np.uint32),
            uv=np.ascontiguousarray(triangles.attributes[..., :2]),
            color=np.ascontiguousarray(triangles.attributes[..., 2:5]),
            part=triangles.part,
        )


def gather_surfaces(scene: Scene, origin: np.ndarray | None = None) -> Surfaces:
    """Return the scene's triangles, long edges halved; degenerate triangles are left out.

    origin : (3,) of the vertices; None: the middle of the scene
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
    if origin is None:
        # Rounded to a millimetre, so that a scene moved by whole millimetres keeps its float32 vertices and its pixels.
        origin = np.round((corners.min(axis=(0, 1)) + corners.max(axis=(0, 1))) / 2.0, 3)
    vertices, faces = _welded((corners - origin).astype(np.float32))
    surfaces = Surfaces(
        origin=origin,
        vertices=vertices,
        faces=faces.astype(np.uint32),
        uv=attributes[..., :2],
        color=attributes[..., 2:],
        part=part,
        texture=tuple(mesh.material.texture for *_, mesh in named),
        instance=np.array([instance for _, instance, *_ in named], dtype=np.uint16),
        emission=np.array([mesh.material.emission for *_, mesh in named], dtype=np.float32),
    )
    return surfaces.with_triangles(halve_long_edges(surfaces.triangles()))


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
        # Exporters write NaN for unmapped vertices; colour there is a matter of looks and no reason to refuse a scene.
        attributes[:, :2] = np.nan_to_num(mesh.uv, posinf=0.0, neginf=0.0)
    if mesh.vertex_colors is not None:
        attributes[:, 2:] *= np.asarray(mesh.vertex_colors, dtype=np.float32) / 255.0
    corners = vertices[faces]
    # A triangle without area has no normal.
    sound = triangle_areas(corners) > 1e-12
    return corners[sound], attributes[faces[sound]]


def _welded(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (vertices (V, 3) float32, faces (F, 3) int64) in which equal corners of (F, 3, 3) are one vertex."""
    flat = corners.reshape(-1, 3) + np.float32(0.0)  # -0.0 becomes 0.0, so equal places have equal bits
    order = np.lexsort(flat.T)
    ordered = flat[order]
    new = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    faces = np.empty(len(flat), dtype=np.int64)
    faces[order] = np.cumsum(new) - 1
    return np.ascontiguousarray(ordered[new]), faces.reshape(-1, 3)
