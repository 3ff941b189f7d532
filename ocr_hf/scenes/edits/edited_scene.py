"""Scenes that remember what they were: what was removed, what stands on what, where each lamp's light is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from ocr_hf.scenes.edits.carriers import find_carriers
from ocr_hf.scenes.edits.edited_object import place_now
from ocr_hf.scenes.scene import Light, Mesh, Room, Scene, SceneObject

LIT_M = 0.1
"""A light this near to an object's box is the object's: ceiling lights have theirs just below them."""


SHELL = ("structure", "rooms", "floor_area_m2")
"""What only an extension changes."""


@dataclass(frozen=True, eq=False)
class Extension:
    """An `extend` that was done, and what it made of the home."""

    degrees: float
    at: float
    by: float
    structure: tuple[Mesh, ...]
    rooms: tuple[Room, ...]
    floor_area_m2: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class EditedScene(Scene):
    """A scene that knows what it was before its edits.

    first : the scene before all edits
    before : the scene before the last edit
    carriers : object id -> id of what it stands on or in, removed objects included
    lamps : for each light of the first scene the id of the object that gives it, None where there is none
    removed : groups of removed objects; the first of each was named, the others stood on it
    extended : how the home was made longer, in order
    """

    first: Scene
    before: Scene
    carriers: Mapping[int, int]
    lamps: tuple[int | None, ...]
    removed: tuple[tuple[SceneObject, ...], ...] = ()
    extended: tuple[Extension, ...] = ()


def edited_scene(scene: Scene) -> EditedScene:
    """Return a scene ready to be edited: itself, or with what stands on what found."""
    if isinstance(scene, EditedScene):
        # After `replace(scene, rooms=...)` by hand there is no way back past that change: memory starts anew.
        if _only_edited(scene):
            return scene
        return replace(scene, first=scene, before=scene, extended=(), lamps=_find_lamps(scene))
    known = {item.name: getattr(scene, item.name) for item in fields(Scene)}
    return EditedScene(**known, first=scene, before=scene, carriers=find_carriers(scene), lamps=_find_lamps(scene))


def shell_of(scene: EditedScene) -> Scene | Extension:
    """Return what holds the structure, rooms and floor area that edits have led to."""
    return scene.extended[-1] if scene.extended else scene.first


def _only_edited(scene: EditedScene) -> bool:
    """Return True if a scene differs from its first in what edits change alone: objects, lights, its shell."""
    for name in {item.name for item in fields(Scene)} - {"objects", "lights"}:
        now, then = getattr(scene, name), getattr(shell_of(scene) if name in SHELL else scene.first, name)
        if now is not then and (isinstance(now, tuple) or now != then):
            return False
    lights = _lights(scene, {item.id: item for item in scene.objects})
    return len(lights) == len(scene.lights) and all(
        np.array_equal(a.position, b.position) and np.array_equal(a.power, b.power)
        for a, b in zip(lights, scene.lights, strict=True)
    )


def with_objects(scene: EditedScene, new: Iterable[SceneObject], gone: Iterable[int] = ()) -> EditedScene:
    """Return the scene with objects put in, or put in the place of those of their id, and others taken out."""
    objects = {item.id: item for item in scene.objects} | {item.id: item for item in new}
    for object_id in gone:
        del objects[object_id]
    # In the order of the first scene, what was added last: what comes back takes its old place.
    order = {item.id: i for i, item in enumerate(scene.first.objects)}
    kept = tuple(sorted(objects.values(), key=lambda item: (order.get(item.id, len(order)), item.id)))
    return replace(scene, objects=kept, lights=_lights(scene, {item.id: item for item in kept}))


def past_scene(scene: EditedScene, before: Scene) -> Scene | None:
    """Return the very scene of the past whose objects are all there again, or None.

    scene : after an edit; before : the scene that was edited
    """
    past: Scene | None = before
    while past is not None:
        removed = past.removed if isinstance(past, EditedScene) else ()
        extended = past.extended if isinstance(past, EditedScene) else ()
        if (
            _alike(extended, scene.extended)
            and _alike(past.objects, scene.objects)
            and _alike(sum(removed, ()), sum(scene.removed, ()))
        ):
            return past
        past = past.before if isinstance(past, EditedScene) and past is not scene.first else None
    return None


def _alike(some: tuple, others: tuple) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _beyond(light: Light, extensions: Iterable[Extension]) -> Light:
    """Return a light without a lamp where extensions have taken it."""
    for extension in extensions:
        outwards = np.array([np.cos(np.radians(extension.degrees)), np.sin(np.radians(extension.degrees)), 0.0])
        if light.position @ outwards > extension.at + max(0.0, -extension.by):
            light = replace(light, position=light.position + extension.by * outwards)
    return light


def _find_lamps(scene: Scene) -> tuple[int | None, ...]:
    lamps: list[int | None] = []
    for light in scene.lights:
        near = [
            (float(item.box.size.prod()), item.id)
            for item in scene.objects
            if (np.abs(item.box.to_local(light.position)) <= item.box.size / 2.0 + LIT_M).all()
        ]
        lamps.append(min(near)[1] if near else None)
    return tuple(lamps)


def _lights(scene: EditedScene, objects: Mapping[int, SceneObject]) -> tuple[Light, ...]:
    """Return the lights of the first scene where their lamps are now; one whose lamp is gone is out."""
    lights = []
    for light, lamp in zip(scene.first.lights, scene.lamps, strict=True):
        if lamp is None:
            lights.append(_beyond(light, scene.extended))
            continue
        then, now = scene.first.object(lamp), objects.get(lamp)
        if now is then:
            lights.append(light)
        elif now is not None and now.label == then.label:
            lights.append(replace(light, position=place_now(now, light.position)))
    return tuple(lights)
