"""What can be scored without looking: chance, the most frequent answer, constants; computed from the questions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.scoring import TOLERANCES, Scored, score_answers
from ocr_hf.vsi_bench.summary import averages
from ocr_hf.vsi_bench.tasks import LETTERS, QUESTION_TYPES, TASKS, is_numeric

Row = Mapping[str, Any]
STEPS = {"object_counting": 1.0, "object_abs_distance": 0.1, "object_size_estimation": 1.0, "room_size_estimation": 0.1}
"""Spacing of the constants that `best_constant` tries: that of the answers."""


def reference_rows(rows: Sequence[Row]) -> dict[str, dict]:
    """Return name -> {macro, micro, tasks} in per cent, for the questions given.

    random : expectation of guessing: letters uniformly, numbers drawn from the answers of the same question type
    most_frequent : the answer that occurs most often in its question type (the smallest, where several do)
    always_a : letter A, and for numbers the constant with the best score (2 objects, 1.9 m, 93 cm, 16.2 m2 on the
        full set)
    """
    types = [row["question_type"] for row in rows]
    truths: dict[str, list[str]] = {name: [] for name in QUESTION_TYPES}
    options: dict[str, list[int]] = {name: [] for name in QUESTION_TYPES}
    for row in rows:
        truths[row["question_type"]].append(str(row["ground_truth"]))
        options[row["question_type"]].append(0 if row["options"] is None else len(row["options"]))
    expected = {name: _expected_chance(name, truths[name], options[name]) for name in truths if truths[name]}
    frequent = {name: _most_frequent(name, truths[name]) for name in truths if truths[name]}
    constant = {name: best_constant(name, truths[name]) if is_numeric(name) else "A" for name in truths if truths[name]}
    return {
        "random": _from_means(expected, Counter(types)),
        "most_frequent": _from_constants(rows, frequent.__getitem__),
        "always_a": _from_constants(rows, constant.__getitem__),
    }


def best_constant(question_type: str, truths: Sequence[str]) -> str:
    """Return the constant number, on the answers' own grid, whose mean MRA is best; the smallest where several are."""
    step = STEPS[question_type]
    targets = np.array([float(truth) for truth in truths])
    grid = np.arange(round(targets.min() / 2 / step), round(targets.max() * 1.5 / step) + 1)
    candidates = [f"{count * step:g}" for count in grid if count > 0]
    scores = [_mra(float(candidate), targets).sum() for candidate in candidates]
    return candidates[int(np.argmax(scores))]


def _mra(prediction: float, targets: np.ndarray) -> np.ndarray:
    """Return (n,) the tenths that one number scores against each target."""
    error = np.abs(prediction - targets) / targets
    return np.count_nonzero(error[:, None] <= TOLERANCES, axis=1)


def _expected_chance(question_type: str, truths: Sequence[str], options: Sequence[int]) -> float:
    """Return the expected score, 0 to 1, of guessing."""
    if not is_numeric(question_type):
        return float(np.mean([1.0 / count for count in options]))
    targets = np.array([float(truth) for truth in truths])
    values, counts = np.unique(targets, return_counts=True)
    total = sum(int(count) * int(_mra(value, targets).sum()) for value, count in zip(values, counts, strict=True))
    return total / (10 * len(targets) ** 2)


def _most_frequent(question_type: str, truths: Sequence[str]) -> str:
    counts = Counter(truths)
    order: Callable[[str], Any] = float if is_numeric(question_type) else LETTERS.index
    return min(counts, key=lambda truth: (-counts[truth], order(truth)))


def _from_constants(rows: Sequence[Row], answer: Callable[[str], str]) -> dict:
    types = [row["question_type"] for row in rows]
    scored: Scored = score_answers([answer(name) for name in types], [row["ground_truth"] for row in rows], types)
    tenths = {name: [] for name in QUESTION_TYPES}
    for name, score in zip(types, scored.tenths, strict=True):
        tenths[name].append(int(score))
    means = {name: sum(scores) / (10 * len(scores)) for name, scores in tenths.items() if scores}
    return _from_means(means, Counter(types))


def _from_means(means: Mapping[str, float], sizes: Mapping[str, int]) -> dict:
    """Return the table of the mean score, 0 to 1, of each question type."""
    counts = np.array([sizes.get(name, 0) for name in QUESTION_TYPES], dtype=np.float64)
    totals = np.array([10.0 * means.get(name, 0.0) for name in QUESTION_TYPES]) * counts
    tasks, _, macro, micro = averages(totals, counts)
    named = {task.name: float(score) for task, score in zip(TASKS, tasks, strict=True) if not np.isnan(score)}
    return {"macro": float(macro), "micro": float(micro), "tasks": named}


def published_rows() -> list[dict]:
    """Return other systems' published averages on the full set, each with its source and frames per video."""
    return json.loads(files("ocr_hf.vsi_bench").joinpath("published.json").read_text(encoding="utf-8"))
