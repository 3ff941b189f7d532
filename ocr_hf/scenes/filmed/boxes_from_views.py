"""Boxes of objects from rectangles that a detector draws in many pictures.

A rectangle says where an object is in a picture; the solved points inside it say how far away; rectangles around the
same points in other pictures are the same object. Its box is the upright one, along the walls, whose outlines in all of
these pictures fit the rectangles best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.boxes import CORNER_SIGNS, OrientedBox
from ocr_hf.geometry.camera import project, rigid_inverse, transform
from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras
from ocr_hf.scenes.scene import SceneObject

LEAST_POINTS = 3
"""Solved points in a rectangle without which its distance isn't known."""
LEAST_VIEWS = 3
LEAST_DEG = 5.0
"""Between the directions from which an object is seen."""
DEEP = 0.25
"""Span of distances, as a share, that belongs to one object; the fullest such span in a rectangle is taken for it."""
MISSES = 0.04
"""Share of a picture's longer side by which a box's outline may miss its rectangles, on average over their sides."""
SAME_IOU = 0.25
"""Overlap from which two boxes of one label are one object."""


@dataclass(frozen=True)
class Detection:
    """A rectangle in a picture: x0, y0, x1, y1 pixels; its label and score, 0 to 1."""

    label: str
    score: float
    rectangle: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class _View:
    """A detection with what it shows: its picture, the solved points inside, where they are and how large it looks."""

    picture: int
    found: Detection
    points: frozenset[int]
    anchor: np.ndarray
    across: float


def boxes_from_views(
    solved: SolvedCameras, detections: Sequence[Sequence[Detection]]
) -> tuple[list[SceneObject], dict[str, int]]:
    """Return objects, in the order of their labels, and reason -> number of detections that gave none.

    solved : placed upright, its scale doesn't matter; detections : of each of its pictures, without distortion
    """
    left_out = {"without solved points inside": 0, "seen from too few directions": 0, "no box fits": 0}
    views: list[_View] = []
    for picture, found in enumerate(detections):
        for detection in found:
            view = _view(solved, picture, detection)
            if view is None:
                left_out["without solved points inside"] += 1
            else:
                views.append(view)
    fitted: list[tuple[str, OrientedBox, int]] = []
    for group in _groups(views):
        if len(group) < LEAST_VIEWS or _widest_deg(solved, group) < LEAST_DEG:
            left_out["seen from too few directions"] += len(group)
            continue
        box, used = _fit(solved, group)
        if box is None:
            left_out["no box fits"] += len(group)
            continue
        fitted.append((group[0].found.label, box, used))
    kept: list[tuple[str, OrientedBox, int]] = []
    for label, box, used in sorted(fitted, key=lambda item: -item[2]):
        if not any(label == other and _overlap(box, there) > SAME_IOU for other, there, _ in kept):
            kept.append((label, box, used))
    kept.sort(key=lambda item: (item[0], *item[1].center))
    objects = [SceneObject(number, label, box) for number, (label, box, _) in enumerate(kept, start=1)]
    return objects, {reason: count for reason, count in left_out.items() if count}


def _view(solved: SolvedCameras, picture: int, found: Detection) -> _View | None:
    x0, y0, x1, y1 = found.rectangle
    ids = solved.seen[picture]
    pose = solved.camera_to_world[picture]
    pixels, _ = project(solved.points[ids], solved.intrinsics, pose)
    # The middle of the rectangle: its corners show what is behind
    inside = np.abs(pixels - [(x0 + x1) / 2, (y0 + y1) / 2]) < 0.45 * np.array([x1 - x0, y1 - y0])
    ids = ids[inside.all(axis=1)]
    if len(ids) < LEAST_POINTS:
        return None
    far = transform(rigid_inverse(pose), solved.points[ids])[:, 2]
    order = np.argsort(far)
    far, ids = far[order], ids[order]
    ends = np.searchsorted(far, far * (1.0 + DEEP), side="right")
    start = int(np.argmax(ends - np.arange(len(far))))
    chosen = ids[start : ends[start]]
    if len(chosen) < LEAST_POINTS:
        return None
    across = float(np.median(far[start : ends[start]])) * max(x1 - x0, y1 - y0) / solved.intrinsics[0, 0]
    return _View(picture, found, frozenset(chosen.tolist()), np.median(solved.points[chosen], axis=0), across)


