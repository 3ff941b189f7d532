"""Which way is up in solved cameras' world, where the floor is, and along which directions the walls run.

A video says none of it. The cameras say roughly where up is, since people hold a phone upright; the floor's points say
it exactly; the walls' points say how the room stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ocr_hf.geometry.camera import transform
from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras
from ocr_hf.scenes.randomness import generator

TILT_DEG = 25.0
"""How far the floor's normal may be from the cameras' own up, on average: people look down more than up."""
THIN = 0.02
"""How far a floor's point may lie off its plane, in heights of the cameras above it: 3 cm below a camera at 1.5 m."""
DRAWS = 1000
FEWEST = 30
"""Points of a floor. A plain one has few; fewer don't tell its tilt."""
_SHEETS = 90
"""Directions of walls that are tried, a degree apart: those at right angles come together."""


@dataclass(frozen=True)
class Floor:
    """How a world was placed.

    points : how many lie on the floor, 0 where none was found and the cameras' own up was taken
    tilt_deg : between the floor's normal and the cameras' own up
    """

    points: int
    tilt_deg: float


def stand_upright(solved: SolvedCameras) -> tuple[SolvedCameras, Floor]:
    """Return the cameras in a world with +Z up, the floor at z = 0 and walls along x and y; its scale is kept."""
    up = -solved.camera_to_world[:, :3, 1].mean(axis=0)
    length = np.linalg.norm(up)
    if length < 0.3:
        raise ValueError(
            "the pictures are turned every way, so that they don't tell what is up; film with the phone held one way, "
            "or turn the video upright"
        )
    up /= length
    found = _floor(solved, up)
    normal, height, count = (up, _lowest(solved.points @ up), 0) if found is None else found
    placed = _moved(solved, _turn_to_z(normal), -height)
    turned = _moved(placed, _about_z(-wall_direction(placed.points)), 0.0)
    # The middle of what is seen: boxes then have coordinates of a room's size
    middle = np.median(turned.points[:, :2], axis=0)
    motion = np.eye(4)
    motion[:2, 3] = -middle
    tilt = float(np.degrees(np.arccos(np.clip(normal @ up, -1.0, 1.0))))
    return _by(turned, motion), Floor(count, tilt)


def scaled(solved: SolvedCameras, factor: float) -> SolvedCameras:
    """Return the cameras in a world whose lengths are multiplied by a factor."""
    poses = solved.camera_to_world.copy()
    poses[:, :3, 3] *= factor
    return replace(solved, camera_to_world=poses, points=solved.points * factor)


def wall_direction(points: np.ndarray) -> float:
    """Return the angle of walls to the x axis, radians in [0, pi / 2): points on walls then fall on few x and y.

    points : (P, 3), +Z up
    """
    flat = points[:, :2] - np.median(points[:, :2], axis=0)
    reach = np.quantile(np.linalg.norm(flat, axis=1), 0.95)
    flat = flat[np.linalg.norm(flat, axis=1) <= reach]
    if len(flat) < FEWEST:
        return 0.0
    angles = np.arange(_SHEETS) * (np.pi / 2.0 / _SHEETS)
    return float(angles[np.argmin([_spread(flat, angle, reach) for angle in angles])])


def _spread(flat: np.ndarray, angle: float, reach: float) -> float:
    """Return the entropy of points' x and y along turned axes."""
    turned = flat @ _about_z(angle)[:2, :2]
    found = 0.0
    for values in turned.T:
        share = np.histogram(values, bins=100, range=(-reach, reach))[0] / len(values)
        share = share[share > 0]
        found -= float((share * np.log(share)).sum())
    return found


def _floor(solved: SolvedCameras, up: np.ndarray) -> tuple[np.ndarray, float, int] | None:
    """Return the floor's normal (3,), its height along it, and how many points it has; None where none is found."""
    eyes = solved.camera_to_world[:, :3, 3]
    below = solved.points[solved.points @ up < np.quantile(eyes @ up, 0.1)]
    if len(below) < FEWEST:
        return None
    rng = generator(0, "floor plane", len(below))
    # A plane below the cameras, near to level: of the floor or of what stands on it, which is as level
    best, normal = 0, None
    for _ in range(DRAWS):
        a, b, c = below[rng.choice(len(below), 3, replace=False)]
        across = np.cross(b - a, c - a)
        size = np.linalg.norm(across)
        if size < 1e-12:
            continue
        across *= np.sign(across @ up) / size
        if across @ up < np.cos(np.radians(TILT_DEG)):
            continue
        drop = np.median(eyes @ across) - a @ across
        count = int((np.abs((below - a) @ across) < THIN * drop).sum()) if drop > 0.0 else 0
        if count > best:
            best, normal = count, across
    if normal is None or best < FEWEST:
        return None
    # The lowest level with as much as a fifth of the fullest one's points is the floor; then its plane is fitted twice
    heights = below @ normal
    thin = THIN * (np.median(eyes @ normal) - _lowest(heights))
    counts, edges = np.histogram(heights, bins=np.arange(heights.min() - thin, heights.max() + 2 * thin, thin))
    counts = counts[:-1] + counts[1:]
    level = edges[int(np.flatnonzero(counts >= max(counts.max() / 5, FEWEST / 2))[0]) + 1]
    on = below[np.abs(heights - level) < 1.5 * thin]
    for _ in range(3):
        if len(on) < FEWEST:
            return None
        middle = on.mean(axis=0)
        _, _, axes = np.linalg.svd(on - middle, full_matrices=False)
        normal = axes[2] * np.sign(axes[2] @ up)
        on = below[np.abs((below - middle) @ normal) < thin]
    return normal, float(np.median(on @ normal)), len(on)


def _lowest(heights: np.ndarray) -> float:
    # Reflections in a floor lie below it
    return float(np.quantile(heights, 0.02))


def _moved(solved: SolvedCameras, rotation: np.ndarray, rise: float) -> SolvedCameras:
    motion = np.eye(4)
    motion[:3, :3], motion[2, 3] = rotation, rise
    return _by(solved, motion)


def _by(solved: SolvedCameras, motion: np.ndarray) -> SolvedCameras:
    return replace(solved, camera_to_world=motion @ solved.camera_to_world, points=transform(motion, solved.points))


def _turn_to_z(normal: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation that takes a unit vector to +Z."""
    side = np.cross([0.0, 1.0, 0.0] if abs(normal[1]) < 0.9 else [1.0, 0.0, 0.0], normal)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(normal, side), normal])


def _about_z(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
