"""What a camera path is, whatever file it comes from, and what all readers of such files need."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

QUATERNION_TOLERANCE = 0.01
"""How far a quaternion's length may be from 1 before it is rejected: columns in another order are off by more."""
JUMP, JUMP_S = 1000.0, 60.0
"""A gap of more than a minute that is also this many usual steps long is taken for a change of clock."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where a camera was.

    camera_to_world : (T, 4, 4) float64, OpenCV axes (x right, y down, z forward), metres, in order of time
    timestamps_s : (T,) float64 or None where the format has none
    names : image names (COLMAP, nerfstudio), else empty
    intrinsics : (3, 3) pixels, or (T, 3, 3) where readers are told that the camera refocuses; width, height : frame
        size; None where the format has none
    """

    camera_to_world: np.ndarray
    timestamps_s: np.ndarray | None = None
    names: tuple[str, ...] = ()
    intrinsics: np.ndarray | None = None
    width: int | None = None
    height: int | None = None


def natural_key(name: str) -> list[str | int]:
    """Return what sorts names as people count: frame_2 before frame_10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def numbers(words: Sequence[str], count: int, where: str, expected: str) -> list[float]:
    """Return `words` as `count` finite numbers."""
    if len(words) != count:
        raise ValueError(f"{where}: {len(words)} values; give {expected}")
    values = []
    for word in words:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"{where}: '{word}' is not a finite number (a lost frame?); remove or correct the line")
        values.append(value)
    return values


def pose(quaternion_wxyz: np.ndarray, position: np.ndarray, where: str) -> np.ndarray:
    """Return the (4, 4) motion of a unit quaternion (w, x, y, z) and a translation."""
    length = float(np.linalg.norm(quaternion_wxyz))
    # `not <=` instead of `>` refuses NaN as well.
    if not abs(length - 1.0) <= QUATERNION_TOLERANCE:
        raise ValueError(f"{where}: the quaternion's length is {length:.4g}, not 1; check the order of the columns")
    w, x, y, z = quaternion_wxyz / length
    motion = np.eye(4)
    motion[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    motion[:3, 3] = position
    return motion


def stacked(path: Path, poses: Sequence[np.ndarray]) -> np.ndarray:
    """Return (T, 4, 4); raise ValueError for a file without poses."""
    if len(poses) == 0:
        raise ValueError(f"{path} holds no pose; give at least one")
    return np.stack(poses)


def checked_times(times: Sequence[float], where: Sequence[str]) -> np.ndarray:
    """Return time stamps (T,), seconds; raise ValueError naming the line where they aren't one running clock."""
    for number in range(1, len(times)):
        if times[number] <= times[number - 1]:
            raise ValueError(
                f"{where[number]}: timestamp {times[number]} does not follow {times[number - 1]}; "
                "sort the lines by time, or give each clock's lines in a file of their own"
            )
    steps = np.diff(times)
    if len(steps) > 1 and steps.max() > max(JUMP * float(np.median(steps)), JUMP_S):
        number = int(steps.argmax()) + 1
        raise ValueError(
            f"{where[number]}: timestamp {times[number]} comes {steps.max():.6g} s after {times[number - 1]}, where "
            f"others come after {np.median(steps):.3g} s (two clocks?); give each clock's lines in a file of their own"
        )
    return np.array(times, dtype=np.float64)


def pinhole(
    model: str, focal: Sequence[float], center: Sequence[float], bent: Sequence[float], where: str
) -> np.ndarray:
    """Return the (3, 3) intrinsics of a camera; raise ValueError for one with lens distortion."""
    from ocr_hf.geometry.camera import check_intrinsics

    # The renderer is a pinhole camera: ignoring distortion would shift footprints against the frames in silence.
    if any(bent):
        raise ValueError(
            f"{where}: lens distortion of {model} is {list(bent)}; undistort the images and give the model that comes "
            "out (colmap image_undistorter --output_type COLMAP)"
        )
    try:
        return check_intrinsics(np.array([[focal[0], 0.0, center[0]], [0.0, focal[-1], center[1]], [0.0, 0.0, 1.0]]))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
