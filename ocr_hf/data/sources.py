"""From a plan to a scene and its camera path. A new source of scenes is one more branch in each of two functions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.data.config import BuildConfig
from ocr_hf.data.plan import ClipPlan, ScenePlan
from ocr_hf.perturb.keys import stable_key
from ocr_hf.scenes.scene import Scene


def open_scene(config: BuildConfig, plan: ScenePlan) -> Scene:
    """Return the scene; raise ValueError or OSError where a file that the user gave can't be used."""
    if config.source == "mesh":
        from ocr_hf.scenes.mesh_file import load_mesh_scene

        instances = Path(config.instances[plan.index]) if config.instances else None
        categories = Path(config.categories) if config.categories else None
        return load_mesh_scene(
            Path(config.path[plan.index]),
            instances,
            categories,
            name=plan.name,
            up=config.up,
            licence=config.licence,
            attribution=config.attribution,
        )
    if config.source == "furnished":
        from ocr_hf.scenes.furnished import furnished_scene

        return furnished_scene(plan.seed, Path(config.models), rooms=config.rooms)
    from ocr_hf.scenes.procedural import procedural_scene

    return procedural_scene(plan.seed, rooms=config.rooms)


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Where the camera is: camera_to_world (T, 4, 4), and how many of these poses make a second."""

    camera_to_world: np.ndarray
    fps: float


def camera_path(config: BuildConfig, clip: ClipPlan, scene: Scene) -> CameraPath:
    """Return the camera path of a clip; raise ValueError where the scene has no room to walk."""
    if config.trajectory is not None:
        return _given_path(config)
    from ocr_hf.scenes.camera_path import walk_through

    number = clip.index % config.clips_per_scene
    room = number % len(scene.rooms) if config.clips_per_scene > 1 and scene.rooms else None
    seed = stable_key("camera path", config.seed, clip.id) % 2**31
    return CameraPath(walk_through(scene, config.clip_seconds, config.clip_fps, seed, room=room), config.clip_fps)


def _given_path(config: BuildConfig) -> CameraPath:
    """Return `frames` poses of the user's trajectory, evenly spaced in time where it has time stamps."""
    from ocr_hf.scenes.trajectories import read_trajectory

    found = read_trajectory(Path(config.trajectory), config.trajectory_format)
    poses, times = found.camera_to_world, found.timestamps_s
    if len(poses) < config.frames:
        raise ValueError(
            f"{config.trajectory} has {len(poses)} poses, a clip {config.frames} frames; use --frames {len(poses)}"
        )
    if times is None:
        times = np.arange(len(poses), dtype=np.float64)
    wanted = np.linspace(times[0], times[-1], config.frames)
    nearest = np.abs(times[None, :] - wanted[:, None]).argmin(axis=1)
    fps = config.clip_fps
    if found.timestamps_s is not None and config.seconds is None and config.fps is None:
        fps = (config.frames - 1) / float(times[-1] - times[0])
    return CameraPath(poses[nearest], fps)
