"""Meshes out of glTF, GLB and OBJ files, one entry per named node."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ocr_hf.scenes.class_words import composed
from ocr_hf.scenes.readers.mesh_references import check_references
from ocr_hf.scenes.scene import Material, Mesh

SUFFIXES = (".glb", ".gltf", ".obj")


def check_file(path: Path) -> None:
    """Raise FileNotFoundError or ValueError, naming the file, unless it is a mesh file with all that it refers to."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is not a known mesh format; give one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the path of a mesh file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; get the whole file")
    check_references(path)


# A node's scale of 1e300 overflows; what comes of it is named by the checks of vertices.
@np.errstate(over="ignore", invalid="ignore")
def read_nodes(path: Path) -> list[tuple[str, Mesh]]:
    """Return (node name, mesh) sorted by name, in the file's axes and units; nodes without triangles are left out.

    Names are in Unicode NFC. The file must have passed `check_file`. Raises ValueError, naming the file, if it is
    damaged or holds no triangle.
    """
    import trimesh

    options = {"split_objects": True} if path.suffix.lower() == ".obj" else {}
    try:
        # Unprocessed: trimesh would merge vertices and drop those with NaN, which mesh_file.py is to report.
        scene = trimesh.load_scene(path, process=False, **options)
    except Exception as error:  # trimesh lets its parsers' own exceptions through, of any type
        raise ValueError(f"{path} can't be read ({type(error).__name__}: {error}); export it again") from error
    groups = _obj_groups(path) if path.suffix.lower() == ".obj" else []
    textures: dict[bytes, np.ndarray] = {}
    nodes = []
    for node in map(str, scene.graph.nodes_geometry):
        matrix, name = scene.graph[node]
        geometry = scene.geometry[name]
        # trimesh names a part of an OBJ group "<group>_<material>"; the part belongs to the group.
        owner = next((group for group in groups if node.startswith(f"{group}_")), node)
        # A glTF mesh of several materials becomes a node for each, below the file's own, with a random name.
        parent = str(scene.graph.transforms.parents.get(node))
        if geometry.metadata.get("from_gltf_primitive") and re.fullmatch(rf"{re.escape(parent)}_\w{{6}}", node):
            owner = parent
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            nodes.append((composed(owner), str(name), _mesh(geometry, np.asarray(matrix), textures)))
    if not nodes:
        raise ValueError(f"{path} holds no triangles; export the scene's meshes")
    # trimesh's order of nodes is not the file's; sorted by name, "Chair_2" before "Chair_10", it is always the same.
    nodes.sort(key=lambda item: (_natural(item[0]), _natural(item[1])))
    return [(owner, mesh) for owner, _, mesh in nodes]


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key in which numbers within a name count as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _obj_groups(path: Path) -> list[str]:
    """Return the names of an OBJ file's `o` groups, longest first."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        names = {line[2:].strip() for line in lines if line.startswith("o ")}
    return sorted(names, key=lambda name: (-len(name), name))


def _mesh(geometry, matrix: np.ndarray, textures: dict[bytes, np.ndarray]) -> Mesh:
    """Return a trimesh geometry, moved by `matrix` (4, 4), as ours; equal textures are one array."""
    faces = np.array(geometry.faces, dtype=np.int32)
    # A mirroring node (Blender's negative scale) turns triangles inside out; swapping the order turns them back.
    if np.linalg.det(matrix[:3, :3]) < 0.0:
        faces = faces[:, ::-1].copy()
    vertices = np.asarray(geometry.vertices, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    visual = geometry.visual
    if visual.kind == "texture":
        uv = None if visual.uv is None else np.asarray(visual.uv, dtype=np.float32)
        material = _material(visual.material, textures)
        if uv is None or uv.shape != (len(vertices), 2):
            return Mesh(vertices, faces, Material(material.color, None, material.emission))
        return Mesh(vertices, faces, material, uv=uv)
    if visual.kind == "face":
        # A colour by face needs corners of its own; shared ones would blend.
        colors = np.repeat(np.asarray(visual.face_colors)[:, :3], 3, axis=0).astype(np.uint8)
        corners = np.arange(len(colors), dtype=np.int32).reshape(-1, 3)
        return Mesh(vertices[faces].reshape(-1, 3), corners, Material((1.0, 1.0, 1.0)), vertex_colors=colors)
    if visual.kind == "vertex":
        colors = np.asarray(visual.vertex_colors)[:, :3].astype(np.uint8)
        return Mesh(vertices, faces, Material((1.0, 1.0, 1.0)), vertex_colors=colors)
    return Mesh(vertices, faces)


def _material(material, textures: dict[bytes, np.ndarray]) -> Material:
    """Return a trimesh material as ours; transparency is left out, surfaces are opaque."""
    import trimesh

    if isinstance(material, trimesh.visual.material.PBRMaterial):
        image, factor, emissive = material.baseColorTexture, material.baseColorFactor, material.emissiveFactor
        color = (1.0, 1.0, 1.0) if factor is None else _srgb(_unit(factor))
        # A texture of emission lights only parts of a surface (a screen's picture), which one number can't say.
        emission = 0.0 if emissive is None or material.emissiveTexture is not None else float(np.max(emissive))
    else:
        image = getattr(material, "image", None)
        color = (1.0, 1.0, 1.0) if image is not None else tuple(_unit(material.main_color).tolist())
        emission = 0.0
    if image is None:
        return Material(color, None, emission)
    pixels = np.asarray(image.convert("RGB"))
    return Material(color, textures.setdefault(repr(pixels.shape).encode() + pixels.tobytes(), pixels), emission)


def _unit(color: np.ndarray) -> np.ndarray:
    """Return (3,) float in [0, 1] of an RGB(A) colour given as bytes or as floats."""
    color = np.asarray(color)
    scale = 255.0 if color.dtype.kind in "ui" else 1.0
    return np.clip(color[:3] / scale, 0.0, 1.0).astype(np.float64)


def _srgb(linear: np.ndarray) -> tuple[float, float, float]:
    """Return a linear colour (glTF's factors) as sRGB."""
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1.0 / 2.4) - 0.055)
    return tuple(encoded.tolist())
