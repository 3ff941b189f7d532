"""What every kind of question provides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol, TypeVar

import numpy as np

from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.options import LetterDealer
from ocr_hf.questions.question import Question
from ocr_hf.questions.wording import Wording

T = TypeVar("T")

EPSILON = 1e-6
"""Added to every margin, so that a value which is exactly at it (furniture on a grid) is judged alike in every
orientation of the scene, whatever the last bit says. Metres or degrees."""


@dataclass(frozen=True)
class Desk:
    """What writing a question needs beside the scene: its letter dealer, and lots for words and distractors."""

    dealer: LetterDealer
    wording: Wording
    rng: np.random.Generator


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


def shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    """Return the items in random order."""
    return [items[i] for i in rng.permutation(len(items))]


MAX_LISTED = 5000
"""Up to this many subsets are listed and shuffled; of more, single ones are sampled."""


def random_subsets(items: Sequence[T], size: int, rng: np.random.Generator) -> Iterator[tuple[T, ...]]:
    """Yield different subsets of the items, each in the items' order, in random order; at most MAX_LISTED of them."""
    if math.comb(len(items), size) <= MAX_LISTED:
        yield from shuffled(list(combinations(items, size)), rng)
        return
    seen: set[tuple[int, ...]] = set()
    while len(seen) < MAX_LISTED:
        chosen = tuple(sorted(int(i) for i in rng.choice(len(items), size, replace=False)))
        if chosen not in seen:
            seen.add(chosen)
            yield tuple(items[i] for i in chosen)
