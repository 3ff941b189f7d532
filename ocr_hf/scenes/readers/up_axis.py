"""Which axis of a mesh file points up: found by its floor, by what stands on it, and by how furniture is shaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.cutting import triangle_areas
from ocr_hf.scenes.readers.findings import REFUSED, WARNING, Finding, Part, all_bounds, listed, triangles
from ocr_hf.scenes.readers.mesh_options import AXES

Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Turns glTF's axes (+Y up) into ours (+Z up)."""
FLOORS, CEILINGS = ("floor", "floors", "ground"), ("ceiling", "ceilings", "roof")
FLAT_SHARE = 0.6
"""A floor or ceiling lies flat if at least this share of its area faces along an axis; slabs have sides."""
SAME_LEVEL = 0.05
"""Things stand on one level if their lower sides differ by less than this share of their median longest side."""
SLAB_COVERS, SLAB_THICKNESS = 0.6, 0.1
"""A part may be a floor if it covers this share of the scene both ways, and is thinner than this share of its width."""
ENOUGH = 0.3
"""Evidence, between -1 and 1, from which an axis that isn't the format's is taken."""

TALL = frozenset([
    "backpack", "bookshelf", "bottle", "chair", "cup", "curtain", "door", "fan", "kettle", "lamp", "plant",
    "refrigerator", "shower", "stool", "suitcase", "toilet", "vase", "wardrobe", "air conditioner", "coat hanger",
    "computer tower", "trash bin",
])  # fmt: skip
"""Categories that are higher than wide, if anything."""
LOW = frozenset([
    "bathtub", "bed", "blanket", "book", "bowl", "counter", "cushion", "desk", "keyboard", "laptop", "pan",
    "piano", "pillow", "rug", "shelf", "shoes", "sofa", "stove", "table", "tablet", "tableware", "computer mouse",
    "cutting board", "exercise bench",
])  # fmt: skip
"""Categories that are wider than high in both directions, or in one at least."""
UPRIGHT = frozenset(["door", "picture", "tv", "mirror", "window", "whiteboard", "curtain", "monitor", "radiator"])
"""Categories whose thinnest side is horizontal."""


@dataclass(frozen=True)
class Up:
    """The vertical axis of a file, why it was taken, and what is wrong with it."""

    axis: str
    reason: str
    findings: tuple[Finding, ...] = ()


def find_up(parts: Sequence[Part], standard: str, given: str | None = None) -> Up:
    """Return which axis of the file is up.

    Args:
        parts: In the file's axes.
        standard: The format's axis, "y" or "z", kept where nothing speaks clearly for the other.
        given: What the user said, which is taken in any case.
    """
    floors = [part for part in parts if not part.is_object and part.noun in FLOORS]
    flat = [part for part in parts if not part.is_object and part.noun in CEILINGS]
    shares = _facing(floors or flat)
    named = listed([part.name for part in floors or flat], 1)
    if given:
        wall = shares.max() >= FLAT_SHARE and shares[AXES[given]] < 1.0 - FLAT_SHARE
        seen = f"with --up {given} {named} stands upright like a wall"
        way_out = f"check that --up {'z' if given == 'y' else 'y'} isn't meant"
        return Up(given, "given", (Finding(WARNING, "up", seen, way_out),) if wall else ())
    if shares[0] >= FLAT_SHARE:
        seen = f"{named} lies across the x axis, and stands upright like a wall whether y or z is up"
        return Up(standard, "the format's", (_refused(seen),))
    for axis, number in AXES.items():
        if shares[number] >= FLAT_SHARE:
            return Up(axis, f"{named} lies flat", _upside_down(parts, floors, number, named))
    evidence = _evidence(parts)
    best = "y" if evidence > 0 else "z"
    if abs(evidence) >= ENOUGH:
        return Up(best, "the shapes of furniture and the level it stands on say so")
    if best == standard and abs(evidence) >= ENOUGH / 3:
        return Up(standard, "the format's, and nothing speaks against it")
    seen = f"its floor can't be told, so +{standard.upper()} is taken as up, as the format has it"
    way_out = f"give --up {'z' if standard == 'y' else 'y'} if that is wrong, --up {standard} if right"
    return Up(standard, "the format's", (Finding(WARNING, "up", seen, way_out),))


