"""Whether a scene file is in metres: told by its floor, its walls and the sizes of things that everyone knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.cutting import triangle_areas
from ocr_hf.scenes.readers.findings import REFUSED, Finding, Part, all_bounds, number, triangles
from ocr_hf.scenes.readers.mesh_options import UNITS, WORDS
from ocr_hf.scenes.readers.up_axis import FLOORS

LONGEST_SIDE_M = {
    "sofa": (1.1, 4.5), "bed": (1.2, 2.7), "door": (1.7, 3.2), "bathtub": (1.1, 2.2), "wardrobe": (1.2, 4.0),
    "refrigerator": (0.8, 2.3), "chair": (0.6, 1.4), "toilet": (0.5, 1.1), "table": (0.4, 4.0), "desk": (0.8, 3.5),
    "washer": (0.6, 1.2), "dishwasher": (0.6, 1.1), "stool": (0.3, 1.2), "nightstand": (0.35, 1.0),
    "bookshelf": (0.6, 4.5), "cabinet": (0.3, 5.0), "piano": (1.1, 3.0), "shower": (0.7, 2.7), "tv": (0.4, 2.5),
    "monitor": (0.3, 1.3), "laptop": (0.25, 0.6), "keyboard": (0.25, 0.6), "microwave": (0.35, 0.8),
    "oven": (0.4, 1.2), "stove": (0.3, 1.6), "sink": (0.25, 2.0), "pillow": (0.25, 1.1), "cushion": (0.25, 1.1),
    "cup": (0.05, 0.25), "bowl": (0.07, 0.5), "book": (0.1, 0.6), "telephone": (0.08, 0.5), "vase": (0.08, 1.2),
    "computer mouse": (0.06, 0.2), "computer tower": (0.2, 0.8), "kettle": (0.12, 0.5), "shoes": (0.15, 0.6),
    "backpack": (0.25, 0.9), "suitcase": (0.35, 1.2), "trash bin": (0.15, 1.3), "radiator": (0.3, 3.0),
    "window": (0.3, 6.0), "curtain": (0.6, 6.0), "lamp": (0.15, 2.4), "clock": (0.08, 1.2), "tablet": (0.15, 0.5),
    "pan": (0.15, 0.7), "printer": (0.25, 1.4), "rug": (0.4, 7.0), "mirror": (0.2, 3.0), "picture": (0.08, 3.0),
}  # fmt: skip
"""Category -> the least and the greatest longest side that it has in homes and offices (ours, generous)."""
WALLS_M = (1.8, 8.0)
FLOOR_M2 = (1.5, 5000.0)
EXTENT_M = (0.03, 200.0)
"""Longest side of the whole scene; asked only where nothing is known."""

DOUBT, CERTAIN = 3.0, 8.0
"""Mean misfit from which metres are doubted where another unit fits, and from which they are ruled out in any case."""
BETTER = 3.0
"""A unit fits if its misfit is smaller than that of metres by this factor."""
ALIKE = 0.5
"""Units whose misfits differ by less are both named."""
MOST = 16.0
"""Misfit of one length at most: one thing that is called by the wrong name shouldn't outweigh a whole room."""


@dataclass(frozen=True)
class Length:
    """A length of the scene with what it must be within; `power` 2 is an area."""

    what: str
    value: float
    least: float
    most: float
    power: int = 1

    def misfit(self, unit: float) -> float:
        """Return how unusual the length is if the file is in `unit` metres: squared standard deviations, at most MOST.

        Sizes of a category scatter about evenly by ratios; the bounds are taken as two standard deviations.
        """
        value = np.log(max(self.value, 1e-12) * unit**self.power)
        middle, spread = np.log(self.least * self.most) / 2.0, np.log(self.most / self.least) / 4.0
        return float(min(((value - middle) / spread) ** 2, MOST))

    def reading(self, unit: float) -> str:
        """Return the value as metres would be written, if the file is in `unit` metres."""
        return f"{number(self.value * unit**self.power)} m{'2' if self.power == 2 else ''}"


