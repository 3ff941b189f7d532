"""Scenes from mesh files: glTF, GLB or OBJ. A sidecar, or else the node names, says which nodes form an object."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.geometry.fit_box import fit_upright_box
from ocr_hf.scenes.categories import Categories
from ocr_hf.scenes.readers.find_rooms import with_rooms
from ocr_hf.scenes.readers.findings import REFUSED, Finding, Part
from ocr_hf.scenes.readers.header_checks import check_header
from ocr_hf.scenes.readers.instances_file import read_instances
from ocr_hf.scenes.readers.mesh_instances import instances_from_names, meshes_by_instance, up_of_boxes
from ocr_hf.scenes.readers.mesh_nodes import check_file, read_nodes
from ocr_hf.scenes.readers.mesh_options import UNITS, check_options
from ocr_hf.scenes.readers.scene_gate import pass_gate
from ocr_hf.scenes.readers.up_axis import Up
from ocr_hf.scenes.scene import Scene, SceneObject

logger = logging.getLogger(__name__)

NO_EXTENT = 1e-6
"""An object with at most one side longer than this is a line or a point, whatever the file's unit."""


@dataclass(frozen=True, eq=False)
class CheckedScene:
    """A mesh file after all checks.

    scene : what can be used; None where it was refused
    parts : what was read, in metres and +Z up as far as known; empty where the file's header was refused
    up : the file's vertical axis and why; None where it was refused before
    findings : refusals and warnings
    """

    scene: Scene | None
    parts: tuple[Part, ...]
    up: Up | None
    findings: tuple[Finding, ...]

    @property
    def refusals(self) -> list[Finding]:
        """Why there is no scene."""
        return [finding for finding in self.findings if finding.level == REFUSED]


def load_mesh_scene(
    path: Path | str,
    instances: Path | str | None = None,
    labels: Path | str | Mapping[str, str | None] | None = None,
    name: str | None = None,
    up: str | None = None,
    licence: str = "other",
    attribution: tuple[str, ...] = (),
    units: str | None = None,
    strays: str | None = None,
) -> Scene:
    """Load a scene in metres from a mesh file that passes every check.

    Walls, floors and the like become structure, and rooms are found from it. Boxes fit tightly, turned about +Z only.
    Class names without a known category keep their own words. What may be wrong is logged, a warning each;
    `check_mesh_scene` returns it.

    Args:
        path: .glb, .gltf or .obj; a node (OBJ: an `o` group) is named `<instance>` or `<instance>#<part>`.
        instances: JSON list of {id, name, cls, min, max} (min and max optional); None takes instances and classes from
            the node names, "Chair_02#1" being part 1 of a chair.
        labels: class name -> question category (null: structure), a dict or a JSON, YAML, CSV or TSV file, laid over
            ours.
        name: the scene's name; None = the file's.
        up: the file's vertical axis, "z" or "y"; None takes the one that agrees with the boxes in `instances`, or with
            the floor and what stands on it, and where they don't tell the format's own ("y" for glTF, "z" for OBJ).
        licence: what a card must say about the scene.
        attribution: whom a card must name.
        units: the file's unit: m, cm, mm, in or ft; None: metres, and refused where sizes say otherwise.
        strays: what lies far away or outside the building: "keep" or "drop" it; None: refuse the scene where it makes
            the scene as long as no building is, else warn.

    Returns:
        The scene, its source "mesh".

    Raises:
        FileNotFoundError: a file is missing; it is named.
        ValueError: the scene is refused; the sentence says what was seen and which option settles it. Or a file is
            empty or damaged, a node has no instance or an instance no node, vertices are not finite, or an object has
            no extent; file and node are named.
    """
    checked = check_mesh_scene(path, instances, labels, name, up, licence, attribution, units, strays)
    if checked.scene is None:
        first, *others = checked.refusals
        more = f" (`ocr-hf check-scene` lists {len(others)} more)" if others else ""
        raise ValueError(f"{path}: {first.text}{more}")
    for finding in checked.findings:
        logger.warning("%s: %s", path, finding.text)
    return checked.scene


def check_mesh_scene(
    path: Path | str,
    instances: Path | str | None = None,
    labels: Path | str | Mapping[str, str | None] | None = None,
    name: str | None = None,
    up: str | None = None,
    licence: str = "other",
    attribution: tuple[str, ...] = (),
    units: str | None = None,
    strays: str | None = None,
) -> CheckedScene:
    """Return a scene with everything that is wrong with it; arguments and errors are those of `load_mesh_scene`.

    Raises:
        FileNotFoundError: a file is missing; it is named.
        ValueError: a file can't be read at all, so that there is nothing to check.
    """
    path = Path(path)
    check_options(up, units, strays)
    check_file(path)
    known = Categories.load(labels)
    told = check_header(path, instances is not None)
    if any(finding.level == REFUSED for finding in told):
        return CheckedScene(None, (), None, tuple(told))
    nodes = read_nodes(path)
    if instances is None:
        table, source = instances_from_names([node for node, _ in nodes]), "its node names"
    else:
        table, source = read_instances(Path(instances)), str(instances)
    meshes = meshes_by_instance(path, nodes, table, source)
    parts = [
        Part(item.id, item.name, item.class_name, known.of(item.class_name, item.name), tuple(meshes[item.name]))
        for item in table
    ]
    for part in parts:
        # Lines and points say nothing about units or axes; they are named before these are asked for
        if part.is_object and np.sort(part.size)[1] < NO_EXTENT:
            _object(path, part)
    gated = pass_gate(
        parts,
        known,
        "z" if path.suffix.lower() == ".obj" else "y",
        up=up,
        units=units,
        strays=strays,
        stated_up=up_of_boxes(path, meshes, table, source, up, UNITS[units or "m"]),
        has_instances=instances is not None,
    )
    findings = (*told, *gated.findings)
    if any(finding.level == REFUSED for finding in findings):
        return CheckedScene(None, gated.parts, gated.up, findings)
    scene = Scene(
        name=name or path.stem,
        source="mesh",
        objects=tuple(_object(path, part) for part in gated.parts if part.is_object),
        structure=tuple(mesh for part in gated.parts if not part.is_object for mesh in part.meshes),
        licence=licence,
        attribution=attribution,
    )
    return CheckedScene(with_rooms(scene), gated.parts, gated.up, findings)


def _object(path: Path, part: Part) -> SceneObject:
    """Return one object with its tight box."""
    points = np.concatenate([mesh.vertices[np.unique(mesh.faces)] for mesh in part.meshes])
    try:
        box = fit_upright_box(points)
    except ValueError as error:
        raise ValueError(f"{path}: instance '{part.name}' has no usable box: {error}") from error
    return SceneObject(id=part.id, label=part.label, box=box, meshes=part.meshes)
