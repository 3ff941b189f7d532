"""Walks through a scene at eye height, smooth and clear of walls and furniture, looking around as people do."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ocr_hf.scenes.free_floor import FreeFloor, free_floor
from ocr_hf.scenes.scene import Room, Scene

MAX_SPEED_M_S = 1.3
MAX_TURN_RAD_S = np.radians(75.0)
SIM_FPS = 30.0
"""Walks are planned at this rate and then sampled, so that one seed is one walk at any frame rate."""
RADII_M = (0.3, 0.25, 0.18, 0.1)
"""Of the walker: the largest that leaves room to walk is taken."""
MIN_FREE_M2 = 0.4
PITCH_DOWN_RAD = np.radians(12.0)
_GAZE_STEP_S = 1.0
_VIEW_HALF_RAD = np.radians(32.0)
_VIEW_RANGE_M = 6.0


def walk_through(
    scene: Scene, seconds: float, fps: float, seed: int, room: int | None = None, eye_height_m: float = 1.5
) -> np.ndarray:
    """Return the (T, 4, 4) camera_to_world poses of a walk, T = round(seconds * fps).

    The walk goes from one open spot to the next so as to come near all the furniture, through every room it has time
    for or within one; the view turns to what has not been seen yet. Speed stays below MAX_SPEED_M_S, turning below
    MAX_TURN_RAD_S. The same (scene, seconds, seed, room) give the same walk at every fps.

    seconds, fps : length and frame rate; room : index into scene.rooms, None = all; eye_height_m : above the floor
    Raises ValueError where there is no free floor, for a room that doesn't exist, or for a length of no frame.
    """
    count = int(round(seconds * fps))
    if not (np.isfinite(seconds) and np.isfinite(fps)) or count < 1:
        raise ValueError(f"{seconds} s at {fps} frames per second is {count} frames; ask for at least one")
    if room is not None and not 0 <= room < len(scene.rooms):
        raise ValueError(f"scene '{scene.name}' has no room {room}; it has {len(scene.rooms)}, counted from 0")
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0 if room is None else room + 1]))
    floor = _walkable(scene, None if room is None else scene.rooms[room])
    times = np.arange(count) / fps
    steps = int(np.ceil(seconds * SIM_FPS)) + 2
    track = _track(floor, scene, seconds, steps, rng)
    yaw = _gaze(scene, floor, track, rng)
    frames = times * SIM_FPS
    x, y, yaw = (np.interp(frames, np.arange(steps), values) for values in (*track.T, yaw))
    level = min((item.floor_z for item in scene.rooms), default=0.0)
    return _poses(np.stack([x, y, np.full(count, level + eye_height_m)], axis=1), yaw)


def _walkable(scene: Scene, room: Room | None) -> FreeFloor:
    """Return the largest connected free floor for the widest walker that still finds room."""
    for radius in RADII_M:
        floor = free_floor(scene, radius)
        if room is not None:
            floor = floor.within(room.polygon)
        if floor.grid.any() and (floor := floor.largest()).area_m2 >= MIN_FREE_M2:
            return floor
    place = f"room '{room.name}' of scene '{scene.name}'" if room is not None else f"scene '{scene.name}'"
    raise ValueError(f"{place} has no free floor to walk on; give it more space or use a camera trajectory of your own")


def _track(floor: FreeFloor, scene: Scene, seconds: float, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Return the (steps, 2) positions of a walk that eases in and out."""
    reach = 0.85 * MAX_SPEED_M_S * seconds / 1.5  # the eased speed peaks at 1.5 times its mean
    corners = _tour(floor, reach, rng)
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    share = np.linspace(0.0, 1.0, steps)
    eased = share * share * (3.0 - 2.0 * share) * min(lengths[-1], reach)
    track = np.stack([np.interp(eased, lengths, corners[:, axis]) for axis in (0, 1)], axis=1)
    # Corners are rounded as far as the free floor lets them be.
    for sigma_s in (0.8, 0.5, 0.3, 0.15, 0.07):
        smooth = gaussian_filter1d(track, sigma_s * SIM_FPS, axis=0, mode="nearest")
        if floor.contains(smooth).all():
            return smooth
    return track


