"""Longer and shorter homes: all beyond a vertical plane moves, and what crosses the plane is lengthened there.

Nothing is stretched: walls, floors and ceilings are cut at the plane, and a strip that carries their texture on is put
in between; or a strip without anything in it is taken out. Things are never cut: what stands across the plane goes with
the side that its middle is on, and what is built into a wall or stands in the strip forbids the plane.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from ocr_hf.scenes.edits.carriers import chain
from ocr_hf.scenes.edits.edited_object import moved
from ocr_hf.scenes.edits.edited_scene import EditedScene, Extension, shell_of, with_objects
from ocr_hf.scenes.scene import Mesh, Room, Scene, SceneObject

CLEAR_M = 1e-3
"""A corner of walls or outlines this near to the plane can't be told to be before or behind it."""
FRAME_M = 0.12
"""So far around doors and windows, and from where walls meet, there are frames, sills and skirting, which would become
boards of several metres."""
RUG_M = 0.05
"""What is built in and keeps this distance from all walls lies or hangs by itself: a rug, which must not be cut."""
OTHER = "choose another plane"


def extended(scene: EditedScene, degrees: float, at: float, by: float) -> EditedScene:
    """Return the scene with all beyond a vertical plane moved outwards, or inwards where `by` is negative.

    Args:
        scene: the scene before.
        degrees: where outwards is, counter-clockwise from world x seen from above.
        at: where the plane is, metres from the origin in that direction; with a negative `by` a strip begins there.
        by: how far it moves, metres; where negative, the strip that is taken out is that wide.

    Returns:
        The scene after; the very structure and outlines from before where this takes the last extension back.

    Raises:
        ValueError: a thing, a corner of a wall or a rug is in the way, or the scene has neither rooms nor structure.
    """
    if not scene.rooms and not scene.structure:
        raise ValueError(f"scene '{scene.name}' has neither rooms nor walls to extend; give it one of them")
    outwards = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    width = max(0.0, -by)
    shift = by * np.append(outwards, 0.0)
    last = scene.extended[-1] if scene.extended else None
    is_inverse = last is not None and (last.degrees, last.at, last.by) == (degrees, at, -by)
    beyond = []
    for item in scene.objects:
        span = item.box.corners()[:, :2] @ outwards - at
        built_in = _is_built_in(scene, item)
        margin = FRAME_M if built_in else -CLEAR_M
        across = span.max() > -margin and span.min() < width + margin
        # What stands on a thing goes with it.
        middle = float(_root(scene, item).box.center[:2] @ outwards) - at
        if (across and not is_inverse and (width > 0.0 or built_in)) or -CLEAR_M < middle < width + CLEAR_M:
            raise ValueError(f"extend would cut through {item.label} (object {item.id}); {OTHER}")
        if middle > width:
            beyond.append(item)
    if is_inverse:
        extensions = scene.extended[:-1]
        shell = shell_of(replace(scene, extended=extensions))
        structure, rooms, area = shell.structure, shell.rooms, shell.floor_area_m2
    else:
        _check_rugs(scene, outwards, at, width)
        rooms = tuple(_longer_room(room, outwards, at, by) for room in scene.rooms)
        structure = tuple(_longer_mesh(mesh, outwards, at, by) for mesh in scene.structure)
        area = scene.floor_area_m2
        if area is not None and rooms:
            area += float(sum(map(_area, rooms)) - sum(map(_area, scene.rooms)))
        extensions = (*scene.extended, Extension(degrees, at, by, structure, rooms, area))
    # Objects last: which lights go with them, and how far the others go, follows from the extensions.
    longer = replace(scene, structure=structure, rooms=rooms, floor_area_m2=area, extended=extensions)
    return with_objects(longer, [moved(item, item.box.center + shift) for item in beyond])


def _root(scene: EditedScene, item: SceneObject) -> SceneObject:
    present = {other.id: other for other in scene.objects}
    return next((present[i] for i in reversed(chain(item.id, scene.carriers)) if i in present), item)


def _is_built_in(scene: Scene, item: SceneObject) -> bool:
    middle = shapely.Point(item.box.center[:2])
    return not any(shapely.Polygon(room.polygon).covers(middle) for room in scene.rooms)


