"""The words of a class name, in any script."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners stand inside words of Persian and of Indic scripts."""
APOSTROPHES = "'\u2019\u02bc"
SIGNS = frozenset(f" /&-{APOSTROPHES}{JOINERS}")
"""What a category's name may hold besides letters, the marks on them, and digits."""

_WORDS = re.compile("U+(?!l)|Ul*|l+")
"""Over the string of kinds that `_kind` gives, so that one pattern serves every script."""


def words_of(class_name: str) -> str:
    """Return a class name as lower-case words (Unicode NFC), without numbers and variant letters.

    "SeatBedSide" -> "seat bed side", "ChairA_01_001" -> "chair", "TVCabinet" -> "tv cabinet",
    "Bett_groß" -> "bett groß"
    """
    text = unicodedata.normalize("NFC", class_name)
    kinds = "".join(map(_kind, text))
    # An apostrophe or joiner belongs to a word only between two of its letters.
    kinds = re.sub("(?<=[Ul])j(?=[Ul])", "l", kinds).replace("j", " ")
    parts = [text[found.start() : found.end()] for found in _WORDS.finditer(kinds)]
    # "SofaC": a single capital at the end tells variants of a model apart. A lone Chinese character is a word.
    while len(parts) > 1 and len(parts[-1]) == 1 and (parts[-1].isascii() or parts[-1].isupper()):
        parts.pop()
    return lower(" ".join(parts))


def composed(name: str) -> str:
    """Return a name in Unicode NFC: macOS writes "é" as two characters, other systems as one."""
    return unicodedata.normalize("NFC", name)


def lower(text: str) -> str:
    """Return text in lower case, Unicode NFC; "ß" stays."""
    # Python lowers the Turkish capital to an i with a second dot above it, which no reader would type.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).replace("İ", "i").lower())


def is_name(label: str) -> bool:
    """Return whether a question can name a category: letters of any script, but none in capitals, digits, a few signs.

    Brackets, control characters and symbols come from broken files, and could be taken for markup where it is shown.
    """
    if not label or label[0] in SIGNS or label != label.lower():
        return False
    return all(sign in SIGNS or unicodedata.category(sign)[0] in "LM" or sign.isdecimal() for sign in label)


def without_number(name: str) -> str:
    """Return a node's name without what numbers it: "Chair_02" -> "Chair"; unchanged where nothing would be left."""
    end = len(name)
    while end and _kind(name[end - 1]) in " j":
        end -= 1
    return name[:end] or name


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """Return "U" for a capital, "l" for other letters and the marks on them, "j" for what joins letters, else " "."""
    if character in JOINERS or character in APOSTROPHES:
        return "j"
    category = unicodedata.category(character)
    # Vowel signs of Indic scripts and combining accents are marks, which Python's own \w leaves out.
    return "U" if category in ("Lu", "Lt") else "l" if category[0] in "LM" else " "
