"""RGB-D folders, TUM-style (times) and Open3D-style (numbers): which picture, depth map and pose make a frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.camera import check_poses
from ocr_hf.scenes.cameras.pose_lines import text_lines
from ocr_hf.scenes.cameras.trajectories import read_trajectory
from ocr_hf.scenes.cameras.trajectory import numbers
from ocr_hf.scenes.recorded.frame_files import inside
from ocr_hf.scenes.recorded.layout_frames import PICTURES, Frames, Given, counted, pictures
from ocr_hf.scenes.recorded.read_recorded import NO_POSE

WITHIN_S = 0.02
"""How far in time picture, depth map and pose of one frame may lie apart, as TUM's own associate.py has it."""
NO_DEPTH = "without depth"
_COLOURS = ("rgb", "color", "image")
_CALIBRATIONS = ("camera_intrinsic.json", "intrinsic.json")
"""What Open3D's recorders call the file."""


def read_tum_folder(folder: Path, given: Given) -> Frames:
    """Read a folder in the layout of the TUM RGB-D benchmark: pictures, depth and poses are matched by time."""
    found = read_trajectory(folder / "groundtruth.txt", "tum")
    images, times = _stamped(folder, "rgb")
    depth, depth_times = _stamped(folder, "depth") if (folder / "depth").is_dir() else ([], np.zeros(0))
    pose_of = _nearest(times, found.timestamps_s)
    depth_of = _nearest(times, depth_times)
    if not (pose_of >= 0).any():
        raise ValueError(
            f"{folder.name}: no picture has a pose within {WITHIN_S:g} s (pictures from {times[0]:.6f} to "
            f"{times[-1]:.6f} s, poses from {found.timestamps_s[0]:.6f} to {found.timestamps_s[-1]:.6f} s); "
            "give both the times of one clock"
        )
    return _matched(folder, given, images, times, found.camera_to_world, pose_of, depth, depth_of, 0.0002)


def read_open3d_folder(folder: Path, given: Given) -> Frames:
    """Read a folder in the layout of Open3D's reconstruction system: pictures and depth pair by order."""
    path = folder / "trajectory.log"
    by_number = _read_log(path)
    colour = next((name for name in _COLOURS if (folder / name).is_dir()), None)
    if colour is None:
        raise ValueError(f"{folder.name} has no folder {', '.join(_COLOURS)}; put the pictures into one of them")
    images = pictures(folder / colour)
    depth = pictures(folder / "depth", (".png",)) if (folder / "depth").is_dir() else []
    if depth and len(depth) != len(images):
        raise ValueError(
            f"{folder.name} has {len(images)} pictures in {colour}/ and {len(depth)} maps in depth/, which pair by "
            "order; remove those without a partner"
        )
    late = [number for number in by_number if number >= len(images)]
    if late:
        raise ValueError(
            f"{folder.name}/{path.name} has a pose for frame {late[0]}, but {colour}/ holds {len(images)} pictures, "
            "numbered from 0; copy the missing pictures, or correct the numbers"
        )
    every = np.arange(len(images))
    row_of = {number: row for row, number in enumerate(by_number)}
    pose_of = np.array([row_of.get(number, -1) for number in range(len(images))])
    poses, times = np.stack(list(by_number.values())), counted(every, given, f"{folder.name}/{path.name}")
    depth_of = every if depth else np.full(len(images), -1)
    return _matched(folder, given, images, times, poses, pose_of, depth, depth_of, 0.001)


def _matched(
    folder: Path,
    given: Given,
    images: Sequence[Path],
    times: np.ndarray,
    poses: np.ndarray,
    pose_of: np.ndarray,
    depth: Sequence[Path],
    depth_of: np.ndarray,
    depth_unit_m: float,
) -> Frames:
    """Return the frames of an RGB-D folder that have a pose and, where there are depth maps, one of those.

    pose_of, depth_of : (T,) which pose and depth map belong to each image, -1 for none
    """
    posed = pose_of >= 0
    kept = np.flatnonzero(posed & ((depth_of >= 0) | (not depth)))
    if not len(kept):
        raise ValueError(
            f"{folder.name}: no picture with a pose has a depth map within {WITHIN_S:g} s; give both the times of one "
            "clock, or move depth/ away to go without"
        )
    intrinsics, size = _calibration(folder, given)
    return Frames(
        [images[i] for i in kept],
        poses[pose_of[kept]],
        times[kept],
        intrinsics,
        size,
        [depth[depth_of[i]] if depth else None for i in kept],
        given.depth_unit_m or depth_unit_m,
        {NO_POSE: int((~posed).sum()), NO_DEPTH: int(posed.sum()) - len(kept)},
    )


