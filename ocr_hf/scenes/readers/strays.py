"""What lies far away from the rest of a scene, or outside its building."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_hf.scenes.readers.findings import REFUSED, WARNING, Finding, Part, all_bounds, listed, number

GAP_M = 15.0
"""What is farther than this from everything else belongs to another place: a camera walks through one building."""
PLAUSIBLE_M = 100.0
"""A scene that is only as long as this because of strays can't be meant."""
MAX_EXTENT_M = 300.0
"""Longest side of a floor plan. It is drawn in cells of 5 cm, 36 million of them at this size."""
OUTSIDE_M = 1.0
"""How far outside walls and floor an object's centre may be: windows, pipes and balcony boxes are."""
MOST_OUTSIDE = 0.3
"""With a greater share of objects outside, the structure is incomplete, and says nothing about the others."""
GROUP = 3
"""So many parts far away are a second place rather than strays."""


def check_strays(parts: Sequence[Part], strays: str | None) -> tuple[list[Part], list[Finding]]:
    """Return the parts that are used, and what was found.

    Args:
        parts: In metres, +Z up.
        strays: "keep" what lies far away or outside, "drop" it, or None: refuse the scene where it makes it as large
            as no building is, else warn and keep it.
    """
    far = _far(parts)
    near = [part for part in parts if part not in far]
    if strays == "keep":
        return list(parts), _too_large(parts)
    outside = _outside(near)
    if strays == "drop":
        kept = [part for part in near if part not in outside]
        return kept, _too_large(kept)
    findings = []
    if far:
        findings.append(_far_away(parts, near, far))
    if outside:
        one = "lies" if len(outside) == 1 else "lie"
        seen = f"{listed(part.name for part in outside)} {one} outside the walls and floor of the building"
        findings.append(
            Finding(WARNING, "strays", seen, "give --strays drop to leave out, --strays keep if it's meant")
        )
    return list(parts), findings or _too_large(parts)


def _far_away(parts: Sequence[Part], near: Sequence[Part], far: Sequence[Part]) -> Finding:
    """Return the finding for parts that lie far from the others."""
    whole, rest = _extent(parts), _extent(near)
    level = REFUSED if whole > PLAUSIBLE_M else WARNING
    if len(far) >= max(GROUP, len(parts) // 4):
        seen = (
            f"it has two places {number(_distance(near, far))} m apart, one of them with {listed(p.name for p in far)}"
        )
        way_out = (
            "write each to a file of its own, or give --strays drop to leave that one out, --strays keep to use both"
        )
        return Finding(level, "strays", seen, way_out)
    who = f"{listed(part.name for part in far)} {'is' if len(far) == 1 else 'are'}"
    reach = _reach(near, far)
    if reach > GAP_M:
        away = f"up to {number(reach)} m away from the others"
        seen = f"{who} {away}, so that the scene is {number(whole)} m long instead of {number(rest)} m"
    else:
        seen = f"{who} up to {number(max(part.size.max() for part in far))} m long, and all the rest {number(rest)} m"
    # What stays too long for a floor plan can't be kept
    keep = ", or --strays keep if it's meant" if whole <= MAX_EXTENT_M else ""
    return Finding(level, "strays", seen, f"give --strays drop to leave out{keep}")


def _too_large(parts: Sequence[Part]) -> list[Finding]:
    extent = _extent(parts)
    if extent <= MAX_EXTENT_M:
        return []
    longest = max(parts, key=lambda part: part.size.max())
    seen = (
        f"it is {number(extent)} m long, and {number(MAX_EXTENT_M)} m are the most that a floor plan is drawn for "
        f"('{longest.name}' is {number(longest.size.max())} m)"
    )
    return [Finding(REFUSED, "strays", seen, "cut out the rooms, or give --units if it isn't in metres")]


def _far(parts: Sequence[Part]) -> list[Part]:
    """Return the parts that aren't connected, by gaps of at most GAP_M, with the largest group, in the file's order."""
    huge = {part.name for part in parts if part.size.max() > MAX_EXTENT_M}
    usual = [part for part in parts if part.name not in huge]
    if not usual:
        return []
    bounds = all_bounds(usual)
    group = np.full(len(usual), -1)
    for start in range(len(usual)):
        if group[start] >= 0:
            continue
        group[start], waiting = start, [start]
        while waiting:
            box = bounds[waiting.pop()]
            new = np.flatnonzero((group < 0) & (_gaps(box, bounds) <= GAP_M))
            group[new] = start
            waiting += new.tolist()
    numbers, counts = np.unique(group, return_counts=True)
    main = numbers[counts.argmax()]
    kept = {part.name for part, mine in zip(usual, group, strict=True) if mine == main}
    return [part for part in parts if part.name not in kept]


def _gaps(box: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the distances (N,) between a box (2, 3) and boxes (N, 2, 3)."""
    apart = np.maximum(np.maximum(bounds[:, 0] - box[1], box[0] - bounds[:, 1]), 0.0)
    return np.linalg.norm(apart, axis=1)


def _outside(parts: Sequence[Part]) -> list[Part]:
    """Return the objects whose centre is outside the box around the structure."""
    structure = [part for part in parts if not part.is_object]
    objects = [part for part in parts if part.is_object]
    if not structure or not objects:
        return []
    bounds = all_bounds(structure)
    low, high = bounds[:, 0].min(axis=0) - OUTSIDE_M, bounds[:, 1].max(axis=0) + OUTSIDE_M
    # A floor alone doesn't say how high its room is.
    high[2] = max(high[2], low[2] + OUTSIDE_M + 4.0)
    centres = all_bounds(objects).mean(axis=1)
    outside = [part for part, at in zip(objects, centres, strict=True) if (at < low).any() or (at > high).any()]
    return outside if len(outside) <= MOST_OUTSIDE * len(objects) else []


def _extent(parts: Sequence[Part]) -> float:
    """Return the longest side of the box around parts."""
    bounds = all_bounds(parts)
    return float((bounds[:, 1].max(axis=0) - bounds[:, 0].min(axis=0)).max()) if len(bounds) else 0.0


def _distance(near: Sequence[Part], far: Sequence[Part]) -> float:
    """Return the least gap between two groups."""
    bounds = all_bounds(far)
    return float(min(_gaps(box, bounds).min() for box in all_bounds(near)))


def _reach(near: Sequence[Part], far: Sequence[Part]) -> float:
    """Return the greatest distance of a far part from the near ones."""
    bounds = all_bounds(near)
    return float(max(_gaps(box, bounds).min() for box in all_bounds(far)))
