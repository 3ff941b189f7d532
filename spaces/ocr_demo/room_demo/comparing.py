"""Asking models about the left and the right side of the stage, one model after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import views
from .cards import Compared, Writing
from .checkpoints import short
from .problems import Problem
from .question_prompt import Answer, QuestionPrompt, prompt_of_question, prompt_of_text
from .stopping import Stopped
from .views import Demo, Sides
from .writing import as_written


def questions_of(sides: Sides, number: int | None) -> tuple[Any, Any]:
    """Return a question as the left and as the right room answer it."""
    return views.question_of(sides.left, number), views.question_of(sides.right, number)


def answer_sides(
    demo: Demo, name: str, prompts: tuple[QuestionPrompt, QuestionPrompt], sides: Sides, stop: Path | None = None
) -> tuple[Answer, Answer]:
    """Return a model's answers on both sides, of the frames that it is shown; `stop` is a file that ends it.

    prompts : of the left and of the right side: the same text, but after an edit another answer may be right
    """
    count = demo.models.frames(name)
    right = sides.right.seen(count)
    left = sides.left.seen(count) if sides.edited else right
    variant, frames = demo.videos.seen(sides.right, sides.noise, sides.noisy.object_ids, right)
    keys = [(sides.left.id, "vanilla"), (sides.right.id, variant)]
    vanilla, noisy = demo.models.answer(name, prompts[1], [left.frames, frames], right.fps, keys, stop)
    if prompts[0] is not prompts[1]:
        vanilla = prompts[0].read(vanilla.text, vanilla.probabilities)
    return vanilla, noisy


def compare(
    demo: Demo, visitor: str, kind: str, models: tuple[str, ...], sides: Sides, number: int | None, own: str = "",
    thinking: bool = False,
) -> Iterator[Writing | Compared]:  # fmt: skip
    """Yield for each distinct model what it has written so far, whenever that grew, and then what it answered.

    visitor, kind : who asks and what for, by which `Stops` ends it: then nothing more comes
    number, own : of the question, or a visitor's own words, which come first
    """
    names = tuple(dict.fromkeys(demo.models.check(name) for name in models))
    pair = None if own else questions_of(sides, number)
    with demo.stops.running(visitor, kind) as stop:
        for name in names:
            if own and not demo.models.speaks(name):
                raise Problem(f"'{short(name)}' knows no words, only the answers it was trained on; pick a question.")
            style = demo.models.style(name, thinking)
            prompts = tuple(prompt_of_question(each, style) for each in pair) if pair else (prompt_of_text(own),) * 2
            frames = len(sides.right.seen(demo.models.frames(name)).frames)
            try:
                for answers in as_written(stop, answer_sides, demo, name, prompts, sides, stop):
                    kind_of = Writing if isinstance(answers, list) else Compared
                    yield kind_of(name, frames, prompts, answers)
            except Stopped:
                return
