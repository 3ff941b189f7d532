"""Colours of the contact sheet."""

from __future__ import annotations

import hashlib

PAPER, INK, MUTED, NOISY = "#ffffff", "#1d2433", "#6b7280", "#d6336c"
FLOOR, WALL, PATH = "#f4f1ec", "#8d8678", "#1d4ed8"
_LABELS = ("#0f766e", "#b45309", "#4338ca", "#15803d", "#9333ea", "#0369a1", "#a16207", "#0e7490", "#475569", "#7c2d12")


def color_of(label: str) -> str:
    """Return the colour of a category: the same in every picture."""
    return _LABELS[hashlib.blake2b(label.encode(), digest_size=1).digest()[0] % len(_LABELS)]


class Labels:
    """Places names where no earlier one is: a later label that would overlap is left out.

    character, line : width of a character and height of a line, in the units of the positions
    """

    def __init__(self, character: float, line: float) -> None:
        self._character, self._line = character, line
        self._taken: list[tuple[float, float, float]] = []

    def place(self, x: float, y: float, text: str) -> bool:
        """Return whether there is room for `text` centred at (x, y), and take it."""
        half = self._character * (len(text) + 1) / 2.0
        if any(abs(x - a) < half + b and abs(y - c) < self._line for a, b, c in self._taken):
            return False
        self._taken.append((x, half, y))
        return True
