"""Edits that may change the answers of a task: the search tries them one after the other.

All are plausible and leave the camera its way; whether an answer changes is for the search to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ocr_hf.questions.inventory import Inventory
from ocr_hf.scenes.edits.carriers import base_center, floor_below, low_high
from ocr_hf.scenes.edits.edited_scene import EditedScene, edited_scene
from ocr_hf.scenes.edits.replacements import make_model
from ocr_hf.scenes.edits.sample_edit import STANDING, add_edit
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.randomness import pick
from ocr_hf.scenes.scene import Scene, SceneObject
from ocr_hf.twins.in_view import in_view
from ocr_hf.twins.shot import Shot
from ocr_hf.video.read import uniform_indices

SHRINK, STRETCH = (0.36, 0.47), (2.1, 2.6)
"""Factors of the longest edge that leave neither answer within half of the other."""
MOST_ADDED = 5
ADD_TRIES = 60
"""Places tried for each thing that is added."""
PLACES = 40
"""Places on the floor and on tops that are looked at for what is moved or added."""
SWAPS, MOVES = 8, 8
"""Partners and places tried for each thing that may change places."""
MOST_PLACED = 3
"""Plausible changes of place of one thing that are kept."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """Edits, one after the other, and the scene after them."""

    edits: tuple[SceneEdit, ...]
    scene: Scene


class Proposer:
    """Proposes edits of one clip's scene.

    shot : the clip before all edits; poses : (T, 4, 4) camera_to_world; seen_poses : those of the sampled frames
    """

    def __init__(self, shot: Shot, poses: np.ndarray) -> None:
        self.shot, self.poses = shot, poses
        rule = shot.inventory.config.visibility
        self.least_frames = 1 if rule is None else rule.min_frames
        frames = np.arange(len(poses)) if rule is None else np.unique(uniform_indices(len(poses), rule.num_frames))
        self.seen_poses = poses[frames]
        self.scene: EditedScene = edited_scene(shot.scene)

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
            if label in STANDING and count + 1 <= MOST_ADDED:
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
        seed = int(rng.integers(2**31))
        size = make_model(label, seed).size
        tops = [other for other in map(self._carrier, items) if other is not None]
        scene, edits = self.scene, []
        places = self._spots(size, tops if tops else None, ADD_TRIES * 2, rng)
        for place in islice(places, ADD_TRIES * 2):
            edit = add_edit(scene, label, seed, place, float(rng.uniform(0.0, 360.0)))
            try:
                scene = edited_scene(edit.apply(scene, camera_path=self.poses))
            except ValueError:
                continue
            edits.append(edit)
            if len(edits) == number:
                return Proposal(tuple(edits), scene)
        return None

    def _sizes(self, rng: np.random.Generator) -> Iterator[Proposal]:
        unique = self.inventory.unique
        for i in rng.permutation(len(unique)):
            item = self.inventory.only(unique[i])
            longest = np.arange(3) == int(item.box.size.round(6).argmax())
            shrink, stretch = (round(float(rng.uniform(*limits)), 3) for limits in (SHRINK, STRETCH))
            ways = [np.full(3, shrink), np.full(3, stretch), np.where(longest, stretch, 1.0)]
            for j in rng.permutation(len(ways)):
                found = self._apply([SceneEdit("scale", (item.id,), {"factors": tuple(ways[j].tolist())})])
                if found is not None:
                    yield found
                    break

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
        partners = [other for other in self.inventory.objects if other.id != item.id]
        swaps = [SceneEdit("swap", (item.id, partners[i].id)) for i in rng.permutation(len(partners))[:SWAPS]]
        tops = (
            None if self._carrier(item) is None else [other for other in self.inventory.objects if other.id != item.id]
        )
        moves = []
        for place in islice(self._spots(item.box.size, tops, PLACES, rng), MOVES):
            offset = place - base_center(item.box)
            # Not the height: rounded, it could sink by a hair into what it is to stand on.
            offset[:2] = offset[:2].round(3)
            moves.append(SceneEdit("move", (item.id,), {"offset": tuple(offset.tolist())}))
        edits = swaps + moves
        kept = 0
        for i in rng.permutation(len(edits)):
            found = self._apply([edits[i]])
            if found is not None:
                yield found
                kept += 1
                if kept == MOST_PLACED:
                    return

    def _spots(
        self, size: np.ndarray, tops: list[SceneObject] | None, number: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield places (3,) for the base of a thing of this size that the camera sees, on tops or on the floor."""
        spots = []
        for _ in range(number):
            if tops is not None:
                below = pick(rng, tops).box
                local = rng.uniform(-0.5, 0.5, 2) * np.maximum(below.size[:2] - size[:2].min(), 0.0)
                spot = np.append(below.center[:2] + below.rotation[:2, :2] @ local, 0.0)
                # Not rounded down: it would sink into what carries it.
                spot[2] = np.ceil(low_high(below)[1] * 1e4) / 1e4
            elif self.scene.rooms:
                polygon = pick(rng, self.scene.rooms).polygon
                spot = np.append(rng.uniform(polygon.min(axis=0), polygon.max(axis=0)), 0.0)
                spot[2] = floor_below(self.scene, spot)
            else:
                continue
            spots.append(spot)
        if not spots:
            return
        middles = np.array(spots) + [0.0, 0.0, float(size[2]) / 2.0]
        seen = in_view(middles, self.seen_poses, [other.box for other in self.scene.objects])
        yield from (spot for spot, frames in zip(spots, seen.sum(axis=1), strict=True) if frames >= self.least_frames)

    def _carrier(self, item: SceneObject) -> SceneObject | None:
        carrier = self.scene.carriers.get(item.id)
        return None if carrier is None else self.scene.object(carrier)

    def _apply(self, edits: list[SceneEdit]) -> Proposal | None:
        scene = self.scene
        try:
            for edit in edits:
                scene = edited_scene(edit.apply(scene, camera_path=self.poses))
        except ValueError:
            return None
        return Proposal(tuple(edits), scene)
