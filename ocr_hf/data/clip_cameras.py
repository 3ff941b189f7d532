"""The camera of a clip: a planned walk through the scene, or the user's own trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ocr_hf.data.build_config import DEFAULT_SECONDS, BuildConfig
from ocr_hf.data.build_plan import ClipPlan
from ocr_hf.geometry.camera import intrinsics_from_fov, scale_intrinsics
from ocr_hf.perturb.keys import stable_key
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Scene

if TYPE_CHECKING:
    from ocr_hf.scenes.cameras.trajectories import Trajectory

FOV_DEG = (55.0, 95.0)
EYE_HEIGHT_M = (1.1, 1.8)
EXPOSURE = (0.4, 1.6)
"""Ranges from which each clip draws its horizontal field of view, the height of its camera above the floor and its
exposure, where the options leave them out: one lens held at one height teaches a model to measure by pixels."""
GIVEN_FOV_DEG = 75.0
"""Of a camera path from a file that says nothing of its lens."""
SECONDS_PER_M2 = 0.4
"""A walk that is not told how long to take sees a shop of 230 m2 in 92 s."""
SAME_SHAPE = 0.02
"""How far the ratio of width to height may be from that of a given camera's images; sides are whole, even pixels."""


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Where the camera is and what it sees with.

    camera_to_world : (T, 4, 4); fps : how many of these poses make a second
    intrinsics : (3, 3) in pixels of the clip's frames; exposure : 1 for a well exposed picture
    """

    camera_to_world: np.ndarray
    fps: float
    intrinsics: np.ndarray
    exposure: float = 1.0


def camera_path(config: BuildConfig, clip: ClipPlan, scene: Scene) -> CameraPath:
    """Return the camera path of a clip; raise ValueError where the scene has no room to walk."""
    if config.trajectory is not None:
        return _given_path(config, scene)
    from ocr_hf.scenes.cameras.camera_path import walk_through

    number = clip.index % config.clips_per_scene
    room = number % len(scene.rooms) if config.clips_per_scene > 1 and scene.rooms else None
    seed = stable_key("camera path", config.seed, clip.id) % 2**31
    fov, eye_height_m, exposure = _camera_of(config, clip)
    seconds = _seconds(config, scene, room)
    # Not worked out from `seconds` where it is given: 24 has to stay 24
    fps = config.fps or config.frames / seconds
    poses = walk_through(scene, seconds, fps, seed, room=room, eye_height_m=min(eye_height_m, _headroom(scene)))
    return CameraPath(poses, fps, intrinsics_from_fov(config.width, config.height, fov), exposure)


def _seconds(config: BuildConfig, scene: Scene, room: int | None) -> float:
    """Return how long a walk takes: as the options say, else longer where there is more floor to see."""
    if config.seconds is not None or config.fps is not None:
        return config.clip_seconds
    from shapely import Polygon

    rooms = scene.rooms if room is None else (scene.rooms[room],)
    area = sum(Polygon(each.polygon).area for each in rooms)
    return max(DEFAULT_SECONDS, float(np.round(SECONDS_PER_M2 * area, 1)))


def _camera_of(config: BuildConfig, clip: ClipPlan) -> tuple[float, float, float]:
    """Return field of view (degrees), height above the floor (metres) and exposure of a clip's camera."""
    # All are drawn even where some are given, so that giving one leaves the others as they were
    rng = generator(stable_key("camera", config.seed, clip.id))
    drawn = [float(rng.uniform(*limits)) for limits in (FOV_DEG, EYE_HEIGHT_M)]
    # Exposure is a factor: as often half as double
    drawn.append(float(np.exp(rng.uniform(*np.log(EXPOSURE)))))
    given = (config.fov, config.eye_height, config.exposure)
    fov, eye_height_m, exposure = (value if value is not None else own for value, own in zip(given, drawn, strict=True))
    return fov, eye_height_m, exposure


def _headroom(scene: Scene) -> float:
    """Return how high a camera can be held in a scene, metres above the floor: 0.3 m below the lowest ceiling."""
    return max(0.5, min((room.height_m for room in scene.rooms), default=np.inf) - 0.3)


def _given_path(config: BuildConfig, scene: Scene) -> CameraPath:
    """Return `frames` poses of the user's trajectory, evenly spaced in time where it has time stamps."""
    from ocr_hf.scenes.cameras.plausibility import check_path
    from ocr_hf.scenes.cameras.trajectories import read_trajectory

    found = read_trajectory(Path(config.trajectory), config.trajectory_format, config.camera_axes)
    poses, times = found.camera_to_world, found.timestamps_s
    if len(poses) < config.frames:
        raise ValueError(
            f"{config.trajectory} has {len(poses)} poses, a clip {config.frames} frames; use --frames {len(poses)}"
        )
    check_path(poses, scene, config.trajectory)
    if times is None:
        times = np.arange(len(poses), dtype=np.float64)
    wanted = np.linspace(times[0], times[-1], config.frames)
    nearest = np.abs(times[None, :] - wanted[:, None]).argmin(axis=1)
    fps = config.clip_fps
    if found.timestamps_s is not None and config.seconds is None and config.fps is None:
        fps = (config.frames - 1) / float(times[-1] - times[0])
    return CameraPath(poses[nearest], fps, _given_intrinsics(config, found), config.exposure or 1.0)


def _given_intrinsics(config: BuildConfig, found: Trajectory) -> np.ndarray:
    """Return the trajectory's own camera for frames of the clip's size; where it has none, that of `fov`."""
    if found.intrinsics is None:
        return intrinsics_from_fov(config.width, config.height, config.fov or GIVEN_FOV_DEG)
    scale_x, scale_y = config.width / found.width, config.height / found.height
    if abs(scale_x / scale_y - 1.0) > SAME_SHAPE:
        height = 2 * round(config.width * found.height / found.width / 2)
        raise ValueError(
            f"{config.trajectory} has a camera of {found.width}x{found.height} pixels, and frames of "
            f"{config.width}x{config.height} would be squeezed; use --width {config.width} --height {height}"
        )
    return scale_intrinsics(found.intrinsics, scale_x, scale_y)
