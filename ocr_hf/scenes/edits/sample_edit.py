"""Random edits of a scene that are plausible, a pure function of a seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ocr_hf.scenes.edits.carriers import floor_below, is_hanging, low_high
from ocr_hf.scenes.edits.edit_kinds import NEED_MESHES, named
from ocr_hf.scenes.edits.edit_parameters import KINDS
from ocr_hf.scenes.edits.edit_plausibility import ImplausibleEditError
from ocr_hf.scenes.edits.edited_scene import EditedScene, edited_scene
from ocr_hf.scenes.edits.extended_plan import free_strips
from ocr_hf.scenes.edits.replacements import FITTED, MAKERS, WALL_OR_CEILING, make_model
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.edits.support import has_flat_top
from ocr_hf.scenes.randomness import generator, pick
from ocr_hf.scenes.scene import Scene, SceneObject

SAMPLED = tuple(kind for kind in KINDS if kind != "restore")
"""Kinds that can be sampled."""
LEAST_MOVE = 0.25
"""A move is no shorter than this share of the box's diagonal, nor than LEAST_MOVE_M: it is meant to be seen."""
LEAST_MOVE_M = 0.05
TURNS_DEG = (30.0, 330.0)
SMALLER, LARGER = (0.6, 0.85), (1.15, 1.6)
"""Factors of scaling: from clearly smaller to clearly larger, never nearly the same."""
AMPLITUDES = (0.03, 0.1)
STANDING = tuple(label for label in sorted(MAKERS) if label not in WALL_OR_CEILING | FITTED)
"""What can be added: things that stand."""
ON_TOP_M = 0.6
"""Smaller things are added on top of another where that is flat."""
LONGER_M = (0.5, 2.5)
LEAST_TAKEN_M = 0.2
"""By how much a home becomes longer, and the narrowest free strip that is taken out."""
LEAST_REPAINT = 0.35
"""A new colour differs by at least this from the old ones in one of red, green and blue."""


def sample_edit(
    scene: Scene,
    kind: str,
    seed: int,
    object_id: int | None = None,
    camera_path: np.ndarray | None = None,
    tries: int = 200,
) -> SceneEdit:
    """Propose edits of a kind until one is plausible.

    Args:
        scene: the scene to be edited.
        kind: one of SAMPLED.
        seed: at least 0; with the scene's name, kind and object_id it decides the proposals.
        object_id: what to edit; None draws an object for each proposal. An add takes it as what to put a thing onto.
        camera_path: (T, 4, 4) camera_to_world, metres, from which what is edited must keep its distance.
        tries: most proposals, at least 1.

    Returns:
        The first edit that `SceneEdit.apply` takes with plausible=True.

    Raises:
        ValueError: none was plausible, the kind can't be sampled, or the scene has no such object.
    """
    if kind not in SAMPLED:
        raise ValueError(f"edit kind is {kind!r}, which can't be sampled; choose one of {', '.join(SAMPLED)}")
    if tries < 1:
        raise ValueError(f"tries is {tries}; give at least 1")
    if object_id is not None:
        named(scene, object_id)
    pool = [item for item in scene.objects if item.meshes or kind not in NEED_MESHES]
    if object_id is not None:
        pool = [item for item in pool if item.id == object_id]
    if not pool or (kind == "swap" and len(scene.objects) < 2):
        needed = "two objects" if kind == "swap" else "an object with meshes" if kind in NEED_MESHES else "an object"
        raise ValueError(f"scene '{scene.name}' can't be edited by {kind}, which needs {needed}; choose another kind")
    known = edited_scene(scene)
    rng = generator(seed, "edit", scene.name, kind, 0 if object_id is None else object_id)
    reasons: Counter[str] = Counter()
    for _ in range(tries):
        item = pick(rng, pool)
        edit = _propose(known, item, kind, rng)
        try:
            edit.apply(known, camera_path=camera_path)
        except ImplausibleEditError as error:
            reasons[error.reason] += 1
        except ValueError as error:
            reasons[str(error)] += 1
        else:
            return edit
    (reason, count), *_ = reasons.most_common(1)
    raise ValueError(
        f"no plausible {kind} was found in scene '{scene.name}' in {tries} tries; most often ({count} times) the "
        f"object {reason}; choose another object, kind or seed, or more tries"
    )


