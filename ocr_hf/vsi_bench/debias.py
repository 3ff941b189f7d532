"""The debiased part of a benchmark: what is left when questions that their own words answer are thinned out.

Iterative, as VSI-Bench-Debiased was made (Brown et al., arXiv 2511.04655; they train a language model on the test set
itself): `text_statistic.py` answers every question type from text, cross-validated over scenes; the share PER_ROUND of
the type that it gets right most easily goes; it is fitted anew to the rest, until it is no better than chance there,
or MOST_PRUNED of the type are gone. Statistic, shares and stop are ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ocr_hf.vsi_bench.references import chance_scores
from ocr_hf.vsi_bench.text_statistic import Row, text_scores

PER_ROUND = 0.05
MOST_PRUNED = 0.5


def pruned_ids(rows: Sequence[Row], per_round: float = PER_ROUND, most: float = MOST_PRUNED) -> list[int]:
    """Return the ids that the debiased part leaves out, sorted; depends on the rows' content, not on their order."""
    by_type: dict[str, list[Row]] = defaultdict(list)
    # Sorted, since the order of rows decides between questions that are equally easy
    for row in sorted(rows, key=lambda row: row["id"]):
        by_type[row["question_type"]].append(row)
    return sorted(row["id"] for group in by_type.values() for row in _prune(group, per_round, most))


def _prune(rows: list[Row], per_round: float, most: float) -> list[Row]:
    """Return the rows of one question type that go."""
    step, limit = max(1, round(per_round * len(rows))), int(most * len(rows))
    gone: list[Row] = []
    while len(gone) < limit:
        found = text_scores(rows)
        if found.score.mean() <= chance_scores(rows).mean():
            break
        # Stable: among equally easy questions the lower id goes first, on every machine
        easiest = set(np.argsort(-found.ease, kind="stable")[: min(step, limit - len(gone))].tolist())
        gone += [row for place, row in enumerate(rows) if place in easiest]
        rows = [row for place, row in enumerate(rows) if place not in easiest]
    return gone
