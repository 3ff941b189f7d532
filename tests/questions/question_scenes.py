"""Scenes and footprints made by hand or from a number, for the tests of the questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.scenes.scene import Mesh, Room, Scene, SceneObject

SIDE = 100
"""Height and width of made-up frames: 10 pixels are the 0.001 that makes an object recognisable, 1 is a glimpse."""
UNIQUE = ["bed", "sofa", "tv", "lamp", "desk", "plant", "stove", "sink", "toilet", "closet"]
SEVERAL = ["chair", "table", "pillow"]


def thing(number: int, label: str, center: Sequence[float], size: Sequence[float] = (0.5, 0.5, 0.5), yaw: float = 0.0):
    """Return an object with a box."""
    return SceneObject(number, label, OrientedBox.upright(np.array(center, float), np.array(size, float), yaw))


def scene_of(*objects: SceneObject, name: str = "made_up", **others) -> Scene:
    """Return a scene of these objects."""
    return Scene(name, "test", tuple(objects), **others)


def random_scene(seed: int, size_m: float = 6.0) -> Scene:
    """Return a room with ten unique things and three categories of several, anywhere and turned anyhow."""
    rng = np.random.default_rng(seed)
    labels = UNIQUE + [label for label in SEVERAL for _ in range(int(rng.integers(2, 5)))]
    objects = [
        thing(
            number,
            label,
            [*rng.uniform(0.0, size_m, 2), rng.uniform(0.2, 1.5)],
            rng.uniform(0.1, 1.2, 3),
            float(rng.uniform(0.0, 2.0 * np.pi)),
        )
        for number, label in enumerate(labels, start=1)
    ]
    corners = size_m * np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.1], [0.0, 1.0]])
    return scene_of(*objects, name=f"random_{seed}", rooms=(Room("living room", corners),))


def moved(scene: Scene, matrix: np.ndarray) -> Scene:
    """Return the scene after a rigid motion (4, 4)."""
    objects = tuple(SceneObject(item.id, item.label, item.box.moved(matrix)) for item in scene.objects)
    rooms = tuple(
        Room(room.name, room.polygon @ matrix[:2, :2].T + matrix[:2, 3], room.height_m, room.floor_z + matrix[2, 3])
        for room in scene.rooms
    )
    structure = tuple(Mesh(mesh.vertices @ matrix[:3, :3].T + matrix[:3, 3], mesh.faces) for mesh in scene.structure)
    return Scene(scene.name, scene.source, objects, structure, rooms, floor_area_m2=scene.floor_area_m2)


def about_z(angle_rad: float, shift: Sequence[float]) -> np.ndarray:
    """Return the motion (4, 4) that turns about z, then shifts."""
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]]
    matrix[:3, 3] = shift
    return matrix


def mirrored(scene: Scene) -> Scene:
    """Return the scene as in a mirror: x becomes -x."""
    flip = np.diag([-1.0, 1.0, 1.0])
    objects = tuple(
        # A box is its own mirror image, so flipping one of its axes keeps the rotation right-handed.
        SceneObject(
            item.id, item.label, OrientedBox(flip @ item.box.center, item.box.size, flip @ item.box.rotation @ flip)
        )
        for item in scene.objects
    )
    rooms = tuple(Room(room.name, (room.polygon * [-1.0, 1.0])[::-1], room.height_m) for room in scene.rooms)
    return Scene(scene.name, scene.source, objects, rooms=rooms, floor_area_m2=scene.floor_area_m2)


def scaled(scene: Scene, factor: float) -> Scene:
    """Return the scene `factor` times as large."""
    objects = tuple(
        SceneObject(
            item.id, item.label, OrientedBox(item.box.center * factor, item.box.size * factor, item.box.rotation)
        )
        for item in scene.objects
    )
    rooms = tuple(Room(room.name, room.polygon * factor, room.height_m * factor) for room in scene.rooms)
    return Scene(scene.name, scene.source, objects, rooms=rooms)


def footprints(pixels: Mapping[int, Sequence[int]]) -> Footprints:
    """Return footprints in which object `id` has pixels[id][t] pixels in frame t; each has rows of its own."""
    frames = len(next(iter(pixels.values())))
    instances = np.zeros((frames, SIDE, SIDE), dtype=np.uint16)
    rows = SIDE // len(pixels)
    for place, (object_id, counts) in enumerate(pixels.items()):
        for frame, count in enumerate(counts):
            assert count <= rows * SIDE
            instances[frame, place * rows : (place + 1) * rows].reshape(-1)[:count] = object_id
    return footprints_from_instances(instances)
