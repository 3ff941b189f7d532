"""The former query-lock index: how much more answers change when the queried objects are noised than when as many
context pixels are. docs/query_lock.md has the formula.

It can't tell a locked model from a good one: a perfect reasoner who has to see the named objects gets the same value.
`measure.py` replaces it; it is kept so that older reports can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_hf.vsi_bench.bootstrap import CONFIDENCE, DRAWS, cluster_codes, draw_weights, percentile_interval
from ocr_hf.vsi_bench.extract import parse_letter, parse_number
from ocr_hf.vsi_bench.scoring import TOLERANCES
from ocr_hf.vsi_bench.tasks import TASKS, is_numeric

LEAST_MATCH = 0.95
"""Questions whose context could not give this share of the queried objects' pixels are left out and counted."""


def answer_change(question_type: str, before: str, after: str) -> float:
    """Return how much an extracted answer changed, 0 (not at all) to 1.

    Letters: 0 or 1. Numbers: the share of the ten MRA tolerances that |a - b| / max(|a|, |b|) exceeds. An answer that
    could be read only once changed by 1, one that could be read neither time by 0.
    """
    parse = parse_number if is_numeric(question_type) else parse_letter
    a, b = parse(before), parse(after)
    if a is None or b is None:
        return float((a is None) != (b is None))
    if a == b:
        return 0.0
    if isinstance(a, str) or isinstance(b, str):
        return 1.0
    # Symmetric, unlike MRA, since neither answer is the truth; not both are 0, for they differ
    difference = abs(a - b) / max(abs(a), abs(b))
    return int(np.count_nonzero(difference > TOLERANCES)) / 10


def query_lock(
    question_types: Sequence[str],
    scenes: Sequence[str],
    vanilla: Sequence[str],
    queried: Sequence[str],
    context: Sequence[str],
    matched: Sequence[float],
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict:
    """Return index, its two parts, a bootstrap interval over scenes, and the same per task; figures in per cent.

    vanilla, queried, context : extracted answers, paired by question: without noise, with the queried objects noised,
        with the context noised
    matched : noised context pixels divided by noised queried pixels, per question
    Index and parts are means over the tasks of means over the questions, as VSI-Bench averages. The pairing is kept in
    every draw. Raises ValueError for sequences of different lengths.
    """
    lengths = {len(part) for part in (question_types, scenes, vanilla, queried, context, matched)}
    if len(lengths) != 1:
        raise ValueError(f"the columns have lengths {sorted(lengths)}; give one entry per question in each")
    task_of = {level: index for index, task in enumerate(TASKS) for level in task.levels}
    known = [row for row in range(len(matched)) if question_types[row] in task_of]  # a plugin's type is in no task
    kept = [row for row in known if matched[row] >= LEAST_MATCH]
    result: dict = {"n": len(kept), "n_unmatched": len(known) - len(kept)}
    if not kept:
        return {**result, "index": None, "interval": None, "change_queried": None, "change_context": None, "tasks": {}}
    tasks = np.array([task_of[question_types[row]] for row in kept])
    changes = np.array(
        [[answer_change(question_types[row], vanilla[row], other[row]) for other in (queried, context)] for row in kept]
    )
    clusters = cluster_codes([scenes[row] for row in kept])
    sums, counts = _sums(tasks, clusters, changes)
    parts = _by_task(sums.sum(axis=0), counts.sum(axis=0))
    mean_queried, mean_context = np.nanmean(parts, axis=0)
    interval = None
    if draws and len(sums) > 1:
        drawn = [
            _index(np.tensordot(weights, sums, axes=1), weights @ counts)
            for weights in draw_weights(len(sums), draws, seed)
        ]
        interval = percentile_interval(100.0 * np.concatenate(drawn), confidence).tolist()
    return {
        **result,
        "index": float(100.0 * (mean_queried - mean_context)),
        "interval": interval,
        "change_queried": float(100.0 * mean_queried),
        "change_context": float(100.0 * mean_context),
        "tasks": {
            task.name: {
                "index": float(100.0 * (parts[i, 0] - parts[i, 1])),
                "change_queried": float(100.0 * parts[i, 0]),
                "change_context": float(100.0 * parts[i, 1]),
                "n": int((tasks == i).sum()),
            }
            for i, task in enumerate(TASKS)
            if (tasks == i).any()
        },
    }


def _sums(tasks: np.ndarray, clusters: np.ndarray, changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return per scene and task the (scenes, 8, 2) sums of changes and the (scenes, 8) numbers of questions."""
    sums = np.zeros((clusters.max() + 1, len(TASKS), 2))
    counts = np.zeros(sums.shape[:2])
    np.add.at(sums, (clusters, tasks), changes)
    np.add.at(counts, (clusters, tasks), 1.0)
    return sums, counts


def _by_task(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (..., 8, 2) mean changes; NaN for tasks without a question."""
    shape = np.broadcast_to(counts[..., None], sums.shape)
    return np.divide(sums, shape, out=np.full(sums.shape, np.nan), where=shape > 0)


def _index(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (draws,) the index of each draw."""
    means = np.nanmean(_by_task(sums, counts), axis=-2)
    return means[..., 0] - means[..., 1]