def _groups(views: Sequence[_View]) -> list[list[_View]]:
    """Return views of one object each: they share points, or lie well within each other; one of each picture."""
    groups: list[list[_View]] = []
    for view in sorted(views, key=lambda each: (-each.found.score, each.picture)):
        best, most = None, 0.0
        for group in groups:
            if group[0].found.label != view.found.label or any(each.picture == view.picture for each in group):
                continue
            likeness = max(_likeness(view, each) for each in group)
            if likeness > most:
                best, most = group, likeness
        if best is None:
            groups.append([view])
        else:
            best.append(view)
    return groups


def _likeness(view: _View, other: _View) -> float:
    """Return 1 to 2 for views that share a fifth of their points, up to 1 for those near to each other, else 0."""
    shared = len(view.points & other.points) / min(len(view.points), len(other.points))
    if shared >= 0.2:
        return 1.0 + shared
    near = float(np.linalg.norm(view.anchor - other.anchor)) / min(view.across, other.across)
    return max(0.0, 1.0 - near / 0.4)


def _widest_deg(solved: SolvedCameras, group: Sequence[_View]) -> float:
    middle = np.median([view.anchor for view in group], axis=0)
    rays = middle - solved.camera_to_world[[view.picture for view in group], :3, 3]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1.0, 1.0))))


def _fit(solved: SolvedCameras, group: Sequence[_View]) -> tuple[OrientedBox | None, int]:
    """Return the box that fits a group, or None, and how many of its views say so."""
    from scipy.optimize import least_squares

    longer = max(solved.width, solved.height)
    poses = rigid_inverse(solved.camera_to_world[[view.picture for view in group]])
    sides = np.array([view.found.rectangle for view in group])
    limits = np.array([0.0, 0.0, solved.width, solved.height])
    # A side on the picture's border only says that the object goes on
    counted = np.abs(sides - limits) > 0.005 * longer
    across = float(np.median([view.across for view in group]))
    start = np.append(np.median([view.anchor for view in group], axis=0), np.full(3, np.log(0.7 * across)))

    def misses(values: np.ndarray, of: np.ndarray) -> np.ndarray:
        corners = values[:3] + CORNER_SIGNS * np.exp(values[3:]) / 2.0
        seen = np.einsum("vij,cj->vci", poses[of][:, :3, :3], corners) + poses[of][:, None, :3, 3]
        image = seen @ solved.intrinsics.T
        image = image[..., :2] / np.maximum(image[..., 2:], 1e-3 * across)
        shown = np.clip(np.concatenate([image.min(axis=1), image.max(axis=1)], axis=1), 0.0, np.tile(limits[2:], 2))
        return (shown - sides[of]) / longer * counted[of]

    used = np.arange(len(group))
    # Twice: detections of something else are told by the first fit
    for _ in range(2):
        of = used

        def residuals(values: np.ndarray, of: np.ndarray = of) -> np.ndarray:
            # As long as it is wide unless the views say something else
            return np.append(misses(values, of).ravel(), 0.002 * (values[3:5] - start[3:5]))

        solution = least_squares(residuals, start, loss="soft_l1", f_scale=0.01, max_nfev=200)
        off = np.abs(misses(solution.x, np.arange(len(group)))).mean(axis=1)
        used = np.flatnonzero(off < MISSES)
        if len(used) < LEAST_VIEWS:
            return None, 0
    size = np.exp(solution.x[3:])
    if size.max() > 5.0 * across:
        return None, 0
    low, high = solution.x[:3] - size / 2.0, solution.x[:3] + size / 2.0
    # Nothing reaches below the floor
    low[2] = max(low[2], 0.0)
    if high[2] <= low[2]:
        return None, 0
    return OrientedBox.axis_aligned(low, high), len(used)


def _overlap(box: OrientedBox, other: OrientedBox) -> float:
    """Return the intersection over union of boxes along the same axes."""
    low = np.maximum(box.center - box.size / 2.0, other.center - other.size / 2.0)
    high = np.minimum(box.center + box.size / 2.0, other.center + other.size / 2.0)
    shared = float(np.maximum(high - low, 0.0).prod())
    return shared / (float(box.size.prod()) + float(other.size.prod()) - shared)