def free_strips(scene: Scene, degrees: float, empty: bool) -> list[tuple[float, float]]:
    """Find where a plane across a home cuts through nothing but walls, floors and ceilings.

    Args:
        scene: the scene.
        degrees: where outwards is, as for `extended`.
        empty: nothing at all may stand there, as where a strip is taken out.

    Returns:
        (low, high) metres from the origin in that direction, ascending: anywhere in between a plane crosses a room.
    """
    outwards = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    frames = [item.box.corners()[:, :2] @ outwards for item in scene.objects if _is_built_in(scene, item)]
    frames += [np.array([along]) for room in scene.rooms for along in room.polygon @ outwards]
    taken = [np.array([along.min() - FRAME_M, along.max() + FRAME_M]) for along in frames]
    taken += [item.box.corners()[:, :2] @ outwards for item in scene.objects if empty]
    taken += [_flat(mesh) @ outwards for mesh in scene.structure if _is_rug(scene, mesh)]
    corners = [_flat(mesh) @ outwards for mesh in scene.structure] + [room.polygon @ outwards for room in scene.rooms]
    if not corners:
        return []
    floors = [room.polygon @ outwards for room in scene.rooms] or corners
    spans = [(float(along.min()), float(along.max())) for along in taken]
    spans += [(float(along), float(along)) for along in np.unique(np.concatenate(corners).round(4))]
    strips = []
    reached = min(low for low, _ in spans)
    for low, high in sorted(spans):
        inside = any(floor.min() <= reached + CLEAR_M and low <= floor.max() + CLEAR_M for floor in floors)
        if low - reached > 4.0 * CLEAR_M and inside:
            strips.append((reached + 2.0 * CLEAR_M, low - 2.0 * CLEAR_M))
        reached = max(reached, high)
    return strips


def _flat(mesh: Mesh) -> np.ndarray:
    """Return where the corners of a mesh's triangles are on the floor plan, (N, 2)."""
    return mesh.vertices[np.unique(mesh.faces), :2]


def _is_rug(scene: Scene, mesh: Mesh) -> bool:
    points = shapely.points(_flat(mesh))
    walls = [shapely.Polygon(room.polygon).exterior for room in scene.rooms]
    return bool(walls) and min(float(shapely.distance(wall, points).min()) for wall in walls) > RUG_M


def _area(room: Room) -> float:
    x, y = room.polygon.T
    return 0.5 * float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _check_rugs(scene: Scene, outwards: np.ndarray, at: float, width: float) -> None:
    for mesh in scene.structure:
        along = _flat(mesh) @ outwards - at
        if along.min() < width and along.max() > 0.0 and _is_rug(scene, mesh):
            raise ValueError(f"extend would cut a rug or something else that is built in; {OTHER}")


def _check_corners(along: np.ndarray, width: float, margin: float, what: str) -> None:
    if ((along > -margin) & (along < width + margin)).any():
        raise ValueError(f"extend would meet a corner of {what}; {OTHER}")


def _longer_room(room: Room, outwards: np.ndarray, at: float, by: float) -> Room:
    along, width = room.polygon @ outwards - at, max(0.0, -by)
    _check_corners(along, width, FRAME_M, f"the {room.name}")
    far = along > width
    if not far.any():
        return room
    outline = []
    for i, point in enumerate(room.polygon):
        outline.append(point + by * outwards if far[i] else point)
        k = (i + 1) % len(along)
        if far[i] == far[k]:
            continue
        edge = room.polygon[k] - point
        straight = abs(edge[0] * outwards[1] - edge[1] * outwards[0]) <= 1e-9 * np.linalg.norm(edge)
        if straight:
            continue
        if by < 0.0:
            raise ValueError(f"extend would bend a wall of the {room.name}, which is oblique there; {OTHER}")
        cut = point - along[i] / (along[k] - along[i]) * edge
        pieces = [cut, cut + by * outwards]
        outline += pieces[::-1] if far[i] else pieces
    return replace(room, polygon=np.array(outline))


