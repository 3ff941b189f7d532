"""Whether an edited scene could stand so in a room: nothing in anything else, everything on its support, ways free.

What was already wrong before the edit, or before all edits, is no reason to refuse one: scans have boxes that share
space. Only what gets worse is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from shapely import Point, Polygon

from ocr_hf.geometry.box_overlap import penetration_m
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_poses
from ocr_hf.scenes.cameras.camera_path import RADII_M
from ocr_hf.scenes.edits.carriers import chain, is_hanging
from ocr_hf.scenes.edits.edit_kinds import told
from ocr_hf.scenes.edits.edited_scene import EditedScene
from ocr_hf.scenes.edits.replacements import EITHER_WAY, LEAST, WALL_OR_CEILING, fit_factor, make_model
from ocr_hf.scenes.edits.support import SLACK_M, support_problem
from ocr_hf.scenes.scene import Scene, SceneObject

DOORWAY_M = 0.85
"""Depth of floor that stays free before and behind a door (as in `homes/room_layout.py`)."""
WAY_OUT = "choose another place or object, or allow it with plausible=False"


class ImplausibleEditError(ValueError):
    """An edit that could not stand so in a room.

    reason : what is wrong, without naming objects; equal for equal causes
    """

    def __init__(self, item: SceneObject, reason: str, detail: str = "") -> None:
        super().__init__(f"{told(item)} {reason}{detail}; {WAY_OUT}")
        self.reason = reason


class ImplausibleExtensionError(ImplausibleEditError):
    """An extension that the camera's path doesn't allow."""

    def __init__(self, reason: str) -> None:
        ValueError.__init__(self, f"the extended home {reason}; {WAY_OUT}")
        self.reason = reason


def check_plausible(
    before: EditedScene,
    after: EditedScene,
    kind: str,
    ids: tuple[int, ...],
    parameters: dict[str, Any],
    camera_path: np.ndarray | None = None,
) -> None:
    """Refuse an edit that could not stand so in a room.

    Args:
        before: the scene before the edit.
        after: the scene after it.
        kind: of the edit.
        ids: of what was named, not what came along.
        parameters: of the edit.
        camera_path: (T, 4, 4) camera_to_world, metres, or None.

    Raises:
        ImplausibleEditError: something is wrong that wasn't before; a ValueError.
        ValueError: the camera path isn't one.
    """
    eyes = np.zeros((0, 3)) if camera_path is None else check_poses(camera_path)[:, :3, 3]
    was = {item.id: item for item in before.objects}
    if kind == "recolor":
        return
    if kind not in ("restore", "add", "extend"):
        for object_id in ids:
            _check_kind(before, after, was[object_id], kind, parameters)
    if kind == "extend":
        _check_extension(before, after, eyes)
        return
    changed = [item for item in after.objects if was.get(item.id) is not item]
    for item in changed:
        known: tuple[Scene, ...] = (before, before.first)
        earlier = [scene for scene in known if any(item.id == other.id for other in scene.objects)]
        _check_room(after, item, [scene.object(item.id).box for scene in earlier])
        if problem := support_problem(before, after, item):
            raise ImplausibleEditError(item, problem)
        _check_doorways(after, item, earlier, {other.id for other in changed})
        _check_overlaps(before, after, item, earlier)
        _check_eyes(item, [scene.object(item.id).box for scene in earlier], eyes)


def _check_extension(before: EditedScene, after: EditedScene, eyes: np.ndarray) -> None:
    """Refuse what gets in the way of the camera, of a door, or of what stays. Each side in itself stays as it is."""
    was = {item.id: item for item in before.objects}
    moved = [item for item in after.objects if was[item.id] is not item]
    for item in moved:
        # Its own walls have moved with it: where it was counts in the rooms as they were.
        if after.rooms and _beyond(after, item.box)[0] > _beyond(before, was[item.id].box)[0] + SLACK_M:
            raise ImplausibleEditError(item, "would reach outside its room")
        _check_doorways(after, item, [before], {other.id for other in moved})
        _check_overlaps(before, after, item, [before])
        _check_eyes(item, [was[item.id].box], eyes)
    if len(eyes) == 0 or not after.rooms:
        return
    points = shapely.points(eyes[:, :2])
    for old, new in zip(before.rooms, after.rooms, strict=True):
        one, other = (Polygon(room.polygon) for room in (old, new))
        inside = shapely.contains(one, points)
        # A wall that comes nearer, or another room around the camera
        near = (
            shapely.distance(other.exterior, points)
            < np.minimum(shapely.distance(one.exterior, points), RADII_M[0]) - SLACK_M
        )
        if (inside & (near | ~shapely.contains(other, points))).any():
            raise ImplausibleExtensionError("would put a wall in the camera's way")


def _check_kind(
    before: EditedScene, after: EditedScene, item: SceneObject, kind: str, parameters: dict[str, Any]
) -> None:
    if before.rooms and not any(Polygon(room.polygon).covers(Point(item.box.center[:2])) for room in before.rooms):
        raise ImplausibleEditError(item, "is built into a wall or lies outside the rooms")
    carried = [i for i, carrier in before.carriers.items() if carrier == item.id]
    carried = [other for other in before.objects if other.id in carried]
    if kind in ("warp", "replace") and carried:
        raise ImplausibleEditError(item, "carries something that would float or sink in", f": {told(carried[0])}")
    new = next((other for other in after.objects if other.id == item.id), None)
    if kind == "replace" and new is not None:
        hangs = is_hanging(before, item, before.carriers)
        if new.label != item.label and new.label not in EITHER_WAY and hangs != (new.label in WALL_OR_CEILING):
            raise ImplausibleEditError(
                item, "would stand where the new model hangs, or hang where it stands", f": a {new.label}"
            )
        factor = fit_factor(make_model(new.label, parameters["seed"]), item.box.size)
        if factor < LEAST:
            raise ImplausibleEditError(
                item, "leaves too small a place for the new model", f": a {new.label} at {factor:.2f} of its size"
            )


def _check_room(after: Scene, item: SceneObject, earlier: list[OrientedBox]) -> None:
    if not after.rooms:
        return
    outside, above = _beyond(after, item.box)
    limits = [_beyond(after, box) for box in earlier]
    if outside > max((limit[0] for limit in limits), default=0.0) + SLACK_M:
        raise ImplausibleEditError(item, "would reach outside its room")
    if above > max((limit[1] for limit in limits), default=0.0) + SLACK_M:
        raise ImplausibleEditError(item, "would reach through the ceiling", f" by {above:.2f} m")


def _beyond(scene: Scene, box: OrientedBox) -> tuple[float, float]:
    """Return the area (m2) of a box outside the room that it is in, and how far (m) it reaches above the ceiling."""
    outline = box.floor_polygon()
    if len(outline) == 0:
        return 0.0, 0.0
    shape = Polygon(outline)
    inside = [shape.intersection(Polygon(room.polygon)).area for room in scene.rooms]
    room = scene.rooms[int(np.argmax(inside))]
    return shape.area - max(inside), max(0.0, float(box.corners()[:, 2].max()) - room.floor_z - room.height_m)


def _check_overlaps(before: EditedScene, after: EditedScene, item: SceneObject, earlier: list[Scene]) -> None:
    related = _relatives(item.id, before) & _relatives(item.id, after)
    others = [other for other in after.objects if other.id != item.id and other.id not in related]
    depths = penetration_m(item.box, [other.box for other in others])
    for k in np.argsort(-depths, kind="stable"):
        if depths[k] <= SLACK_M:
            return
        limit = 0.0
        for scene in earlier:
            there = [other.box for other in scene.objects if other.id == others[k].id]
            limit = max([limit, *penetration_m(scene.object(item.id).box, there)])
        if depths[k] > limit + SLACK_M:
            raise ImplausibleEditError(item, "would run into something", f": {told(others[k])}, by {depths[k]:.2f} m")


def _relatives(object_id: int, scene: EditedScene) -> set[int]:
    """Return what carries an object and what it carries, directly or not: these may share space."""
    return {other for other in scene.carriers if object_id in chain(other, scene.carriers)} | set(
        chain(object_id, scene.carriers)
    )


def _check_doorways(after: Scene, item: SceneObject, earlier: Iterable[Scene], changed: set[int]) -> None:
    for door in after.objects:
        if door.label != "door" or door.id in changed:
            continue
        way = _doorway(door.box)
        depth = float(penetration_m(way, [item.box])[0])
        limit = max([0.0, *(float(penetration_m(way, [scene.object(item.id).box])[0]) for scene in earlier)])
        if depth > limit + SLACK_M:
            raise ImplausibleEditError(item, "would stand in a doorway", f": that of {told(door)}")


def _doorway(box: OrientedBox) -> OrientedBox:
    """Return the space before and behind a door: its box, longer along the thinner of its level axes."""
    size = box.size.copy()
    size[int(np.argmin(size[:2]))] += 2.0 * DOORWAY_M
    return OrientedBox(box.center, size, box.rotation)


def _check_eyes(item: SceneObject, earlier: list[OrientedBox], eyes: np.ndarray) -> None:
    if len(eyes) == 0:
        return
    distance = _distances(item.box, eyes)
    # A camera that was nearer before may stay so.
    limit = np.min([np.full(len(eyes), RADII_M[0]), *(_distances(box, eyes) for box in earlier)], axis=0)
    if (distance < limit - SLACK_M).any():
        detail = f": {distance.min():.2f} m from it, and {RADII_M[0]} m are kept"
        raise ImplausibleEditError(item, "would stand in the camera's way", detail)


def _distances(box: OrientedBox, points: np.ndarray) -> np.ndarray:
    """Return the distance (N,) of points (N, 3) from a solid box, metres."""
    return np.linalg.norm(np.maximum(np.abs(box.to_local(points)) - box.size / 2.0, 0.0), axis=1)
