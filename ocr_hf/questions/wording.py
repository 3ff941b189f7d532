"""Chains of thought: one form, varied wording, true numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Wording:
    """Chooses between phrasings at random and wraps the result."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def pick(self, *variants: str) -> str:
        """Return one of the phrasings."""
        return variants[int(self._rng.integers(len(variants)))]

    def reasoning(self, sentences: Sequence[str], answer: str) -> str:
        """Return "<think>...</think><answer>...</answer>", the form that the GRPO stage's format reward asks for."""
        return f"<think>{' '.join(sentences)}</think><answer>{answer}</answer>"


def join(texts: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def metres(value: float) -> str:
    """Return a length with centimetres, "1.25 m"."""
    # + 0.0 turns -0.0, which would be printed as -0.00, into 0.0.
    return f"{value + 0.0:.2f} m"


def one_decimal(value: float) -> str:
    """Return a number as VSI-Bench's answers have it, "1.3".

    A hair is added, so that exactly 1.25 (furniture on a grid) gives the same in every orientation of the scene.
    """
    return f"{value + 1e-6:.1f}"


def a(noun: str) -> str:
    """Return the noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
