"""Where in a home there is room for one thing more, in view of the camera."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely

from ocr_hf.geometry.box_overlap import penetration_m
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.edits.carriers import chain, floor_below, low_high
from ocr_hf.scenes.edits.edited_scene import EditedScene
from ocr_hf.scenes.edits.support import has_flat_top
from ocr_hf.scenes.randomness import pick
from ocr_hf.scenes.scene import SceneObject
from ocr_hf.twins.in_view import in_view

PLACES = 150
"""Places on the floor and on tops that are looked at for what is moved or added."""
WALL_GAP_M, HANGING_GAP_M = 0.02, 0.005


class FreeSpots:
    """Finds places in a scene that the frames which a model samples show.

    scene : the scene; poses : (T, 4, 4) of these frames; least_frames : how many of them must show a thing
    """

    def __init__(self, scene: EditedScene, poses: np.ndarray, least_frames: int) -> None:
        self.scene, self.poses, self.least_frames = scene, poses, least_frames
        self._flat: dict[int, bool] = {}

    def find(
        self,
        size: np.ndarray,
        tops: list[SceneObject],
        rng: np.random.Generator,
        own_id: int | None = None,
        hung_m: float | None = None,
    ) -> Iterator[tuple[np.ndarray, float]]:
        """Yield where a thing of this size (3,) has room and is seen: its base's middle (3,) and its yaw, radians.

        tops : what it is to stand on, if that is flat; [] for the floor
        own_id : of the thing, which is in nobody's way itself; hung_m : how high its middle hangs on a wall
        """
        spots, yaws, wants_top = [], [], bool(tops)
        tops = [other for other in tops if self._is_flat(other)]
        if wants_top and not tops:
            return
        for _ in range(PLACES):
            if tops:
                below = pick(rng, tops).box
                yaw = float(np.arctan2(below.rotation[1, 0], below.rotation[0, 0])) + np.pi / 2 * int(rng.integers(4))
                room = np.maximum(below.size[:2] - size[:2].min(), 0.0)
                spot = np.append(below.center[:2] + below.rotation[:2, :2] @ (rng.uniform(-0.5, 0.5, 2) * room), 0.0)
                # Not rounded down: it would sink into what carries it.
                spot[2] = np.ceil(low_high(below)[1] * 1e4) / 1e4
            elif self.scene.rooms:
                spot, yaw = self._floor_spot(size, rng, hung_m)
            else:
                return
            spots.append(np.append(spot[:2].round(3), spot[2]))
            yaws.append(yaw)
        others = [other for other in self.scene.objects if other.id != own_id]
        seen = in_view(np.array(spots) + [0.0, 0.0, float(size[2]) / 2.0], self.poses, [o.box for o in others])
        standing = [
            other.box for other in others if own_id is None or own_id not in chain(other.id, self.scene.carriers)
        ]
        floors = [shapely.Polygon(room.polygon).buffer(1e-6) for room in self.scene.rooms]
        for spot, yaw, frames in zip(spots, yaws, seen.sum(axis=1), strict=True):
            if frames < self.least_frames:
                continue
            box = OrientedBox.upright(spot + [0.0, 0.0, float(size[2]) / 2.0], size, yaw)
            # What `apply` would refuse anyway, faster
            if not any(floor.covers(shapely.Polygon(box.floor_polygon())) for floor in floors):
                continue
            if not (penetration_m(box, standing) > 1e-6).any():
                yield spot, yaw

    def _is_flat(self, item: SceneObject) -> bool:
        if item.id not in self._flat:
            self._flat[item.id] = has_flat_top(item)
        return self._flat[item.id]

    def _floor_spot(self, size: np.ndarray, rng: np.random.Generator, hung_m: float | None) -> tuple[np.ndarray, float]:
        """Return a place and a yaw: anywhere on the floor, or with its back (+y) to a wall, where it may also hang."""
        polygon = pick(rng, self.scene.rooms).polygon
        if hung_m is None and rng.random() < 0.5:
            spot = np.append(rng.uniform(polygon.min(axis=0), polygon.max(axis=0)), 0.0)
            yaw = np.pi / 2 * int(rng.integers(4))
        else:
            gap = WALL_GAP_M if hung_m is None else HANGING_GAP_M
            i = int(rng.integers(len(polygon)))
            start, along = polygon[i], np.roll(polygon, -1, axis=0)[i] - polygon[i]
            length = float(np.linalg.norm(along))
            along = along / length
            # Counter-clockwise outlines have the room to their left.
            inwards = np.array([-along[1], along[0]])
            spot = np.append(start + along * rng.uniform(0.0, length) + inwards * (size[1] / 2.0 + gap), 0.0)
            yaw = float(np.arctan2(-along[1], -along[0]))
        spot[2] = floor_below(self.scene, spot) if hung_m is None else hung_m - float(size[2]) / 2.0
        return spot, yaw
