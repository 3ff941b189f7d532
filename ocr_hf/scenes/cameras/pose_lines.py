"""Camera paths of one pose a line: TUM, EuRoC, KITTI, and plain 4 x 4 matrices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ocr_hf.geometry.camera import check_poses
from ocr_hf.scenes.cameras.trajectory import Trajectory, checked_times, numbers, pose, stacked

MATRIX_COLUMNS = {12: "kitti", 16: "matrices", 4: "matrices"}
"""Formats whose number of columns says which they are."""


def read_tum(path: Path) -> Trajectory:
    """Read `timestamp tx ty tz qx qy qz qw` lines."""
    _check_order(path, "x", f"tum has {_TUM}; use --trajectory-format euroc")
    poses, times, places = [], [], []
    for where, words in _lines(path):
        time, *position, qx, qy, qz, qw = numbers(words, 8, where, _or_other_format(words, _TUM))
        poses.append(pose(np.array([qw, qx, qy, qz]), np.array(position), where))
        times.append(time)
        places.append(where)
    return Trajectory(stacked(path, poses), checked_times(times, places))


_TUM = "timestamp tx ty tz qx qy qz qw"
_EUROC = "timestamp,px,py,pz,qw,qx,qy,qz"


def _check_order(path: Path, first: str, has: str) -> None:
    """Both orders make unit quaternions, so that only the file's own words can tell of a mistake."""
    named = quaternion_order(first_line(path)[0])
    if named not in (None, first):
        raise ValueError(f"{path} names q{named} first, {has}, or reorder the columns")


def quaternion_order(header: str) -> str | None:
    """Return "w" or "x", whichever part of the quaternion a header names first; None where it names none."""
    parts = re.findall(r"\bq(?:[a-z_]*_)?([wxyz])\b", header.lower())
    return next((part for part in parts if part in "wx"), None) if {"w", "x"} <= set(parts) else None


def _or_other_format(words: list[str], expected: str) -> str:
    """Name the format that a line of so many columns has instead."""
    name = "euroc" if len(words) == 17 and expected != _EUROC else MATRIX_COLUMNS.get(len(words))
    return f"{expected}, or use --trajectory-format {name}" if name else expected


def read_euroc(path: Path) -> Trajectory:
    """Read EuRoC's `timestamp,px,py,pz,qw,qx,qy,qz` lines, nanoseconds; velocities and biases after them are left out.

    The poses are those of the body (the IMU). Where the data set's `cam0/sensor.yaml` lies beside the file's folder,
    they are moved on to that camera.
    """
    _check_order(path, "w", f"euroc has {_EUROC}; use --trajectory-format tum")
    poses, times, places = [], [], []
    for where, words in _lines(path):
        values = numbers(words[:8], 8, where, _or_other_format(words, _EUROC))
        poses.append(pose(np.array(values[4:]), np.array(values[1:4]), where))
        # Nanoseconds since 1970 have more digits than a float holds exactly.
        times.append(int(words[0]) if words[0].isdigit() else values[0])
        places.append(where)
    seconds = [(time - times[0]) * 1e-9 for time in times]
    found = stacked(path, poses)
    # EuRoC's layout: mav0/state_groundtruth_estimate0/data.csv and mav0/cam0/sensor.yaml.
    sensor = path.absolute().parent.parent / "cam0" / "sensor.yaml"
    if sensor.is_file():
        found = found @ _camera_to_body(sensor)
    return Trajectory(found, checked_times(seconds, places))


def _camera_to_body(path: Path) -> np.ndarray:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))["T_BS"]["data"]
        return check_poses(np.reshape(np.array(values, dtype=np.float64), (1, 4, 4)))[0]
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: its T_BS is no rigid motion ({error}); repair it or move the path elsewhere"
        ) from error


def read_kitti(path: Path) -> Trajectory:
    """Read KITTI's odometry poses: rows of 12 numbers, the upper 3 x 4 of camera to world."""
    poses = []
    for where, words in _lines(path):
        values = numbers(words, 12, where, _or_other_format(words, "12 numbers, the rows of a 3 x 4 matrix"))
        poses.append(_checked([*values, 0.0, 0.0, 0.0, 1.0], where))
    return Trajectory(stacked(path, poses))


def read_matrices(path: Path) -> Trajectory:
    """Read row-major 4 x 4 matrices, each on one line or on four."""
    poses: list[np.ndarray] = []
    rows: list[list[float]] = []
    begun = ""
    for where, words in _lines(path):
        if len(words) == 16 and not rows:
            values, begun = numbers(words, 16, where, "16 numbers"), where
        else:
            begun = begun if rows else where
            rows.append(numbers(words, 4, where, "16 numbers, or 4 in each of 4 lines"))
            if len(rows) < 4:
                continue
            values, rows = [value for row in rows for value in row], []
        poses.append(_checked(values, begun))
    if rows:
        raise ValueError(f"{begun}: a matrix begins but only {len(rows)} of its 4 lines follow; complete the file")
    return Trajectory(stacked(path, poses))


def _checked(values: list[float], where: str) -> np.ndarray:
    try:
        return check_poses(np.reshape(values, (1, 4, 4)))[0]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def first_line(path: Path) -> tuple[str, str]:
    """Return (the comments before the first line of values, that line); words without a # in line 1 are comments."""
    comments = []
    for number, line in enumerate(text_lines(path)):
        words = line.replace(",", " ").split()
        if line.lstrip().startswith("#") or (number == 0 and words and _is_header(words)):
            comments.append(line)
        elif words:
            return "\n".join(comments), line
    return "\n".join(comments), ""


def _is_header(words: list[str]) -> bool:
    """Return whether a line names columns: most of its words are none of a number's."""
    return not any(character.isdigit() for character in words[0]) and words[0].lower() not in ("nan", "inf", "-inf")


def text_lines(path: Path) -> list[str]:
    """Return a file's lines; raise ValueError for one that is no text."""
    try:
        # -sig: files from Windows may begin with a byte order mark, which would spoil the first number.
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file ({error.reason} at byte {error.start}); give a trajectory") from error
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a folder; give the trajectory file in it") from error


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield ("file, line n", words) of each line of values; commas separate as spaces do."""
    for number, line in enumerate(text_lines(path), 1):
        words = line.replace(",", " ").split()
        if words and not line.lstrip().startswith("#") and not (number == 1 and _is_header(words)):
            yield f"{path}, line {number}", words
