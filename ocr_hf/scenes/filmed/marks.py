"""What the user clicked on pictures: ends of known lengths, corners of boxes; each in two pictures or more.

    {"version": 1,
     "lengths": [{"name": "door", "ends": [[["000012.png", 310, 95], ["000036.png", 402, 88]], [[...], [...]]]}],
     "boxes": [{"label": "chair", "on_floor": true, "corners": [[["000012.png", 512, 300], [...]], [...]]}]}

A place is [picture, x, y] in pixels of the pictures in the work folder's `frames`, the first pixel from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import project, rigid_inverse
from ocr_hf.geometry.fit_box import fit_upright_box
from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras
from ocr_hf.scenes.recorded.intake_format import Entry, is_list, read_json, read_object, typed
from ocr_hf.scenes.scene import SceneObject

VERSION = 1
MISSES = 0.015
"""Share of a picture's longer side by which a point may miss its clicks: 19 px of 1280."""
LEAST_DEG = 2.0
"""Between the rays to a clicked point: of rays that run beside each other nobody knows where they meet."""
APART = 0.15
"""How far known lengths may disagree about the scale."""

Place = tuple[str, float, float]


@dataclass(frozen=True)
class Marks:
    """lengths : name -> its two ends; boxes : label, whether it stands on the floor, corners. A point: its places."""

    lengths: Mapping[str, tuple[tuple[Place, ...], tuple[Place, ...]]]
    boxes: tuple[tuple[str, bool, tuple[tuple[Place, ...], ...]], ...]


def _place(value: object) -> Place:
    name, x, y = value  # type: ignore[misc]
    number = typed(int, float)
    return typed(str)(name), float(number(x)), float(number(y))


def _points(least: int, most: int | None = None):
    def read(value: object) -> tuple[tuple[Place, ...], ...]:
        points = tuple(tuple(_place(place) for place in is_list(point)) for point in is_list(value))
        if len(points) < least or (most is not None and len(points) > most):
            raise ValueError
        if any(len({place[0] for place in point}) < 2 for point in points):
            raise ValueError
        return points

    return read


def _flag(value: object) -> bool:
    # 1 equals true in Python, and isn't it in JSON
    if not isinstance(value, bool):
        raise TypeError
    return value


_IN_TWO = "[picture, x, y] in two pictures or more for each"
_MARKS = {
    "version": Entry(f"{VERSION}", typed(int, least=1), "of this format"),
    "lengths": Entry("a list", is_list, "known lengths", ()),
    "boxes": Entry("a list", is_list, "objects", ()),
}
_LENGTH = {
    "name": Entry("a text", typed(str), "as --known says it"),
    "ends": Entry(f"two points, {_IN_TWO}", _points(2, 2), "its ends"),
}
_BOX = {
    "label": Entry("a text", typed(str), "category as questions name it"),
    "on_floor": Entry("true or false", _flag, "reaches down to it", False),
    "corners": Entry(f"two points or more, {_IN_TWO}", _points(2), "of the object"),
}