def _longer_mesh(mesh: Mesh, outwards: np.ndarray, at: float, by: float) -> Mesh:
    along, width = mesh.vertices[:, :2] @ outwards - at, max(0.0, -by)
    _check_corners(along[np.unique(mesh.faces)], width, CLEAR_M, "a wall")
    far = (along > width)[mesh.faces]
    if not far.any():
        return mesh
    shift = by * np.append(outwards, 0.0)
    # One row a corner: place, texture coordinates, colour. Faces beyond the plane no longer share corners with others,
    # because their texture goes on by as much as their own surface does.
    rows = _rows(mesh)[mesh.faces]
    further = np.zeros((len(rows), 1, rows.shape[2]))
    further[:, 0, :3] = shift
    if mesh.uv is not None:
        further[:, 0, 3:5] = by * _slopes(rows[:, :, :3], rows[:, :, 3:5], outwards)
    whole = far.all(axis=1)
    pieces = [(rows + further)[whole]]
    for i in np.flatnonzero(far.any(axis=1) & ~whole):
        pieces.append(_split(rows[i], along[mesh.faces[i]], further[i, 0], by))
    near = ~far.any(axis=1)
    used, faces = np.unique(mesh.faces[near], return_inverse=True)
    new = np.concatenate(pieces)
    new = new.reshape(-1, new.shape[2])
    corners = np.concatenate([_rows(mesh)[used], new])
    added = len(used) + np.arange(len(new)).reshape(-1, 3)
    return _mesh_of(mesh, corners, np.concatenate([faces.reshape(-1, 3), added]))


def _rows(mesh: Mesh) -> np.ndarray:
    parts = [mesh.vertices]
    if mesh.uv is not None:
        parts.append(mesh.uv)
    if mesh.vertex_colors is not None:
        parts.append(mesh.vertex_colors)
    return np.column_stack([part.astype(np.float64) for part in parts])


def _mesh_of(mesh: Mesh, rows: np.ndarray, faces: np.ndarray) -> Mesh:
    uv = None if mesh.uv is None else rows[:, 3:5].astype(mesh.uv.dtype)
    colors = None if mesh.vertex_colors is None else np.round(rows[:, -3:]).astype(np.uint8)
    return replace(mesh, vertices=rows[:, :3], faces=faces.astype(np.int32), uv=uv, vertex_colors=colors)


def _slopes(corners: np.ndarray, uv: np.ndarray, outwards: np.ndarray) -> np.ndarray:
    """Return by how much the texture coordinates grow a metre outwards along each surface, (F, 2).

    corners : (F, 3, 3); uv : (F, 3, 2)
    """
    edges = corners[:, 1:] - corners[:, :1]
    direction = np.append(outwards, 0.0)
    gram = edges @ edges.transpose(0, 2, 1)
    flat = np.linalg.det(gram) > 1e-18
    solved = np.zeros((len(corners), 2))
    # Shares of the two edges that make up the direction, as far as it lies in the surface
    solved[flat] = np.linalg.solve(gram[flat], (edges[flat] @ direction)[..., None])[..., 0]
    length = np.linalg.norm(np.einsum("fe,fei->fi", solved, edges), axis=1)
    steps = np.einsum("fe,fei->fi", solved, uv[:, 1:] - uv[:, :1])
    return np.where((length > 1e-3)[:, None], steps / np.maximum(length, 1e-3)[:, None], 0.0)


def _split(corners: np.ndarray, along: np.ndarray, further: np.ndarray, by: float) -> np.ndarray:
    """Return the triangles (N, 3, C) of one triangle (3, C) that crosses the plane.

    along : (3,) metres beyond the plane; further : (C,) what is added to everything beyond it
    """
    width = max(0.0, -by)
    alone = next(i for i in range(3) if ((along > width) == (along[i] > width)).sum() == 1)
    tip, second, third = np.roll(corners, -alone, axis=0)
    a, b, c = np.roll(along, -alone)
    beyond = a > width
    tip_cut, base_cut = (width, 0.0) if beyond else (0.0, width)

    def cut(level: float) -> tuple[np.ndarray, np.ndarray]:
        return tuple(tip + (level - a) / (end - a) * (corner - tip) for end, corner in ((b, second), (c, third)))

    (p, q), (r, s) = cut(tip_cut), cut(base_cut)
    if beyond:
        tip, p, q = tip + further, p + further, q + further
    else:
        second, third, r, s = second + further, third + further, r + further, s + further
    found = [(tip, p, q), (r, second, third), (r, third, s)]
    if by > 0.0:
        found += [(p, r, s), (p, s, q)]
    return np.array(found)
