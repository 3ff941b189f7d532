"""The files that a mesh file refers to, checked before any of them is opened."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from urllib.parse import unquote, urlsplit

MAX_JSON_BYTES = 256 * 2**20
"""A glTF header larger than this is refused."""


def check_references(path: Path) -> None:
    """Raise ValueError or FileNotFoundError unless every file that a mesh file names lies beside or below it.

    Network addresses, absolute paths and paths that lead out of the folder are refused: a scene from the web must
    not make us read anything else. Without this check missing textures would silently turn white.
    """
    for name in _references(path):
        # At least two characters before the colon: `C:` is a drive letter, not a URL scheme.
        if re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]+:", name):
            raise ValueError(f"{path} refers to '{name}'; put the file beside the mesh and refer to it by its name")
        target = (path.parent / name).resolve()
        if Path(name).is_absolute() or not target.is_relative_to(path.parent.resolve()):
            raise ValueError(f"{path} refers to '{name}' outside its folder; move that file beside the mesh")
        if not target.is_file():
            raise FileNotFoundError(f"{path} refers to '{name}', which is not there; put the file beside the mesh")


def _references(path: Path) -> list[str]:
    """Return the names of other files in a glTF, GLB or OBJ file (and the OBJ's material files)."""
    suffix = path.suffix.lower()
    if suffix == ".obj":
        names = []
        for name in _obj_names(path, ("mtllib",)):
            names.append(name)
            material = (path.parent / name).resolve()
            # A material file outside the folder is refused by the caller, before this one is read.
            if material.is_relative_to(path.parent.resolve()) and material.is_file():
                names += _obj_names(material, ("map_Kd",))
        return names
    if suffix in (".gltf", ".glb"):
        header = gltf_header(path)
        uris = [item.get("uri") for key in ("buffers", "images") for item in header.get(key, [])]
        return [unquote(uri) for uri in uris if uri and urlsplit(uri).scheme != "data"]
    return []


def _obj_names(path: Path, keywords: tuple[str, ...]) -> list[str]:
    """Return the last word of each line of a Wavefront file that begins with a keyword (options come before it)."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        words = [line.split() for line in lines if line.lstrip().startswith(keywords)]
    return [parts[-1].replace("\\", "/") for parts in words if len(parts) > 1]


def gltf_header(path: Path) -> dict:
    """Return the JSON part of a .gltf or .glb file; raise ValueError if it is damaged."""
    with path.open("rb") as file:
        data = file.read(20)
        if data[:4] == b"glTF":
            if len(data) < 20:
                raise ValueError(f"{path} is cut off after {len(data)} bytes; get the whole file")
            total, length = struct.unpack_from("<II", data, 8)
            size = path.stat().st_size
            if total > size:
                raise ValueError(f"{path} is cut off: it says {total} bytes but has {size}; get the whole file")
            # The length comes from the file: believed, a forged header would make us allocate 4 GiB.
            if length > min(MAX_JSON_BYTES, size):
                raise ValueError(f"{path} says its JSON part has {length} bytes of {size}; the file is damaged")
            text = file.read(length)
        else:
            text = data + file.read(MAX_JSON_BYTES)
    try:
        header = json.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no glTF file: {error}; export it again") from error
    if not isinstance(header, dict):
        raise ValueError(f"{path} is no glTF file: its JSON is a {type(header).__name__}; export it again")
    return header
