"""Whether an edited object still stands, lies or hangs on something."""

from __future__ import annotations

import numpy as np
from shapely import MultiLineString, Point, Polygon
from shapely.ops import nearest_points

from ocr_hf.geometry.box_overlap import penetration_m
from ocr_hf.geometry.boxes import CORNER_SIGNS, OrientedBox
from ocr_hf.scenes.edits.carriers import REST_M, base_center, floor_below, is_hanging, low_high
from ocr_hf.scenes.edits.edited_scene import EditedScene
from ocr_hf.scenes.edits.replacements import WALL_OR_CEILING
from ocr_hf.scenes.scene import Scene, SceneObject

SLACK_M = 1e-6
"""Depths and gaps up to this are touching; far above rounding, far below what can be seen."""


FLAT = 0.6
"""Share of a box's outline that is level at its top, from which things can be put there: tables, not sofas."""


def has_flat_top(item: SceneObject) -> bool:
    """Return True if most of an object's top is level, as its meshes show; boxes alone don't say."""
    if not item.meshes:
        return False
    top, level = low_high(item.box)[1], 0.0
    for mesh in item.meshes:
        corners = mesh.vertices[mesh.faces]
        corners = corners[(corners[:, :, 2] > top - REST_M).all(axis=1)]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        # The side that is seen from above alone, or a thin board would count twice
        level += float(np.maximum(normal[:, 2], 0.0).sum()) / 2.0
    return level >= FLAT * float(item.box.size[:2].prod())


SAME_SIDE = 0.9
"""Cosine between two directions of one side; walls of a home may stand askew."""

BEFORE_M = 0.15
"""So near before a door or window nothing new hangs."""


def support_problem(before: EditedScene, after: EditedScene, item: SceneObject) -> str | None:
    """Say what is wrong with the support of an edited object.

    It may stand on the floor; on or in what carried it, at the same level and reaching no farther over its edge; on the
    top of something else, within its edge; or hang as near to its wall or ceiling as before, with the same side to the
    wall. What hung keeps hanging. What is new and hangs has its back at a wall or its top at the ceiling. Before a door
    or a window hangs only what did so before.

    Args:
        before: the scene before the edit.
        after: the scene after it.
        item: the object after the edit.

    Returns:
        What is wrong, to follow the object's name, or None.
    """
    old = next((other for scene in (before, before.first) for other in scene.objects if other.id == item.id), None)
    base = base_center(item.box)
    height = float(base[2]) - floor_below(after, base)
    carrier = after.carriers.get(item.id)
    hung = old is not None and is_hanging(before, old, before.carriers)
    if hung and not is_hanging(after, item, after.carriers):
        return "would no longer hang"
    if carrier is None and not is_hanging(after, item, after.carriers):
        sunk = 0.0 if old is None else min(0.0, float(base_center(old.box)[2]) - floor_below(before, old.box.center))
        return "would sink into the floor" if height < sunk - SLACK_M else None
    if carrier is not None:
        under = next((other for other in after.objects if other.id == carrier), None)
        if under is None:
            return "would float, since what carried it is gone"
        return _problem_on(before, item, old, under)
    if old is None and item.label in WALL_OR_CEILING:
        return _problem_hung(after, item.box)
    if old is None or not hung:
        return "would float"
    return _problem_hanging(after, item.box, old.box)


def _problem_on(before: EditedScene, item: SceneObject, old: SceneObject | None, under: SceneObject) -> str | None:
    kept = old is not None and before.carriers.get(item.id) == under.id
    was_under = next((other for other in before.objects if other.id == under.id), None) if kept else None
    over, level = _stand(item.box, under.box)
    gap = float(base_center(item.box)[2]) - low_high(under.box)[1]
    if old is None or was_under is None:
        if not -SLACK_M <= gap <= REST_M + SLACK_M:
            return "would stand in something"
        return "would reach over the edge of what it stands on" if over > SLACK_M else None
    was_over, was_level = _stand(old.box, was_under.box)
    if abs(level - was_level) > SLACK_M and not -SLACK_M <= gap <= REST_M + SLACK_M:
        return "would float above or sink into what it stands on"
    return "would reach over the edge of what it stands on" if over > max(was_over, 0.0) + SLACK_M else None


