"""What stands on what, found from the boxes alone: mesh files don't say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.cameras.free_floor import floor_height
from ocr_hf.scenes.scene import Scene, SceneObject

REST_M = 0.02
"""A base this near to a level rests on it."""
THIN_M = 0.001
"""What is thinner (a sheet of paper) carries nothing: what lies on it lies on what is below."""


def base_center(box: OrientedBox) -> np.ndarray:
    """Return the point (3,) below the box's centre at the height of its lowest corner, metres."""
    return np.array([box.center[0], box.center[1], low_high(box)[0]])


def low_high(box: OrientedBox) -> tuple[float, float]:
    """Return the heights of the box's lowest and highest point, metres."""
    half = float(np.abs(box.rotation[2]) @ box.size) / 2.0
    return float(box.center[2]) - half, float(box.center[2]) + half


def is_above(box: OrientedBox, point: np.ndarray) -> bool:
    """Return True if a point (3,) seen from above lies in the box's outline."""
    if abs(box.rotation[2, 2]) > 1.0 - 1e-9:
        return bool((np.abs((point[:2] - box.center[:2]) @ box.rotation[:2, :2]) <= box.size[:2] / 2.0).all())
    from shapely import Point, Polygon

    outline = box.floor_polygon()
    return len(outline) > 0 and bool(Polygon(outline).covers(Point(point[:2])))


def floor_below(scene: Scene, point: np.ndarray) -> float:
    """Return the height of the floor below a point (3,): that of the room it is in, else the scene's; metres."""
    from shapely import Point, Polygon

    if len({room.floor_z for room in scene.rooms}) > 1:
        for room in scene.rooms:
            if Polygon(room.polygon).covers(Point(point[:2])):
                return room.floor_z
    return floor_height(scene)


def find_carriers(scene: Scene) -> dict[int, int]:
    """Find what carries each object.

    Args:
        scene: any scene; its boxes are all that is read of its objects.

    Returns:
        Object id -> id of what it stands on or in, for whatever stands neither on the floor nor hangs.
    """
    carriers = {item.id: find_carrier(scene, item, scene.objects) for item in scene.objects}
    return {item: carrier for item, carrier in carriers.items() if carrier is not None}


def find_carrier(scene: Scene, item: SceneObject, others: Iterable[SceneObject]) -> int | None:
    """Find what carries one object: a top that its base rests on, else the smallest box that its base is inside of.

    Args:
        scene: tells where the floor is.
        item: what may be carried.
        others: what may carry it.

    Returns:
        The carrier's id, or None where it stands on the floor or hangs.
    """
    base = base_center(item.box)
    if base[2] <= floor_below(scene, base) + REST_M:
        return None
    best: tuple[int, float, int] | None = None
    for other in others:
        low, high = low_high(other.box)
        # A carrier starts lower than what it carries, so that no two things carry each other.
        if other.id == item.id or not low + THIN_M < base[2] <= high + REST_M or not is_above(other.box, base):
            continue
        volume = float(other.box.size.prod())
        on_top = abs(base[2] - high) <= REST_M
        # A shelf unit is larger than what is in it; a curtain beside a windowsill is not.
        if not on_top and (base[2] <= low + REST_M or volume <= float(item.box.size.prod())):
            continue
        rank = (0 if on_top else 1, abs(base[2] - high) if on_top else volume, other.id)
        best = rank if best is None else min(best, rank)
    return None if best is None else best[2]


def carried_by(object_id: int, carriers: Mapping[int, int]) -> tuple[int, ...]:
    """Return the ids of all that stands on an object, directly or on what stands on it, sorted."""
    return tuple(sorted(item for item in carriers if object_id in chain(item, carriers)))


def chain(object_id: int, carriers: Mapping[int, int]) -> tuple[int, ...]:
    """Return the ids of what carries an object, from the nearest to the last."""
    found: list[int] = []
    # An object can be set on something that it carried before; the second condition ends such a circle.
    while (carrier := carriers.get(object_id)) is not None and carrier not in found:
        found.append(carrier)
        object_id = carrier
    return tuple(found)


def is_hanging(scene: Scene, item: SceneObject, carriers: Mapping[int, int]) -> bool:
    """Return True if an object stands neither on the floor nor on another object: it hangs on a wall or a ceiling."""
    base = base_center(item.box)
    return item.id not in carriers and base[2] > floor_below(scene, base) + REST_M
