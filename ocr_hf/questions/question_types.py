"""Question types: what can be asked about a scene. One entry of `QUESTION_TYPES` each.

A type owns its name, its limit per scene, the unit of its answers and its wording; finding what may be asked, checking
it, solving it and writing the question down are its four methods. The generator, the builder and the scorer find it by
its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from ocr_hf import registry
from ocr_hf.questions.family import QuestionContext
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.registry import Registry


class QuestionType(ABC):
    """One kind of question. Subclass it, set the attributes, write the four methods, register an instance.

    `arguments` are what a question is about, labels of categories as a rule. `check` must not depend on how the scene
    is placed and turned: it may use distances and angles between objects, never coordinates.

    Attributes:
        question_type: Its name: the column `question_type`, and what `question_types` lists.
        help: One sentence for the documentation.
        limit: Most questions of it in one scene.
        unit: Unit of a numeric answer, which is scored by relative accuracy: "" for a count, "m", "cm", "m2".
            None where the answer is the letter of an option, which is right or wrong.
        template: The question with {0}, {1}, ... for the arguments, where one text serves them all.
        levels: How many question types share one task's number of questions; 3 for the levels of relative direction.
    """

    question_type: str
    help: str
    limit: int
    unit: str | None
    template: str | None = None
    levels: int = 1

    @property
    def name(self) -> str:
        """The name under which it is registered."""
        return self.question_type

    @abstractmethod
    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        """Yield arguments worth checking, in random order that depends on names only, not on coordinates."""

    @abstractmethod
    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        """Return why this question must not be asked (ambiguous, too close, not unique), or None if it may."""

    @abstractmethod
    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        """Return the answer as text: a number as VSI-Bench prints it, or the right option without its letter."""

    def wrong_answers(self, inventory: Inventory, arguments: tuple[str, ...]) -> list[str] | None:
        """Return every text that is surely wrong as an option, or None if all but the right one are."""
        return None

    @abstractmethod
    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        """Return the question; `arguments` must have passed `check`."""


QUESTION_TYPES: Registry[QuestionType] = registry.QUESTION_TYPES
"""Every question type by its name, VSI-Bench's ten first and in its order."""
