"""The map of a scene on which routes are planned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.route import REACH_M, ROBOT_RADIUS_M, Map
from ocr_hf.scenes.cameras.free_floor import free_floor
from ocr_hf.scenes.scene import Scene

WALL_CUT_M = 1.0
"""Height above the floor at which walls are looked for: above skirting and low furniture, below most openings' tops."""
REACHABLE_BOTTOM_M = 1.8
"""What hangs higher than this above the floor (ceiling lights) can't be driven to."""
PLACES = 48
"""Places around a thing that are looked at for the robot to begin at."""


def map_of(inventory: Inventory) -> Map | None:
    """Return the map of the inventory's scene, made once; None without a floor plan or without free floor."""
    if "map" not in inventory.cache:
        inventory.cache["map"] = _map_of(inventory)
    return inventory.cache["map"]


def _map_of(inventory: Inventory) -> Map | None:
    scene = inventory.scene
    if not scene.rooms and not scene.structure:
        return None
    # Boxes instead of meshes: nobody sends a robot between a chair's legs, and it is several times faster.
    boxes = tuple(replace(item, meshes=()) for item in scene.objects)
    try:
        floor = free_floor(replace(scene, objects=boxes), radius_m=ROBOT_RADIUS_M)
    except ValueError:
        return None
    if not floor.grid.any():
        return None
    floor_z = _floor_z(scene)
    outlines = {}
    for label in inventory.unique:
        corners = inventory.only(label).box.corners()
        if corners[:, 2].min() - floor_z < REACHABLE_BOTTOM_M:
            outlines[label] = shapely.MultiPoint(corners[:, :2]).convex_hull
    return Map(floor, walls(scene, floor_z + WALL_CUT_M), outlines)


def _floor_z(scene: Scene) -> float:
    if scene.rooms:
        return min(room.floor_z for room in scene.rooms)
    return float(min(mesh.vertices[:, 2].min() for mesh in scene.structure))


def walls(scene: Scene, height_m: float) -> shapely.Geometry:
    """Return the lines in which the scene's structure meets the horizontal plane at `height_m`, prepared.

    Where the structure is unknown, the rooms' outlines are the walls.
    """
    lines = [_cut(mesh.vertices, mesh.faces, height_m) for mesh in scene.structure]
    segments = np.concatenate([*lines, np.zeros((0, 2, 2))])
    if len(segments):
        geometry = shapely.multilinestrings(shapely.linestrings(segments))
    else:
        geometry = shapely.union_all([shapely.Polygon(room.polygon).exterior for room in scene.rooms])
    shapely.prepare(geometry)
    return geometry


def _cut(vertices: np.ndarray, faces: np.ndarray, height_m: float) -> np.ndarray:
    """Return the segments (N, 2, 2) in which triangles cross the plane z = height_m."""
    triangles = vertices[faces]
    above = triangles[:, :, 2] > height_m
    crossing = triangles[above.any(axis=1) & ~above.all(axis=1)]
    above = crossing[:, :, 2] > height_m
    # Roll each triangle so that its first corner is the one alone on its side of the plane.
    alone = np.where(above.sum(axis=1) == 1, above.argmax(axis=1), (~above).argmax(axis=1))
    rolled = np.take_along_axis(crossing, ((alone[:, None] + np.arange(3)) % 3)[:, :, None], axis=1)
    tip, others = rolled[:, :1], rolled[:, 1:]
    share = (height_m - tip[:, :, 2:]) / (others[:, :, 2:] - tip[:, :, 2:])
    return (tip + share * (others - tip))[:, :, :2]


def place_beside(world: Map, label: str, facing: str) -> np.ndarray | None:
    """Return where a robot "at the `label`, facing the `facing`" stands: beside the one, on the side of the other.

    Of the places around `label` that are free and in reach of it, it is the one nearest to `facing`; None if there is
    no such place.
    """
    if label not in world.places:
        # Half way between touching the thing and the limit of the robot's reach.
        ring = world.outlines[label].buffer((ROBOT_RADIUS_M + REACH_M) / 2.0).exterior
        around = shapely.line_interpolate_point(ring, np.arange(PLACES) / PLACES, normalized=True)
        points = shapely.get_coordinates(around)
        free = points[world.floor.contains(points)]
        world.places[label] = free[world.reaches(free, label)]
    places = world.places[label]
    if len(places) == 0:
        return None
    # Rounded: two places may be equally near, and the last bits, which differ between processors, must not decide.
    return places[np.linalg.norm(places - world.centres[facing], axis=1).round(6).argmin()]
