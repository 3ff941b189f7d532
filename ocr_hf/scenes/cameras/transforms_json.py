"""transforms.json, as nerfstudio and instant-ngp write it: poses with OpenGL axes, intrinsics shared or by frame."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.camera import check_poses
from ocr_hf.scenes.cameras.trajectory import Trajectory, natural_key, pinhole, stacked

PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL")
_BENT = ("k1", "k2", "k3", "k4", "p1", "p2")


def read_transforms(path: Path, refocuses: bool = False) -> Trajectory:
    """Read the frames of a transforms.json (or of its folder), in the natural order of their file names.

    The poses are as stored, axes included; `applied_transform`, `scale` and the like are not undone.

    refocuses : frames of one size may have intrinsics of their own, (T, 3, 3); else those that differ are refused
    """
    if path.is_dir():
        path = path / "transforms.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); give a transforms.json") from error
    frames = told.get("frames") if isinstance(told, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError(f"{path} has no list of frames; give a transforms.json of nerfstudio or instant-ngp")
    named = [(str(frame.get("file_path", "")), number, frame) for number, frame in enumerate(frames)]
    if all(name for name, _, _ in named):
        named.sort(key=lambda item: (natural_key(item[0]), item[1]))
        twice = [name for (name, _, _), (other, _, _) in zip(named, named[1:], strict=False) if name == other]
        if twice:
            raise ValueError(f"{path}: image '{twice[0]}' is there twice; keep one of its poses")
    poses = [_pose(frame, f"{path}, frame {number}") for _, number, frame in named]
    # A frame's own values overrule the shared ones.
    cameras = [_camera(told | frame, f"{path}, frame {number}") for _, number, frame in named]
    names = tuple(name for name, _, _ in named) if all(name for name, _, _ in named) else ()
    found = stacked(path, poses)
    first = cameras[0]
    for camera, (_, number, _) in zip(cameras, named, strict=True):
        same = _of_one_size if refocuses else _equal
        if (camera is None) != (first is None) or (camera and not same(camera, first)):
            raise ValueError(
                f"{path}: frame {number} has another camera than frame {named[0][1]}; a clip has one, "
                "give the frames of a single camera"
            )
    if first is None:
        return Trajectory(found, names=names)
    differ = not all(_equal(camera, first) for camera in cameras)
    intrinsics = np.stack([camera[0] for camera in cameras]) if differ else first[0]
    return Trajectory(found, names=names, intrinsics=intrinsics, width=first[1], height=first[2])


def _pose(frame: dict[str, Any], where: str) -> np.ndarray:
    try:
        matrix = np.array(frame["transform_matrix"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: it has no transform_matrix of numbers ({error}); repair or remove it") from error
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, [0.0, 0.0, 0.0, 1.0]])
    if matrix.shape != (4, 4):
        raise ValueError(f"{where}: its transform_matrix is {matrix.shape}; give 4 x 4 numbers")
    try:
        return check_poses(matrix[None])[0]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _camera(values: dict[str, Any], where: str) -> tuple[np.ndarray, int, int] | None:
    """Return (intrinsics, width, height), or None where a file doesn't say."""
    # instant-ngp names no model; its k1, k2, p1 and p2 are OpenCV's.
    model = values.get("camera_model", "OPENCV")
    if model not in PINHOLES or values.get("is_fisheye"):
        raise ValueError(
            f"{where}: camera model {model}{' (fisheye)' if values.get('is_fisheye') else ''} is none of "
            f"{', '.join(PINHOLES)}; undistort the images and give the transforms.json that comes out"
        )
    try:
        width, height = (int(values[name]) for name in ("w", "h"))
        if "fl_x" in values:
            focal = [float(values["fl_x"]), float(values.get("fl_y", values["fl_x"]))]
        elif "camera_angle_x" in values:
            across = width / 2.0 / math.tan(float(values["camera_angle_x"]) / 2.0)
            angle = values.get("camera_angle_y")
            focal = [across, across if angle is None else height / 2.0 / math.tan(float(angle) / 2.0)]
        else:
            return None
        center = [float(values.get("cx", width / 2.0)), float(values.get("cy", height / 2.0))]
        bent = [float(values.get(name, 0.0)) for name in _BENT]
    except KeyError:
        return None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f"{where}: its camera can't be read ({error}); give w, h, fl_x, fl_y, cx, cy in pixels"
        ) from error
    return pinhole(str(model), focal, center, bent, where), width, height


def _of_one_size(one: tuple[np.ndarray, int, int], other: tuple[np.ndarray, int, int]) -> bool:
    return one[1:] == other[1:]


def _equal(one: tuple[np.ndarray, int, int], other: tuple[np.ndarray, int, int]) -> bool:
    return one[1:] == other[1:] and bool(np.allclose(one[0], other[0], rtol=1e-9, atol=1e-6))
