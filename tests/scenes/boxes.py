"""Small scenes of boxes whose every pixel can be computed by hand."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import transform
from ocr_hf.scenes.scene import Light, Material, Mesh, Scene, SceneObject

# Corner i of a box has the signs of bits (4: x, 2: y, 1: z), as geometry.boxes.CORNER_SIGNS.
FACES = np.array(
    [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
        [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ]
)  # fmt: skip


def box_mesh(box: OrientedBox, material: Material | None = None) -> Mesh:
    """Return the surface of a box."""
    return Mesh(box.corners(), FACES, material or Material())


def box_object(object_id: int, box: OrientedBox, material: Material | None = None, label: str = "box") -> SceneObject:
    """Return a box as an object."""
    return SceneObject(object_id, label, box, (box_mesh(box, material),))


def room(lights: bool = True) -> Scene:
    """Return a floor, a wall, three boxes that hide each other and stand on the floor, and a lamp."""
    floor = OrientedBox.axis_aligned(np.array([-3.0, -3.0, -0.1]), np.array([3.0, 3.0, 0.0]))
    wall = OrientedBox.axis_aligned(np.array([2.9, -3.0, 0.0]), np.array([3.0, 3.0, 2.5]))
    boxes = [
        OrientedBox.upright(np.array([1.0, 0.3, 0.4]), np.array([0.6, 0.5, 0.8]), 0.4),
        OrientedBox.upright(np.array([1.9, -0.6, 0.6]), np.array([0.6, 0.9, 1.2]), -0.7),
        OrientedBox.upright(np.array([0.2, -0.8, 0.25]), np.array([0.5, 0.5, 0.5]), 1.1),
    ]
    colors = [Material((0.8, 0.3, 0.3)), Material((0.3, 0.7, 0.4)), Material((0.3, 0.4, 0.8))]
    return Scene(
        "boxes",
        "test",
        tuple(box_object(7 + i, box, color) for i, (box, color) in enumerate(zip(boxes, colors, strict=True))),
        structure=(box_mesh(floor, Material((0.7, 0.6, 0.5))), box_mesh(wall)),
        lights=(Light(np.array([0.0, 0.5, 2.3]), np.full(3, 4.0)),) if lights else (),
    )


def ray_directions(pose: np.ndarray, intrinsics: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return (H, W, 3) float64 world directions through the pixel centres, 1 along the camera's axis."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    image = np.stack([u, v, np.ones_like(u)], axis=-1)
    return image @ np.linalg.inv(intrinsics).T @ pose[:3, :3].T


def slab_depth(box: OrientedBox, pose: np.ndarray, intrinsics: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the (H, W) depth at which rays enter a box, inf where they miss: the slab method, in float64."""
    origin = box.to_local(pose[:3, 3])
    direction = ray_directions(pose, intrinsics, width, height) @ box.rotation
    with np.errstate(divide="ignore"):
        near, far = (-box.size / 2.0 - origin) / direction, (box.size / 2.0 - origin) / direction
    enter, leave = np.minimum(near, far).max(axis=-1), np.maximum(near, far).min(axis=-1)
    return np.where((enter < leave) & (enter > 0.0), enter, np.inf)


def moved(scene: Scene, motion: np.ndarray) -> Scene:
    """Return the scene after the rigid motion (4, 4): meshes, boxes and lamps."""

    def move(mesh: Mesh) -> Mesh:
        return Mesh(transform(motion, mesh.vertices), mesh.faces, mesh.material, mesh.uv, mesh.vertex_colors)

    return Scene(
        scene.name,
        scene.source,
        tuple(SceneObject(o.id, o.label, o.box.moved(motion), tuple(map(move, o.meshes))) for o in scene.objects),
        structure=tuple(map(move, scene.structure)),
        lights=tuple(Light(transform(motion, light.position), light.power) for light in scene.lights),
    )
