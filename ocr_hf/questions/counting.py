"""object_counting: how many of a category there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from ocr_hf.questions.family import QuestionContext, shuffled
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.templates import TEMPLATES, render
from ocr_hf.questions.wording import a, join, metres

MIN_COUNT = 2
"""VSI-Bench asks only where there are at least two."""


class Counting(QuestionType):
    """Counts the instances that the clip shows (all, without a visibility rule).

    queried_objects: the instances. context_objects: for each the nearest object of another category, which tells two
    instances seen in different views apart.
    """

    question_type = "object_counting"
    help = "how many objects of a category there are"
    limit = 11
    unit = ""
    template = TEMPLATES["object_counting"]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        yield from ((label,) for label in shuffled(inventory.askable, rng))

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        reason = inventory.missing(arguments, unique=False)
        if reason is None and len(inventory.categories[arguments[0]]) < MIN_COUNT:
            reason = "fewer than two instances"
        return reason

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        return str(len(inventory.categories[arguments[0]]))

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        (label,) = arguments
        items = inventory.categories[label]
        answer, words = self.solve(inventory, arguments), context.wording
        ids = tuple(item.id for item in items)
        sentences = [
            words.pick(
                f"I go through the video and note every {label} by what stands next to it.",
                f"To count each {label} once, I tell them apart by their surroundings.",
                f"I look for every {label} and check that none is the same one seen again from another side.",
            )
        ]
        landmarks = [near for near in map(inventory.nearest_other, items) if near is not None]
        groups: dict[str, list[float]] = defaultdict(list)
        for near in landmarks:
            groups[inventory.scene.object(near.ids[1]).label].append(near.distance_m)
        if groups:
            places = [f"{len(gaps)} next to {a(other)} ({_range(gaps)} away)" for other, gaps in groups.items()]
            sentences.append(words.pick("There are ", "I find ", "I see ") + join(places) + ".")
        # A sum of one number would only repeat the answer.
        if len(groups) > 1:
            sentences.append(" + ".join(str(len(gaps)) for gaps in groups.values()) + f" = {answer}.")
        else:
            sentences.append(words.pick(f"That makes {answer}.", f"In total I count {answer}."))
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, arguments),
            options=None,
            ground_truth=answer,
            reasoning=words.reasoning(sentences, answer),
            queried_objects=ids,
            context_objects=tuple(sorted({near.ids[1] for near in landmarks})),
        )


def _range(gaps: list[float]) -> str:
    low, high = metres(min(gaps)), metres(max(gaps))
    return low if low == high else f"{low} to {high}"
