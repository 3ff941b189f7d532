"""Scores of pairs of videos: a question counts where it is answered right in both, before and after an edit.

Of each question a model answers up to three videos (`twins_layout.py`). A pair scores what its worse answer scores: of
letters both must be right; of numbers, the mean over MRA's tolerances of keeping to each in both videos, which is the
lower of the two MRAs. Somebody who doesn't look gives one answer to both videos of a `changes` pair, whose right
letters differ, and so scores 0; in a `keeps` pair they would be paid for standing still, so it counts only where the
`changes` pair of the same question does: it scores what the worst of the three answers scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ocr_hf.text_only.folds import has_folds
from ocr_hf.text_only.text_statistic import text_scores
from ocr_hf.vsi_bench.benchmark import Row
from ocr_hf.vsi_bench.bootstrap import DRAWS
from ocr_hf.vsi_bench.references import reference_scores
from ocr_hf.vsi_bench.scoring import Scored
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import is_numeric

RELATIONS = ("changes", "keeps")


def pair_scores(rows: Sequence[Row], scores: np.ndarray) -> tuple[list[Row], np.ndarray]:
    """Return the pairs of a run and their scores.

    Args:
        rows: as `twins_layout.asked_rows` gives them, a question's rows in any order.
        scores: (n,) of each row's answer, 0 to 1.

    Returns:
        One row a pair, with `relation`, and (pairs,) scores, 0 to 1.
    """
    pairs, found = [], []
    for videos in _by_question(rows, scores):
        worst = min(videos["vanilla"][1], videos["changes"][1])
        pairs.append({**videos["changes"][0], "relation": "changes"})
        found.append(worst)
        if "keeps" in videos:
            pairs.append({**videos["keeps"][0], "relation": "keeps"})
            found.append(min(worst, videos["keeps"][1]))
    return pairs, np.array(found)


def scored_pairs(pairs: Sequence[Row], scores: np.ndarray, extraction: str = "official") -> Scored:
    """Return (pairs,) scores, 0 to 1, of pairs, as `score_answers` returns those of texts."""
    return Scored(
        np.rint(10.0 * scores).astype(np.int64),
        np.ones(len(pairs), dtype=bool),
        ("",) * len(pairs),
        tuple(pair["question_type"] for pair in pairs),
        extraction,
    )


def _by_question(rows: Sequence[Row], scores: np.ndarray) -> list[dict[str, tuple[Row, float]]]:
    """Return video -> (row, score) of each question that was asked of the vanilla and of the changed video."""
    questions: dict[Any, dict[str, tuple[Row, float]]] = {}
    for row, score in zip(rows, scores, strict=True):
        questions.setdefault(row["question_id"], {})[row["video"]] = (row, float(score))
    # A run with a limit may have asked some of a question's videos only
    return [videos for videos in questions.values() if {"vanilla", "changes"} <= videos.keys()]


def sensitivity_specificity(
    rows: Sequence[Row], scores: np.ndarray, draws: int = DRAWS, seed: int = 0
) -> dict[str, Any] | None:
    """Tell, in per cent, whether answers follow an edit that changes them and stay at one that doesn't.

    Unlike `twin_table`'s `keeps`, specificity asks nothing of the other pair: who never notices an edit has all of it,
    and no sensitivity. They are read together, and beside the score on the vanilla videos, which neither can exceed.

    Args:
        rows: as `twins_layout.asked_rows` gives them.
        scores: (n,) of each row's answer, 0 to 1.
        draws: bootstrap draws of scenes for the intervals, 0 for none.
        seed: of the bootstrap.

    Returns:
        `vanilla`, `sensitivity` (right before and after the edit that changes the answer) and `specificity` (right
        before and after the one that keeps it), each macro, micro, interval, n and tasks; specificity is missing where
        no control was asked. None where no twin was.
    """
    if not rows or "video" not in rows[0]:
        return None
    questions = _by_question(rows, scores)
    if not questions:
        return None
    found = {}
    for name, other in (("vanilla", "vanilla"), ("sensitivity", "changes"), ("specificity", "keeps")):
        kept = [videos for videos in questions if other in videos]
        if kept:
            worst = np.array([min(videos["vanilla"][1], videos[other][1]) for videos in kept])
            found[name] = _summary([videos["vanilla"][0] for videos in kept], worst, draws, seed)
    return found


def twin_table(rows: Sequence[Row], scores: np.ndarray, draws: int = DRAWS, seed: int = 0) -> dict[str, Any] | None:
    """Summarise a run's pairs in per cent.

    Args:
        rows: as `twins_layout.asked_rows` gives them.
        scores: (n,) of each row's answer, 0 to 1.
        draws: bootstrap draws of scenes for the intervals, 0 for none.
        seed: of the bootstrap.

    Returns:
        `pairs`, `changes` and `keeps`: macro, micro, interval, n and tasks, as `summarize` has them; `letter_pairs`:
        the share of right pairs among those answered by letters. None where no pair was asked.
    """
    pairs, found = pair_scores(rows, scores)
    if not pairs:
        return None
    tables = {"pairs": _summary(pairs, found, draws, seed)}
    for relation in RELATIONS:
        chosen = [place for place, pair in enumerate(pairs) if pair["relation"] == relation]
        if chosen:
            tables[relation] = _summary([pairs[place] for place in chosen], found[chosen], draws, seed)
    letters = np.array([not is_numeric(pair["question_type"]) for pair in pairs])
    return {**tables, "letter_pairs": 100.0 * float(found[letters].mean()) if letters.any() else None}


def blind_tables(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Return what is scored without looking: constants, and a statistic of the words, fitted to other scenes.

    Returns:
        Name -> what `twin_table` returns, without intervals.
    """
    scores = {name: found for name, found in reference_scores(rows).items() if name != "random"}
    if has_folds(rows):
        scores["text_statistic"] = text_scores(rows).score
    tables = {name: twin_table(rows, found, draws=0) for name, found in scores.items()}
    return {name: table for name, table in tables.items() if table is not None}


def _summary(pairs: Sequence[Row], scores: np.ndarray, draws: int, seed: int) -> Mapping[str, Any]:
    scenes = [f"{pair['dataset']}/{pair['scene_name']}" for pair in pairs]
    summary = summarize(scored_pairs(pairs, scores), None, scenes, "macro", draws, seed=seed)
    return {name: summary[name] for name in ("macro", "micro", "interval", "n", "tasks")}