def _propose(scene: EditedScene, item: SceneObject, kind: str, rng: np.random.Generator) -> SceneEdit:
    """Return an edit of an object with random parameters; rounded, so that they are short to write and exact.

    What is added comes onto the object, or onto the floor.
    """
    if kind == "swap":
        other = pick(rng, [other for other in scene.objects if other.id != item.id])
        return SceneEdit("swap", (item.id, other.id))
    if kind == "add":
        return _addition(scene, item, rng)
    if kind == "extend":
        return _extension(scene, rng)
    parameters: dict[str, Any] = {}
    if kind == "move":
        parameters["offset"] = tuple(round(float(value), 3) for value in _offset(scene, item, rng))
    elif kind == "rotate":
        parameters["degrees"] = round(float(rng.uniform(*TURNS_DEG)), 1)
    elif kind == "scale":
        parameters["factors"] = round(float(rng.uniform(*pick(rng, (SMALLER, LARGER)))), 3)
    elif kind == "replace":
        # Half of them another model of the same category, which changes sizes but no names
        same = item.label in MAKERS and rng.random() < 0.5
        parameters["label"] = item.label if same else pick(rng, sorted(MAKERS))
        parameters["seed"] = int(rng.integers(2**31))
    elif kind == "warp":
        parameters["amplitude"] = round(float(rng.uniform(*AMPLITUDES)), 3)
        parameters["seed"] = int(rng.integers(2**31))
    elif kind == "recolor":
        parameters["color"] = _color(item, rng)
    return SceneEdit(kind, (item.id,), parameters)


def _addition(scene: EditedScene, below: SceneObject, rng: np.random.Generator) -> SceneEdit:
    label, seed = pick(rng, STANDING), int(rng.integers(2**31))
    size = make_model(label, seed).size
    if size.max() < ON_TOP_M and has_flat_top(below):
        place = below.box.center[:2] + below.box.rotation[:2, :2] @ (rng.uniform(-0.5, 0.5, 2) * below.box.size[:2])
        # Not rounded down: it would sink into what carries it.
        place = np.append(place, np.ceil(low_high(below.box)[1] * 1e4) / 1e4)
    else:
        polygon = pick(rng, scene.rooms).polygon if scene.rooms else below.box.corners()[:, :2]
        place = np.append(rng.uniform(polygon.min(axis=0), polygon.max(axis=0)), 0.0)
        place[2] = floor_below(scene, place)
    return add_edit(scene, label, seed, place, float(rng.uniform(0.0, 360.0)))


def add_edit(scene: EditedScene, label: str, seed: int, place: np.ndarray, degrees: float) -> SceneEdit:
    """Return the edit that puts a new object at `place` (3,), the middle of its base; it gets the next free id."""
    known = [*scene.objects, *(item for group in scene.removed for item in group)]
    position = (round(float(place[0]), 3), round(float(place[1]), 3), float(place[2]))
    parameters = {"label": label, "seed": seed, "position": position, "degrees": round(degrees, 1)}
    return SceneEdit("add", (max((item.id for item in known), default=0) + 1,), parameters)


def _extension(scene: EditedScene, rng: np.random.Generator) -> SceneEdit:
    room = pick(rng, scene.rooms).polygon if scene.rooms else np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    edge = pick(rng, np.roll(room, -1, axis=0) - room)
    degrees = float(np.degrees(np.arctan2(edge[1], edge[0])))
    strips = free_strips(scene, degrees, empty=False)
    # Where there is none, any plane: the error says what it would cut.
    low, high = pick(rng, strips) if strips else (0.0, 1.0)
    wide = [strip for strip in free_strips(scene, degrees, empty=True) if strip[1] - strip[0] > LEAST_TAKEN_M]
    if wide and rng.random() < 0.5:
        low, high = pick(rng, wide)
        return SceneEdit("extend", (), {"degrees": degrees, "at": low, "by": low - high})
    by = round(float(rng.uniform(*LONGER_M)), 3)
    return SceneEdit("extend", (), {"degrees": degrees, "at": float(rng.uniform(low, high)), "by": by})


def _offset(scene: EditedScene, item: SceneObject, rng: np.random.Generator) -> np.ndarray:
    """Return a move (2,) in metres: on what carries it, along its wall, or to anywhere in a room."""
    offset = np.zeros(2)
    least = max(LEAST_MOVE_M, LEAST_MOVE * item.box.diagonal)
    carrier = next((other for other in scene.objects if other.id == scene.carriers.get(item.id)), None)
    for _ in range(20):
        if carrier is not None:
            local = rng.uniform(-0.5, 0.5, 2) * carrier.box.size[:2]
            offset = carrier.box.center[:2] + carrier.box.rotation[:2, :2] @ local - item.box.center[:2]
        elif is_hanging(scene, item, scene.carriers):
            offset = item.box.rotation[:2, 0] * rng.uniform(-2.0, 2.0)
        elif scene.rooms and rng.random() < 0.5:
            polygon = pick(rng, scene.rooms).polygon
            offset = rng.uniform(polygon.min(axis=0), polygon.max(axis=0)) - item.box.center[:2]
        else:
            offset = rng.normal(0.0, 0.8, 2)
        # Small carriers leave no room for a long move: after some tries a short one is taken.
        if np.linalg.norm(offset) >= least:
            break
    return offset


def _color(item: SceneObject, rng: np.random.Generator) -> tuple[float, ...]:
    color = np.full(3, 0.5)
    old = np.array([mesh.material.color for mesh in item.meshes])
    for _ in range(50):
        color = np.round(rng.uniform(0.05, 0.95, 3), 3)
        if np.abs(old - color).max(axis=1).min() >= LEAST_REPAINT:
            break
    return tuple(float(value) for value in color)
