"""Options with balanced letters.

VSI-Bench puts each answer on the letter used least so far, which needs one counter over the whole data set. Ours are
made scene by scene on any number of workers, so each scene deals its letters itself: for each question type from a
shuffled deck that holds every letter once, and from a fresh one when it is used up. In a scene the letters of a type
differ by at most one. So that incomplete last decks even out over scenes as well, numbered scenes
(procedural_000012, _000013, ...) start at successive cards of one shared deck. The result is a function of seed and
scene name alone, and a letter says nothing about the answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ocr_hf.scenes.randomness import generator

LETTERS = "ABCD"


class LetterDealer:
    """Places the answers of one scene on letters."""

    def __init__(self, seed: int, scene_name: str) -> None:
        self._seed = seed
        self._rng = generator(seed, "options", scene_name)
        # procedural_000012 -> series "procedural_#", number 12.
        self._series = re.sub(r"\d+", "#", scene_name)
        self._number = int("".join(re.findall(r"\d", scene_name)) or "0")
        self._dealt: Counter[tuple[str, int]] = Counter()

    def _place(self, question_type: str, count: int) -> int:
        """Return the next letter's number."""
        deck, card = divmod(self._dealt[question_type, count], count)
        self._dealt[question_type, count] += 1
        # A group of `count` consecutive scenes shares one shuffled deck, and each scene starts at another card of it:
        # over the group every letter comes up equally often, without any counter shared between workers.
        group, cut = divmod(self._number, count)
        what_for = (self._series, f"{group}", question_type, count, deck)
        return int(np.roll(generator(self._seed, "letters", *what_for).permutation(count), cut)[card])

    def deal(self, question_type: str, answer: str, distractors: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """Return (options with their letter prefix, the answer's letter); distractors come in random order."""
        texts = [answer, *distractors]
        if len(set(texts)) != len(texts) or not 2 <= len(texts) <= len(LETTERS):
            raise ValueError(f"options {texts} must be 2 to {len(LETTERS)} different texts")
        count = len(texts)
        place = self._place(question_type, count)
        order = [distractors[i] for i in self._rng.permutation(count - 1)]
        order.insert(place, answer)
        return tuple(f"{letter}. {text}" for letter, text in zip(LETTERS, order, strict=False)), LETTERS[place]
