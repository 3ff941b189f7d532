"""Mesh files of small rooms, in any unit, with either axis up: what the checks of a scene file are tried on."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import trimesh

Boxes = Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]]
"""Node name -> low and high corner in metres, +Z up."""

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
TURNS = {
    "z": np.eye(3),
    "y": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "x": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "-z": np.diag([1.0, -1, -1]),
    "-y": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
}
"""Axis that is to be up in the file -> rotation from +Z up."""


def shell(width: float = 5.0, depth: float = 4.0, height: float = 2.6, ceiling: bool = False) -> Boxes:
    """Floor and walls around a room whose corner is the origin."""
    boxes = {
        "Floor": ((0, 0, -0.1), (width, depth, 0)),
        "Wall_1": ((-0.1, 0, 0), (0, depth, height)),
        "Wall_2": ((width, 0, 0), (width + 0.1, depth, height)),
        "Wall_3": ((0, -0.1, 0), (width, 0, height)),
        "Wall_4": ((0, depth, 0), (width, depth + 0.1, height)),
    }
    return boxes | ({"Ceiling": ((0, 0, height), (width, depth, height + 0.1))} if ceiling else {})


def at(x: float, y: float, size: tuple[float, float, float], z: float = 0.0):
    """A box of a size (width, depth, height) with its corner at x, y, z."""
    return (x, y, z), (x + size[0], y + size[1], z + size[2])


BEDROOM = {
    "Bed": at(0.2, 0.2, (1.6, 2.0, 0.5)),
    "Wardrobe": at(3.0, 3.3, (1.6, 0.6, 2.1)),
    "Nightstand": at(1.9, 0.2, (0.45, 0.4, 0.5)),
    "Chair": at(4.0, 1.0, (0.45, 0.45, 0.9)),
    "Lamp": at(1.95, 0.25, (0.2, 0.2, 0.4), 0.5),
}
LIVING = {
    "Sofa": at(0.3, 0.1, (2.0, 0.9, 0.8)),
    "CoffeeTable": at(0.8, 1.5, (1.1, 0.6, 0.42)),
    "TV": at(0.7, 3.8, (1.2, 0.08, 0.7), 0.6),
    "Armchair": at(3.5, 1.5, (0.8, 0.8, 0.9)),
    "Plant": at(4.4, 3.3, (0.4, 0.4, 1.2)),
    "Rug": at(0.5, 1.1, (2.4, 1.6, 0.02)),
}
KITCHEN = {
    "Refrigerator": at(0.1, 3.3, (0.6, 0.6, 1.8)),
    "Oven": at(0.8, 3.4, (0.6, 0.6, 0.6)),
    "Table": at(2.0, 1.0, (1.4, 0.8, 0.75)),
    "Chair_01": at(2.2, 0.4, (0.45, 0.45, 0.9)),
    "Chair_02": at(2.9, 1.9, (0.45, 0.45, 0.9)),
    "Kettle": at(2.3, 1.2, (0.2, 0.15, 0.25), 0.75),
}
SMALL = {
    "Cup": at(0.1, 0.1, (0.08, 0.08, 0.1)),
    "Book": at(0.3, 0.1, (0.15, 0.22, 0.03)),
    "Keyboard": at(0.5, 0.5, (0.44, 0.15, 0.03)),
    "Bowl": at(0.1, 0.5, (0.2, 0.2, 0.09)),
    "Telephone": at(0.9, 0.2, (0.07, 0.15, 0.01)),
}
ROOMS: dict[str, Boxes] = {
    "bedroom": shell() | BEDROOM,
    "bedroom with ceiling": shell(ceiling=True) | BEDROOM,
    "living": shell() | LIVING,
    "kitchen": shell() | KITCHEN,
    "kitchen with ceiling": shell(height=2.4, ceiling=True) | KITCHEN,
    "no walls": {"Floor": shell()["Floor"]} | LIVING,
    "furniture only": KITCHEN,
    "small objects only": SMALL,
    "small objects on a floor": {"Floor": ((0, 0, -0.1), (3, 3, 0))} | SMALL,
    "hall": shell(30.0, 20.0, 6.0) | LIVING,
}


def write(path: Path, boxes: Boxes, unit: str = "m", up: str | None = None, scale: float = 1.0) -> Path:
    """Write boxes to a mesh file; by default with the axis up that the format has."""
    turn = TURNS[up or ("z" if path.suffix == ".obj" else "y")]
    scene = trimesh.Scene()
    for name, (low, high) in boxes.items():
        mesh = trimesh.creation.box(bounds=np.array([low, high], dtype=float))
        mesh.vertices = mesh.vertices @ turn.T * (scale / METRES[unit])
        scene.add_geometry(mesh, node_name=name, geom_name=name)
    scene.export(path)
    return path


def edit(path: Path, change: Callable[[dict], object]) -> Path:
    """Change the JSON part of a GLB file."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    header = json.loads(data[20 : 20 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    path.write_bytes(b"glTF" + struct.pack("<III", 2, 20 + len(text) + len(rest), len(text)) + b"JSON" + text + rest)
    return path
