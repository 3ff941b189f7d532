"""Which nodes of a mesh file form which instance, by a sidecar or by their names, and where its boxes say they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ocr_hf.scenes.class_words import without_number
from ocr_hf.scenes.readers.instances_file import Instance
from ocr_hf.scenes.readers.up_axis import Y_UP
from ocr_hf.scenes.scene import Mesh

BOUNDS_TOLERANCE_M = 0.05
"""How far a mesh may lie from the box that its sidecar states."""


def instances_from_names(nodes: Sequence[str]) -> list[Instance]:
    """Return one instance for each name before '#', numbered in the order of names."""
    names = dict.fromkeys(node.split("#")[0] for node in nodes)
    return [Instance(number, name, without_number(name), None) for number, name in enumerate(names, 1)]


def meshes_by_instance(
    path: Path, nodes: Sequence[tuple[str, Mesh]], table: Sequence[Instance], source: str
) -> dict[str, list[Mesh]]:
    """Return the meshes of each instance's name.

    Raises:
        ValueError: A node has no instance or an instance no node, a vertex isn't finite, or a face has a corner that
            there isn't; it is named.
    """
    meshes: dict[str, list[Mesh]] = {item.name: [] for item in table}
    for node, mesh in nodes:
        owner = node.split("#")[0]
        if owner not in meshes:
            raise ValueError(f"{path}: node '{node}' belongs to no instance of {source}; add an entry with its name")
        if not np.isfinite(mesh.vertices).all():
            bad = int(np.flatnonzero(~np.isfinite(mesh.vertices).all(axis=1))[0])
            raise ValueError(f"{path}: node '{node}', vertex {bad} is {mesh.vertices[bad].tolist()}; repair the mesh")
        if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
            raise ValueError(
                f"{path}: node '{node}' has faces with corner {mesh.faces.max()}, and {len(mesh.vertices)} vertices; "
                "export it again"
            )
        meshes[owner].append(mesh)
    empty = [name for name, found in meshes.items() if not found]
    if empty:
        raise ValueError(f"{path} has no node for instance '{empty[0]}' of {source}; remove the entry or add the node")
    return meshes


def up_of_boxes(
    path: Path,
    meshes: Mapping[str, Sequence[Mesh]],
    table: Sequence[Instance],
    source: str,
    up: str | None,
    unit_m: float = 1.0,
) -> str | None:
    """Return the vertical axis with which the meshes fill the boxes that a sidecar states; None if it states none.

    Args:
        path: The mesh file, for messages.
        meshes: Instance name -> meshes, in the file's axes and units.
        table: The instances.
        source: Where they come from, for messages.
        up: The only axis to try, if the user gave one.
        unit_m: Metres per unit of the file. Boxes may be in metres or in the file's units.

    Raises:
        ValueError: Some boxes don't agree with either axis.
    """
    stated = [(item.name, item.bounds) for item in table if item.bounds is not None]
    if not stated:
        return None
    limit = BOUNDS_TOLERANCE_M / unit_m
    wrong: dict[tuple[str, float], list[str]] = {}
    # The standard says +Y for glTF, but many exporters keep the modeller's axes; boxes decide, no guess.
    for axis in [up] if up else ["z", "y"]:
        found = {name: _bounds(meshes[name], axis) for name, _ in stated}
        for scale in dict.fromkeys((1.0, 1.0 / unit_m)):
            bad = [name for name, bounds in stated if np.abs(found[name] - scale * bounds).max() > limit]
            if not bad:
                return axis
            wrong[axis, scale] = bad
    (axis, _), bad = min(wrong.items(), key=lambda item: len(item[1]))
    raise ValueError(
        f"{path}: instance '{bad[0]}' lies elsewhere than {source} says "
        f"({len(bad)} of {len(stated)} instances, taking +{axis.upper()} as up); "
        "remove min and max, or check that both belong together and are in metres"
    )


def _bounds(meshes: Sequence[Mesh], axis: str) -> np.ndarray:
    """Return the low and high corner (2, 3) of meshes, turned so that +Z is up."""
    points = np.concatenate([mesh.vertices for mesh in meshes])
    turned = points @ Y_UP.T if axis == "y" else points
    return np.stack([turned.min(axis=0), turned.max(axis=0)])
