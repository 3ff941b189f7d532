"""Options with balanced letters.

VSI-Bench puts each answer on the letter used least so far, which needs one counter over the whole data set. Ours are
made scene by scene on any number of workers, so each scene has its own dealer: least used in this scene for this
question type, then least used for this number of options, then by lot. Within a scene the letters differ by at most
one per type; which letters get the odd ones is drawn from (seed, scene), so over scenes the odd ones even out. The
result doesn't depend on the order or number of workers, and a letter says nothing about the answer's content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

LETTERS = "ABCD"


class LetterDealer:
    """Places the answers of one scene on letters."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._by_type: Counter[tuple[str, int, int]] = Counter()
        self._by_count: Counter[tuple[int, int]] = Counter()

    def deal(self, question_type: str, answer: str, distractors: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """Return (options with their letter prefix, the answer's letter); distractors come in random order."""
        texts = [answer, *distractors]
        if len(set(texts)) != len(texts) or not 2 <= len(texts) <= len(LETTERS):
            raise ValueError(f"options {texts} must be 2 to {len(LETTERS)} different texts")
        count = len(texts)
        lots = self._rng.permutation(count)
        place = min(
            range(count),
            key=lambda i: (self._by_type[question_type, count, i], self._by_count[count, i], lots[i]),
        )
        self._by_type[question_type, count, place] += 1
        self._by_count[count, place] += 1
        order = [distractors[i] for i in self._rng.permutation(count - 1)]
        order.insert(place, answer)
        return tuple(f"{letter}. {text}" for letter, text in zip(LETTERS, order, strict=False)), LETTERS[place]