def read_marks(path: Path) -> Marks:
    """Read marks.json; ValueError, in one sentence, for what isn't as it should be."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give the file that the page of the work folder saved")
    told = read_json(path, path.name, _MARKS)
    lengths = [read_object(item, f"{path.name}: length {i}", _LENGTH) for i, item in enumerate(told["lengths"])]
    boxes = [read_object(item, f"{path.name}: box {i}", _BOX) for i, item in enumerate(told["boxes"])]
    names = [length["name"] for length in lengths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"{path.name} has two lengths named '{twice}'; give each a name of its own")
    return Marks(
        {length["name"]: length["ends"] for length in lengths},
        tuple((box["label"], box["on_floor"], box["corners"]) for box in boxes),
    )


def triangulate(solved: SolvedCameras, places: Sequence[Place], what: str) -> np.ndarray:
    """Return the point (3,) that pictures show at places; `what` names it in messages.

    Raises ValueError for a picture that isn't there, clicks that no one point explains, and rays that hardly cross.
    """
    row = {name: index for index, name in enumerate(solved.names)}
    missing = next((name for name, _, _ in places if name not in row), None)
    if missing:
        raise ValueError(f"{what} is marked in {missing}, which isn't among the registered pictures; mark another")
    poses = solved.camera_to_world[[row[name] for name, _, _ in places]]
    pixels = np.array([[x, y] for _, x, y in places])
    point = crossing(poses, solved.intrinsics, pixels)
    rays = point - poses[:, :3, 3]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    widest = np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1.0, 1.0)))
    if widest < LEAST_DEG:
        raise ValueError(
            f"{what} is marked in pictures from nearly one place ({widest:.1f} degrees apart, {LEAST_DEG:g} at least); "
            "mark it in one taken from further to the side"
        )
    shown = [project(point, solved.intrinsics, pose) for pose in poses]
    miss = max(
        np.inf if not np.isfinite(at).all() else float(np.linalg.norm(at - pixel))
        for (at, _), pixel in zip(shown, pixels, strict=True)
    )
    most = MISSES * max(solved.width, solved.height)
    if not miss <= most:
        raise ValueError(
            f"{what}: no one point is where the clicks in {', '.join(name for name, _, _ in places)} say, by "
            f"{miss:.0f} px (at most {most:.0f}); mark the same corner in each"
        )
    return point


def crossing(poses: np.ndarray, intrinsics: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the point (3,) nearest to the rays through pixels (N, 2) of cameras (N, 4, 4), by linear least squares."""
    inverse = rigid_inverse(poses)
    cameras = intrinsics @ inverse[:, :3]
    rows = np.concatenate(
        [pixels[:, :1] * cameras[:, 2] - cameras[:, 0], pixels[:, 1:] * cameras[:, 2] - cameras[:, 1]]
    )
    rows /= np.linalg.norm(rows[:, :3], axis=1, keepdims=True)
    return np.linalg.lstsq(rows[:, :3], -rows[:, 3], rcond=None)[0]


def scale_of(solved: SolvedCameras, marks: Marks, known_m: Mapping[str, float]) -> tuple[float, float]:
    """Return metres in one unit of a world, by marked lengths, and the greatest share by which one disagrees."""
    factors = []
    for name, metres in known_m.items():
        if name not in marks.lengths:
            told = f"marked are: {', '.join(marks.lengths)}" if marks.lengths else "no length is marked"
            raise ValueError(f"known length '{name}' isn't in the marks, {told}; mark its two ends on the page")
        first, second = (
            triangulate(solved, places, f"length '{name}', end {end}")
            for end, places in enumerate(marks.lengths[name], start=1)
        )
        length = float(np.linalg.norm(second - first))
        if length < 1e-9:
            raise ValueError(f"length '{name}': both ends are one point; mark its two ends")
        factors.append(metres / length)
    factor = float(np.median(factors))
    off = [abs(each / factor - 1.0) for each in factors]
    if max(off) > APART:
        told = ", ".join(f"{name} {each / factor:.2f}" for name, each in zip(known_m, factors, strict=True))
        raise ValueError(f"known lengths disagree about the scale ({told} of their median); check numbers and marks")
    return factor, max(off)


def marked_objects(solved: SolvedCameras, marks: Marks) -> list[SceneObject]:
    """Return the marked boxes in a world that has been placed.

    Two corners are opposite ones of a box along the walls; more of them get the upright box of least floor area.
    """
    objects = []
    for number, (label, on_floor, corners) in enumerate(marks.boxes, start=1):
        what = f"box {number} ('{label}')"
        points = np.array([triangulate(solved, at, f"{what}, corner {i}") for i, at in enumerate(corners, start=1)])
        if on_floor:
            points = np.concatenate([points, points * [1.0, 1.0, 0.0]])
        low, high = points.min(axis=0), points.max(axis=0)
        try:
            # Two corners don't tell a turn: the least box around them would be their diagonal
            box = OrientedBox.axis_aligned(low, high) if len(corners) == 2 else fit_upright_box(points)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from error
        if (box.size < 1e-3).any():
            raise ValueError(
                f"{what} is {' x '.join(f'{side:.3f}' for side in box.size)} m; mark corners that "
                "lie apart in all three directions, or say that it stands on the floor"
            )
        objects.append(SceneObject(number, label, box))
    return objects
