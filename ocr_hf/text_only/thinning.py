"""Thinning questions of one type until their words tell no more than they may, or too few are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ocr_hf.text_only.constants import Row
from ocr_hf.text_only.text_statistic import text_scores

PER_ROUND = 0.05
"""Share of the type's questions that goes in a round."""
MOST_DROPPED = 0.5
"""Share of the type's questions that goes at most."""


def thin(
    rows: Sequence[Row],
    allowed: Callable[[Sequence[Row]], float],
    per_round: float = PER_ROUND,
    most: float = MOST_DROPPED,
) -> tuple[list[Row], list[Row]]:
    """Drop the questions that text answers most easily, round by round, until the text statistic is as allowed.

    The statistic is fitted anew to what each round leaves: what remains must not be told by its words either.

    Args:
        rows: Questions of one type. Their order decides between questions that are equally easy: the first goes first.
        allowed: Given the questions that are left, returns the mean text score, 0 to 1, that they may have.
        per_round: Share of `rows` that goes in a round, one question at least.
        most: Share of `rows` that goes at most.

    Returns:
        The questions that stay, in their order, and those that go, in the order in which they went. Where `most` of
        them went, those that stay may still have a higher text score than allowed.
    """
    kept, gone = list(rows), []
    step, limit = max(1, round(per_round * len(rows))), int(most * len(rows))
    while len(gone) < limit:
        found = text_scores(kept)
        if found.score.mean() <= allowed(kept):
            break
        # Stable: among equally easy questions the first one goes, on every machine
        easiest = set(np.argsort(-found.ease, kind="stable")[: min(step, limit - len(gone))].tolist())
        gone += [row for place, row in enumerate(kept) if place in easiest]
        kept = [row for place, row in enumerate(kept) if place not in easiest]
    return kept, gone
