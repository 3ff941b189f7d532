"""Rewards of OCR-GRPO. Accuracy is VSI-Bench's own score, from the evaluation's own code, so the two can't drift apart.

A reward gets the completions and every column of the rows as keyword arguments, 3D truth (objects, camera_to_world,
footprints) included, and returns one number per completion, or None for one that it does not apply to.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ocr_hf.vsi_bench.scoring import score_answer

if TYPE_CHECKING:
    from ocr_hf.train.config import OCRGRPOConfig

ACCURACY = "accuracy_reward"
"""Name of the reward function that says whether an answer is right."""

_FORMAT = re.compile(r"\s*<think>(.+?)</think>\s*<answer>(.+?)</answer>\s*", re.DOTALL)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")

LENGTH_BONUS = 0.2
LENGTHS = range(320, 513)
"""Video-R1's length control: tokens of a right answer that earn the bonus."""


def completion_text(completion: Any) -> str:
    """Return the text of a completion, which TRL gives as text or as a list of chat messages."""
    return completion if isinstance(completion, str) else "".join(turn["content"] or "" for turn in completion)


def accuracy_reward(
    completions: Sequence[Any], question_type: Sequence[str], ground_truth: Sequence[str], **_: Any
) -> list[float]:
    """Return the VSI-Bench score, 0 to 1, of each answer: right or wrong for letters, MRA for numbers.

    The answer is what the `<answer>` tag holds, else the last letter or number (extraction "answer_tag").
    """
    return [
        score_answer(kind, completion_text(completion), truth, extraction="answer_tag")
        for completion, kind, truth in zip(completions, question_type, ground_truth, strict=True)
    ]


def format_reward(completions: Sequence[Any], **_: Any) -> list[float]:
    """Return 1 for `<think>...</think><answer>...</answer>`, each tag once, no part empty, nothing around it."""
    return [float(_well_formed(completion_text(completion))) for completion in completions]


def _well_formed(text: str) -> bool:
    match = _FORMAT.fullmatch(text)
    return (
        match is not None
        # The pattern's groups could swallow a second pair of tags
        and all(text.count(tag) == 1 for tag in _TAGS)
        and all(part.strip() for part in match.groups())
    )


def length_reward(
    completions: Sequence[Any],
    completion_ids: Sequence[Sequence[int]],
    question_type: Sequence[str],
    ground_truth: Sequence[str],
    **_: Any,
) -> list[float]:
    """Return 0.2 for right answers of 320 to 512 tokens, as Video-R1 does beside T-GRPO."""
    # Above 0.1, as in Video-R1: a number that is within only one of the ten tolerances is not "right"
    right = accuracy_reward(completions, question_type, ground_truth)
    return [
        LENGTH_BONUS * (score > 0.1 and len(ids) in LENGTHS) for score, ids in zip(right, completion_ids, strict=True)
    ]


REWARDS: dict[str, Callable[..., list[float]]] = {
    "accuracy": accuracy_reward,
    "format": format_reward,
    "length": length_reward,
}


def make_rewards(names: Sequence[str]) -> list[Callable[..., list[float]]]:
    """Return the reward functions of these names; raise ValueError for one that there is not."""
    for name in names:
        if name not in REWARDS:
            raise ValueError(f"there is no reward '{name}'; choose from {', '.join(REWARDS)}")
    return [REWARDS[name] for name in names]


class BadReward(ValueError):
    """A reward that is no number, with its reward function and row."""


def finite(function: Any, on_bad: str) -> Any:
    """Return a reward function that gives nothing but finite numbers and None; others end the run or don't count.

    TRL adds up rewards without those that are NaN, so that a fault in one of them would never be seen, and lets
    infinite ones make every advantage of their group NaN.

    Args:
        function: As TRL takes it; reward models and async functions are returned as they are.
        on_bad: `stop`, or `skip`, which takes None in its place (the reward doesn't apply) and logs the share of such.
    """
    if not hasattr(function, "__name__") or inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    def checked(*args: Any, **columns: Any) -> list[float | None]:
        rewards = list(function(*args, **columns))
        bad = [row for row, value in enumerate(rewards) if value is not None and not math.isfinite(value)]
        if bad and on_bad == "stop":
            names = columns.get("id", range(len(rewards)))
            raise BadReward(
                f"the reward '{function.__name__}' is {float(rewards[bad[0]])} for row {names[bad[0]]} "
                f"({len(bad)} of {len(rewards)} here are no numbers); mend it, let it return None where it doesn't "
                "apply, or set on_bad_reward to skip"
            )
        if on_bad == "skip":
            # In every call, since processes put their metrics together
            columns["log_metric"](f"rewards/{function.__name__}/bad", len(bad) / max(len(rewards), 1))
        return [None if row in bad else value for row, value in enumerate(rewards)]

    return checked


def with_bonus(args: OCRGRPOConfig, reward_funcs: Any, bonus_name: str | None) -> tuple[OCRGRPOConfig, list[Any]]:
    """Return arguments and reward functions with one more, for what the strategy itself adds.

    A strategy's bonus compares rollouts of a group, which a reward function of TRL cannot: it sees one process's
    completions. So the function added here returns 0, and the trainer fills in its column when all rewards are known.
    """
    functions = list(reward_funcs) if isinstance(reward_funcs, (list, tuple)) else [reward_funcs]
    if bonus_name is None:
        return args, functions
    if ACCURACY not in [getattr(function, "__name__", None) for function in functions]:
        raise ValueError(
            f"strategy '{args.strategy}' compares accuracies and needs a reward function named '{ACCURACY}'; add "
            "ocr_hf.train.rewards.accuracy_reward"
        )
    args = copy.copy(args)
    if args.reward_weights is not None:
        # Its size is the strategy's own setting, so it has no weight besides
        args.reward_weights = [*args.reward_weights, 1.0]
    return args, [*functions, _zero_reward(bonus_name)]


def _zero_reward(name: str) -> Callable[..., list[float]]:
    def zero(completions: Sequence[Any], **_: Any) -> list[float]:
        return [0.0] * len(completions)

    # TRL logs a reward under its function's name, and the trainer finds its column by it
    zero.__name__ = name
    return zero
