"""Camera paths: a walk at eye height through all rooms of a scene, or one, that looks at most of its objects.

The route comes first (tour.py), then the gaze along it (gaze.py), then a low-pass filter in time over both. A moving
average is never faster than what it averages, so the bounds on speed and turning rate hold by construction.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ocr_hf.scenes.cameras.free_floor import FreeFloor, floor_height, free_floor
from ocr_hf.scenes.cameras.gaze import AHEAD_M, STEP_S, TURN_DEG_S, gaze_along
from ocr_hf.scenes.cameras.tour import plan_tour
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Scene, SceneObject

LEAST_M_S, SPEED_M_S, MAX_SPEED_M_S = 0.25, 0.6, 0.9
"""Walking speed: a walk slower than the first goes on to further places, one faster than the second visits fewer; the
last is never exceeded."""
MAX_TURN_DEG_S = max(TURN_DEG_S)
"""Greatest turning rate of the view about the vertical, degrees a second."""
RADII_M = (0.25, 0.18, 0.1)
"""Distances kept from obstacles: the first that leaves LEAST_M2 of floor counts; only narrow places need the others."""
LEAST_M2 = 0.3
COMFORT_M = (0.08, 0.04, 0.0)
"""Ways are planned to keep so much more distance than that; less where more would close a door."""
REACHED = 0.6
"""Share of each room's free floor that must stay near to the part where routes are planned."""
SMOOTH_S = 0.4
"""Width of the filter in time (standard deviation)."""
SMALL_M = 0.12
SEEN_IN_PASSING = frozenset({"ceiling light", "curtain", "picture", "window"})
"""The gaze doesn't seek these labels, nor objects smaller than SMALL_M: they come into view with the rest."""


def walk_through(
    scene: Scene,
    seconds: float,
    fps: float,
    seed: int,
    room: int | None = None,
    eye_height_m: float = 1.5,
    ignore_labels: frozenset[str] = frozenset(),
) -> np.ndarray:
    """Plan the camera poses of a walk through a scene.

    The camera is never nearer than RADII_M to an obstacle and keeps to MAX_SPEED_M_S and MAX_TURN_DEG_S. The same
    arguments give the same path.

    Args:
        scene: where to walk.
        seconds: length of the walk.
        fps: poses per second; one walk is the same at every frame rate.
        seed: of the choice of stops, order and gaze.
        room: index into `scene.rooms` to stay in one room; None visits all that can be reached.
        eye_height_m: height of the camera above the floor, metres.
        ignore_labels: objects that don't stand in the way, see `free_floor`.

    Returns:
        (T, 4, 4) float64 camera_to_world, OpenCV axes, T = round(seconds * fps).

    Raises:
        ValueError: the length makes no frame, there is no such room, or the scene has no free floor.
    """
    if not (np.isfinite([seconds, fps]).all() and fps > 0.0 and round(seconds * fps) >= 1):
        raise ValueError(f"{seconds} s at {fps} frames per second make no frame; ask for at least one")
    if room is not None and not 0 <= room < len(scene.rooms):
        raise ValueError(f"scene '{scene.name}' has no room {room}; it has {len(scene.rooms)}, counted from 0")
    floor, comfort = _floors(scene, room, ignore_labels)
    # Room 0 is a room of its own, so None (all rooms) can't share its key: rooms count from 1 here.
    rng = generator(seed, "walk", scene.name, 0 if room is None else room + 1)
    lengths = (LEAST_M_S * seconds, SPEED_M_S * seconds, 0.95 * MAX_SPEED_M_S * seconds)
    route = plan_tour(scene, comfort, lengths, rng)
    count = round(seconds * fps)
    # Planned in steps of STEP_S and only then sampled at the frame rate: a walk at 2 fps and one at 24 fps are the same
    # walk.
    # Two steps beyond the end, so that no frame lies after the last of them.
    times = np.arange(0.0, seconds + 2.0 * STEP_S, STEP_S)
    places, ahead = _timed(route, times)
    eye_z = eye_height_m + floor_height(scene)
    objects = _worth_seeing(scene, room)
    yaw, pitch = gaze_along(scene, objects, places, ahead, eye_z, _first_look(objects, places, rng))
    track = _smoothed(np.stack([*places.T, yaw, pitch], axis=1), floor)
    x, y, yaw, pitch = (np.interp(np.arange(count) / fps, times, values) for values in track.T)
    return camera_poses(np.stack([x, y, np.full(count, eye_z)], axis=1), yaw, pitch)


