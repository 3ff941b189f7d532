"""Homes for the tests of edits, made once, and what is asked of every edited scene."""

from __future__ import annotations

from functools import cache

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.edits.sample_edit import sample_edit
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.scene import Room, Scene, SceneObject
from tests.scenes.boxes import box_object

HOMES = (0, 2, 5)


@cache
def home(seed: int) -> Scene:
    return procedural_scene(seed)


@cache
def sampled(kind: str, home_seed: int, seed: int) -> tuple[Scene, SceneEdit, Scene]:
    """Return a home, an edit of it, and the home after the edit."""
    edit = sample_edit(home(home_seed), kind, seed)
    return home(home_seed), edit, edit.apply(home(home_seed))


def contents(scene: Scene) -> list[tuple]:
    """Return everything that a scene's objects, lights, walls and rooms hold, as bytes and strings to compare."""
    found: list[tuple] = []
    for item in scene.objects:
        box = item.box.center.tobytes() + item.box.size.tobytes() + item.box.rotation.tobytes()
        for mesh in item.meshes:
            arrays = (mesh.vertices, mesh.faces, mesh.uv, mesh.vertex_colors, mesh.material.texture)
            held = tuple(b"" if array is None else array.tobytes() for array in arrays)
            found.append((item.id, *held, repr(mesh.material.color), mesh.material.emission))
        found.append((item.id, item.label, box))
    for mesh in scene.structure:
        found.append((mesh.vertices.tobytes(), mesh.faces.tobytes(), b"" if mesh.uv is None else mesh.uv.tobytes()))
    found += [(room.name, room.polygon.tobytes()) for room in scene.rooms] + [(scene.floor_area_m2,)]
    return found + [(light.position.tobytes(), light.power.tobytes()) for light in scene.lights]


def block(object_id: int, label: str, low: tuple, size: tuple, yaw_rad: float = 0.0) -> SceneObject:
    """Return a box as an object with a mesh; `low` is x and y of its middle and the height of its base."""
    center = np.array([low[0], low[1], low[2] + size[2] / 2.0])
    return box_object(object_id, OrientedBox.upright(center, np.array(size, dtype=float), yaw_rad), label=label)


@cache
def small_room() -> Scene:
    """Return a room of 6 x 4 m: a table with a tray, a cup on the tray and a lamp; a shelf with a book; a chair; a
    picture on the wall; a door."""
    return Scene(
        "small",
        "test",
        (
            block(1, "table", (2.0, 2.0, 0.0), (1.2, 0.8, 0.7), 0.3),
            block(2, "tray", (2.0, 2.0, 0.7), (0.4, 0.3, 0.02), 0.3),
            block(3, "cup", (2.05, 2.0, 0.72), (0.08, 0.08, 0.1)),
            block(4, "lamp", (2.4, 2.1, 0.705), (0.15, 0.15, 0.4)),
            block(5, "shelf", (4.5, 3.8, 0.0), (1.0, 0.35, 1.8)),
            block(6, "book", (4.4, 3.8, 0.9), (0.2, 0.15, 0.25)),
            block(7, "chair", (3.5, 1.0, 0.0), (0.5, 0.5, 0.9)),
            block(8, "picture", (1.5, 3.97, 1.4), (0.6, 0.04, 0.4)),
            block(9, "door", (5.0, -0.05, 0.0), (0.9, 0.08, 2.1)),
        ),
        rooms=(Room("kitchen", np.array([[0.0, 0.0], [6.0, 0.0], [6.0, 4.0], [0.0, 4.0]]), 2.6),),
        floor_area_m2=24.0,
    )
