"""The scale of solved cameras by a printed square marker of known size (ArUco, dictionary 4x4_50, any id)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import cv2
import numpy as np

from ocr_hf.geometry.camera import project
from ocr_hf.scenes.filmed.marks import MISSES, crossing
from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras

LEAST_VIEWS = 3
"""Pictures that must show a marker: by three, one in which it was misread is told."""
LEAST_DEG = 4.0
"""Between the directions from which it is seen."""
UNEVEN = 0.1
"""How far a marker's sides may differ: it is square."""


def scale_of_marker(solved: SolvedCameras, frames: Iterable[np.ndarray], side_m: float) -> tuple[float, int]:
    """Return metres in one unit of a world, and in how many pictures the marker was seen.

    frames : of all solved pictures, (H, W, 3) uint8 without distortion; one is held at a time
    side_m : of the marker's black square

    Raises ValueError where no marker is seen well enough, or several disagree.
    """
    if not (np.isfinite(side_m) and side_m > 0.0):
        raise ValueError(f"marker is {side_m}; give the side of its black square in metres, such as 0.15")
    corners: dict[int, list[tuple[int, np.ndarray]]] = {}
    parameters = cv2.aruco.DetectorParameters()
    # Corners to whole pixels make a side of 60 pixels wrong by a hundredth
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50), parameters)
    for index, frame in enumerate(frames):
        found, ids, _ = detector.detectMarkers(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
        for number, places in zip([] if ids is None else ids.ravel(), found, strict=True):
            # OpenCV's first pixel has its centre at 0, ours at 0.5
            corners.setdefault(int(number), []).append((index, places.reshape(4, 2).astype(np.float64) + 0.5))
    sides = {number: side for number, seen in corners.items() if (side := _side(solved, seen)) is not None}
    if not sides:
        most = max(map(len, corners.values()), default=0)
        raise ValueError(
            f"no marker gives the scale (seen in {most} pictures at most): ArUco's dictionary 4x4_50 must be seen "
            f"sharply in {LEAST_VIEWS} or more, from directions {LEAST_DEG:g} degrees apart; or use --known"
        )
    factors = side_m / np.array(list(sides.values()))
    if np.ptp(factors) > UNEVEN * np.median(factors):
        raise ValueError(f"markers {sorted(sides)} disagree about the scale; all must have sides of {side_m:g} m")
    return float(np.median(factors)), sum(len(corners[number]) for number in sides)


def _side(solved: SolvedCameras, seen: list[tuple[int, np.ndarray]]) -> float | None:
    """Return the side of a marker in the world's units, or None where it can't be told."""
    if len(seen) < LEAST_VIEWS:
        return None
    poses = solved.camera_to_world[[index for index, _ in seen]]
    pixels = np.stack([places for _, places in seen])
    points = np.stack([crossing(poses, solved.intrinsics, pixels[:, corner]) for corner in range(4)])
    eyes = points.mean(axis=0) - poses[:, :3, 3]
    eyes /= np.linalg.norm(eyes, axis=1, keepdims=True)
    if np.degrees(np.arccos(np.clip((eyes @ eyes.T).min(), -1.0, 1.0))) < LEAST_DEG:
        return None
    misses = [np.abs(project(points, solved.intrinsics, p)[0] - at).max() for p, at in zip(poses, pixels, strict=True)]
    if not np.median(misses) <= MISSES * max(solved.width, solved.height):
        return None
    sides = np.array([np.linalg.norm(points[i] - points[j]) for i, j in combinations(range(4), 2) if j - i in (1, 3)])
    return None if np.ptp(sides) > UNEVEN * sides.mean() else float(sides.mean())
