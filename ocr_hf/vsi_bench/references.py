"""What can be scored without looking: chance, the most frequent answer, constants; computed from the questions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.scoring import TOLERANCES, score_answers
from ocr_hf.vsi_bench.summary import averages
from ocr_hf.vsi_bench.tasks import LETTERS, QUESTION_TYPES, TASKS, is_numeric

Row = Mapping[str, Any]
STEPS = {"object_counting": 1.0, "object_abs_distance": 0.1, "object_size_estimation": 1.0, "room_size_estimation": 0.1}
"""Spacing of the constants that `best_constant` tries: that of the answers."""


def reference_rows(rows: Sequence[Row]) -> dict[str, dict]:
    """Return name -> {macro, micro, tasks} in per cent, over VSI-Bench's question types; see `reference_scores`."""
    rows = [row for row in rows if row["question_type"] in QUESTION_TYPES]
    types = np.array([QUESTION_TYPES.index(row["question_type"]) for row in rows])
    return {name: _table(types, scores) for name, scores in reference_scores(rows).items()}


def reference_scores(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Return name -> (n,) the score of each question, 0 to 1.

    random : expectation of guessing: letters uniformly, numbers drawn from the answers of the same question type
    most_frequent : the answer that occurs most often in its question type (the smallest, where several do)
    always_a : letter A, and for numbers the constant with the best score (2 objects, 1.9 m, 93 cm, 16.2 m2 on the
        full set)
    """
    truths: dict[str, list[str]] = {}
    for row in rows:
        truths.setdefault(row["question_type"], []).append(str(row["ground_truth"]))
    frequent = {name: _most_frequent(name, given) for name, given in truths.items()}
    constant = {name: best_constant(name, given) if is_numeric(name) else "A" for name, given in truths.items()}
    return {
        "random": chance_scores(rows),
        "most_frequent": _constant_scores(rows, frequent),
        "always_a": _constant_scores(rows, constant),
    }


def best_constant(question_type: str, truths: Sequence[str]) -> str:
    """Return the constant number, on the answers' own grid, whose mean MRA is best; the smallest where several are."""
    step = STEPS[question_type]
    targets = np.array([float(truth) for truth in truths])
    # Beyond half and one and a half times the answers no tolerance is met: the widest is 0.5
    grid = np.arange(round(targets.min() / 2 / step), round(targets.max() * 1.5 / step) + 1)
    # Printed as answers are written: 3 steps of 0.1 are 0.30000000000000004
    candidates = [f"{count * step:g}" for count in grid if count > 0]
    scores = [_mra(float(candidate), targets).sum() for candidate in candidates]
    return candidates[int(np.argmax(scores))]


def _mra(prediction: float, targets: np.ndarray) -> np.ndarray:
    """Return (n,) the tenths that one number scores against each target."""
    error = np.abs(prediction - targets) / targets
    return np.count_nonzero(error[:, None] <= TOLERANCES, axis=1)


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


def _chance_by_truth(targets: np.ndarray) -> dict[float, float]:
    """Return true number -> mean score, 0 to 1, of all answers given in its place."""
    values, counts = np.unique(targets, return_counts=True)
    tenths = sum(count * _mra(value, values) for value, count in zip(values, counts, strict=True))
    return dict(zip(values.tolist(), (tenths / (10 * len(targets))).tolist(), strict=True))


def _most_frequent(question_type: str, truths: Sequence[str]) -> str:
    counts = Counter(truths)
    order: Callable[[str], Any] = float if is_numeric(question_type) else LETTERS.index
    return min(counts, key=lambda truth: (-counts[truth], order(truth)))


def _constant_scores(rows: Sequence[Row], answers: Mapping[str, str]) -> np.ndarray:
    """Return (n,) scores, 0 to 1, of one answer for all questions of a type."""
    types = [row["question_type"] for row in rows]
    return score_answers([answers[name] for name in types], [row["ground_truth"] for row in rows], types).scores


def _table(types: np.ndarray, scores: np.ndarray) -> dict:
    """Return averages and tasks in per cent from each question's type number and score, 0 to 1."""
    counts = np.bincount(types, minlength=len(QUESTION_TYPES)).astype(np.float64)
    totals = np.bincount(types, weights=10.0 * scores, minlength=len(QUESTION_TYPES))
    tasks, _, macro, micro = averages(totals, counts)
    named = {task.name: float(score) for task, score in zip(TASKS, tasks, strict=True) if not np.isnan(score)}
    return {"macro": float(macro), "micro": float(micro), "tasks": named}


def published_rows() -> list[dict]:
    """Return other systems' published averages on the full set, each with its source and frames per video."""
    return json.loads(files("ocr_hf.vsi_bench").joinpath("published.json").read_text(encoding="utf-8"))
