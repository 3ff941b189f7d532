"""object_size_estimation: the longest dimension of an object."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ocr_hf.questions.family import QuestionContext, shuffled
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.templates import TEMPLATES, render


class ObjectSize(QuestionType):
    """Asks for the longest box edge, in whole centimetres, of a category's only instance.

    queried_objects: the object. context_objects: its landmarks, which give the scale.
    """

    question_type = "object_size_estimation"
    help = "the longest dimension of an object"
    limit = 14
    unit = "cm"
    template = TEMPLATES["object_size_estimation"]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        yield from ((label,) for label in shuffled(inventory.askable, rng))

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        return inventory.missing(arguments, unique=True)

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        return str(round(100.0 * float(inventory.only(arguments[0]).box.size.max())))

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        (label,) = arguments
        item = inventory.only(label)
        answer, words = self.solve(inventory, arguments), context.wording
        long, middle, short = (round(100.0 * float(edge)) for edge in sorted(item.box.size, reverse=True))
        sentences = [
            words.pick(
                f"The smallest box around the {label} has edges of about {long} cm, {middle} cm and {short} cm.",
                f"Comparing the {label} with what stands around it, it measures about {long} cm by {middle} cm by "
                f"{short} cm.",
                f"The {label} fills a space of roughly {long} x {middle} x {short} cm.",
            ),
            words.pick(
                f"The longest of these is {answer} cm.",
                f"Its longest dimension is therefore {answer} cm.",
                f"The largest of the three numbers, {answer}, is asked for.",
            ),
        ]
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, arguments),
            options=None,
            ground_truth=answer,
            reasoning=words.reasoning(sentences, answer),
            queried_objects=(item.id,),
            context_objects=inventory.landmarks([item.id]),
        )
