"""Objects and scenes that remember what they were, so that an edit and its inverse give back the same bytes.

Rounding makes x + 0.1 - 0.1 differ from x. An edited object therefore keeps the object whose surfaces it shows and the
affine motion since then; its surfaces are always computed from that object by the whole motion. A motion that equals an
earlier one to within rounding (SAME) gives the earlier object itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.edits.carriers import find_carriers
from ocr_hf.scenes.scene import Light, Scene, SceneObject

SAME = 1e-12
"""Motions are equal if they take no corner of the box farther apart than this, in metres, or in parts of the corner's
distance from the origin where that is beyond a metre. Some thousand times the rounding of one edit."""
LIT_M = 0.1
"""A light this near to an object's box is the object's: ceiling lights have theirs just below them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EditedObject(SceneObject):
    """An object that knows what it was before.

    before : the object before its last edit
    shape : the object whose surfaces it shows, moved; None where its last edit made new surfaces
    motion : (4, 4) affine, world, from `shape` to here
    """

    before: SceneObject
    shape: SceneObject | None
    motion: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class EditedScene(Scene):
    """A scene that knows what it was before its edits.

    first : the scene before all edits
    carriers : object id -> id of what it stands on or in, removed objects included
    removed : groups of removed objects; the first of each was named, the others stood on it
    """

    first: Scene
    carriers: Mapping[int, int]
    removed: tuple[tuple[SceneObject, ...], ...] = ()


def edited_scene(scene: Scene) -> EditedScene:
    """Return a scene ready to be edited: itself, or with what stands on what found."""
    if isinstance(scene, EditedScene):
        return scene
    known = {item.name: getattr(scene, item.name) for item in fields(Scene)}
    return EditedScene(**known, first=scene, carriers=find_carriers(scene))


def with_objects(scene: EditedScene, new: Iterable[SceneObject], gone: Iterable[int] = ()) -> EditedScene:
    """Return the scene with objects put in, or put in the place of those of their id, and others taken out."""
    objects = {item.id: item for item in scene.objects} | {item.id: item for item in new}
    for object_id in gone:
        del objects[object_id]
    # In the order of the first scene: what comes back takes its old place.
    order = {item.id: i for i, item in enumerate(scene.first.objects)}
    kept = tuple(sorted(objects.values(), key=lambda item: order.get(item.id, len(order))))
    return replace(scene, objects=kept, lights=_lights(scene.first, {item.id: item for item in kept}))


def settled(scene: EditedScene) -> Scene:
    """Return the first scene itself where every edit has been taken back."""
    first = scene.first.objects
    same = len(first) == len(scene.objects) and all(a is b for a, b in zip(first, scene.objects, strict=True))
    return scene.first if same and not scene.removed else scene


def moved(item: SceneObject, matrix: np.ndarray) -> SceneObject:
    """Return an object after an affine motion (4, 4) in the world that keeps its box a box.

    What it was before is returned itself where the motion leads back there.
    """
    shape, motion = _origin(item)
    motion = matrix @ motion
    corners = np.column_stack([shape.box.corners(), np.ones(8)])
    tolerance = SAME * max(1.0, float(np.abs(corners).max()))
    for earlier in _history(item):
        other, there = _origin(earlier)
        if other is shape and np.abs(corners @ (motion - there).T).max() <= tolerance:
            return earlier
    linear, shift = motion[:3, :3], motion[:3, 3]
    axes = linear @ shape.box.rotation
    factors = np.linalg.norm(axes, axis=0)
    box = OrientedBox(linear @ shape.box.center + shift, shape.box.size * factors, axes / factors)
    meshes = tuple(replace(mesh, vertices=mesh.vertices @ linear.T + shift) for mesh in shape.meshes)
    return EditedObject(item.id, item.label, box, meshes, before=item, shape=shape, motion=motion)


def remade(item: SceneObject, new: SceneObject) -> SceneObject:
    """Return `new`, an object with surfaces of its own, as the edit of an object that it remembers."""
    return EditedObject(item.id, new.label, new.box, new.meshes, before=item, shape=None, motion=np.eye(4))


def restored(item: SceneObject) -> SceneObject | None:
    """Return an object as it was before its surfaces were last made anew, at its present place; None if never."""
    shape, motion = _origin(item)
    return moved(shape.before, motion) if isinstance(shape, EditedObject) else None


def _origin(item: SceneObject) -> tuple[SceneObject, np.ndarray]:
    """Return the object that an object's surfaces come from, and the motion since."""
    if isinstance(item, EditedObject) and item.shape is not None:
        return item.shape, item.motion
    return item, np.eye(4)


def _history(item: SceneObject) -> Iterator[SceneObject]:
    yield item
    while isinstance(item, EditedObject):
        item = item.before
        yield item


def _motion_since(item: SceneObject) -> np.ndarray:
    """Return the motion (4, 4) of an object since the first scene."""
    shape, motion = _origin(item)
    return motion @ _motion_since(shape.before) if isinstance(shape, EditedObject) else motion


def _lights(first: Scene, objects: Mapping[int, SceneObject]) -> tuple[Light, ...]:
    """Return the lights of the first scene where their lamps are now; one whose lamp is gone is out."""
    lights = []
    for light in first.lights:
        near = [
            item
            for item in first.objects
            if (np.abs(item.box.to_local(light.position)) <= item.box.size / 2.0 + LIT_M).all()
        ]
        if not near:
            lights.append(light)
            continue
        lamp = min(near, key=lambda item: (float(item.box.size.prod()), item.id))
        now = objects.get(lamp.id)
        if now is lamp:
            lights.append(light)
        elif now is not None and now.label == lamp.label:
            motion = _motion_since(now)
            lights.append(replace(light, position=motion[:3, :3] @ light.position + motion[:3, 3]))
    return tuple(lights)