def _tour(floor: FreeFloor, reach: float, rng: np.random.Generator) -> np.ndarray:
    """Return the (N, 2) corners of a walk of about `reach` metres between open spots that lie far apart."""
    cells = np.argwhere(floor.grid)
    centers = floor.centers(cells)
    open_spots = centers[floor.clearance[floor.grid] >= np.quantile(floor.clearance[floor.grid], 0.4)]
    here = open_spots[rng.integers(len(open_spots))]
    # Farthest points first cover the floor; the walk then takes them nearest first.
    spots = [here]
    distance = np.linalg.norm(open_spots - here, axis=1)
    while len(spots) < 24 and distance.max() > 0.9:
        spots.append(open_spots[int((distance * rng.uniform(0.9, 1.0, len(distance))).argmax())])
        distance = np.minimum(distance, np.linalg.norm(open_spots - spots[-1], axis=1))
    corners, left, length = [np.asarray(here)], spots[1:], 0.0
    while left and length < reach:
        walks = floor.paths(corners[-1], np.array(left))
        lengths = [np.inf if w is None else np.linalg.norm(np.diff(w, axis=0), axis=1).sum() for w in walks]
        # Short steps keep the order of a tour, but a hop of less than a metre shows nothing new.
        nearest = int(np.argmin([abs(value - 1.5) for value in lengths]))
        if not np.isfinite(lengths[nearest]):
            break
        corners.extend(walks[nearest][1:])
        length += lengths[nearest]
        left.pop(nearest)
    if len(corners) == 1:
        corners.append(corners[0] + [1e-6, 0.0])
    return np.array(corners)


def _gaze(scene: Scene, floor: FreeFloor, track: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the (steps,) yaw of the view: towards what has been seen least, turning smoothly."""
    targets = np.array([item.box.center[:2] for item in scene.objects]).reshape(-1, 2)
    groups = _rooms_of(scene, targets)
    seen = np.zeros(len(targets))
    stride = int(_GAZE_STEP_S * SIM_FPS)
    knots = np.arange(0, len(track) + stride, stride)
    yaws: list[float] = []
    options = np.linspace(-np.pi, np.pi, 36, endpoint=False) + rng.uniform(0.0, np.radians(10.0))
    for knot in knots:
        at = track[min(knot, len(track) - 1)]
        ahead = track[min(knot + stride, len(track) - 1)] - at
        offset = targets - at
        distance = np.linalg.norm(offset, axis=1)
        bearing = np.arctan2(offset[:, 1], offset[:, 0])
        visible = (distance < _VIEW_RANGE_M) & (distance > 0.3)
        if len(scene.rooms) > 1:
            mine = _rooms_of(scene, at[None])[0]
            visible &= (groups == mine) | (mine < 0)
        worth = np.where(visible, 1.0 / (0.3 + seen), 0.0)
        inside = np.abs(_wrapped(options[:, None] - bearing)) < _VIEW_HALF_RAD
        score = (inside * worth).sum(axis=1)
        score = score / max(score.max(), 1e-9)
        # Looking at a wall from close by shows nothing; walking backwards looks odd.
        score += 0.35 * np.minimum(_free_ahead(floor, at, options), 3.0) / 3.0
        if np.linalg.norm(ahead) > 0.15:
            score += 0.35 * np.cos(options - np.arctan2(ahead[1], ahead[0]))
        if yaws:
            turn = _wrapped(options - yaws[-1])
            score -= 0.12 * np.abs(turn)
            score[np.abs(turn) > 0.6 * MAX_TURN_RAD_S * _GAZE_STEP_S] = -np.inf
            if np.isinf(score).all():
                score = -np.abs(turn)
            chosen = yaws[-1] + turn[int(score.argmax())]
        else:
            chosen = options[int(score.argmax())]
        yaws.append(float(chosen))
        view = visible & (np.abs(_wrapped(chosen - bearing)) < _VIEW_HALF_RAD)
        seen[view] += _GAZE_STEP_S
    yaw = np.interp(np.arange(len(track)), knots, yaws)
    return gaussian_filter1d(yaw, 0.45 * SIM_FPS, mode="nearest")


def _rooms_of(scene: Scene, points: np.ndarray) -> np.ndarray:
    """Return the (N,) index of the room that each point (N, 2) lies in, -1 for none."""
    from matplotlib.path import Path

    found = np.full(len(points), -1)
    for index, room in enumerate(scene.rooms):
        found[Path(room.polygon).contains_points(points, radius=1e-6)] = index
    return found


def _free_ahead(floor: FreeFloor, at: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """Return (N,) metres, up to 3, of clear view from `at` along each yaw (walls and furniture count alike)."""
    steps = np.arange(1, 13) * 0.25
    points = at + steps[:, None, None] * np.stack([np.cos(yaws), np.sin(yaws)], axis=-1)
    clear = floor.clearance_at(points.reshape(-1, 2)).reshape(len(steps), -1) > 0.0
    return 0.25 * np.cumprod(clear, axis=0).sum(axis=0)


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _poses(eyes: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Return (T, 4, 4) poses at `eyes` (T, 3) that look along `yaw`, slightly down."""
    cos, sin, zero = np.cos(yaw), np.sin(yaw), np.zeros(len(yaw))
    down = np.full(len(yaw), PITCH_DOWN_RAD)
    poses = np.tile(np.eye(4), (len(yaw), 1, 1))
    right = np.stack([sin, -cos, zero], axis=1)
    forward = np.stack([cos * np.cos(down), sin * np.cos(down), -np.sin(down)], axis=1)
    poses[:, :3, 0], poses[:, :3, 1], poses[:, :3, 2] = right, np.cross(forward, right), forward
    poses[:, :3, 3] = eyes
    return poses
