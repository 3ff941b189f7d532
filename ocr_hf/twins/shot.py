"""A scene as a clip shows it: what can be asked there, what the answers are, and how two of them compare."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.scenes.edits.changed_objects import changed_objects
from ocr_hf.scenes.scene import Scene
from ocr_hf.vsi_bench.scoring import mean_relative_accuracy

Asked = tuple[str, tuple[str, ...]]
"""A question before it is worded: its type and what it is about."""
CHANGES, KEEPS = "changes", "keeps"


class Shot:
    """A scene, its footprints in a clip, and the answers there.

    scene, footprints, inventory : of the one clip
    """

    def __init__(self, scene: Scene, footprints: Footprints, fps: float, config: QuestionConfig) -> None:
        self.scene, self.footprints = scene, footprints
        self.inventory = Inventory(scene, footprints, fps, config, Counter())
        self._answers: dict[Asked, str | None] = {}

    def answer(self, asked: Asked) -> str | None:
        """Return the answer's text, None where the question must not be asked of this clip."""
        if asked not in self._answers:
            entry = QUESTION_TYPES[asked[0]]
            able = entry.check(self.inventory, asked[1]) is None
            self._answers[asked] = entry.solve(self.inventory, asked[1]) if able else None
        return self._answers[asked]

    def with_edits(self, scene: Scene) -> Shot:
        """Return the guess of what the same camera shows of an edited scene: good enough to choose what to film.

        What changed is taken to be seen as what stood nearest to its new place: of two that are swapped, each is seen
        as the other was.
        """
        old = [item for item in self.scene.objects if item.id in self.footprints.codes]
        codes = {item.id: self.footprints.codes[item.id] for item in old}
        centers = np.array([item.box.center for item in old]).reshape(-1, 3)
        present = {item.id: item for item in scene.objects}
        for object_id in changed_objects(self.scene, scene):
            codes.pop(object_id, None)
            if object_id in present and old:
                near = np.linalg.norm(centers - present[object_id].box.center, axis=1).round(6).argmin()
                codes[object_id] = self.footprints.codes[old[int(near)].id]
        known = self.footprints
        guess = Footprints(known.height, known.width, known.num_frames, known.amodal, codes)
        return Shot(scene, guess, self.inventory.fps, self.inventory.config)


def relation(asked: Asked, first: Shot, second: Shot) -> str | None:
    """Return whether a question's answer `changes` from one clip to another or it `keeps` it; None for neither.

    Numbers change if either scores nothing as the other's answer; letters if they differ. Both clips must allow the
    question with full margins.
    """
    one, other = first.answer(asked), second.answer(asked)
    if one is None or other is None:
        return None
    if one == other:
        return KEEPS
    if QUESTION_TYPES[asked[0]].unit is None:
        return CHANGES
    numbers = float(one), float(other)
    if min(numbers) <= 0.0:
        return None
    apart = mean_relative_accuracy(*numbers) == mean_relative_accuracy(*numbers[::-1]) == 0.0
    return CHANGES if apart else None
