"""Objects and scenes that remember what they were, so that an edit and its inverse give back the same bytes.

Rounding makes x + 0.1 - 0.1 differ from x. An edited object therefore keeps the object whose surfaces it shows and the
motion since then; its surfaces are always computed from that object by the whole motion. A motion that equals an
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
"""Motions are equal if their turns and factors differ by no more than this, and their centres by no more than this many
metres, or parts of the distance from the origin beyond a metre. Some thousand times the rounding of one edit."""
LIT_M = 0.1
"""A light this near to an object's box is the object's: ceiling lights have theirs just below them."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Where an object went: stretched along the axes of its box, turned, moved.

    Kept apart, not multiplied into one matrix: the inverse of a matrix that stretches one axis by a hundred and shrinks
    another loses half of the digits.

    center : (3,) the new centre of its box, metres; turn : (3, 3) rotation; factors : (3,) along the box's axes
    """

    center: np.ndarray
    turn: np.ndarray
    factors: np.ndarray

    def linear(self, box: OrientedBox) -> np.ndarray:
        """Return the matrix (3, 3) by which offsets from the centre of `box`, which moves so, are multiplied."""
        return self.turn @ (box.rotation * self.factors) @ box.rotation.T

    def of(self, points: np.ndarray, box: OrientedBox) -> np.ndarray:
        """Return points (..., 3) that belong to `box`, which moves so, after the motion."""
        return (points - box.center) @ self.linear(box).T + self.center

    def equals(self, other: Motion) -> bool:
        """Return True if the two differ by rounding alone."""
        far = max(1.0, float(np.abs(self.center).max()))
        return bool(
            np.abs(self.center - other.center).max() <= SAME * far
            and np.abs(self.turn - other.turn).max() <= SAME
            and np.abs(self.factors / other.factors - 1.0).max() <= SAME
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class EditedObject(SceneObject):
    """An object that knows what it was before.

    before : the object before its last edit
    shape : the object whose surfaces it shows, moved; None where its last edit made new surfaces
    motion : from `shape` to here
    """

    before: SceneObject
    shape: SceneObject | None
    motion: Motion


@dataclass(frozen=True, eq=False, kw_only=True)
class EditedScene(Scene):
    """A scene that knows what it was before its edits.

    first : the scene before all edits
    before : the scene before the last edit
    carriers : object id -> id of what it stands on or in, removed objects included
    removed : groups of removed objects; the first of each was named, the others stood on it
    """

    first: Scene
    before: Scene
    carriers: Mapping[int, int]
    removed: tuple[tuple[SceneObject, ...], ...] = ()


def edited_scene(scene: Scene) -> EditedScene:
    """Return a scene ready to be edited: itself, or with what stands on what found."""
    if isinstance(scene, EditedScene):
        return scene
    known = {item.name: getattr(scene, item.name) for item in fields(Scene)}
    return EditedScene(**known, first=scene, before=scene, carriers=find_carriers(scene))


def with_objects(scene: EditedScene, new: Iterable[SceneObject], gone: Iterable[int] = ()) -> EditedScene:
    """Return the scene with objects put in, or put in the place of those of their id, and others taken out."""
    objects = {item.id: item for item in scene.objects} | {item.id: item for item in new}
    for object_id in gone:
        del objects[object_id]
    # In the order of the first scene: what comes back takes its old place.
    order = {item.id: i for i, item in enumerate(scene.first.objects)}
    kept = tuple(sorted(objects.values(), key=lambda item: order.get(item.id, len(order))))
    return replace(scene, objects=kept, lights=_lights(scene.first, {item.id: item for item in kept}))


def past_scene(scene: EditedScene, before: Scene) -> Scene | None:
    """Return the very scene of the past whose objects are all there again, or None.

    scene : after an edit; before : the scene that was edited
    """
    past: Scene | None = before
    while past is not None:
        removed = past.removed if isinstance(past, EditedScene) else ()
        if _alike(past.objects, scene.objects) and _alike(sum(removed, ()), sum(scene.removed, ())):
            return past
        past = past.before if isinstance(past, EditedScene) else None
    return None


def _alike(some: tuple[SceneObject, ...], others: tuple[SceneObject, ...]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def moved(
    item: SceneObject, center: np.ndarray, turn: np.ndarray | None = None, factors: np.ndarray | None = None
) -> SceneObject:
    """Return an object at another place.

    Args:
        item: the object.
        center: (3,) the new centre of its box, metres.
        turn: (3, 3) rotation about the centre, None for none.
        factors: (3,) scale along the box's axes, None for none.

    Returns:
        The object there; what it was before is returned itself where the motion leads back there.
    """
    shape, motion = _origin(item)
    turned = motion.turn if turn is None else turn @ motion.turn
    new = Motion(center, turned, motion.factors if factors is None else motion.factors * factors)
    for earlier in _history(item):
        other, there = _origin(earlier)
        if other is shape and new.equals(there):
            return earlier
    box = OrientedBox(center, shape.box.size * new.factors, turned @ shape.box.rotation)
    meshes = tuple(replace(mesh, vertices=new.of(mesh.vertices, shape.box)) for mesh in shape.meshes)
    return EditedObject(item.id, item.label, box, meshes, before=item, shape=shape, motion=new)


def remade(item: SceneObject, new: SceneObject) -> SceneObject:
    """Return `new`, an object with surfaces of its own, as the edit of an object that it remembers."""
    motion = _stay(new)
    return EditedObject(item.id, new.label, new.box, new.meshes, before=item, shape=None, motion=motion)


def restored(item: SceneObject) -> SceneObject | None:
    """Return an object as it was before its surfaces were last made anew, at its present place; None if never."""
    shape, motion = _origin(item)
    if not isinstance(shape, EditedObject):
        return None
    return moved(shape.before, motion.of(shape.before.box.center, shape.box), motion.turn, motion.factors)


def _origin(item: SceneObject) -> tuple[SceneObject, Motion]:
    """Return the object that an object's surfaces come from, and the motion since."""
    if isinstance(item, EditedObject) and item.shape is not None:
        return item.shape, item.motion
    return item, _stay(item)


def _stay(item: SceneObject) -> Motion:
    return Motion(item.box.center, np.eye(3), np.ones(3))


def _history(item: SceneObject) -> Iterator[SceneObject]:
    yield item
    while isinstance(item, EditedObject):
        item = item.before
        yield item


def _since_first(item: SceneObject, point: np.ndarray) -> np.ndarray:
    """Return where a point (3,) of an object of the first scene is now."""
    shape, motion = _origin(item)
    if isinstance(shape, EditedObject):
        point = _since_first(shape.before, point)
    return motion.of(point, shape.box)


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
            lights.append(replace(light, position=_since_first(now, light.position)))
    return tuple(lights)
