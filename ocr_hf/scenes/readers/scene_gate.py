"""The gate that every scene of a mesh file passes: one list of what is wrong with it, in the order in which it matters.

`load_mesh_scene` stops at the first refusal and logs the warnings; `ocr-hf check-scene` prints all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.scenes.categories import Categories
from ocr_hf.scenes.class_words import words_of
from ocr_hf.scenes.readers.findings import REFUSED, WARNING, Finding, Part, all_bounds, listed
from ocr_hf.scenes.readers.mesh_options import UNITS
from ocr_hf.scenes.readers.scene_units import check_units
from ocr_hf.scenes.readers.strays import check_strays
from ocr_hf.scenes.readers.up_axis import Y_UP, Up, find_up

LARGEST = 1e6
"""No coordinate of a building is as large, in whichever unit; sums and squares of such numbers soon overflow."""
GENERIC = frozenset([
    "baked", "body", "chunk", "combined", "component", "default", "export", "exported", "final", "geometry", "glb",
    "gltf", "group", "instance", "joined", "lod", "material", "merged", "mesh", "meshes", "model", "node", "obj",
    "object", "output", "part", "polycam", "polygon", "primitive", "raw", "root", "scan", "scaniverse", "scene",
    "shape", "sketchfab", "solid", "texgroup", "texture", "textured", "tile", "untitled", "world",
])  # fmt: skip
"""Words by which programs call a mesh that nobody named."""
COVERS = 0.8
"""A nameless mesh that is this share of the scene's length and width is the scene."""


@dataclass(frozen=True, eq=False)
class Gated:
    """What came through the gate.

    parts : in metres, +Z up; without what was dropped
    up : the file's vertical axis; None where the file was refused before it was looked for
    findings : refusals and warnings
    """

    parts: tuple[Part, ...]
    up: Up | None
    findings: tuple[Finding, ...]


def pass_gate(
    parts: Sequence[Part],
    known: Categories,
    standard: str,
    *,
    up: str | None,
    units: str | None,
    strays: str | None,
    stated_up: str | None,
    has_instances: bool,
) -> Gated:
    """Check the parts of a scene file, and turn and scale them.

    Args:
        parts: In the file's axes and units.
        known: The categories by which the parts were labelled.
        standard: The format's vertical axis.
        up: The user's word for it, or None.
        units: The user's word for the unit, or None: metres, which are checked.
        strays: What to do with strays: keep, drop, or None.
        stated_up: The axis that agrees with the boxes in the instances file, if it has any.
        has_instances: Whether there is such a file.
    """
    # What can't be measured or told apart makes all later findings meaningless.
    findings = [*_overflow(parts), *_nameless(parts, known, has_instances)]
    if any(finding.level == REFUSED for finding in findings):
        return Gated(tuple(parts), None, tuple(findings))
    found = Up(stated_up, "the boxes in the instances file agree") if stated_up else find_up(parts, standard, up)
    findings += found.findings
    matrix = (Y_UP if found.axis == "y" else np.eye(3)) * UNITS[units or "m"]
    parts = [part.moved(matrix) for part in parts]
    # A wall for a floor would spoil the area, and centimetres the distances; the cause is told, not its effects.
    if all(finding.level != REFUSED for finding in findings) and units is None:
        findings += check_units(parts)
    if all(finding.level != REFUSED for finding in findings):
        parts, more = check_strays(parts, strays)
        findings += more
    return Gated(tuple(parts), found, (*findings, *_labels(known)))


def _overflow(parts: Sequence[Part]) -> list[Finding]:
    """Return a refusal for parts whose size is out of all proportion, as by a node's scale of 1e30."""
    with np.errstate(over="ignore"):
        wide = [part for part in parts if not np.abs(part.bounds).max() < LARGEST]
    if not wide:
        return []
    worst = max(wide, key=lambda part: np.abs(part.bounds).max())
    seen = f"node '{worst.name}' reaches to {np.abs(worst.bounds).max():.1e}, which is no length in any unit"
    return [
        Finding(REFUSED, "scale", seen, "reset its scale and position in the program that wrote it, and export again")
    ]


def _nameless(parts: Sequence[Part], known: Categories, has_instances: bool) -> list[Finding]:
    """Return a refusal where names don't say what is what, as in the one mesh that scanning apps write."""
    nameless = [part for part in parts if part.class_name in known.unmapped and _generic(part.class_name)]
    alone = parts[0] if len(parts) == 1 and (parts[0].class_name in known.unmapped or not parts[0].is_object) else None
    whole = _covering(parts, nameless)
    separate = "separate the objects in a 3D program and name each node by what it is ('chair_1', 'table')"
    way_out = f"{separate}, or give --instances JSON with the class of each node"
    if alone is not None and (not has_instances or alone in nameless or not alone.is_object):
        seen = f"it is one mesh, '{alone.name}', and nothing says which of its surfaces are which object"
    elif len(nameless) == len(parts):
        names = listed((part.name for part in parts), 3)
        seen = f"the names of its {len(parts)} meshes ({names}) don't say which objects they are"
        way_out = (
            "name each node by what it is ('chair_1', 'table'), or give --instances JSON with the class of each node"
        )
    elif whole is not None:
        seen = f"the mesh '{whole.name}' spans the whole scene, and nothing says which of its surfaces are which object"
    elif not any(part.is_object for part in parts):
        seen = f"it has no object to ask about: {listed((part.name for part in parts), 3)} are structure"
        return [Finding(WARNING, "merged", seen, "map class names to categories with --labels TABLE if they aren't")]
    else:
        return []
    return [Finding(REFUSED, "merged", seen, way_out)]


def _generic(class_name: str) -> bool:
    """Return whether a name is one that programs give: "mesh", "Object", a number."""
    return set(words_of(class_name).split()) <= GENERIC


def _covering(parts: Sequence[Part], nameless: Sequence[Part]) -> Part | None:
    """Return a nameless part that is nearly as large as the scene, if it also has most of the faces."""
    bounds = all_bounds(parts)
    whole = np.sort(bounds[:, 1].max(axis=0) - bounds[:, 0].min(axis=0))
    faces = sum(len(mesh.faces) for part in parts for mesh in part.meshes)
    for part in nameless:
        own = sum(len(mesh.faces) for mesh in part.meshes)
        if (np.sort(part.size)[1:] >= COVERS * whole[1:]).all() and own > faces / 2:
            return part
    return None


def _labels(known: Categories) -> list[Finding]:
    """Return warnings about class names and the user's table."""
    found = []
    if known.unmapped:
        seen = f"no category is known for the classes {', '.join(sorted(known.unmapped))}, whose own words are used"
        found.append(Finding(WARNING, "labels", seen, "give --labels TABLE to map them"))
    if known.unused:
        seen = f"the table of labels names {listed(sorted(known.unused))}, which the file doesn't have"
        found.append(Finding(WARNING, "labels", seen, "correct the names, or leave them out"))
    if known.unknown:
        seen = f"the table of labels maps to {listed(sorted(known.unknown))}, which aren't categories of the project"
        found.append(Finding(WARNING, "labels", seen, "check the spelling; questions name them as they are"))
    return found
