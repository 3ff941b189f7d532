"""Finding the numbers that a card's text states."""

from __future__ import annotations

import re

_FRONT_MATTER = re.compile(r"\A\s*---\s*\n.*?\n---\s*\n", re.DOTALL)
_NOT_PROSE = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|\]\([^)]*\)|https?://\S+|\b[23]D\b", re.DOTALL)
_BETWEEN_WORDS = re.compile(r"[\s|*_()\[\]{}<>\"':;=~]+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def stated_numbers(card: str) -> set[str]:
    """Return the numbers in a card's prose and tables, as written but without signs and thousands separators.

    Metadata, code, comments and addresses state no results, and a word that begins with a letter is a name
    ("Qwen2.5-VL-3B").
    """
    return set(numbers_in_order(card))


def numbers_in_order(card: str) -> tuple[str, ...]:
    """Return the same numbers in the order in which they are stated, each as often."""
    # "2D" and "3D" are words here (see _NOT_PROSE), not results.
    prose = _NOT_PROSE.sub(" ", _FRONT_MATTER.sub("", card))
    words = _BETWEEN_WORDS.split(prose)
    return tuple(
        number.replace(",", "") for word in words if not word[:1].isalpha() for number in _NUMBER.findall(word)
    )
