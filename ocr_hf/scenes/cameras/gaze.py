"""Where a camera that walks through rooms looks, so that it sees every object in them once."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.scene import Scene, SceneObject

NEAR_M, FAR_M = 1.1, 4.6
"""Range of horizontal distances from which an object is looked at: nearer it fills the frame, farther it is a speck."""
CENTRE_DEG, SEEN_S = 18.0, 0.35
"""An object counts as seen once it was within the first of the view's centre for the second."""
AHEAD_M = 0.9
"""With nothing new to see, the gaze rests on the route this far ahead."""
LOOK_DOWN_DEG = 9.0
PITCH_DEG = (-34.0, -2.0)
"""Range of the pitch: always a little downwards, since most objects stand below eye height."""
STEP_S = 0.05
FORGET_S = 16.0
"""What was seen this long ago may be looked at again."""
TURN_DEG_S = (18.0, 26.0, 34.0, 42.0)
"""Turning rates tried; the slowest is taken that sees at least NEARLY times as much as the fastest."""
NEARLY = 0.95


def gaze_along(
    scene: Scene, objects: list[SceneObject], places: np.ndarray, ahead: np.ndarray, eye_z: float, yaw: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return yaw and pitch (N,), radians, of a camera that moves through `places` (N, 2), one every STEP_S.

    ahead : (N, 2) the point of the route that lies ahead at each step; yaw : the initial yaw
    Greedy: the gaze goes from one unseen object to whichever next one needs the least turning.
    """
    centers = np.array([item.box.center for item in objects]).reshape(-1, 3)
    visible = _in_view(scene, places, centers[:, :2])
    # The fastest first: it is the yardstick of how much can be seen at all.
    walks = [_gaze_at_rate(centers, visible, places, ahead, eye_z, rate, yaw) for rate in np.radians(TURN_DEG_S[::-1])]
    most = walks[0][2]
    yaws, pitches, _ = next(walk for walk in walks[::-1] if walk[2] >= NEARLY * most)
    return yaws, pitches


def _gaze_at_rate(
    centers: np.ndarray,
    visible: np.ndarray,
    places: np.ndarray,
    ahead: np.ndarray,
    eye_z: float,
    turn_rad_s: float,
    yaw: float,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return yaw (N,), pitch (N,), and how many objects were seen, at this rate of turning."""
    looked, ever = np.zeros(len(centers)), np.zeros(len(centers), dtype=bool)
    target, pitch, most = -1, -np.radians(LOOK_DOWN_DEG), turn_rad_s * STEP_S
    answer = np.empty((len(places), 2))
    for i, place in enumerate(places):
        offset = centers[:, :2] - place
        turn = _wrapped(np.arctan2(offset[:, 1], offset[:, 0]) - yaw)
        # Exponential forgetting. A seen object is set to e * SEEN_S below, which decays to SEEN_S in one FORGET_S: from
        # then on it is fresh again.
        looked *= 1.0 - STEP_S / FORGET_S
        looked[visible[i] & (np.abs(turn) < np.radians(CENTRE_DEG))] += STEP_S
        done = looked >= SEEN_S
        ever |= done
        looked[done] = np.maximum(looked[done], np.e * SEEN_S)
        fresh = visible[i] & ~done
        # A target is kept until it counts as seen: choosing anew at each step would let the gaze waver between two.
        if target < 0 or not fresh[target]:
            cost = np.where(fresh, np.abs(turn), np.inf)
            target = int(cost.argmin()) if fresh.any() else -1
        if target >= 0:
            wanted_turn = float(turn[target])
            wanted = np.arctan2(centers[target, 2] - eye_z, np.linalg.norm(offset[target]))
        else:
            forward = ahead[i] - place
            is_walking = np.linalg.norm(forward) > 0.1
            wanted_turn = float(_wrapped(np.arctan2(forward[1], forward[0]) - yaw)) if is_walking else 0.0
            wanted = -np.radians(LOOK_DOWN_DEG)
        # Never wrapped: the filter in camera_path.py needs a continuous angle.
        yaw += float(np.clip(wanted_turn, -most, most))
        pitch += float(np.clip(np.clip(wanted, *np.radians(PITCH_DEG)) - pitch, -0.6 * most, 0.6 * most))
        answer[i] = yaw, pitch
    return answer[:, 0], answer[:, 1], int(ever.sum())


def _wrapped(angle: np.ndarray) -> np.ndarray:
    """Return angles as turns of at most half a circle."""
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _in_view(scene: Scene, places: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return (places, targets) bool: near enough and, where rooms are known, in the same one with no corner between."""
    distance = np.linalg.norm(places[:, None] - targets, axis=2)
    near = (distance > NEAR_M) & (distance < FAR_M)
    if not scene.rooms:
        return near
    from shapely import Polygon, contains_xy, covers, linestrings

    answer = np.zeros_like(near)
    for outline in scene.rooms:
        # Things at a wall lie partly in it or in a doorway: rooms are taken a little larger than they are.
        room = Polygon(outline.polygon).buffer(0.2, join_style="mitre")
        here = contains_xy(room, *places.T)
        there = contains_xy(room, *targets.T)
        both = near & here[:, None] & there
        # In a rectangle every line of sight is free; only L-shapes need the costly test.
        if room.area < 0.999 * room.envelope.area:
            pairs = np.argwhere(both)
            lines = linestrings(np.stack([places[pairs[:, 0]], targets[pairs[:, 1]]], axis=1))
            both[tuple(pairs.T)] = covers(room, lines)
        answer |= both
    return answer