def camera_poses(eyes: np.ndarray, yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Return (T, 4, 4) camera_to_world, OpenCV axes, of cameras held level at `eyes` (T, 3).

    yaw : (T,) radians from +X towards +Y; pitch : (T,) radians, up is positive
    """
    forward = np.stack([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)], axis=1)
    right = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)], axis=1)
    poses = np.tile(np.eye(4), (len(eyes), 1, 1))
    poses[:, :3, 0], poses[:, :3, 1], poses[:, :3, 2] = right, np.cross(forward, right), forward
    poses[:, :3, 3] = eyes
    return poses


def _floors(scene: Scene, room: int | None, ignore_labels: frozenset[str]) -> tuple[FreeFloor, FreeFloor]:
    """Return the floor where the camera may be, and the part of it where routes are planned."""
    for radius in RADII_M:
        floor = free_floor(scene, radius, ignore_labels=ignore_labels)
        if room is not None:
            floor = floor.within(scene.rooms[room].polygon)
        floor = floor.largest()
        if floor.area_m2 >= LEAST_M2:
            break
    else:
        place = f"scene '{scene.name}'" + ("" if room is None else f", room '{scene.rooms[room].name}',")
        raise ValueError(f"{place} has no free floor to walk on; ignore objects or use a camera trajectory of your own")
    rooms = [floor.within(outline.polygon).grid for outline in scene.rooms] or [floor.grid]
    for margin in COMFORT_M:
        comfort = floor.shrunk(margin).largest() if margin else floor
        # Keeping more distance must not cut a room off at its door: the comfortable floor, grown back, has to cover
        # most of every room.
        near = ndimage.binary_dilation(comfort.grid, iterations=4)
        if all((near & area).sum() >= REACHED * area.sum() for area in rooms):
            break
    return floor, comfort


def _worth_seeing(scene: Scene, room: int | None) -> list[SceneObject]:
    """Return the objects to look at."""
    objects = [item for item in scene.objects if item.box.size.max() > SMALL_M and item.label not in SEEN_IN_PASSING]
    if room is not None:
        from shapely import Polygon, contains_xy

        area = Polygon(scene.rooms[room].polygon).buffer(0.2)
        objects = [item for item in objects if contains_xy(area, *item.box.center[:2])]
    return objects


def _timed(route: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the walk is at each time, and the point AHEAD_M further, both (N, 2), at constant speed."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(route, axis=0), axis=1))])
    # A route too long for its time is broken off rather than walked faster.
    at = np.minimum(length[-1] * times / times[-1], 0.97 * MAX_SPEED_M_S * times)
    return tuple(
        np.stack([np.interp(at + further, length, route[:, axis]) for axis in (0, 1)], axis=1)
        for further in (0.0, AHEAD_M)
    )


def _first_look(objects: list[SceneObject], places: np.ndarray, rng: np.random.Generator) -> float:
    """Return the yaw at which a walk begins: towards the middle of what is near, else anywhere."""
    offset = np.array([item.box.center[:2] for item in objects]).reshape(-1, 2) - places[0]
    offset = offset[np.linalg.norm(offset, axis=1) < 4.0]
    if len(offset) == 0:
        return float(rng.uniform(-np.pi, np.pi))
    return float(np.arctan2(*offset.mean(axis=0)[::-1]))


def _smoothed(track: np.ndarray, floor: FreeFloor) -> np.ndarray:
    """Filter a track (N, 4) of x, y, yaw, pitch in time; less where the camera would leave the free floor."""
    # Yaw is unwrapped here (gaze.py accumulates turns), so averaging can't cross the jump from pi to -pi.
    angles = ndimage.gaussian_filter1d(track[:, 2:], SMOOTH_S / STEP_S, axis=0, mode="nearest")
    # Smoothing cuts corners, and at a door frame that may lead through the wall: filter less until all of it is free.
    for width in (SMOOTH_S, 0.25, 0.15, 0.08):
        places = ndimage.gaussian_filter1d(track[:, :2], width / STEP_S, axis=0, mode="nearest")
        if floor.contains(places).all():
            break
    else:
        places = np.array([floor.nearest(place) for place in track[:, :2]])
    return np.concatenate([places, angles], axis=1)
