"""Objects that remember what they were, so that an edit and its inverse give back the same bytes.

Rounding makes x + 0.1 - 0.1 differ from x. An edited object therefore keeps the object whose surfaces it shows and the
motion since then; its surfaces are always computed from that object by the whole motion. A motion that equals an
earlier one to within rounding (SAME) gives the earlier object itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.scene import SceneObject

SAME = 1e-12
"""Motions are equal if their turns and factors differ by no more than this, and their centres by no more than this many
metres, or parts of the distance from the origin beyond a metre. Some thousand times the rounding of one edit."""


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


@dataclass(frozen=True, eq=False)
class AddedObject(SceneObject):
    """An object that an edit has put into the scene: before that it was nothing."""


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


def was_added(item: SceneObject) -> bool:
    """Return True if the last edit that gave an object its surfaces added it."""
    return isinstance(_origin(item)[0], AddedObject)


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


def place_now(item: SceneObject, point: np.ndarray) -> np.ndarray:
    """Return where a point (3,) of an object of the first scene is now."""
    shape, motion = _origin(item)
    if isinstance(shape, EditedObject):
        point = place_now(shape.before, point)
    return motion.of(point, shape.box)
