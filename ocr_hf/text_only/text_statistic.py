"""The text-only statistic: what question and options give away without any video.

It is fitted to other scenes of the same benchmark, so it knows how often a bed is two metres long and which of two
categories a walk meets first: more than a model can know that was trained elsewhere. Multiple choice is a conditional
logit over the options, numbers a ridge regression of their logarithm, scaled to the best mean relative accuracy. Its
features are the categories that the question names, alone and with the option, the option's letter, and how much the
option agrees with the others, as a right answer does from which the distractors were made. A question in other words
than VSI-Bench's has the words themselves for features.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import log_softmax

from ocr_hf.questions.templates import TEMPLATES, parse
from ocr_hf.text_only.constants import STEPS, Row
from ocr_hf.text_only.folds import FOLDS, folds_of
from ocr_hf.vsi_bench.scoring import TOLERANCES
from ocr_hf.vsi_bench.tasks import LETTERS, is_numeric

Features = dict[str, float]
PENALTY = 1.0
"""Weight of the squared L2 norm in both fits."""
_SCALES = np.geomspace(0.6, 1.6, 41)
"""Tried on all guesses of a type: the logarithm's mean is not what scores best under mean relative accuracy."""


@dataclass(frozen=True, eq=False)
class TextScores:
    """Of each question, answered by a statistic fitted to other scenes.

    score : (n,) as VSI-Bench scores its answer, 0 to 1
    ease : (n,) how easily it is got right: probability of the true option; of a number, the score
    """

    score: np.ndarray
    ease: np.ndarray


def text_scores(rows: Sequence[Row], folds: int = FOLDS) -> TextScores:
    """Return how well text alone answers; every type and fold of scenes is fitted to the other folds.

    A question whose type no other fold has scores 0.
    """
    score, ease = np.zeros(len(rows)), np.zeros(len(rows))
    fold = folds_of(rows, folds)
    types = np.array([row["question_type"] for row in rows])
    for kind in dict.fromkeys(types):
        fit = _numbers if is_numeric(kind) else _choices
        for number in range(folds):
            held_out = np.flatnonzero((types == kind) & (fold == number))
            known = np.flatnonzero((types == kind) & (fold != number))
            if len(held_out) and len(known):
                score[held_out], ease[held_out] = fit([rows[i] for i in known], [rows[i] for i in held_out])
    return TextScores(score, ease)


def _numbers(known: Sequence[Row], held_out: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Return score and ease of held-out questions by ridge regression of the logarithm of the number."""
    vocabulary: dict[str, int] = {}
    features = _matrix([_question_features(row) for row in known], vocabulary, grow=True)
    truths = np.array([float(row["ground_truth"]) for row in known])
    # Logarithms, since MRA judges relative errors
    level = np.log(truths).mean()
    # Sparse until here: most questions name one or two of some hundred categories
    gram = (features.T @ features).toarray() + PENALTY * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, features.T @ (np.log(truths) - level))
    step = STEPS.get(known[0]["question_type"])
    guesses = np.exp(features @ weights + level)
    scale = max(_SCALES, key=lambda factor: _mra(factor * guesses, truths, step).sum())
    new = _matrix([_question_features(row) for row in held_out], vocabulary)
    truths = np.array([float(row["ground_truth"]) for row in held_out])
    score = _mra(scale * np.exp(new @ weights + level), truths, step)
    return score, score


def _choices(known: Sequence[Row], held_out: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Return score and ease of held-out questions by a conditional logit: a softmax over a question's own options."""
    vocabulary: dict[str, int] = {}
    features, mask, truth = _options(known, vocabulary, grow=True)
    rows = np.arange(len(known))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log_p = log_softmax(np.where(mask, (features @ weights).reshape(mask.shape), -np.inf), axis=1)
        error = np.exp(log_p)
        error[rows, truth] -= 1.0
        value = -log_p[rows, truth].sum() + 0.5 * PENALTY * weights @ weights
        return value, features.T @ error.reshape(-1) + PENALTY * weights

    weights = minimize(loss, np.zeros(len(vocabulary)), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    features, mask, truth = _options(held_out, vocabulary)
    log_p = log_softmax(np.where(mask, (features @ weights).reshape(mask.shape), -np.inf), axis=1)
    rows = np.arange(len(held_out))
    return (log_p.argmax(axis=1) == truth).astype(float), np.exp(log_p[rows, truth])


def _options(
    rows: Sequence[Row], vocabulary: dict[str, int], grow: bool = False
) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    """Return ((n * 4, features) matrix, (n, 4) bool which options there are, (n,) number of the true one)."""
    mask = np.array([[place < len(row["options"]) for place in range(len(LETTERS))] for row in rows])
    features: list[Features] = []
    for row in rows:
        mine = _option_features(row)
        features += mine + [{}] * (len(LETTERS) - len(mine))
    truth = np.array([LETTERS.index(row["ground_truth"]) for row in rows])
    return _matrix(features, vocabulary, grow), mask, truth


def named_categories(row: Row) -> tuple[str, ...] | None:
    """Return what a question names, in its template's order; None where it isn't in VSI-Bench's wording."""
    if row["question_type"] not in TEMPLATES:
        return None
    try:
        return parse(row["question_type"], row["question"])
    except ValueError:
        return None


def _words(row: Row) -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"\w+", row["question"].lower()))))


