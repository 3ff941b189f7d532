"""The text-only audit of a set of questions: per question type, what is scored without any video.

Beside the figures of a data set stand those of VSI-Bench's own test set (`VSI_BENCH`), computed by the same functions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ocr_hf.text_only.constants import Row, best_constant, chance_scores, constant_score
from ocr_hf.text_only.folds import folds_of, has_folds
from ocr_hf.text_only.text_statistic import named_categories, text_scores
from ocr_hf.vsi_bench.tasks import LETTERS, QUESTION_TYPES, is_numeric

TOO_FEW = "too few scenes"
UNSCORED = "answers that can't be scored"
FIGURES = ("text_statistic", "best_constant", "constant_per_category", "chance")
VSI_BENCH: dict[str, tuple[float | None, ...]] = {
    "object_counting": (0.588, 0.618, 0.587, 0.426),
    "object_abs_distance": (0.334, 0.316, None, 0.232),
    "object_size_estimation": (0.612, 0.298, 0.638, 0.235),
    "room_size_estimation": (0.311, 0.331, None, 0.246),
    "object_rel_distance": (0.390, 0.251, None, 0.250),
    "object_rel_direction_easy": (0.447, 0.502, None, 0.500),
    "object_rel_direction_medium": (0.413, 0.336, None, 0.333),
    "object_rel_direction_hard": (0.464, 0.252, None, 0.250),
    "route_planning": (0.325, 0.294, None, 0.283),
    "obj_appearance_order": (0.275, 0.252, None, 0.250),
}
"""Question type -> FIGURES of VSI-Bench's test set: 5,130 questions about 288 scenes. A test computes them again."""


def text_only_audit(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Return what questions give away without any video.

    Args:
        rows: Questions of any types, of any scenes; their order doesn't matter.

    Returns:
        Question type -> figures, VSI-Bench's types first. Scores are 0 to 1, and None where there is no such figure:

        questions, scenes : how many
        text_statistic : mean score of `text_scores`, fitted to other scenes (FOLDS folds)
        best_constant : of numbers, what the best constant scores on these very answers; of letters the best letter
        constant_per_category : where the question names one category, the score of that category's best constant,
            fitted to the same folds; of a category that the other folds don't have, the best constant of all
        chance : expectation of guessing, as `chance_scores`
        not_audited : None, or why figures are missing: TOO_FEW (fewer scenes than folds) or UNSCORED
    """
    by_type: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["scene_name"], row["question"], str(row["ground_truth"]))):
        by_type[row["question_type"]].append(row)
    order = [name for name in QUESTION_TYPES if name in by_type] + sorted(by_type.keys() - set(QUESTION_TYPES))
    return {kind: _figures(kind, by_type[kind]) for kind in order}


def is_scored(row: Row) -> bool:
    """True if the right answer is one that the scorer takes: a number above 0, or the letter of an option."""
    truth = row["ground_truth"]
    if not is_numeric(row["question_type"]):
        return row["options"] is not None and truth in LETTERS[: len(row["options"])]
    try:
        return math.isfinite(float(truth)) and float(truth) > 0.0
    except (TypeError, ValueError):
        return False


def _figures(kind: str, rows: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"questions": len(rows), "scenes": len({row["scene_name"] for row in rows})}
    found |= dict.fromkeys(FIGURES) | {"not_audited": None}
    if not all(map(is_scored, rows)):
        return found | {"not_audited": UNSCORED}
    found |= {"best_constant": _rounded(_best_answer(kind, rows)), "chance": _rounded(chance_scores(rows).mean())}
    if not has_folds(rows):
        return found | {"not_audited": TOO_FEW}
    per_category = category_scores(rows)
    found["text_statistic"] = _rounded(text_scores(rows).score.mean())
    found["constant_per_category"] = None if per_category is None else _rounded(per_category.mean())
    return found


def _best_answer(kind: str, rows: list[Row]) -> float:
    truths = [row["ground_truth"] for row in rows]
    if is_numeric(kind):
        return constant_score(kind, truths, best_constant(kind, truths))
    return max(truths.count(letter) for letter in LETTERS) / len(truths)


def category_scores(rows: Sequence[Row]) -> np.ndarray | None:
    """Return (n,) the score of each question by its category's best constant in the other folds of scenes.

    None where the questions, all of one type, don't name one category each and ask for a number.
    """
    kind = rows[0]["question_type"]
    named = [named_categories(row) for row in rows]
    if not is_numeric(kind) or any(names is None or len(names) != 1 for names in named):
        return None
    folds, truths = folds_of(rows), [row["ground_truth"] for row in rows]
    scores = np.zeros(len(rows))
    for fold in set(folds.tolist()):
        known: dict[Any, list[str]] = defaultdict(list)
        for place in np.flatnonzero(folds != fold):
            known[named[place]].append(truths[place])
        everything = [truth for answers in known.values() for truth in answers]
        constants = {names: best_constant(kind, answers) for names, answers in known.items()}
        general = best_constant(kind, everything)
        for place in np.flatnonzero(folds == fold):
            answer = constants.get(named[place], general)
            scores[place] = constant_score(kind, [truths[place]], answer)
    return scores


def _rounded(score: float) -> float:
    return round(float(score), 3)