def _nearest(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which of `others`, ascending, is nearest to each time, (T,); -1 where none is within WITHIN_S.

    Two frames never share one: the nearer has it.
    """
    if not len(others):
        return np.full(len(times), -1)
    after = np.searchsorted(others, times).clip(0, len(others) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(others[before] - times) <= np.abs(others[after] - times), before, after)
    apart = np.abs(others[nearest] - times)
    found, taken = np.full(len(times), -1), set()
    for index in np.argsort(apart, kind="stable"):
        # Unix times in doubles are exact to a quarter of a microsecond only
        if apart[index] <= WITHIN_S + 1e-6 and nearest[index] not in taken:
            found[index] = nearest[index]
            taken.add(nearest[index])
    return found


def _stamped(folder: Path, kind: str) -> tuple[list[Path], np.ndarray]:
    """Return the files that rgb.txt or depth.txt lists, or whose names are times, and their times, ascending."""
    listed = folder / f"{kind}.txt"
    where = f"{folder.name}/{listed.name}"
    rows: list[tuple[float, Path]] = []
    if listed.is_file():
        for number, line in enumerate(text_lines(listed), 1):
            words, place = line.split(maxsplit=1), f"{where}, line {number}"
            if not words or words[0].startswith("#"):
                continue
            if len(words) < 2:
                raise ValueError(f"{place}: '{line.strip()}'; give a time and a file name")
            (time,) = numbers(words[:1], 1, place, "a time")
            rows.append((time, inside(folder, words[1].strip(), place)))
    else:
        for path in pictures(folder / kind, (".png",) if kind == "depth" else PICTURES):
            try:
                rows.append((float(path.stem), path))
            except ValueError as error:
                raise ValueError(
                    f"{folder.name}/{kind}/{path.name} has no time as its name, and there is no {listed.name}; write "
                    "one with lines `time file`"
                ) from error
    if not rows:
        raise ValueError(f"{where} lists no file; give lines `time file`")
    rows.sort(key=lambda row: row[0])
    return [path for _, path in rows], np.array([time for time, _ in rows])


def _read_log(path: Path) -> dict[int, np.ndarray]:
    """Return frame -> pose (4, 4) of Open3D's trajectory.log: a line `frame frame count`, then those of a matrix."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give the folder of an Open3D recording, or layout tum")
    lines = [(f"{path}, line {number}", line.split()) for number, line in enumerate(text_lines(path), 1)]
    lines = [(where, words) for where, words in lines if words]
    if not lines or len(lines) % 5:
        raise ValueError(f"{path} has {len(lines)} lines; give 5 a pose: `frame frame count`, then 4 of 4 numbers")
    found: dict[int, np.ndarray] = {}
    for first in range(0, len(lines), 5):
        where, words = lines[first]
        number = numbers(words, 3, where, "`frame frame count`")[0]
        if number < 0 or number % 1 or number in found:
            raise ValueError(f"{where}: frame {words[0]}; give each frame a whole number of its own, from 0")
        rows = [numbers(row, 4, place, "4 numbers") for place, row in lines[first + 1 : first + 5]]
        try:
            found[int(number)] = check_poses(np.array([rows]))[0]
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    return found


def _calibration(folder: Path, given: Given) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Return intrinsics (3, 3) and the size of their pictures, from the user or from Open3D's file."""
    if given.intrinsics is not None:
        return np.asarray(given.intrinsics, dtype=np.float64), None
    path = next((folder / name for name in _CALIBRATIONS if (folder / name).is_file()), None)
    if path is None:
        raise ValueError(
            f"{folder.name} says nothing of its camera; give intrinsics, 3 x 3 in pixels of the pictures, or write "
            f"{_CALIBRATIONS[0]} with width, height and intrinsic_matrix (9 numbers, column by column)"
        )
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
        # Open3D writes matrices column by column
        matrix = np.array(told["intrinsic_matrix"], dtype=np.float64).reshape(3, 3).T
        return matrix, (int(told["width"]), int(told["height"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder.name}/{path.name} can't be read ({type(error).__name__}: {error}); give width, height and "
            "intrinsic_matrix (9 numbers, column by column)"
        ) from error