def _question_features(row: Row) -> Features:
    named = named_categories(row)
    if named is None:
        return {f"word {word}": 1.0 for word in _words(row)}
    return {f"names {name}": 1.0 for name in named} | {f"pair {' & '.join(sorted(named))}": 1.0}


def _option_features(row: Row) -> list[Features]:
    kind = row["question_type"]
    # People worded the official routes in many ways
    named = () if kind == "route_planning" else named_categories(row)
    official = named is not None
    if named is None:
        named = _words(row)
    texts = [option.partition(". ")[2] or option for option in row["options"]]
    items = [text.split(", ") for text in texts]
    features = []
    for letter, text, mine in zip(LETTERS, texts, items, strict=False):
        found = {f"letter {letter}": 1.0, f"text {text}": 1.0}
        # A word's place in a free sentence says little; a category's in a template is its role
        found |= {f"{place if official else 'word'} {name} {text}": 1.0 for place, name in enumerate(named)}
        # Orders and routes: lists of equal length
        if len(mine) > 1 and len(set(map(len, items))) == 1:
            found |= {f"at {place} {item}": 1.0 for place, item in enumerate(mine)}
            found |= {f"{mine[i]} before {mine[j]}": 1.0 for j in range(len(mine)) for i in range(j)}
            same = [np.mean([a == b for a, b in zip(mine, other, strict=True)]) for other in items]
            found["agrees with the others"] = float(np.sum(same) - 1.0)
        features.append(found)
    return features


def _matrix(features: Sequence[Features], vocabulary: dict[str, int], grow: bool = False) -> csr_matrix:
    """Return (n, features) sparse; `grow` adds new names to the vocabulary, else they are left out."""
    if grow:
        for name in (name for found in features for name in found):
            vocabulary.setdefault(name, len(vocabulary))
    where, columns, values = array("q"), array("q"), array("d")
    for row, found in enumerate(features):
        for name, value in found.items():
            if name in vocabulary:
                where.append(row)
                columns.append(vocabulary[name])
                values.append(value)
    return csr_matrix((values, (where, columns)), shape=(len(features), len(vocabulary)))


def _mra(guesses: np.ndarray, truths: np.ndarray, step: float | None) -> np.ndarray:
    """Return (n,) mean relative accuracies of the guesses, rounded to the step of the answers, one step at least."""
    rounded = guesses if step is None else np.maximum(np.round(guesses / step), 1.0) * step
    return np.mean((np.abs(rounded - truths) / truths)[:, None] <= TOLERANCES, axis=1)
