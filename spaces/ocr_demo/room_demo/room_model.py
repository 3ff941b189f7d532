"""The room as a glTF model, which the page draws in 3D: furniture, walls seen from inside only, the camera's path."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ocr_hf.data.atomic import replacing
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.scene import Material, Mesh, Scene

TEXTURE_PIXELS = 128
PATH_COLOR, START_COLOR = (0.10, 0.62, 0.90), (0.05, 0.35, 0.65)
TO_GLTF = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]])
"""Our +Z up to glTF's +Y up."""


def write_room_model(path: Path, scene: Scene, camera_to_world: np.ndarray) -> None:
    """Write a .glb with the scene (plain boxes where it has no meshes), without its ceiling.

    Nodes `object-ID-…` show an object; assets/room3d.js knows by these names what a visitor points at. Positions in
    the file are metres of our world: only the nodes' matrices turn it.
    """
    import trimesh

    out = trimesh.Scene()
    textures: dict[int, object] = {}
    for number, mesh in enumerate(scene.structure):
        _add(out, f"structure-{number}", _without_ceiling(mesh, scene), textures)
    for item in scene.objects:
        # The ceiling it hangs from is cut away
        if item.label == "ceiling light":
            continue
        meshes = item.meshes or (_box_mesh(item.box, _color_of(item.label)),)
        for number, mesh in enumerate(meshes):
            _add(out, f"object-{item.id}-{number}", mesh, textures)
    for number, room in enumerate(scene.rooms if not scene.structure else ()):
        _add(out, f"floor-{number}", _floor(room.polygon, room.floor_z), textures)
    eyes = camera_to_world[:, :3, 3]
    _add(out, "path", _beams(list(zip(eyes[:-1], eyes[1:], strict=True)), 0.03, PATH_COLOR), textures)
    start = OrientedBox(eyes[0], np.full(3, 0.14), np.eye(3))
    _add(out, "start", _box_mesh(start, START_COLOR), textures)
    out.apply_transform(TO_GLTF)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(trimesh.exchange.gltf.export_glb(out, include_normals=False))


def _add(out, name: str, mesh: Mesh | None, textures: dict[int, object]) -> None:
    import trimesh

    if mesh is None or not len(mesh.faces):
        return
    material = trimesh.visual.material.PBRMaterial(
        baseColorFactor=[*_linear(mesh.material.color), 1.0], metallicFactor=0.0, roughnessFactor=0.9, doubleSided=False
    )
    if mesh.material.emission:
        material.emissiveFactor = [min(0.6, mesh.material.emission)] * 3
    visual = trimesh.visual.TextureVisuals(material=material)
    if mesh.uv is not None and mesh.material.texture is not None:
        material.baseColorTexture = textures.setdefault(id(mesh.material.texture), _small(mesh.material.texture))
        visual = trimesh.visual.TextureVisuals(uv=mesh.uv, material=material)
    elif mesh.vertex_colors is not None:
        visual = trimesh.visual.ColorVisuals(vertex_colors=mesh.vertex_colors)
    # process=False: trimesh would merge vertices, and with them the seams of textures
    out.add_geometry(
        trimesh.Trimesh(mesh.vertices, mesh.faces, visual=visual, process=False), node_name=name, geom_name=name
    )


def _linear(color: tuple[float, float, float]) -> list[float]:
    """Return an sRGB colour as glTF's factors have it."""
    return [float(channel) ** 2.2 for channel in color]


def _small(texture: np.ndarray):
    from PIL import Image

    image = Image.fromarray(texture)
    image.thumbnail((TEXTURE_PIXELS, TEXTURE_PIXELS))
    return image


def _without_ceiling(mesh: Mesh, scene: Scene) -> Mesh | None:
    """Return the mesh without faces that look down from ceiling height."""
    top = max((room.floor_z + room.height_m for room in scene.rooms), default=np.inf)
    triangles = mesh.vertices[mesh.faces]
    keep = ~(triangles[..., 2] > top - 0.02).all(axis=1)
    if not keep.any():
        return None
    return Mesh(mesh.vertices, mesh.faces[keep], mesh.material, mesh.uv, mesh.vertex_colors)


def _box_mesh(box: OrientedBox, color: tuple[float, float, float]) -> Mesh:
    import trimesh

    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = box.rotation, box.center
    shape = trimesh.creation.box(np.maximum(box.size, 1e-3), pose)
    corners = np.asarray(shape.vertices)[shape.faces].reshape(-1, 3)  # own corners for each face: flat shading
    return Mesh(corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3), Material(color))


def _beams(pairs: list, width_m: float, color: tuple[float, float, float]) -> Mesh:
    """Return square beams between pairs of points (3,)."""
    vertices, faces = [], []
    for a, b in pairs:
        along = b - a
        length = float(np.linalg.norm(along))
        if length < 1e-6:
            continue
        along = along / length
        # Any direction that isn't parallel to the beam
        side = np.cross(along, [0.0, 0.0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        box = OrientedBox(
            (a + b) / 2, np.array([length + width_m, width_m, width_m]),
            np.stack([along, side, np.cross(along, side)], axis=1),
        )  # fmt: skip
        shape = _box_mesh(box, color)
        faces.append(shape.faces + sum(len(v) for v in vertices))
        vertices.append(shape.vertices)
    if not vertices:
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32), Material(color))
    return Mesh(np.concatenate(vertices), np.concatenate(faces), Material(color, emission=0.25))


def _floor(polygon: np.ndarray, floor_z: float) -> Mesh:
    from shapely import Polygon, constrained_delaunay_triangles

    triangles = [
        # Counter-clockwise from above: faces show from one side only
        np.array(part.exterior.coords)[2::-1] if not part.exterior.is_ccw else np.array(part.exterior.coords)[:3]
        for part in constrained_delaunay_triangles(Polygon(polygon)).geoms
    ]
    points = np.concatenate(triangles)
    vertices = np.column_stack([points[:, :2], np.full(len(points), floor_z)])
    return Mesh(vertices, np.arange(len(points), dtype=np.int32).reshape(-1, 3), Material((0.78, 0.76, 0.72)))


def _color_of(label: str) -> tuple[float, float, float]:
    import colorsys

    # By the label, so that a chair has one colour in every room and at every start
    hue = hashlib.blake2b(label.encode(), digest_size=1).digest()[0] / 255.0
    return colorsys.hsv_to_rgb(hue, 0.35, 0.85)
