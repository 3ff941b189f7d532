"""The debiased part of a benchmark: what is left when questions that their own words answer are thinned out.

Iterative, as VSI-Bench-Debiased was made (Brown et al., arXiv 2511.04655; they train a language model on the test set
itself): the text statistic answers every question type from text, cross-validated over scenes; the share PER_ROUND of
the type that it gets right most easily goes; it is fitted anew to the rest, until it is no better than chance there,
or MOST_PRUNED of the type are gone. Statistic, shares and stop are ours; `text_only/thinning.py` does it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ocr_hf.text_only.constants import Row, chance_scores
from ocr_hf.text_only.thinning import MOST_DROPPED as MOST_PRUNED
from ocr_hf.text_only.thinning import PER_ROUND, thin


def pruned_ids(rows: Sequence[Row], per_round: float = PER_ROUND, most: float = MOST_PRUNED) -> list[int]:
    """Return the ids that the debiased part leaves out, sorted; depends on the rows' content, not on their order."""
    by_type: dict[str, list[Row]] = defaultdict(list)
    # Sorted, since the order of rows decides between questions that are equally easy
    for row in sorted(rows, key=lambda row: row["id"]):
        by_type[row["question_type"]].append(row)
    thinned = [thin(group, lambda left: chance_scores(left).mean(), per_round, most) for group in by_type.values()]
    return sorted(row["id"] for _, gone in thinned for row in gone)
