"""Two runs over the same questions: the difference of their averages, paired, with a bootstrap interval over scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_hf.vsi_bench.bootstrap import CONFIDENCE, DRAWS, cluster_codes, draw_weights, percentile_interval
from ocr_hf.vsi_bench.scoring import Scored
from ocr_hf.vsi_bench.summary import averages, cluster_sums
from ocr_hf.vsi_bench.tasks import QUESTION_TYPES


def paired_difference(
    first: Scored,
    second: Scored,
    scenes: Sequence[str],
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict:
    """Return macro of `first`, of `second` and second - first with its interval, all in per cent.

    Both must answer the same questions in the same order; each draw takes the same scenes for both. Raises ValueError
    where they don't.
    """
    if first.question_types != second.question_types or len(scenes) != len(first.question_types):
        raise ValueError("the two runs answer other questions; pair them on id first")
    types = np.array([QUESTION_TYPES.index(name) for name in first.question_types])
    clusters = cluster_codes(scenes)
    (before, counts), (after, _) = (cluster_sums(types, run.tenths, clusters) for run in (first, second))
    means = [float(averages(totals.sum(axis=0), counts.sum(axis=0))[2]) for totals in (before, after)]
    interval = None
    if draws and len(counts) > 1:
        drawn = [_difference(weights, before, after, counts) for weights in draw_weights(len(counts), draws, seed)]
        interval = percentile_interval(np.concatenate(drawn), confidence).tolist()
    return {"first": means[0], "second": means[1], "difference": means[1] - means[0], "interval": interval}


def _difference(weights: np.ndarray, before: np.ndarray, after: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (draws,) the difference of the macro averages in each draw."""
    drawn = weights @ counts
    return averages(weights @ after, drawn)[2] - averages(weights @ before, drawn)[2]
