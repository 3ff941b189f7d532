"""Camera paths that users bring: TUM, plain 4 x 4 matrices, COLMAP text models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.geometry.camera import check_intrinsics, check_poses, rigid_inverse

FORMATS = ("tum", "matrices", "colmap")
QUATERNION_TOLERANCE = 0.01
"""How far a quaternion's length may be from 1 before it is rejected: columns in another order are off by more."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where a camera was.

    camera_to_world : (T, 4, 4) float64, OpenCV axes (x right, y down, z forward), metres, in order of time
    timestamps_s : (T,) float64 or None where the format has none
    names : image names (COLMAP), else empty
    intrinsics : (3, 3) pixels, width, height : frame size; None where the format has none
    """

    camera_to_world: np.ndarray
    timestamps_s: np.ndarray | None = None
    names: tuple[str, ...] = ()
    intrinsics: np.ndarray | None = None
    width: int | None = None
    height: int | None = None


def read_trajectory(path: Path | str, format: str = "tum") -> Trajectory:
    """Read a camera path.

    format : "tum": lines `timestamp tx ty tz qx qy qz qw`, camera to world;
        "matrices": 16 numbers a line, or 4 lines of 4, each a row-major camera_to_world matrix;
        "colmap": images.txt (or its folder), world to camera, with cameras.txt beside it for the intrinsics.
        Lines that begin with # are left out.
    Raises FileNotFoundError, or ValueError naming file and line, for anything that is not a finite rigid motion.
    """
    path = Path(path)
    if format not in FORMATS:
        raise ValueError(f"trajectory format is '{format}'; give one of {', '.join(FORMATS)}")
    if format == "colmap" and path.is_dir():
        path = path / "images.txt"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give the path of a trajectory file")
    return {"tum": _read_tum, "matrices": _read_matrices, "colmap": _read_colmap}[format](path)


def _read_tum(path: Path) -> Trajectory:
    """Read `timestamp tx ty tz qx qy qz qw` lines."""
    poses, times = [], []
    for where, words in _lines(path):
        time, *position, qx, qy, qz, qw = _numbers(words, 8, where, "timestamp tx ty tz qx qy qz qw")
        if times and time <= times[-1]:
            raise ValueError(f"{where}: timestamp {time} does not follow {times[-1]}; sort the lines by time")
        times.append(time)
        poses.append(_pose(np.array([qw, qx, qy, qz]), np.array(position), where))
    return Trajectory(_stacked(path, poses), np.array(times))


def _read_matrices(path: Path) -> Trajectory:
    """Read row-major 4 x 4 matrices, each on one line or on four."""
    poses: list[np.ndarray] = []
    rows: list[list[float]] = []
    begun = ""
    for where, words in _lines(path):
        if len(words) == 16 and not rows:
            values, begun = _numbers(words, 16, where, "16 numbers"), where
        else:
            begun = begun if rows else where
            rows.append(_numbers(words, 4, where, "16 numbers, or 4 in each of 4 lines"))
            if len(rows) < 4:
                continue
            values, rows = [value for row in rows for value in row], []
        try:
            poses.append(check_poses(np.reshape(values, (1, 4, 4)))[0])
        except ValueError as error:
            raise ValueError(f"{begun}: {error}") from error
    if rows:
        raise ValueError(f"{begun}: a matrix begins but only {len(rows)} of its 4 lines follow; complete the file")
    return Trajectory(_stacked(path, poses))


def _read_colmap(path: Path) -> Trajectory:
    """Read COLMAP's images.txt, sorted by image name, and the cameras.txt beside it."""
    found: dict[str, tuple[np.ndarray, int, str]] = {}
    # Every image has two lines; the second, its 2D points, may be empty.
    lines = [(where, words) for where, words in _lines(path, keep_empty=True)]
    while lines and not lines[-1][1]:
        lines.pop()
    for where, words in lines[::2]:
        if len(words) < 10:
            expected = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME and a line of points after it"
            raise ValueError(f"{where}: {len(words)} words; give {expected}")
        values = _numbers(words[1:8], 7, where, "QW QX QY QZ TX TY TZ")
        name = " ".join(words[9:])
        if name in found:
            raise ValueError(f"{where}: image '{name}' is there twice; keep one of its poses")
        (camera,) = _numbers(words[8:9], 1, where, "CAMERA_ID")
        world_to_camera = _pose(np.array(values[:4]), np.array(values[4:]), where)
        # COLMAP stores world-to-camera, all else here is camera-to-world.
        found[name] = (rigid_inverse(world_to_camera), int(camera), where)
    # COLMAP doesn't list images in order of time; frames extracted from a video have numbered names.
    names = tuple(sorted(found))
    poses = _stacked(path, [found[name][0] for name in names])
    cameras = path.parent / "cameras.txt"
    if not cameras.is_file():
        return Trajectory(poses, names=names)
    used = {found[name][1] for name in names}
    if len(used) > 1:
        raise ValueError(f"{path} uses the cameras {sorted(used)}; a clip has one: give a model with a single camera")
    intrinsics, width, height = _colmap_camera(cameras, used.pop())
    return Trajectory(poses, names=names, intrinsics=intrinsics, width=width, height=height)


