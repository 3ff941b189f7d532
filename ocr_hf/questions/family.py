"""What every kind of question provides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.options import LetterDealer
from ocr_hf.questions.question import Question
from ocr_hf.questions.wording import Wording

EPSILON = 1e-6
"""Added to every margin, so that a value which is exactly at it (furniture on a grid) is judged alike in every
orientation of the scene, whatever the last bit says. Metres or degrees."""


@dataclass(frozen=True)
class Desk:
    """What writing one question needs beside the scene: the scene's letter dealer and a choice of words."""

    dealer: LetterDealer
    wording: Wording


class Family(Protocol):
    """One VSI-Bench question type. `arguments` are its categories, in the order of templates.TEMPLATES."""

    question_type: str

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        """Yield arguments worth checking, in random order that depends on names only, not on coordinates."""
        ...

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        """Return why this question must not be asked (ambiguous, too close, not unique), or None if it may."""
        ...

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        """Return the answer as text: a number as VSI-Bench prints it, or the right option without its letter."""
        ...

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], desk: Desk) -> Question:
        """Return the question; `arguments` must have passed `check`."""
        ...