def _stand(box: OrientedBox, under: OrientedBox) -> tuple[float, float]:
    """Return how far (m) a box reaches over the edge of what carries it, and its base's height as share of that."""
    local = np.abs(under.to_local(box.corners()))[:, :2] - under.size[:2] / 2.0
    low, high = low_high(under)
    return float(local.max()), (low_high(box)[0] - low) / max(high - low, 1e-9)


def _problem_hanging(scene: Scene, box: OrientedBox, old: OrientedBox) -> str | None:
    if not scene.rooms:
        # Without rooms there are no walls to look for: it may only slide at its height.
        return None if abs(low_high(box)[0] - low_high(old)[0]) <= REST_M else "would hang in the air"
    below_ceiling, was_below = (_below_ceiling(scene, b) for b in (box, old))
    near, far = _from_walls(scene, box)
    was_near, was_far = _from_walls(scene, old)
    if was_below <= REST_M:
        return None if below_ceiling <= REST_M else "would hang in the air below the ceiling"
    if near > was_near + REST_M or far > was_far + REST_M:
        return "would hang in the air off its wall"
    if _to_wall(scene, box) @ _to_wall(scene, old) < SAME_SIDE:
        return "would hang with another side to the wall"
    # Curtains hang before windows, and may go on doing so.
    return None if _before_opening(scene, old) else _before_opening(scene, box)


def _problem_hung(scene: Scene, box: OrientedBox) -> str | None:
    if not scene.rooms:
        return "would hang in the air"
    if _below_ceiling(scene, box) <= REST_M:
        return None
    walls = _wall_lines(scene)
    back = box.corners()[CORNER_SIGNS[:, 1] > 0.0]
    if max(walls.distance(Point(corner)) for corner in back[:, :2]) > REST_M:
        return "would hang in the air off its wall"
    return _before_opening(scene, box)


def _before_opening(scene: Scene, box: OrientedBox) -> str | None:
    """Say that something hangs before a door or a window, if it does."""
    for other in scene.objects:
        # Doors and windows lie in the wall, so that their boxes don't touch what hangs before them.
        thin = int(np.argmin(other.box.size[:2]))
        deep = other.box.size + np.where(np.arange(3) == thin, 2.0 * BEFORE_M, 0.0)
        inside = any(Polygon(room.polygon).covers(Point(other.box.center[:2])) for room in scene.rooms)
        if not inside and penetration_m(box, [OrientedBox(other.box.center, deep, other.box.rotation)])[0] > SLACK_M:
            return f"would hang before a {other.label}"
    return None


def _wall_lines(scene: Scene) -> MultiLineString:
    return MultiLineString([np.vstack([room.polygon, room.polygon[:1]]) for room in scene.rooms])


def _to_wall(scene: Scene, box: OrientedBox) -> np.ndarray:
    """Return the direction (3,) from a box's centre to the nearest wall, in the box's own axes: where its back is."""
    at = Point(box.center[:2])
    wall = nearest_points(_wall_lines(scene), at)[0]
    outwards = np.array([wall.x - at.x, wall.y - at.y, 0.0])
    return box.rotation.T @ (outwards / max(float(np.linalg.norm(outwards)), 1e-9))


def _below_ceiling(scene: Scene, box: OrientedBox) -> float:
    at = Point(box.center[:2])
    room = min(scene.rooms, key=lambda room: Polygon(room.polygon).distance(at))
    return abs(room.floor_z + room.height_m - low_high(box)[1])


def _from_walls(scene: Scene, box: OrientedBox) -> tuple[float, float]:
    """Return the distances (m) of a box's nearest and farthest corner from the walls' faces, seen from above."""
    walls = _wall_lines(scene)
    distances = [walls.distance(Point(corner)) for corner in box.corners()[:, :2]]
    return min(distances), max(distances)
