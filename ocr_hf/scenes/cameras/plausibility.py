"""Whether a camera path that a user brings fits the scene: inside it, and upright."""

from __future__ import annotations

import warnings

import numpy as np

from ocr_hf.scenes.scene import Scene

AROUND_M = 0.5
"""How far outside the scene's bounds a camera still counts as inside; scans end before walls do."""
UPRIGHT = 0.5
"""A camera whose image's vertical is within 60 degrees of the world's is held upright."""


def check_path(camera_to_world: np.ndarray, scene: Scene, name: str) -> None:
    """Compare a camera path with the scene.

    Args:
        camera_to_world: (T, 4, 4), OpenCV axes, metres.
        scene: The scene that the path is meant for.
        name: The path's file, for messages.

    Raises:
        ValueError: Where no position lies in the scene. A path that is partly outside, tilted or upside down brings a
            warning that says what was seen and which option settles it.
    """
    bounds = _bounds(scene)
    if bounds is None:
        return
    low, high = bounds
    eyes = camera_to_world[:, :3, 3]
    inside = ((eyes >= low - AROUND_M) & (eyes <= high + AROUND_M)).all(axis=1)
    where = f"cameras {_range(eyes.min(axis=0), eyes.max(axis=0))}, scene {_range(low, high)}"
    if not inside.any():
        raise ValueError(
            f"{name}: none of its {len(eyes)} camera positions lies in scene '{scene.name}' ({where}); give the "
            "path in the scene's frame, metres, +Z up"
        )
    tilt = _tilt(camera_to_world, scene, name)
    if tilt:
        _warn(tilt)
    if not inside.all():
        _warn(
            f"{name}: {(~inside).sum()} of its {len(eyes)} camera positions lie outside scene '{scene.name}' "
            f"({where}); what they see may be empty, check that path and scene share a frame"
        )
        return
    walls = int((~_in_rooms(eyes, scene)).sum())
    if walls:
        _warn(
            f"{name}: {walls} of its {len(eyes)} camera positions lie outside the rooms of scene '{scene.name}'; they "
            "may look at a wall from behind, check that path and scene share a frame"
        )


def _tilt(camera_to_world: np.ndarray, scene: Scene, name: str) -> str | None:
    """Return what to warn of where the cameras aren't held upright."""
    # Column 1 points down in the image. The median, so that a few frames that look at the floor make no tilt.
    up = float(np.median(-camera_to_world[:, 2, 1]))
    if up >= UPRIGHT:
        return None
    if up <= -UPRIGHT:
        return (
            f"{name}: its cameras hang upside down in scene '{scene.name}'; if the file has the other camera axes, "
            "say so with --camera-axes opengl (y up, z backward) or opencv (y down, z forward)"
        )
    vertical = np.median(-camera_to_world[:, :3, 1], axis=0)
    axis = int(np.abs(vertical).argmax())
    seen = f"{'-' if vertical[axis] < 0 else '+'}{'XYZ'[axis]}"
    return (
        f"{name}: its cameras are tilted, their upward direction is {seen} and the scene's is +Z; turn the poses "
        "as the scene was turned (a scene with +Y up becomes x, -z, y)"
    )


def _in_rooms(eyes: np.ndarray, scene: Scene) -> np.ndarray:
    if not scene.rooms:
        return np.ones(len(eyes), dtype=bool)
    from shapely import Polygon, contains_xy, union_all

    # Doorways lie between the outlines of two rooms.
    floor = union_all([Polygon(room.polygon).buffer(AROUND_M) for room in scene.rooms])
    return contains_xy(floor, eyes[:, 0], eyes[:, 1])


def _bounds(scene: Scene) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the corners (3,), (3,) of the box around everything in the scene."""
    points = [mesh.vertices for mesh in scene.structure if len(mesh.vertices)]
    points += [item.box.corners() for item in scene.objects]
    points += [np.column_stack([room.polygon, np.full(len(room.polygon), room.floor_z)]) for room in scene.rooms]
    if not points:
        return None
    return np.min([part.min(axis=0) for part in points], axis=0), np.max([part.max(axis=0) for part in points], axis=0)


def _range(low: np.ndarray, high: np.ndarray) -> str:
    return (
        " x ".join(f"{a + 0.0:.4g} to {b + 0.0:.4g}" for a, b in zip(low.round(4), high.round(4), strict=True)) + " m"
    )


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)
