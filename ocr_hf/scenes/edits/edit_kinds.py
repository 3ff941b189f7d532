"""What each kind of edit does to a scene, whether or not the result is plausible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ocr_hf.scenes.edits.carriers import base_center, carried_by, chain, find_carrier, is_hanging, low_high
from ocr_hf.scenes.edits.edited_object import AddedObject, moved, remade, restored, was_added
from ocr_hf.scenes.edits.edited_scene import EditedScene, with_objects
from ocr_hf.scenes.edits.extended_plan import extended
from ocr_hf.scenes.edits.replacements import MAKERS, make_model, replaced
from ocr_hf.scenes.edits.surface_edits import recolored, warped
from ocr_hf.scenes.scene import MAX_OBJECT_ID, Scene, SceneObject

NEED_MESHES = ("replace", "warp", "recolor")
"""Kinds that boxes alone can't do."""


def named(scene: Scene, object_id: int) -> SceneObject:
    """Return an object of a scene; ValueError where there is none of this id."""
    try:
        return scene.object(object_id)
    except KeyError:
        known = ", ".join(str(item.id) for item in scene.objects[:20]) + (", ..." if len(scene.objects) > 20 else "")
        raise ValueError(
            f"scene '{scene.name}' has no object {object_id} to edit; its objects are {known or 'none'}"
        ) from None


def edit_scene(scene: EditedScene, kind: str, ids: tuple[int, ...], parameters: dict[str, Any]) -> EditedScene:
    """Return the edited scene.

    Args:
        scene: the scene before.
        kind: one of KINDS.
        ids: of the object, or of the two to swap; for add an id that no object has; none for extend.
        parameters: as `checked_parameters` returns them.

    Returns:
        The scene after; what stands on an edited object has come along.

    Raises:
        ValueError: an object isn't there or has no meshes where they are needed, two to be swapped stand on each other,
            an id to be added is taken, or nothing can be restored.
    """
    if kind == "extend":
        return extended(scene, parameters["degrees"], parameters["at"], parameters["by"])
    if kind == "restore":
        return _restore(scene, ids[0])
    if kind == "add":
        return _add(scene, ids[0], parameters)
    items = [named(scene, object_id) for object_id in ids]
    item = items[0]
    if kind in NEED_MESHES:
        if not item.meshes:
            raise ValueError(
                f"{told(item)} has no meshes, which {kind} needs; load the scene with its surfaces, or move, rotate, "
                "scale, swap or remove it"
            )
        return with_objects(scene, [remade(item, _new_surfaces(scene, item, kind, parameters))])
    if kind == "remove":
        return _remove(scene, item)
    if kind == "swap":
        return _swap(scene, *items)
    if kind == "scale":
        return _scale(scene, item, np.array(parameters["factors"]))
    center, turn = item.box.center, np.eye(3)
    if kind == "move":
        target, turn = center + parameters["offset"], turn_about_z(np.deg2rad(parameters.get("degrees", 0.0)))
    else:
        target, turn = center, turn_about_z(np.deg2rad(parameters["degrees"]))
    return _carry(scene, {item.id: (center, target, turn)})


def told(item: SceneObject) -> str:
    """Return how errors name an object."""
    return f"{item.label} (object {item.id})"


def turn_about_z(yaw_rad: float) -> np.ndarray:
    """Return the turn (3, 3) about the vertical, counter-clockwise seen from above."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _group(scene: EditedScene, object_id: int) -> tuple[SceneObject, ...]:
    """Return an object and all that stands on it, as far as it hasn't been removed."""
    ids = (object_id, *carried_by(object_id, scene.carriers))
    present = {item.id: item for item in scene.objects}
    return tuple(present[i] for i in ids if i in present)


