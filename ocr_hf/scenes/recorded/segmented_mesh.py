"""A mesh whose vertices lie in segments, of which objects are made: how ScanNet and ScanNet++ annotate a scan.

<mesh>.ply               vertices, in an order that the others count on
<segments>.json          segIndices: the segment of each vertex
<groups>.json            segGroups: objectId, label and segments of each object
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import transform
from ocr_hf.scenes.categories import STRUCTURE, Categories
from ocr_hf.scenes.scene import MAX_OBJECT_ID, SceneObject

NEW_COPY = "copy or download it again"
NAMELESS = {"object", "unknown", "remove"}
"""Labels of annotators who had no name for a thing."""


@dataclass(frozen=True, eq=False)
class SegmentedMesh:
    """What is annotated of a scan, in metres, +Z up.

    objects : id = objectId + 1
    structure_ids : of walls and the like, and of what can't be asked about
    vertices : (V, 3) float64; faces : (F, 3) int64
    vertex_ids : (V,) uint16, the object that a vertex belongs to: of several the smallest; 0 = none
    notes : what the user should know of it
    """

    objects: tuple[SceneObject, ...]
    structure_ids: tuple[int, ...]
    vertices: np.ndarray
    faces: np.ndarray
    vertex_ids: np.ndarray
    notes: tuple[str, ...]


def read_segmented(
    folder: Path,
    mesh: str,
    segments: str,
    groups: str,
    scan_of: Callable[[dict[str, Any], str], None],
    to_world: np.ndarray,
    categories: Categories,
    box_of: Callable[[np.ndarray], OrientedBox],
) -> SegmentedMesh:
    """Read a scan's annotation.

    Args:
        folder: in which the three files lie.
        mesh: name of the mesh file.
        segments: name of the file with segIndices.
        groups: name of the file with segGroups.
        scan_of: takes what a JSON file holds, and its name; raises ValueError where it is of another scan.
        to_world: (4, 4) rigid motion of the mesh.
        categories: maps labels to the categories of questions.
        box_of: makes a box around points (N, 3); raises ValueError where they are too few.

    Returns:
        The annotation.

    Raises:
        ValueError: in one sentence with the file's name: one is missing, damaged, or doesn't go with the others.
    """
    vertices, faces = read_mesh(needed(folder, mesh))
    vertices = transform(to_world, vertices)
    of_vertex = _segments(_told(folder, segments, scan_of), segments)
    if len(of_vertex) != len(vertices):
        raise ValueError(
            f"{segments} has {len(of_vertex)} vertices, {mesh} has {len(vertices)}; they are of different meshes, "
            "download both again"
        )
    listed = _told(folder, groups, scan_of).get("segGroups")
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"{groups} has no objects; nothing can be asked about it, {NEW_COPY}")
    objects, structure, empty, parts_of = [], [], [], {}
    for number, group in enumerate(listed):
        object_id, label, parts = _group(group, f"{groups}, object {number}")
        if object_id in parts_of:
            raise ValueError(f"{groups}, object {number}: objectId {object_id - 1} is used more than once; {NEW_COPY}")
        # A segment may be part of two objects: each has all of it
        parts_of[object_id] = np.isin(of_vertex, parts)
        category = categories.of(label)
        box = None
        if category != STRUCTURE and category not in NAMELESS:
            box = _box(vertices[parts_of[object_id]], box_of)
            empty += [label] if box is None else []
        if box is None:
            structure.append(object_id)
        else:
            objects.append(SceneObject(object_id, category, box))
    if not objects:
        raise ValueError(f"{groups} names nothing but structure; nothing can be asked about it, leave the scan out")
    notes = (f"objects without a vertex in the mesh, left out: {', '.join(empty)}",) if empty else ()
    ids = _vertex_ids(parts_of, len(vertices))
    return SegmentedMesh(tuple(objects), tuple(structure), vertices, faces, ids, notes)


def needed(folder: Path, name: str) -> Path:
    """Return the path of a scan's file; raise ValueError where it isn't there."""
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{name} is not there; download all files of the scan")
    return path


def read_told(path: Path, name: str) -> dict[str, Any]:
    """Return what a JSON file holds; raise ValueError, naming it, where it is damaged."""
    try:
        told = json.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 at byte {error.start}; {NEW_COPY}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{name} is no JSON ({error}); {NEW_COPY}") from error
    if not isinstance(told, dict):
        raise ValueError(f"{name} is no JSON object; {NEW_COPY}")
    return told


def read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) float64 of a mesh, in the file's order, and faces (F, 3) int64."""
    try:
        # Processing merges vertices, and segments are told by their numbers
        found = trimesh.load(path, process=False)
        vertices = np.asarray(found.vertices, dtype=np.float64).reshape(-1, 3)
        faces = np.asarray(getattr(found, "faces", ()), dtype=np.int64).reshape(-1, 3)
    except Exception as error:  # trimesh raises what its reader happens to trip over
        reason = " ".join(str(error).replace(str(path), path.name).split())
        raise ValueError(f"{path.name} is no mesh that can be read ({reason}); {NEW_COPY}") from error
    if not len(vertices) or not np.isfinite(vertices).all():
        raise ValueError(f"{path.name} has no vertices, or some that aren't finite; {NEW_COPY}")
    if len(faces) and not (faces.min() >= 0 and faces.max() < len(vertices)):
        raise ValueError(f"{path.name} has faces of vertices that it doesn't have; {NEW_COPY}")
    return vertices, faces


def whole_number(value: Any) -> bool:
    """Return whether a JSON value is an integer that fits 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62


def _told(folder: Path, name: str, scan_of: Callable[[dict[str, Any], str], None]) -> dict[str, Any]:
    told = read_told(needed(folder, name), name)
    # Which room it is decides whether it may be trained on
    scan_of(told, name)
    return told


def _box(points: np.ndarray, box_of: Callable[[np.ndarray], OrientedBox]) -> OrientedBox | None:
    if not len(points):
        return None
    try:
        return box_of(points)
    except ValueError:  # points on one line
        return None


def _vertex_ids(parts_of: dict[int, np.ndarray], count: int) -> np.ndarray:
    """Return the object id (V,) of each vertex; where objects share one, what lies on a table goes before the table."""
    ids = np.zeros(count, dtype=np.uint16)
    for object_id in sorted(parts_of, key=lambda object_id: -int(parts_of[object_id].sum())):
        ids[parts_of[object_id]] = object_id
    return ids


def _group(group: Any, where: str) -> tuple[int, str, list[int]]:
    """Return id, label and segments of an object."""
    values = group if isinstance(group, dict) else {}
    number, label, parts = values.get("objectId", values.get("id")), values.get("label"), values.get("segments")
    fine = whole_number(number) and 0 <= number < MAX_OBJECT_ID and isinstance(label, str) and label.strip()
    if not (fine and isinstance(parts, list) and all(map(whole_number, parts))):
        raise ValueError(
            f"{where} lacks an objectId from 0 to {MAX_OBJECT_ID - 1}, a label or a list of segments; {NEW_COPY}"
        )
    return number + 1, label, parts


def _segments(told: dict[str, Any], where: str) -> np.ndarray:
    """Return the segment (V,) of each vertex."""
    values = told.get("segIndices")
    if not isinstance(values, list) or not all(map(whole_number, values)):
        raise ValueError(f"{where} has no list segIndices of whole numbers; {NEW_COPY}")
    return np.array(values, dtype=np.int64)