def _refused(seen: str) -> Finding:
    return Finding(REFUSED, "up", seen, "turn the scene in the program that wrote it and export it again")


def _facing(parts: Sequence[Part]) -> np.ndarray:
    """Return the share (3,) of the parts' area that faces along each axis; zeros without area."""
    corners = triangles(parts)
    if not len(corners):
        return np.zeros(3)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = triangle_areas(corners)
    along = np.abs(normal) > 0.9 * 2.0 * area[:, None]
    total = area.sum()
    return (area[:, None] * along).sum(axis=0) / total if total > 0.0 else np.zeros(3)


def _upside_down(parts: Sequence[Part], floors: Sequence[Part], axis: int, named: str) -> tuple[Finding, ...]:
    """Return a refusal where the floor lies above nearly everything."""
    objects = [part for part in parts if part.is_object]
    if not floors or not objects:
        return ()
    # Each object against the highest floor: a house has several storeys, and one may be underground.
    top = all_bounds(floors)[:, :, axis].mean(axis=1).max()
    below = int((all_bounds(objects)[:, :, axis].mean(axis=1) < top).sum())
    lowest = all_bounds(floors)[:, :, axis].mean(axis=1).min()
    above = int((all_bounds(objects)[:, :, axis].mean(axis=1) > lowest).sum())
    if below >= 0.8 * len(objects) and above <= 0.2 * len(objects):
        return (_refused(f"{named} lies above {below} of {len(objects)} objects, as if the scene were upside down"),)
    return ()


def _evidence(parts: Sequence[Part]) -> float:
    """Return what shapes and gravity say: towards 1 for +Y as up, towards -1 for +Z, about 0 for neither."""
    votes = [vote for part in parts if (vote := _vote(part)) is not None]
    shape = float(np.sum(votes)) / max(len(votes), 3)
    bounds = all_bounds(parts)
    longest = np.median(np.ptp(bounds, axis=1).max(axis=1))
    standing = {axis: _standing(bounds, number, SAME_LEVEL * longest) for axis, number in AXES.items()}
    # Two things have a level in common by chance; the more there are, the more the level is the floor.
    gravity = (standing["y"] - standing["z"]) * min(1.0, len(parts) / 8.0)
    return float(np.clip(shape + gravity, -1.0, 1.0))


def _vote(part: Part) -> float | None:
    """Return 1 if an object's shape says that +Y is up, -1 for +Z, None if it says nothing."""
    x, y, z = part.size
    if part.label in UPRIGHT and min(y, z) < 0.5 * x and max(y, z) > 2.0 * min(y, z):
        return 1.0 if z < y else -1.0
    if abs(np.log((y + 1e-12) / (z + 1e-12))) < 0.2:
        return None
    if part.label in TALL:
        return 1.0 if y > z else -1.0
    if part.label in LOW and min(y, z) < 0.9 * x:
        return 1.0 if y < z else -1.0
    return None


def _standing(bounds: np.ndarray, axis: int, tolerance: float) -> float:
    """Return the share of parts (N, 2, 3) that stand on one slab as wide as the scene, if `axis` is up.

    Where nothing is such a slab: half the share of those whose lower sides are on the level that most share.
    """
    size = np.ptp(bounds, axis=1)
    others = [number for number in range(3) if number != axis]
    whole = (bounds[:, 1].max(axis=0) - bounds[:, 0].min(axis=0))[others]
    wide = (size[:, others] >= SLAB_COVERS * whole).all(axis=1)
    slabs = np.flatnonzero(wide & (size[:, axis] < SLAB_THICKNESS * size[:, others].min(axis=1)))
    low = np.sort(bounds[:, 0, axis])
    # Sorted, because all pairs of a scene of 60,000 objects don't fit into memory.
    levels = bounds[slabs, 1, axis] if len(slabs) else low
    first, last = np.searchsorted(low, levels - tolerance, "left"), np.searchsorted(low, levels + tolerance, "right")
    share = float((last - first).max()) / len(low)
    return share if len(slabs) else 0.5 * share