def check_units(parts: Sequence[Part]) -> list[Finding]:
    """Return a refusal with both readings where a scene isn't in metres.

    Args:
        parts: In the file's units, +Z up.
    """
    lengths = _lengths(parts)
    if not lengths:
        return []
    # One more than there are: of a single thing one can't be as sure as of a room.
    misfits = {unit: sum(one.misfit(size) for one in lengths) / (len(lengths) + 1) for unit, size in UNITS.items()}
    metres = misfits.pop("m")
    best = min(misfits.values())
    if metres < DOUBT or (best > metres / BETTER and metres < CERTAIN):
        return []
    shown = _telling(lengths)
    seen = ", ".join(f"{one.what} {one.reading(1.0)}" for one in shown)
    # The words that an OBJ or glTF file has for its units are no help: neither format has any.
    units = [unit for unit, misfit in misfits.items() if misfit <= best + ALIKE]
    if best > metres / BETTER:
        return [
            Finding(
                REFUSED, "units", f"{seen}, which no room is", "scale it to metres, or give --units m if it's meant"
            )
        ]
    readings = "; ".join(f"in {WORDS[unit]}: {', '.join(one.reading(UNITS[unit]) for one in shown)}" for unit in units)
    flags = " or ".join(f"--units {unit}" for unit in units)
    return [Finding(REFUSED, "units", f"{seen}; {readings}", f"give {flags}, or --units m if it is in metres")]


def floor_area(parts: Sequence[Part]) -> float:
    """Return the area of what is named a floor, else of the rectangle around the structure, seen from above."""
    floors = [part for part in parts if not part.is_object and part.noun in FLOORS]
    corners = triangles(floors)
    if len(corners):
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
        area = triangle_areas(corners)
        # Upper and lower side of a slab are one floor; a single sheet may face either way.
        found = max(area[side * normal > 1.8 * area].sum() for side in (1.0, -1.0))
        if found > 0.0:
            return float(found)
    structure = [part for part in parts if not part.is_object]
    if not structure:
        return 0.0
    bounds = all_bounds(structure)[:, :, :2]
    return float((bounds[:, 1].max(axis=0) - bounds[:, 0].min(axis=0)).prod())


def wall_height(parts: Sequence[Part]) -> float:
    """Return the median height of what is named a wall; 0 without."""
    heights = [float(part.size[2]) for part in parts if not part.is_object and part.noun in ("wall", "walls")]
    return float(np.median(heights)) if heights else 0.0


def _lengths(parts: Sequence[Part]) -> list[Length]:
    """Return what is known of the scene's sizes."""
    known = [part for part in parts if part.label in LONGEST_SIDE_M]
    found = [Length(part.label, float(part.size.max()), *LONGEST_SIDE_M[part.label]) for part in known]
    # Floor and walls count, but not more than the things in a room: halls are as large as they like.
    area, height = floor_area(parts), wall_height(parts)
    if height > 0.0:
        found.append(Length("walls", height, *WALLS_M))
    if area > 0.0:
        found.append(Length("floor", area, *FLOOR_M2, power=2))
    if not found and parts:
        bounds = all_bounds(parts)
        longest = float((bounds[:, 1].max(axis=0) - bounds[:, 0].min(axis=0)).max())
        found.append(Length("the scene", longest, *EXTENT_M))
    return found


def _telling(lengths: Sequence[Length]) -> list[Length]:
    """Return two lengths to tell the user: the floor or the walls first, then the category that everyone knows best."""
    building = [one for one in lengths if one.power == 2] or [one for one in lengths if one.what == "walls"]
    order = list(LONGEST_SIDE_M)
    things = sorted((one for one in lengths if one.what in order), key=lambda one: order.index(one.what))
    off = [one for one in things if one.misfit(1.0) > 4.0]
    return ([*building[:1], *(off or things)[:1]] or list(lengths))[:2]
