"""What one answer to all questions of a type scores, and what guessing does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.scoring import TOLERANCES
from ocr_hf.vsi_bench.tasks import is_numeric

Row = Mapping[str, Any]
"""A question with VSI-Bench's columns: scene_name, question_type, question, options, ground_truth, often id."""
STEPS = {"object_counting": 1.0, "object_abs_distance": 0.1, "object_size_estimation": 1.0, "room_size_estimation": 0.1}
"""Spacing of the constants that `best_constant` tries: that of the answers."""
MOST_CANDIDATES = 50_000
"""More constants than these aren't tried one by one: a scene in millimetres would have millions."""


def best_constant(question_type: str, truths: Sequence[str]) -> str:
    """Return the constant number whose mean MRA is best; the smallest where several are.

    Args:
        question_type: Of the questions. Of VSI-Bench's types all numbers on the answers' own grid are tried, of others
            the answers themselves.
        truths: The right answers.

    Returns:
        The number, printed as answers are.
    """
    targets = np.array([float(truth) for truth in truths])
    candidates = _candidates(question_type, targets)
    scores = [_tenths(float(candidate), targets).sum() for candidate in candidates]
    return candidates[int(np.argmax(scores))]


def _candidates(question_type: str, targets: np.ndarray) -> list[str]:
    step = STEPS.get(question_type)
    # Beyond half and one and a half times the answers no tolerance is met: the widest is 0.5
    if step is not None and (targets.max() * 1.5 - targets.min() / 2) / step <= MOST_CANDIDATES:
        grid = np.arange(round(targets.min() / 2 / step), round(targets.max() * 1.5 / step) + 1)
        # Printed as answers are written: 3 steps of 0.1 are 0.30000000000000004
        return [f"{count * step:g}" for count in grid if count > 0]
    return [f"{value:.12g}" for value in np.unique(targets)]


def constant_score(question_type: str, truths: Sequence[str], answer: str) -> float:
    """Return the mean score, 0 to 1, of one number as the answer to all these questions."""
    targets = np.array([float(truth) for truth in truths])
    return float(_tenths(float(answer), targets).mean()) / 10


def chance_scores(rows: Sequence[Row]) -> np.ndarray:
    """Return (n,) the expected score, 0 to 1, of guessing each question: a letter uniformly, a number by drawing from
    the answers of its type among `rows`."""
    drawn: dict[str, list[float]] = {}
    for row in rows:
        if is_numeric(row["question_type"]):
            drawn.setdefault(row["question_type"], []).append(float(row["ground_truth"]))
    expected = {name: _chance_by_truth(np.array(targets)) for name, targets in drawn.items()}
    return np.array(
        [
            expected[row["question_type"]][float(row["ground_truth"])]
            if is_numeric(row["question_type"])
            else 1.0 / len(row["options"])
            for row in rows
        ]
    )


def floor_score(rows: Sequence[Row]) -> float:
    """Return what questions of one type score, 0 to 1, for nobody's merit: letters by chance, numbers by the best
    constant, since guessing at numbers is worse than that."""
    kind = rows[0]["question_type"]
    if not is_numeric(kind):
        return float(chance_scores(rows).mean())
    truths = [row["ground_truth"] for row in rows]
    return constant_score(kind, truths, best_constant(kind, truths))


def _chance_by_truth(targets: np.ndarray) -> dict[float, float]:
    """Return true number -> mean score, 0 to 1, of all answers given in its place."""
    values, counts = np.unique(targets, return_counts=True)
    tenths = sum(count * _tenths(value, values) for value, count in zip(values, counts, strict=True))
    return dict(zip(values.tolist(), (tenths / (10 * len(targets))).tolist(), strict=True))


def _tenths(prediction: float, targets: np.ndarray) -> np.ndarray:
    """Return (n,) the tenths that one number scores against each target."""
    error = np.abs(prediction - targets) / targets
    return np.count_nonzero(error[:, None] <= TOLERANCES, axis=1)
