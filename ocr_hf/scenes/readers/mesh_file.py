"""Scenes from mesh files: glTF, GLB or OBJ. A sidecar, or else the node names, says which nodes form an object."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ocr_hf.geometry.fit_box import fit_upright_box
from ocr_hf.scenes.categories import STRUCTURE, Categories
from ocr_hf.scenes.readers.find_rooms import with_rooms
from ocr_hf.scenes.readers.instances_file import Instance, read_instances
from ocr_hf.scenes.readers.mesh_nodes import read_nodes
from ocr_hf.scenes.scene import Mesh, Scene, SceneObject

logger = logging.getLogger(__name__)

BOUNDS_TOLERANCE_M = 0.05
"""How far a mesh may lie from the box that its sidecar states."""
Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Turns glTF's axes (+Y up) into ours (+Z up)."""


def load_mesh_scene(
    path: Path | str,
    instances: Path | str | None = None,
    categories: Path | str | Mapping[str, str | None] | None = None,
    name: str | None = None,
    up: str | None = None,
    licence: str = "other",
    attribution: tuple[str, ...] = (),
) -> Scene:
    """Load a scene in metres from a mesh file.

    Walls, floors and the like become structure, and rooms are found from it. Boxes fit tightly, turned about +Z only.
    Class names without a known category keep their own words and are reported in one warning.

    Args:
        path: .glb, .gltf or .obj; a node (OBJ: an `o` group) is named `<instance>` or `<instance>#<part>`.
        instances: JSON list of {id, name, cls, min, max} (min and max optional); None takes instances and classes from
            the node names, "Chair_02#1" being part 1 of a chair.
        categories: class name -> question category (null: structure), a dict or a JSON or YAML file, laid over ours.
        name: the scene's name; None = the file's.
        up: the file's vertical axis, "z" or "y"; None takes the one that agrees with the boxes in `instances`, and
            without them the format's own ("y" for glTF, "z" for OBJ).
        licence: what a card must say about the scene.
        attribution: whom a card must name.

    Returns:
        The scene, its source "mesh".

    Raises:
        FileNotFoundError: a file is missing; it is named.
        ValueError: a file is empty or damaged, a node has no instance or an instance no node, vertices are not finite,
            or an object has no extent; file and node are named.
    """
    path = Path(path)
    nodes = read_nodes(path)
    if instances is None:
        table = _instances_from_names([node for node, _ in nodes])
        source = "its node names"
    else:
        table = read_instances(Path(instances))
        source = str(instances)
    meshes = _meshes_by_instance(path, nodes, table, source)
    meshes = _with_z_up(path, meshes, table, up, source)
    known = Categories.load(categories)
    objects, structure = [], []
    for item in table:
        label = known.of(item.class_name)
        if label == STRUCTURE:
            structure += meshes[item.name]
        else:
            objects.append(_object(path, item, label, meshes[item.name]))
    if known.unmapped:
        logger.warning(
            "%s: no category is known for the classes %s; their own words are used, give `categories` to change that",
            path,
            ", ".join(sorted(known.unmapped)),
        )
    return with_rooms(
        Scene(
            name=name or path.stem,
            source="mesh",
            objects=tuple(objects),
            structure=tuple(structure),
            licence=licence,
            attribution=attribution,
        )
    )


def _instances_from_names(nodes: list[str]) -> list[Instance]:
    """Return one instance for each name before '#', numbered in the order of names."""
    names = dict.fromkeys(node.split("#")[0] for node in nodes)
    return [
        Instance(number, name, re.sub(r"[\W_\d]+$", "", name) or name, None) for number, name in enumerate(names, 1)
    ]


def _meshes_by_instance(
    path: Path, nodes: list[tuple[str, Mesh]], table: list[Instance], source: str
) -> dict[str, list[Mesh]]:
    """Return the meshes of each instance's name."""
    meshes: dict[str, list[Mesh]] = {item.name: [] for item in table}
    for node, mesh in nodes:
        owner = node.split("#")[0]
        if owner not in meshes:
            raise ValueError(f"{path}: node '{node}' belongs to no instance of {source}; add an entry with its name")
        if not np.isfinite(mesh.vertices).all():
            bad = int(np.flatnonzero(~np.isfinite(mesh.vertices).all(axis=1))[0])
            raise ValueError(f"{path}: node '{node}', vertex {bad} is {mesh.vertices[bad].tolist()}; repair the mesh")
        meshes[owner].append(mesh)
    empty = [name for name, found in meshes.items() if not found]
    if empty:
        raise ValueError(f"{path} has no node for instance '{empty[0]}' of {source}; remove the entry or add the node")
    return meshes


def _with_z_up(
    path: Path, meshes: dict[str, list[Mesh]], table: list[Instance], up: str | None, source: str
) -> dict[str, list[Mesh]]:
    """Return the meshes with +Z up."""
    if up not in (None, "y", "z"):
        raise ValueError(f"up is '{up}'; give 'y' or 'z', the vertical axis of {path}")
    stated = [item for item in table if item.bounds is not None]
    # The standard says +Y for glTF, but many exporters keep the modeller's axes; boxes in the sidecar decide, no guess.
    choices = [up] if up else ["z", "y"] if stated else ["z" if path.suffix.lower() == ".obj" else "y"]
    wrong = {}
    for choice in choices:
        turned = meshes if choice == "z" else {name: [_turned(m) for m in found] for name, found in meshes.items()}
        bad = [item for item in stated if not _fits(turned[item.name], item.bounds)]
        if not bad:
            return turned
        wrong[choice] = bad
    choice = min(wrong, key=lambda axis: len(wrong[axis]))
    raise ValueError(
        f"{path}: instance '{wrong[choice][0].name}' lies elsewhere than {source} says "
        f"({len(wrong[choice])} of {len(stated)} instances, taking +{choice.upper()} as up); "
        "remove min and max, or check that both belong together and are in metres"
    )


def _turned(mesh: Mesh) -> Mesh:
    """Return a mesh with +Y up as one with +Z up."""
    return replace(mesh, vertices=mesh.vertices @ Y_UP.T)


def _fits(meshes: list[Mesh], bounds: np.ndarray) -> bool:
    """Return whether the meshes fill the box `bounds` (2, 3) within BOUNDS_TOLERANCE_M."""
    points = np.concatenate([mesh.vertices for mesh in meshes])
    found = np.stack([points.min(axis=0), points.max(axis=0)])
    return bool(np.abs(found - bounds).max() <= BOUNDS_TOLERANCE_M)


def _object(path: Path, item: Instance, label: str, meshes: list[Mesh]) -> SceneObject:
    """Return one object with its tight box."""
    points = np.concatenate([mesh.vertices[np.unique(mesh.faces)] for mesh in meshes])
    try:
        box = fit_upright_box(points)
    except ValueError as error:
        raise ValueError(f"{path}: instance '{item.name}' has no usable box: {error}") from error
    return SceneObject(id=item.id, label=label, box=box, meshes=tuple(meshes))
