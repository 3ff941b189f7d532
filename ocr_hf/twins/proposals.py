"""Edits that may change the answers of a task: the search tries them one after the other.

All are plausible and leave the camera its way; whether an answer changes is for the search to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import shapely

from ocr_hf.questions.inventory import Inventory
from ocr_hf.scenes.edits.carriers import base_center, is_hanging
from ocr_hf.scenes.edits.edited_scene import EditedScene, edited_scene
from ocr_hf.scenes.edits.extended_plan import free_strips
from ocr_hf.scenes.edits.replacements import MAKERS, make_model
from ocr_hf.scenes.edits.sample_edit import STANDING, add_edit
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.randomness import pick
from ocr_hf.scenes.scene import Scene, SceneObject
from ocr_hf.twins.free_spots import FreeSpots
from ocr_hf.twins.shot import Shot
from ocr_hf.video.read import uniform_indices

SHRINK, STRETCH = (0.36, 0.47), (2.1, 2.6)
"""Factors of the longest edge that leave neither answer within half of the other."""
LARGER_AREA = (2.06, 2.3)
"""Factors of the floor's area, of which neither leaves one answer within half of the other."""
ROOM_TRIES = 16
PLANES = 3
CONTROL = "control"
"""Stands for no task: edits that are to leave an answer as it is."""
STILL_SEEN = 1.3
"""Reserve in the share of the frame of what is made smaller: its outline is no square."""
MOST_LONGER_M = 6.0
MOST_ADDED = 5
ON_WALLS = ("clock", "mirror", "picture", "towel")
"""What can be hung up anew."""
SWAPS, EXCHANGES, MOVES = 10, 5, 10
"""Partners and places tried for each thing that may change places."""
MODELS = 3
"""Models tried for each exchange of categories."""
MOST_PLACED = 3
"""Plausible changes of place of one thing that are kept."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """Edits, one after the other, and the scene after them."""

    edits: tuple[SceneEdit, ...]
    scene: Scene


class Proposer:
    """Proposes edits of one clip's scene.

    shot : the clip before all edits; poses : (T, 4, 4) camera_to_world
    frames : indices of the frames that a model samples; seen_poses : the poses of these
    least_share, least_frames : what part of how many of them must show a thing
    """

    def __init__(self, shot: Shot, poses: np.ndarray) -> None:
        self.shot, self.poses = shot, poses
        rule = shot.inventory.config.visibility
        self.least_frames = 1 if rule is None else rule.min_frames
        self.least_share = 0.0 if rule is None else rule.min_pixels
        self.frames = np.arange(len(poses)) if rule is None else np.unique(uniform_indices(len(poses), rule.num_frames))
        self.seen_poses = poses[self.frames]
        self.scene: EditedScene = edited_scene(shot.scene)
        self.spots = FreeSpots(self.scene, self.seen_poses, self.least_frames)

    @property
    def inventory(self) -> Inventory:
        """What the clip shows before all edits."""
        return self.shot.inventory

    def for_task(self, task: str, rng: np.random.Generator) -> Iterator[Proposal]:
        """Yield proposals for a task, in random order."""
        if task == "object_counting":
            return self._counts(rng)
        if task == "object_size_estimation":
            return self._sizes(rng)
        if task == "room_size_estimation":
            return self._rooms(rng)
        if task == CONTROL:
            return self._controls(rng)
        return self._places(rng)

    def _counts(self, rng: np.random.Generator) -> Iterator[Proposal]:
        counted = [
            (label, self.inventory.categories[label])
            for label in self.inventory.askable
            if len(self.inventory.categories[label]) >= 2 and label not in self.inventory.partly
        ]
        for i in rng.permutation(len(counted)):
            label, items = counted[i]
            count = len(items)
            # Fewer than half as many, and still the two that are the least to be asked about
            left = (count - 1) // 2
            ways = [("remove", count - left)] if left >= 2 else []
            if (label in STANDING or label in ON_WALLS) and count + 1 <= MOST_ADDED:
                ways.append(("add", count + 1))
            for j in rng.permutation(len(ways)):
                way, number = ways[j]
                found = self._removed(items, number, rng) if way == "remove" else self._added(label, items, number, rng)
                if found is not None:
                    yield found

    def _removed(self, items: tuple[SceneObject, ...], number: int, rng: np.random.Generator) -> Proposal | None:
        chosen = [items[i] for i in rng.permutation(len(items))[:number]]
        return self._apply([SceneEdit("remove", (item.id,)) for item in sorted(chosen, key=lambda item: item.id)])

    def _added(
        self, label: str, items: tuple[SceneObject, ...], number: int, rng: np.random.Generator
    ) -> Proposal | None:
        """Return a proposal with more of a category: added where there is room, else in the place of something else."""
        seed = int(rng.integers(2**31))
        model = make_model(label, seed)
        size = np.round(model.size + 1e-3, 3)
        tops = [other for other in map(self._carrier, items) if other is not None]
        hung_m = float(items[0].box.center[2]) if label in ON_WALLS else None
        found = Proposal((), self.scene)
        for place, yaw in self.spots.find(size, tops, rng, hung_m=hung_m):
            found = self._also(found, add_edit(found.scene, label, seed, place, float(np.degrees(yaw)))) or found
            if len(found.edits) == number:
                return found
        others = [item for item in self.inventory.objects if item.label != label]
        others = [item for item in others if label in STANDING and (self._carrier(item) is None) == (not tops)]
        for i in rng.permutation(len(others)):
            edit = SceneEdit("replace", (others[i].id,), {"label": label, "seed": seed})
            found = self._also(found, edit) or found
            if len(found.edits) == number:
                return found
        return None

    def _sizes(self, rng: np.random.Generator) -> Iterator[Proposal]:
        unique = self.inventory.unique
        for i in rng.permutation(len(unique)):
            item = self.inventory.only(unique[i])
            longest = np.arange(3) == int(item.box.size.round(6).argmax())
            shrink, stretch = (round(float(rng.uniform(*limits)), 3) for limits in (SHRINK, STRETCH))
            ways = [np.full(3, stretch), np.where(longest, stretch, 1.0)]
            # Of what gets smaller the camera has to show enough all the same.
            share = np.sort(self.inventory.share(unique[i])[self.frames])[-self.least_frames]
            if share * shrink**2 >= STILL_SEEN * self.least_share:
                ways.append(np.full(3, shrink))
            for j in rng.permutation(len(ways)):
                found = self._apply([SceneEdit("scale", (item.id,), {"factors": tuple(ways[j].tolist())})])
                if found is not None:
                    yield found
                    break

    def _rooms(self, rng: np.random.Generator) -> Iterator[Proposal]:
        """Yield longer homes, in both directions where that works: rooms stay less like corridors."""
        # Not all tries one way, then the other: half of them of each give both a chance early.
        for number in range(ROOM_TRIES):
            parts = 2 if number % 2 == 0 else 1
            wanted = float(rng.uniform(*LARGER_AREA)) ** (1.0 / parts)
            found: Proposal | None = Proposal((), self.scene)
            turn = float(np.degrees(self._wall_yaw(rng)))
            for part in range(parts):
                found = None if found is None else self._longer(found, turn + 90.0 * part, wanted, rng)
            if found is not None:
                yield found

    def _wall_yaw(self, rng: np.random.Generator) -> float:
        if not self.scene.rooms:
            return 0.0
        polygon = pick(rng, self.scene.rooms).polygon
        edge = pick(rng, np.roll(polygon, -1, axis=0) - polygon)
        return float(np.arctan2(edge[1], edge[0]))

    def _longer(self, before: Proposal, degrees: float, factor: float, rng: np.random.Generator) -> Proposal | None:
        """Return a proposal with one extension more, by which the floor becomes `factor` times as large."""
        # Of some planes, each with either side moving, that which takes the fewest things away from the camera
        planes = []
        for side in (degrees, degrees + 180.0):
            strips = free_strips(before.scene, side, empty=False)
            outwards = np.array([np.cos(np.radians(side)), np.sin(np.radians(side))])
            for _ in range(PLANES if strips else 0):
                at = round(float(rng.uniform(*pick(rng, strips))), 3)
                moved = sum(float(item.box.center[:2] @ outwards) > at for item in self.inventory.objects)
                planes.append((moved, side, at))
        if not planes:
            return None
        _, degrees, at = min(planes)
        outwards = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        across = np.array([-outwards[1], outwards[0]])
        plane = shapely.LineString([at * outwards - 1e3 * across, at * outwards + 1e3 * across])
        floors = [shapely.Polygon(room.polygon) for room in before.scene.rooms]
        width = sum(floor.intersection(plane).length for floor in floors)
        if width <= 0.0:
            return None
        by = round((factor - 1.0) * sum(floor.area for floor in floors) / width, 3)
        if by > MOST_LONGER_M:
            return None
        return self._also(before, SceneEdit("extend", (), {"degrees": degrees, "at": at, "by": by}))

    def _places(self, rng: np.random.Generator) -> Iterator[Proposal]:
        """Yield swaps and moves of things whose category has one instance, no two in a row of the same thing."""
        labels = [self.inventory.unique[i] for i in rng.permutation(len(self.inventory.unique))]
        ways = [self._new_places(self.inventory.only(label), rng) for label in labels]
        while ways:
            left = []
            for way in ways:
                found = next(way, None)
                if found is not None:
                    yield found
                    left.append(way)
            ways = left

    def _new_places(self, item: SceneObject, rng: np.random.Generator) -> Iterator[Proposal]:
        # Both on the floor, or both on something: shoes don't belong on a desk.
        others = [
            other
            for other in self.inventory.objects
            if other.id != item.id and (self._carrier(other) is None) == (self._carrier(item) is None)
        ]
        ways: list[list[SceneEdit]] = [
            [SceneEdit("swap", (item.id, others[i].id))] for i in rng.permutation(len(others))
        ]
        ways = ways[:SWAPS]
        ways += [
            self._exchanged(item, others[i], rng)
            for i in rng.permutation(len(others))[:EXCHANGES]
            for _ in range(MODELS)
        ]
        tops = [other for other in self.inventory.objects if other.id != item.id] if self._carrier(item) else []
        hung_m = float(item.box.center[2]) if is_hanging(self.scene, item, self.scene.carriers) else None
        for place, yaw in islice(self.spots.find(item.box.size, tops, rng, item.id, hung_m), MOVES):
            offset = place - base_center(item.box)
            turn = float(np.degrees(yaw - np.arctan2(item.box.rotation[1, 0], item.box.rotation[0, 0])))
            turn = round((turn + 180.0) % 360.0 - 180.0, 6)
            ways.append(
                [
                    SceneEdit(
                        "move", (item.id,), {"offset": tuple(offset.tolist())} | ({"degrees": turn} if turn else {})
                    )
                ]
            )
        kept = 0
        for i in rng.permutation(len(ways)):
            found = self._apply(ways[i]) if ways[i] else None
            if found is not None:
                yield found
                kept += 1
                if kept == MOST_PLACED:
                    return

    def _exchanged(self, one: SceneObject, other: SceneObject, rng: np.random.Generator) -> list[SceneEdit]:
        """Return the edits by which two things take each other's category: in crowded rooms nothing else fits."""
        if one.label == other.label or not {one.label, other.label} <= MAKERS.keys():
            return []
        seed = int(rng.integers(2**31))
        return [
            SceneEdit("replace", (item.id,), {"label": label, "seed": seed})
            for item, label in ((one, other.label), (other, one.label))
        ]

    def _controls(self, rng: np.random.Generator) -> Iterator[Proposal]:
        """Yield changes of single things that are seen, whatever their category."""
        items = self.inventory.objects
        for i in rng.permutation(len(items)):
            factor = round(float(rng.uniform(*SHRINK)), 3)
            for edit in (
                SceneEdit("remove", (items[i].id,)),
                SceneEdit("scale", (items[i].id,), {"factors": factor}),
            ):
                found = self._apply([edit])
                if found is not None:
                    yield found

    def _carrier(self, item: SceneObject) -> SceneObject | None:
        carrier = self.scene.carriers.get(item.id)
        return None if carrier is None else self.scene.object(carrier)

    def _apply(self, edits: list[SceneEdit]) -> Proposal | None:
        found: Proposal | None = Proposal((), self.scene)
        for edit in edits:
            found = None if found is None else self._also(found, edit)
        return found

    def _also(self, before: Proposal, edit: SceneEdit) -> Proposal | None:
        """Return a proposal with one edit more, None where that isn't plausible."""
        try:
            scene = edit.apply(before.scene, camera_path=self.poses)
        except ValueError:
            return None
        return Proposal((*before.edits, edit), edited_scene(scene))
