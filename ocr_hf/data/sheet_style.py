"""Colours of the contact sheet."""

from __future__ import annotations

import hashlib

PAPER, INK, MUTED, NOISY = "#ffffff", "#1d2433", "#6b7280", "#d6336c"
FLOOR, WALL, PATH = "#f4f1ec", "#8d8678", "#1d4ed8"
_LABELS = ("#0f766e", "#b45309", "#4338ca", "#15803d", "#9333ea", "#0369a1", "#a16207", "#be123c", "#475569", "#7c2d12")


def color_of(label: str) -> str:
    """Return the colour of a category: the same in every picture."""
    return _LABELS[hashlib.blake2b(label.encode(), digest_size=2).digest()[0] % len(_LABELS)]
