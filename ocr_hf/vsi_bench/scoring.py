"""VSI-Bench's score of a question, alone or of a whole run at once (arXiv 2412.14171, thinking-in-space).

Scores are kept as integer tenths (an MRA has ten tolerances; right and wrong are 10 and 0), so that averages are
exact and don't depend on the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .extract import parse_letter, parse_number
from .rules import find_rule
from .tasks import unit_of

TOLERANCES = 1.0 - np.linspace(0.5, 0.95, 10)
"""Relative errors that still count, (10,) float64. These doubles decide the boundaries: an error of exactly 0.2 is
within six of them, not seven, because 1 - 0.8 came out as 0.19999999999999996."""
STRICT_TOLERANCES = np.array([1 - (0.5 + index * 0.05) for index in range(10)])
"""The same for rules that compare with `<`, in the doubles of VLMEvalKit, (10,) float64."""


def mean_relative_accuracy(prediction: float, target: float, strict: bool = False) -> float:
    """Return the share of the ten tolerances that |prediction - target| / target keeps to.

    `<=` as released; with `strict`, `<` as VLMEvalKit does. A prediction that is not finite scores 0. Raises ValueError
    unless `target` is a positive finite number.
    """
    _check_target(target)
    if not math.isfinite(prediction):
        return 0.0
    return int(np.count_nonzero(_within(np.asarray(abs(prediction - target) / target), strict))) / 10


def _within(relative_error: np.ndarray, strict: bool) -> np.ndarray:
    return relative_error < STRICT_TOLERANCES if strict else relative_error <= TOLERANCES


def score_answer(question_type: str, prediction: str | None, ground_truth: str, extraction: str = "official") -> float:
    """Return the score, 0 to 1, of one answer as a model wrote it; unreadable answers score 0.

    Raises ValueError for an unknown question type or extraction, or a ground truth that can't be right.
    """
    rule, unit = find_rule(extraction), unit_of(question_type)
    answer = rule.read(prediction or "", unit)
    if unit is not None:
        number = parse_number(answer)
        return mean_relative_accuracy(
            math.nan if number is None else number, reference_number(ground_truth), rule.strict
        )
    return float(answer.lower() == reference_letter(ground_truth).lower())


def reference_number(ground_truth: object) -> float:
    """Return the true number of a numeric question; raise ValueError unless it is positive and finite."""
    try:
        target = float(ground_truth)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"ground truth {ground_truth!r} is not a number; numeric questions need one") from None
    return _check_target(target)


def reference_letter(ground_truth: object) -> str:
    """Return the true letter of a multiple-choice question; raise ValueError unless it is one of A to D."""
    letter = parse_letter(ground_truth) if isinstance(ground_truth, str) else None
    if letter is None:
        raise ValueError(f"ground truth {ground_truth!r} is no option letter; multiple choice needs A, B, C or D")
    return letter


def _check_target(target: float) -> float:
    if not (math.isfinite(target) and target > 0.0):
        raise ValueError(f"ground truth {target!r} is not a positive finite number, so no relative error is defined")
    return target


@dataclass(frozen=True, eq=False)
class Scored:
    """Every question of a run, scored, in the order given.

    tenths : (n,) int64, the score times 10; parsed : (n,) bool, whether an answer was found in the text
    answers : the extracted answers; question_types : as given; extraction : the rule that was used
    """

    tenths: np.ndarray
    parsed: np.ndarray
    answers: tuple[str, ...]
    question_types: tuple[str, ...]
    extraction: str

    @property
    def scores(self) -> np.ndarray:
        """(n,) float64 scores, 0 to 1."""
        return self.tenths / 10

    def take(self, places: Sequence[int] | np.ndarray) -> Scored:
        """Return the questions at these places, in their order."""
        return Scored(
            self.tenths[places],
            self.parsed[places],
            tuple(self.answers[place] for place in places),
            tuple(self.question_types[place] for place in places),
            self.extraction,
        )


def score_answers(
    predictions: Sequence[object],
    references: Sequence[object],
    question_types: Sequence[str],
    extraction: str = "official",
    ids: Sequence[object] | None = None,
) -> Scored:
    """Score a run by VSI-Bench's official rules (arXiv 2412.14171).

    Args:
        predictions: what the model wrote, one a question; None, NaN and empty ones score 0 and count as unparsed.
        references: the ground truth, in the same order: a number above 0, or a letter A to D.
        question_types: VSI-Bench's name of each question's type, such as "object_counting".
        extraction: how an answer is read from the text: "official", or another rule (`rules.OWN_RULES`, a plugin's).
        ids: names of the questions for messages; they may not repeat.

    Returns:
        Every question scored, in the order given; `summarize` makes the table of the eight tasks from it.

    Raises:
        ValueError: lengths differ, an id is repeated, a question type is unknown, a prediction is neither text nor a
            number, or a ground truth can't be right; the row is named.

    Example:
        >>> from ocr_hf import score_answers
        >>> scored = score_answers(["3", "B."], ["4", "B"], ["object_counting", "route_planning"])
        >>> scored.scores
        array([0.6, 1. ])
    """
    _check_lengths(predictions=predictions, references=references, question_types=question_types, ids=ids)
    _check_unique(ids)
    size = len(predictions)
    rule = find_rule(extraction)
    answers: list[str] = []
    tenths = np.zeros(size, dtype=np.int64)
    parsed = np.zeros(size, dtype=bool)
    numeric_rows: list[int] = []
    numbers: list[float] = []
    targets: list[float] = []
    for row in range(size):
        try:
            unit = unit_of(question_types[row])
            answer = rule.read(as_text(predictions[row]), unit)
            answers.append(answer)
            if unit is not None:
                number = parse_number(answer)
                parsed[row] = number is not None
                numeric_rows.append(row)
                numbers.append(math.nan if number is None else number)
                targets.append(reference_number(references[row]))
            else:
                parsed[row] = parse_letter(answer) is not None
                tenths[row] = 10 * (answer.lower() == reference_letter(references[row]).lower())
        except ValueError as error:
            raise ValueError(f"{_name_row(row, ids)}: {error}") from None
    # All numbers at once, by the same operations in the same order as mean_relative_accuracy: a test compares them
    goal = np.asarray(targets)
    # An answer of 1e308 overflows to infinity, which exceeds every tolerance; NaN compares false and scores 0 too
    with np.errstate(over="ignore"):
        relative_error = np.abs(np.asarray(numbers) - goal) / goal
    tenths[numeric_rows] = np.count_nonzero(_within(relative_error[:, None], rule.strict), axis=1)
    return Scored(tenths, parsed, tuple(answers), tuple(question_types), extraction)


def as_text(prediction: object) -> str:
    """Return a prediction as text: None and NaN (a missing cell of a table) are "", numbers are written out."""
    if isinstance(prediction, str):
        return prediction
    if prediction is None or (isinstance(prediction, (float, np.floating)) and math.isnan(prediction)):
        return ""
    if isinstance(prediction, (int, float, np.integer, np.floating)) and not isinstance(prediction, bool):
        return str(prediction)
    raise ValueError(f"prediction {prediction!r} is a {type(prediction).__name__}; give the model's text")


def _name_row(row: int, ids: Sequence[object] | None) -> str:
    return f"row {row}" if ids is None else f"row {row} (id {ids[row]})"


def _check_lengths(**columns: Sequence[object] | None) -> None:
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise ValueError(f"lengths differ: {counts}; give one of each per question, in the same order")


def _check_unique(ids: Sequence[object] | None) -> None:
    if ids is None or len(set(ids)) == len(ids):
        return
    first: dict[object, int] = {}
    for row, value in enumerate(ids):
        if value in first:
            raise ValueError(f"id {value} is in rows {first[value]} and {row}; keep one answer per question")
        first[value] = row
