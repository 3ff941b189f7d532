"""What a mesh file's header or text tells before its geometry is loaded: extensions, number of faces, names."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocr_hf.scenes.readers.findings import REFUSED, WARNING, Finding, listed
from ocr_hf.scenes.readers.mesh_references import gltf_header

MAX_FACES = 4_000_000
"""A face takes about 300 bytes while a scene is read and rendered (corners in double precision, the ray caster's tree),
so that this many take 1.2 GB in each worker; a furnished home has a tenth of it."""

DECODED = "write it without compression, as by `gltf-transform copy IN.glb OUT.glb`"
WAYS_OUT = {
    "KHR_draco_mesh_compression": DECODED,
    "EXT_meshopt_compression": DECODED,
    "KHR_meshopt_compression": DECODED,
    "KHR_mesh_quantization": "write it with plain floats, as by `gltf-transform dequantize IN.glb OUT.glb`",
    "KHR_texture_basisu": "write its textures as PNG, as by `gltf-transform ktxdecompress IN.glb OUT.glb`",
    "MSFT_texture_dds": "write its textures as PNG or JPEG",
    "EXT_texture_avif": "write its textures as PNG, as by `gltf-transform png IN.glb OUT.glb`",
    "EXT_mesh_gpu_instancing": "write every copy as a node of its own",
}
"""Extensions that hold geometry or pictures which we can't read -> how to do without."""
HARMLESS = ("KHR_materials_", "KHR_lights_", "KHR_texture_transform", "EXT_texture_webp", "KHR_xmp", "KHR_animation_")
"""Beginnings of the names of extensions that leave shapes and pictures as they are, or that trimesh reads."""
TRIANGLES, STRIP, FAN = 4, 5, 6


def check_header(path: Path, has_instances: bool) -> list[Finding]:
    """Return what is wrong with a mesh file as far as its header or text tells.

    Args:
        path: .glb, .gltf or .obj, whose references are checked already.
        has_instances: Whether a sidecar says which nodes form which object; names that are used twice can't be told
            apart in it.
    """
    if path.suffix.lower() == ".obj":
        faces, names = _obj_counts(path)
        return [*_too_many(faces), *_obj_twice(names)]
    header = gltf_header(path)
    return [*_extensions(header), *_too_many(_gltf_faces(header)), *_gltf_twice(header, has_instances)]


def _listed(header: dict[str, Any], key: str) -> list[Any]:
    """Return a list of the header; nothing where the file has something else there."""
    found = header.get(key)
    return found if isinstance(found, list) else []


def _dicts(header: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [item for item in _listed(header, key) if isinstance(item, dict)]


def _primitives(mesh: dict[str, Any]) -> list[dict[str, Any]]:
    return _dicts(mesh, "primitives")


def _position(part: dict[str, Any]) -> int | None:
    """Return the number of the accessor that holds a primitive's positions."""
    attributes = part.get("attributes")
    found = attributes.get("POSITION") if isinstance(attributes, dict) else None
    return found if isinstance(found, int) else None


def _extensions(header: dict[str, Any]) -> Iterator[Finding]:
    """Yield a finding for each extension without which the file can't be read."""
    names = [name for name in _listed(header, "extensionsRequired") if isinstance(name, str)]
    # Instancing is often declared as used only; without it the copies would be missing in silence.
    extended = [node["extensions"] for node in _dicts(header, "nodes") if isinstance(node.get("extensions"), dict)]
    if any("EXT_mesh_gpu_instancing" in extensions for extensions in extended):
        names.append("EXT_mesh_gpu_instancing")
    for name in dict.fromkeys(names):
        if name.startswith(HARMLESS) or (name == "KHR_mesh_quantization" and not _has_normalized(header)):
            continue
        way_out = WAYS_OUT.get(name, "write it without this extension")
        yield Finding(REFUSED, "extension", f"it needs the extension {name}, which can't be read here", way_out)


def _has_normalized(header: dict[str, Any]) -> bool:
    """Return whether positions are stored as fractions, which trimesh takes for whole numbers."""
    accessors = _dicts(header, "accessors")
    used = {_position(part) for mesh in _dicts(header, "meshes") for part in _primitives(mesh)}
    return any(item.get("normalized") and number in used for number, item in enumerate(accessors))


def _gltf_faces(header: dict[str, Any]) -> int:
    """Return how many triangles the nodes show."""
    counts = [item.get("count", 0) for item in _dicts(header, "accessors")]
    meshes = [sum(_primitive_faces(part, counts) for part in _primitives(mesh)) for mesh in _dicts(header, "meshes")]
    used = [node["mesh"] for node in _dicts(header, "nodes") if isinstance(node.get("mesh"), int)]
    return sum(meshes[mesh] for mesh in used if 0 <= mesh < len(meshes))


def _primitive_faces(part: dict[str, Any], counts: list[Any]) -> int:
    corners = part.get("indices", _position(part))
    if not isinstance(corners, int) or not 0 <= corners < len(counts) or not isinstance(counts[corners], int):
        return 0
    mode = part.get("mode", TRIANGLES)
    return counts[corners] // 3 if mode == TRIANGLES else counts[corners] if mode in (STRIP, FAN) else 0


def _obj_counts(path: Path) -> tuple[int, list[str]]:
    """Return how many faces an OBJ file has, and the names of its `o` lines."""
    faces, names = 0, []
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(b"f "):
                faces += 1
            elif line.startswith(b"o "):
                names.append(line[2:].decode("utf-8", errors="replace").strip())
    return faces, names


def _too_many(faces: int) -> Iterator[Finding]:
    if faces > MAX_FACES:
        yield Finding(
            REFUSED,
            "faces",
            f"it has {faces:,} faces, and {MAX_FACES:,} are the most that a worker has the memory for",
            "decimate its meshes (in Blender: the Decimate modifier) or split it into scenes of fewer rooms",
        )


def _twice(names: list[str]) -> list[str]:
    """Return the names that are there more than once, as the nodes of parts of one object, "Bed#0", may be."""
    counts = Counter(unicodedata.normalize("NFC", name) for name in names)
    return [f"{name}" for name, count in counts.items() if count > 1 and "#" not in name]


def _gltf_twice(header: dict[str, Any], has_instances: bool) -> Iterator[Finding]:
    nodes = [node for node in _dicts(header, "nodes") if "mesh" in node]
    twice = _twice([node["name"] for node in nodes if isinstance(node.get("name"), str)])
    if twice:
        seen = f"several nodes are called {listed(twice)}"
        if has_instances:
            yield Finding(
                REFUSED, "names", f"{seen}, which an entry of the instances can't tell apart", "give each its own name"
            )
        else:
            yield Finding(
                WARNING, "names", f"{seen}, and each counts as an object", "call parts of one object 'NAME#0', 'NAME#1'"
            )


def _obj_twice(names: list[str]) -> Iterator[Finding]:
    twice = _twice(names)
    if twice:
        # Different from glTF, where nodes stay apart: faces after the same `o` line go to one mesh.
        yield Finding(
            WARNING,
            "names",
            f"several groups are called {listed(twice)}, and those of one name count as one object",
            "give each object's `o` line its own name, such as 'Chair_1' and 'Chair_2'",
        )
