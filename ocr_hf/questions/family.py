"""What the question types share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from ocr_hf.questions.options import LetterDealer
from ocr_hf.questions.wording import Wording

T = TypeVar("T")

EPSILON = 1e-6
"""Added to every margin, so that a value which is exactly at it (furniture on a grid) is judged alike in every
orientation of the scene, whatever the last bit says. Metres or degrees."""


@dataclass(frozen=True)
class QuestionContext:
    """What writing a question needs beside the scene: letters for the options, wording, and randomness for the rest."""

    dealer: LetterDealer
    wording: Wording
    rng: np.random.Generator


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
        # Sorted, so that a subset is the same in whatever order it was sampled.
        chosen = tuple(sorted(int(i) for i in rng.choice(len(items), size, replace=False)))
        if chosen not in seen:
            seen.add(chosen)
            yield tuple(items[i] for i in chosen)
