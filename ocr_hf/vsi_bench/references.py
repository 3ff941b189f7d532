"""What can be scored without looking: chance, the most frequent answer, constants; computed from the questions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from ocr_hf.text_only.constants import Row, best_constant, chance_scores
from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import averages, types_of
from ocr_hf.vsi_bench.tasks import LETTERS, TASKS, Task, is_numeric


def reference_rows(rows: Sequence[Row], tasks: Sequence[Task] = TASKS) -> dict[str, dict]:
    """Return name -> {macro, micro, tasks} in per cent, over the tasks' question types; see `reference_scores`."""
    own = types_of(tasks)
    rows = [row for row in rows if row["question_type"] in own]
    types = np.array([own.index(row["question_type"]) for row in rows])
    return {name: _table(types, scores, tasks) for name, scores in reference_scores(rows).items()}


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


def _most_frequent(question_type: str, truths: Sequence[str]) -> str:
    counts = Counter(truths)
    order: Callable[[str], Any] = float if is_numeric(question_type) else LETTERS.index
    return min(counts, key=lambda truth: (-counts[truth], order(truth)))


def _constant_scores(rows: Sequence[Row], answers: Mapping[str, str]) -> np.ndarray:
    """Return (n,) scores, 0 to 1, of one answer for all questions of a type."""
    types = [row["question_type"] for row in rows]
    return score_answers([answers[name] for name in types], [row["ground_truth"] for row in rows], types).scores


def _table(types: np.ndarray, scores: np.ndarray, tasks: Sequence[Task]) -> dict:
    """Return averages and tasks in per cent from each question's type number and score, 0 to 1."""
    own = len(types_of(tasks))
    counts = np.bincount(types, minlength=own).astype(np.float64)
    totals = np.bincount(types, weights=10.0 * scores, minlength=own)
    means, _, macro, micro = averages(totals, counts, tasks)
    named = {task.name: float(score) for task, score in zip(tasks, means, strict=True) if not np.isnan(score)}
    return {"macro": float(macro), "micro": float(micro), "tasks": named}


def published_rows() -> list[dict]:
    """Return other systems' published averages on the full set, each with its source and frames per video."""
    return json.loads(files("ocr_hf.vsi_bench").joinpath("published.json").read_text(encoding="utf-8"))
