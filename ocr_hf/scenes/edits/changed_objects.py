"""Which objects differ between two scenes."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.scene import Mesh, Scene, SceneObject


def changed_objects(before: Scene, after: Scene) -> tuple[int, ...]:
    """Find which objects differ between two scenes.

    Frames that show none of them, before or after, differ by light alone: what bounces off the objects, and shadows.

    Args:
        before: a scene.
        after: the same scene after edits.

    Returns:
        Sorted ids of objects that only one of them has, or whose label, box, surfaces or materials differ.
    """
    first, second = ({item.id: item for item in scene.objects} for scene in (before, after))
    return tuple(
        i
        for i in sorted(first.keys() | second.keys())
        if i not in first or i not in second or not _same(first[i], second[i])
    )


def same_structure(before: Scene, after: Scene) -> bool:
    """Return whether two scenes are built alike and have the same lights; of scenes without lights, the same rooms."""
    lights = len(before.lights) == len(after.lights) and all(
        _equal(a.position, b.position) and _equal(a.power, b.power)
        for a, b in zip(before.lights, after.lights, strict=True)
    )
    meshes = len(before.structure) == len(after.structure) and all(
        a is b or _same_mesh(a, b) for a, b in zip(before.structure, after.structure, strict=True)
    )
    rooms = before.rooms is after.rooms or (
        len(before.rooms) == len(after.rooms)
        and all(
            _equal(a.polygon, b.polygon) and (a.height_m, a.floor_z) == (b.height_m, b.floor_z)
            for a, b in zip(before.rooms, after.rooms, strict=True)
        )
    )
    return lights and meshes and (rooms or bool(before.lights))


def _same(a: SceneObject, b: SceneObject) -> bool:
    if a is b:
        return True
    if a.label != b.label or len(a.meshes) != len(b.meshes):
        return False
    boxes = all(_equal(getattr(a.box, name), getattr(b.box, name)) for name in ("center", "size", "rotation"))
    return boxes and all(_same_mesh(x, y) for x, y in zip(a.meshes, b.meshes, strict=True))


def _same_mesh(a: Mesh, b: Mesh) -> bool:
    looks = a.material is b.material or (
        a.material.color == b.material.color
        and a.material.emission == b.material.emission
        and _equal(a.material.texture, b.material.texture)
    )
    return (
        looks
        and all(_equal(getattr(a, name), getattr(b, name)) for name in ("vertices", "faces", "uv"))
        and _equal(a.vertex_colors, b.vertex_colors)
    )


def _equal(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
