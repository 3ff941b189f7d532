"""What questions may name in a scene, and the distances between these objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from scipy.spatial import cKDTree

from ocr_hf.geometry.box_distance import closest_points
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.clip_visibility import Shown, first_appearance_s, shown
from ocr_hf.questions.official_distance import nearest, sample_box
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.scenes.class_words import is_name
from ocr_hf.scenes.scene import Scene, SceneObject

ROOM_TOLERANCE_M = 0.5
"""An object whose centre is farther than this outside every room is misplaced. Doors, windows and wall pictures have
their centres in or on a wall, outside the floor outline by up to its thickness (ours)."""
LANDMARK_RADIUS_M = 2.0
"""An object nearer than this to a named one is a landmark for it (ours)."""
NAMELESS = frozenset(
    ("object", "objects", "thing", "stuff", "item", "clutter", "structure", "wall", "floor", "ceiling", "none")
    + ("unknown", "unlabeled", "unlabelled", "unannotated", "misc", "miscellaneous", "other", "others", "remove")
    + ("otherfurniture", "otherprop", "otherstructure", "other furniture", "other prop", "other structure")
)
"""Catch-all labels of data sets, which don't identify an object; a question can't name them."""


@dataclass(frozen=True)
class Gap:
    """The closest points of two objects (or of the nearest instances of two categories)."""

    distance_m: float
    ids: tuple[int, int]
    points: tuple[np.ndarray, np.ndarray]


class Inventory:
    """The categories of a scene, as a clip shows it.

    scene, footprints, fps, config : as given to `generate_questions`
    categories : label -> its instances in the clip, sorted by label
    rejected : label -> why no question may name it
    partly : labels of which some instances are shown clearly and others barely: how many there are is uncertain, so
        that questions may name them only where the answer is the same without the barely shown ones
    objects : the instances of the other categories
    cache : what a question type worked out once for all its questions, by a name of its own
    """

    def __init__(
        self,
        scene: Scene,
        footprints: Footprints | None,
        fps: float | None,
        config: QuestionConfig,
        skipped: Counter[str],
    ) -> None:
        self.scene, self.footprints, self.fps, self.config = scene, footprints, fps, config
        self.cache: dict[str, Any] = {}
        self._first_seconds: dict[str, float | None] = {}
        self._trees: dict[int, cKDTree] = {}
        self._gaps: dict[tuple[str, str], Gap] = {}
        self.shown = self._shown()
        self.categories: dict[str, tuple[SceneObject, ...]] = {}
        self.rejected: dict[str, str] = {}
        partly = set()
        for label in sorted({item.label for item in scene.objects}):
            # What the clip doesn't show at all doesn't exist for its questions: two of three chairs in view are "two
            # chairs".
            present = [item for item in scene.objects if item.label == label and self.shown[item.id] != Shown.NOT]
            self.categories[label] = tuple(sorted(present, key=lambda item: item.id))
            clear = [item for item in present if self._clear(item.id)]
            if clear and len(clear) < len(present):
                partly.add(label)
            reason = self._reject(label, present)
            if reason is not None:
                self.rejected[label] = reason
                skipped[f"category: {reason}"] += 1
        self.partly = frozenset(partly)
        self.objects = tuple(item for label in self.askable for item in self.categories[label])

    def _shown(self) -> dict[int, Shown]:
        rule = self.config.visibility
        if rule is None or self.footprints is None:
            return {item.id: Shown.CLEARLY for item in self.scene.objects}
        if self.footprints.amodal:
            raise ValueError(
                f"scene '{self.scene.name}': the footprints are projected boxes, which don't say what is hidden; "
                "give footprints from depth or an instance map, or visibility=None"
            )
        return {item.id: shown(self._object_share(item.id), rule) for item in self.scene.objects}

    def _object_share(self, object_id: int) -> np.ndarray:
        """Return the share of the pixels that an object has in each frame, (T,)."""
        return self.footprints.areas(object_id) / (self.footprints.height * self.footprints.width)

    def share(self, label: str) -> np.ndarray:
        """Return the share of the pixels that a category's largest instance has in each frame, (T,)."""
        return np.max([self._object_share(item.id) for item in self.categories[label]], axis=0)

    def first_seconds(self, label: str) -> float | None:
        """Return when a category has first appeared in the clip; None if never, or not clearly."""
        if label not in self._first_seconds:
            self._first_seconds[label] = first_appearance_s(self.share(label), self.fps)
        return self._first_seconds[label]

    def _reject(self, label: str, present: list[SceneObject]) -> str | None:
        """Return why no question can name this category, or None."""
        if not is_name(label) or label in NAMELESS:
            return "unknown or unusable name"
        if not present:
            return "not shown in the clip"
        if all(self.shown[item.id] == Shown.BARELY for item in present):
            return "barely shown in the clip"
        if any(item.box.is_degenerate for item in present):
            return "zero-size box"
        if self.scene.rooms and not all(self._inside(item) for item in present):
            return "outside every room"
        return None

    def _inside(self, item: SceneObject) -> bool:
        return bool(shapely.dwithin(self._floor, shapely.Point(item.box.center[:2]), ROOM_TOLERANCE_M))

    @cached_property
    def _floor(self) -> shapely.Geometry:
        return shapely.union_all([shapely.Polygon(room.polygon) for room in self.scene.rooms])

    @cached_property
    def askable(self) -> tuple[str, ...]:
        """Labels that a question may name, sorted; those in `partly` only if it doesn't rest on how many there are."""
        return tuple(label for label in self.categories if label not in self.rejected)

    @cached_property
    def unique(self) -> tuple[str, ...]:
        """Those of them with exactly one instance."""
        return tuple(label for label in self.askable if len(self.categories[label]) == 1)

    def only(self, label: str) -> SceneObject:
        """Return the instance of a category that has one."""
        (item,) = self.categories[label]
        return item

    def missing(self, labels: Iterable[str], unique: bool, certain: bool = True) -> str | None:
        """Return why these categories can't be named, or None if they can.

        unique : each must have one instance
        certain : all their instances must be shown clearly, because the answer rests on each of them
        """
        labels = list(labels)
        if len(set(labels)) != len(labels):
            return "a category is named twice"
        if any(label not in self.categories for label in labels):
            return "category is not in the scene"
        if any(label in self.rejected for label in labels):
            return f"category {next(self.rejected[label] for label in labels if label in self.rejected)}"
        if certain and any(label in self.partly for label in labels):
            return "an instance is barely shown in the clip"
        if unique and any(len(self.categories[label]) != 1 for label in labels):
            return "category is not unique"
        return None

    @cached_property
    def _exact(self) -> tuple[dict[int, int], np.ndarray, np.ndarray, np.ndarray]:
        """Row of each object id, distances (N, N) and closest points (N, N, 3): [i, j] on i towards j, and on j."""
        boxes = [item.box for item in self.objects]
        count = len(boxes)
        # All pairs at once: vectorised, sixty objects take milliseconds, and most question types need most pairs.
        i, j = np.triu_indices(count, k=1)
        points_i, points_j, distance = closest_points([boxes[k] for k in i], [boxes[k] for k in j])
        matrix, own, other = np.zeros((count, count)), np.zeros((count, count, 3)), np.zeros((count, count, 3))
        matrix[i, j] = matrix[j, i] = distance
        own[i, j] = other[j, i] = points_i
        other[i, j] = own[j, i] = points_j
        return {item.id: row for row, item in enumerate(self.objects)}, matrix, own, other

    def _tree(self, item: SceneObject) -> cKDTree:
        if item.id not in self._trees:
            self._trees[item.id] = cKDTree(sample_box(item.box))
        return self._trees[item.id]

    def gap(self, first: str, second: str) -> Gap:
        """Return the closest points of the nearest instances of two categories, under the config's rules."""
        if (first, second) not in self._gaps:
            pairs = [(a, b) for a in self.categories[first] for b in self.categories[second]]
            measure = self._official_gap if self.config.rules == "official" else self._exact_gap
            gap = min((measure(a, b) for a, b in pairs), key=lambda gap: gap.distance_m)
            self._gaps[first, second] = gap
            self._gaps[second, first] = Gap(gap.distance_m, gap.ids[::-1], gap.points[::-1])
        return self._gaps[first, second]

    def nearest_is_shown(self, first: str, second: str) -> bool:
        """Return True if both ends of the gap between two categories are shown clearly.

        Then it is the same gap with and without instances that are barely shown, since those are farther away.
        """
        return all(map(self._clear, self.gap(first, second).ids))

    def _clear(self, object_id: int) -> bool:
        return self.shown[object_id] == Shown.CLEARLY

    def _exact_gap(self, a: SceneObject, b: SceneObject) -> Gap:
        row, matrix, own, other = self._exact
        i, j = row[a.id], row[b.id]
        return Gap(float(matrix[i, j]), (a.id, b.id), (own[i, j], other[i, j]))

    def _official_gap(self, a: SceneObject, b: SceneObject) -> Gap:
        point_a, point_b, distance = nearest(self._tree(a), self._tree(b))
        return Gap(distance, (a.id, b.id), (point_a, point_b))

    def nearest_other(self, item: SceneObject) -> Gap | None:
        """Return the gap to the nearest object of another category that is shown clearly, None if there is none."""
        row, matrix, _, _ = self._exact
        other = np.array([each.label != item.label and self._clear(each.id) for each in self.objects])
        if not other.any():
            return None
        nearest = int(np.where(other, matrix[row[item.id]], np.inf).argmin())
        return self._exact_gap(item, self.objects[nearest])

    def landmarks(self, ids: Iterable[int], per_object: int = 2) -> tuple[int, ...]:
        """Return other objects near these: what links views that don't show the named objects together.

        For each id at most `per_object` of the nearest within LANDMARK_RADIUS_M, in order of id.
        """
        row, matrix, _, _ = self._exact
        named = set(ids)
        chosen: set[int] = set()
        for object_id in named & row.keys():
            others = filter(self._clear, row.keys() - named)
            near = sorted((float(matrix[row[object_id], row[other]]), other) for other in others)
            chosen |= {other for distance, other in near[:per_object] if distance <= LANDMARK_RADIUS_M}
        return tuple(sorted(chosen))
