"""instances.json, the sidecar that says which nodes of a mesh file form which object."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.scenes.class_words import composed
from ocr_hf.scenes.scene import MAX_OBJECT_ID


@dataclass(frozen=True, eq=False)
class Instance:
    """One entry: id, the name that its nodes begin with, class name, and its (2, 3) low and high corner where known."""

    id: int
    name: str
    class_name: str
    bounds: np.ndarray | None


def read_instances(path: Path) -> list[Instance]:
    """Read a JSON list of {"id", "name", "cls" or "class", optional "min" and "max"}.

    Raises FileNotFoundError or ValueError naming the file, the entry and what is wrong with it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give the path of the instances file or none")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}; give a JSON list of instances") from error
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} holds no list of instances; give [{{'id': 1, 'name': ..., 'cls': ...}}, ...]")
    instances = [_instance(entry, f"{path}, entry {number}") for number, entry in enumerate(entries)]
    for what, values in (("id", [i.id for i in instances]), ("name", [i.name for i in instances])):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{path}: {what} {twice[0]!r} is used more than once; every instance needs its own")
    return instances


def _instance(entry: object, where: str) -> Instance:
    """Return one checked entry."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {entry!r}; give an object with id, name and cls")
    class_name = entry.get("cls", entry.get("class"))
    for key, value, kind in (("id", entry.get("id"), int), ("name", entry.get("name"), str), ("cls", class_name, str)):
        # A bool is an int in Python, but `true` is no id.
        if not isinstance(value, kind) or isinstance(value, bool) or value == "":
            raise ValueError(f"{where}: {key} is {value!r}; give {'an integer' if kind is int else 'a string'}")
    if not 1 <= entry["id"] <= MAX_OBJECT_ID:
        raise ValueError(f"{where}: id is {entry['id']}; ids run from 1 to {MAX_OBJECT_ID}")
    bounds = None
    if entry.get("min") is not None and entry.get("max") is not None:
        try:
            bounds = np.array([entry["min"], entry["max"]], dtype=np.float64)
        except (TypeError, ValueError):
            bounds = np.zeros(0)
        if bounds.shape != (2, 3) or not np.isfinite(bounds).all() or (bounds[0] > bounds[1]).any():
            raise ValueError(
                f"{where} ('{entry['name']}'): min is {entry['min']}, max {entry['max']}; "
                "give three finite metres each, min at most max"
            )
    return Instance(entry["id"], composed(entry["name"]), composed(class_name), bounds)
