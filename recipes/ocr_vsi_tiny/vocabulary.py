"""What the checkpoint's tokenizer spells in one token: the fixed parts of VSI-Bench's questions and prompts.

A question of about 60 words then has about 20 tokens, and a category is one token wherever it stands. Other texts are
spelled by the byte-level vocabulary, so the tokenizer takes anything; the model has seen only VSI-Bench's wording.
"""

from __future__ import annotations

import re
from functools import cache

from ocr_hf.questions.templates import FILL_IN, TEMPLATES
from ocr_hf.scenes.categories import category_names
from ocr_hf.vsi_bench.prompts import build_prompt

DIRECTIONS = ("left", "right", "back", "front-left", "front-right", "back-left", "back-right")
TURNS = ("Turn Left", "Turn Right", "Turn Back")
SMALL_PARTS = (
    "system\nYou are a helpful assistant.",
    "user\n",
    "assistant\n",
    "at the ",
    " and facing the ",
    "Go forward until the ",
    FILL_IN,
    ". ",
    ", ",
    "\n",
    "\nB. ",
    "\nC. ",
    "\nD. ",
)
OTHER_LABELS = (
    "bottle", "closet", "coat rack", "exhaust fan", "guitar", "headphones", "paper bag", "power strip",
)  # fmt: skip
"""What procedural rooms hold beside `category_names`. They have no token of their own."""


def labels() -> tuple[str, ...]:
    """Return every label of an object in the training data; supervision numbers them in this order."""
    return (*category_names(), *OTHER_LABELS)


@cache
def single_tokens() -> tuple[str, ...]:
    """Return the texts that are one token each, in a fixed order: token ids, and so the weights, depend on it."""
    literals = [part for text in TEMPLATES.values() for part in re.split(r"\{\d\}", text)]
    found = [*_prompt_parts(), *literals, *SMALL_PARTS, *TURNS, *DIRECTIONS, *category_names()]
    return tuple(dict.fromkeys(text for text in found if len(text) > 1 or text == "\n"))


def _prompt_parts() -> list[str]:
    """Return what the official prompt puts around a question."""
    mark = "@"
    number = build_prompt({"question_type": "object_counting", "question": mark}, "official")
    choice = build_prompt({"question_type": "route_planning", "question": mark, "options": [f"A. {mark}"]}, "official")
    return [part for text in (number, choice) for part in text.split(mark)]
