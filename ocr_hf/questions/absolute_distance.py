"""object_abs_distance: how far apart two objects are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ocr_hf.questions.family import QuestionContext, random_subsets, shuffled
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.templates import TEMPLATES, render
from ocr_hf.questions.wording import metres, one_decimal

MIN_DISTANCE_M = 0.4
"""Smallest distance, rounded to the answer's decimal, that VSI-Bench asks for."""


class AbsoluteDistance(QuestionType):
    """Asks for the distance between the closest points of two unique objects, in metres with one decimal.

    queried_objects: the two. context_objects: their landmarks, which link views that show only one of them.
    """

    question_type = "object_abs_distance"
    help = "the distance between two objects"
    limit = 7
    unit = "m"
    template = TEMPLATES["object_abs_distance"]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        for pair in random_subsets(inventory.unique, 2, rng):
            # Subsets come sorted: unshuffled, the first-named object would always come first in the alphabet.
            yield tuple(shuffled(pair, rng))

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        reason = inventory.missing(arguments, unique=True)
        if reason is None and float(self.solve(inventory, arguments)) < MIN_DISTANCE_M:
            reason = "objects are too close together"
        return reason

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        return one_decimal(inventory.gap(*arguments).distance_m)

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        first, second = arguments
        gap = inventory.gap(first, second)
        answer, words = self.solve(inventory, arguments), context.wording
        offset = gap.points[1] - gap.points[0]
        level, rise = metres(float(np.hypot(offset[0], offset[1]))), metres(abs(float(offset[2])))
        sentences = [
            words.pick(
                f"I take the point of the {first} nearest to the {second}, and the other way round.",
                f"The distance is that between the closest points of the {first} and the {second}.",
                f"What counts is the gap between the {first} and the {second}, not the distance of their middles.",
            ),
            words.pick(
                f"These points are {level} apart along the floor and {rise} in height.",
                f"Seen from above the gap is {level}, and the two points differ by {rise} in height.",
            ),
            words.pick(
                f"Together that is sqrt({level[:-2]}^2 + {rise[:-2]}^2) = {metres(gap.distance_m)}, about {answer} m.",
                f"The straight line between them is {metres(gap.distance_m)} long, so about {answer} m.",
            ),
        ]
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, arguments),
            options=None,
            ground_truth=answer,
            reasoning=words.reasoning(sentences, answer),
            queried_objects=gap.ids,
            context_objects=inventory.landmarks(gap.ids),
        )