def _colmap_camera(path: Path, wanted: int) -> tuple[np.ndarray, int, int]:
    """Return (intrinsics, width, height) of one camera of a cameras.txt; lens distortion must be zero."""
    for where, words in _lines(path):
        if len(words) < 5 or not words[0].isdigit():
            raise ValueError(f"{where}: '{' '.join(words)}'; give CAMERA_ID MODEL WIDTH HEIGHT PARAMS")
        if int(words[0]) != wanted:
            continue
        model = words[1]
        if model not in _MODELS:
            raise ValueError(f"{where}: camera model {model} is none of {', '.join(_MODELS)}; undistort the images")
        focal, distortion = _MODELS[model]
        count = focal + 2 + distortion
        width, height, *values = _numbers(words[2:], 2 + count, where, f"WIDTH HEIGHT and {count} parameters")
        # The renderer is a pinhole camera: ignoring distortion would shift footprints against the frames in silence.
        if any(values[focal + 2 :]):
            raise ValueError(
                f"{where}: lens distortion is {values[focal + 2 :]}; undistort the images (colmap image_undistorter)"
            )
        fx, fy, (cx, cy) = values[0], values[focal - 1], values[focal : focal + 2]
        try:
            intrinsics = check_intrinsics(np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        return intrinsics, int(width), int(height)
    raise ValueError(f"{path} has no camera {wanted}, which images.txt names; add its line")


_MODELS = {
    "SIMPLE_PINHOLE": (1, 0),
    "PINHOLE": (2, 0),
    "SIMPLE_RADIAL": (1, 1),
    "RADIAL": (1, 2),
    "OPENCV": (2, 4),
}
"""Number of focal lengths and of distortion parameters of COLMAP's camera models."""


def _lines(path: Path, keep_empty: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Yield ("file, line n", words) of each line that is no comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file ({error.reason} at byte {error.start}); give a trajectory") from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split() if keep_empty else line.replace(",", " ").split()
        if (words or keep_empty) and not line.lstrip().startswith("#"):
            yield f"{path}, line {number}", words


def _numbers(words: list[str], count: int, where: str, expected: str) -> list[float]:
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


def _pose(quaternion_wxyz: np.ndarray, position: np.ndarray, where: str) -> np.ndarray:
    """Return the (4, 4) motion of a unit quaternion (w, x, y, z) and a translation."""
    length = float(np.linalg.norm(quaternion_wxyz))
    if abs(length - 1.0) > QUATERNION_TOLERANCE:
        raise ValueError(f"{where}: the quaternion's length is {length:.4g}, not 1; check the order of the columns")
    w, x, y, z = quaternion_wxyz / length
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = position
    return pose


def _stacked(path: Path, poses: list[np.ndarray]) -> np.ndarray:
    """Return (T, 4, 4); raise ValueError for a file without poses."""
    if not poses:
        raise ValueError(f"{path} holds no pose; give at least one")
    return np.stack(poses)