def _carry(scene: EditedScene, motions: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> EditedScene:
    """Move objects with all that stands on them, and look anew what carries them.

    motions : id -> a point (3,) that moves along, where it goes (3,), the turn (3, 3) about it
    """
    new: dict[int, SceneObject] = {}
    for root, (point, target, turn) in motions.items():
        for item in _group(scene, root):
            new[item.id] = moved(item, target + turn @ (item.box.center - point), turn)
    after = with_objects(scene, new.values())
    return _with_carriers(after, tuple(motions))


def _with_carriers(scene: EditedScene, roots: tuple[int, ...]) -> EditedScene:
    """Look anew what carries `roots`; all others keep their carrier, so that an inverse moves what the edit moved."""
    carriers = dict(scene.carriers)
    for root in roots:
        own = {root, *carried_by(root, scene.carriers)}
        carrier = find_carrier(scene, scene.object(root), [item for item in scene.objects if item.id not in own])
        carriers.pop(root, None)
        if carrier is not None:
            carriers[root] = carrier
    return replace(scene, carriers=carriers)


def _scale(scene: EditedScene, item: SceneObject, factors: np.ndarray) -> EditedScene:
    axes = item.box.rotation
    half = float(np.abs(axes[2]) @ (item.box.size * factors)) / 2.0
    # The middle stays where it is seen from above, the lowest point at its height.
    center = np.array([item.box.center[0], item.box.center[1], low_high(item.box)[0] + half])
    new = [moved(item, center, factors=factors)]
    for direct in _group(scene, item.id):
        if scene.carriers.get(direct.id) != item.id:
            continue
        # Its base goes where the place that it stood on went; its own size and turn stay. On tops as in shelves: a rule
        # that told them apart could decide otherwise on the way back.
        base = base_center(direct.box)
        shift = center + axes @ (factors * item.box.to_local(base)) - base
        new += [moved(other, other.box.center + shift) for other in _group(scene, direct.id)]
    return _with_carriers(with_objects(scene, new), (item.id,))


def _swap(scene: EditedScene, first: SceneObject, second: SceneObject) -> EditedScene:
    for upper, lower in ((first, second), (second, first)):
        if lower.id in chain(upper.id, scene.carriers):
            raise ValueError(
                f"{told(upper)} stands on {told(lower)}; swap two things of which neither stands on the other"
            )
    bases = [base_center(item.box) for item in (first, second)]
    yaws = [float(np.arctan2(item.box.rotation[1, 0], item.box.rotation[0, 0])) for item in (first, second)]
    motions = {
        item.id: (bases[i], bases[1 - i], turn_about_z(yaws[1 - i] - yaws[i])) for i, item in enumerate((first, second))
    }
    return _carry(scene, motions)


def _remove(scene: EditedScene, item: SceneObject) -> EditedScene:
    group = _group(scene, item.id)
    after = with_objects(scene, (), [other.id for other in group])
    return replace(after, removed=(*scene.removed, group))


def _add(scene: EditedScene, object_id: int, parameters: dict[str, Any]) -> EditedScene:
    # Removed things keep their ids: they may come back.
    taken = {item.id for item in scene.objects} | {item.id for group in scene.removed for item in group}
    if object_id in taken or not 1 <= object_id <= MAX_OBJECT_ID:
        wrong = "taken" if object_id in taken else "no id of an object"
        free = next(i for i in range(max(taken, default=0) + 1, MAX_OBJECT_ID) if i not in taken)
        raise ValueError(
            f"add has object id {object_id}, which is {wrong} in scene '{scene.name}'; give a free id, as {free}"
        )
    model = make_model(parameters["label"], parameters["seed"])
    box, meshes = model.placed(np.array(parameters["position"]), float(np.deg2rad(parameters["degrees"])))
    after = with_objects(scene, [AddedObject(object_id, model.label, box, meshes)])
    return _with_carriers(after, (object_id,))


def _restore(scene: EditedScene, object_id: int) -> EditedScene:
    for group in scene.removed:
        if group[0].id == object_id:
            after = with_objects(scene, group)
            return replace(after, removed=tuple(other for other in scene.removed if other is not group))
    item = named(scene, object_id)
    if was_added(item):
        return _take_out(scene, item)
    before = restored(item)
    if before is None:
        raise ValueError(
            f"{told(item)} has nothing to restore; restore takes back a remove, replace, warp, recolor or add, and a "
            "move, rotate, scale or swap has an inverse of its own kind"
        )
    return with_objects(scene, [before])


def _take_out(scene: EditedScene, item: SceneObject) -> EditedScene:
    """Take back an `add`: as if the object had never been there, so that nothing remembers it."""
    carried = _group(scene, item.id)[1:]
    if carried:
        raise ValueError(f"{told(item)} carries {told(carried[0])}; move what stands on it before taking back the add")
    after = with_objects(scene, (), [item.id])
    return replace(after, carriers={i: carrier for i, carrier in after.carriers.items() if i != item.id})


def _new_surfaces(scene: EditedScene, item: SceneObject, kind: str, parameters: dict[str, Any]) -> SceneObject:
    if kind == "warp":
        return warped(item, parameters["amplitude"], parameters["seed"])
    if kind == "recolor":
        return recolored(item, parameters["color"])
    label = parameters.get("label", item.label)
    if label not in MAKERS:
        raise ValueError(f"no maker makes a {label}; give replace a label, one of {', '.join(sorted(MAKERS))}")
    return replaced(item, label, parameters["seed"], is_hanging(scene, item, scene.carriers))
