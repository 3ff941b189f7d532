"""Guess yourself first: a visitor answers a story before the models' answers show, and is scored beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ocr_hf.questions.question import Question

from .checkpoints import short
from .stories import Story

YOU = ""
"""The visitor, among the names of models."""
Guesses = Mapping[str, Mapping[str, bool]]
"""Story's id -> who answered, `YOU` or a model -> whether that was right. Only a first guess counts."""
RULE = "The rule: a thing belongs in the section where the lamp stands. Where, in the video on the right?"
NOT_YET = "Open another story: it asks you before it shows what the models answer."


def guess_field(story: Story | None, question: Question | None, guesses: Guesses | None, planted: bool) -> list[Any]:
    """Return updates of the field for the visitor's guess, and of the id of the story that it is about ("": hidden).

    guesses : those made so far, None where the visitor doesn't want to guess
    planted : whether the rule of the shelves holds in the story's room
    """
    wanted = guesses is not None and story is not None and story.id not in guesses
    if not wanted or question is None or not question.options:
        return [gr.update(visible=False), ""]
    options = [(option, option[:1]) for option in question.options]
    return [gr.update(choices=options, value=None, visible=True, info=RULE if planted else None), story.id]


def score_text(guesses: Guesses, told: str = "") -> str:
    """Return Markdown with everybody's score over the stories that the visitor guessed; told : of the last guess."""
    if not guesses:
        return NOT_YET
    names = dict.fromkeys(name for scored in guesses.values() for name in scored)
    parts = []
    for name in names:
        mine = [scored[name] for scored in guesses.values() if name in scored]
        parts.append(f"{short(name) if name else 'You'} **{sum(mine)} of {len(mine)}**")
    return f"{told} {' · '.join(parts)}".strip()
