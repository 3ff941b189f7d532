"""The text that goes with the frames: VSI-Bench's official prompts, and one for models that think aloud.

Official wording: thinking-in-space, `vsibench.yaml` and `utils.py`. Every run states its style, since the wording
moves scores by points.
"""

from __future__ import annotations

from collections.abc import Mapping

from .tasks import is_numeric

PROMPT_STYLES = ("official", "official_api", "thinking")
"""official: what open models were given; official_api: what GPT and Gemini were given; thinking: ours, scored with
extraction "answer_tag"."""

PREFIX = "These are frames of a video."
_CHOICE = "Answer with the option's letter from the given choices directly."
_NUMERIC = {
    "official": "Please answer the question using a single word or phrase.",
    "official_api": "Do not response anything other than a single number!",
}
THINKING = (
    "Think step by step inside <think> </think>: where the objects are in the room, how far and in which direction. "
    "Then give the answer inside <answer> </answer>: {form}."
)
_FORMS = {
    "choice": "only the letter of the option, for example <answer>A</answer>",
    "numeric": "only one number, for example <answer>3.1</answer>",
}
MAX_NEW_TOKENS = {"official": 16, "official_api": 16, "thinking": 1024}
"""Length of the answer that each style is given room for; 16 is the official setting."""


def build_prompt(row: Mapping[str, object], style: str = "official") -> str:
    """Return the text for a row with VSI-Bench's columns (question_type, question, options).

    Raises ValueError for an unknown style or question type, or a multiple-choice row without options.
    """
    if style not in PROMPT_STYLES:
        raise ValueError(f"prompt style {style!r} is unknown; use one of {', '.join(PROMPT_STYLES)}")
    numeric = is_numeric(row["question_type"])  # type: ignore[arg-type]
    parts = [PREFIX, str(row["question"])]
    if not numeric:
        options = row.get("options")
        if options is None or len(options) == 0:  # type: ignore[arg-type]
            raise ValueError(
                f"question {row.get('id')} ({row['question_type']}) has no options; multiple choice needs a list "
                "such as ['A. chair', 'B. table']"
            )
        parts += ["Options:", *map(str, options)]  # type: ignore[call-overload]
    if style == "thinking":
        parts.append(THINKING.format(form=_FORMS["numeric" if numeric else "choice"]))
    else:
        parts.append(_NUMERIC[style] if numeric else _CHOICE)
    return "\n".join(parts)
