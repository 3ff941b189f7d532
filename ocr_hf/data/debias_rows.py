"""`debias`: which rows of a build go, so that words alone score no more than the target allows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ocr_hf.text_only.audit_table import is_scored
from ocr_hf.text_only.constants import Row, floor_score
from ocr_hf.text_only.folds import FOLDS, has_folds
from ocr_hf.text_only.text_statistic import text_scores
from ocr_hf.text_only.thinning import thin

_ROUNDING = 1e-9
"""Scores are sums of tenths: a difference that is the target exactly isn't above it."""


class TargetNotMet(ValueError):
    """Words tell more than `debias` allows, and dropping more rows would leave less than half of a question type."""


@dataclass(frozen=True)
class Debiased:
    """What a build's debiasing did.

    dropped : ids of the rows that go; by_type : question type -> how many of its rows go
    """

    dropped: frozenset[int]
    by_type: dict[str, int]


def debias(rows: Iterable[Row], target: float) -> Debiased:
    """Choose the rows to drop, per question type, until text alone is within the target.

    Args:
        rows: All questions of a build, with their ids.
        target: How far the text statistic of a type may be above its floor: the best constant for numbers, chance for
            letters, both of the rows that are left.

    Returns:
        The rows to drop. A type in too few scenes, or with an answer that can't be scored, keeps all of its rows: the
        audit of the build names it.

    Raises:
        TargetNotMet: a type is still above with half of its rows gone, or no type can be judged.
    """
    by_type: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["id"]):
        by_type[row["question_type"]].append(row)
    judged = {kind: group for kind, group in by_type.items() if all(map(is_scored, group)) and has_folds(group)}
    if not judged:
        raise TargetNotMet(
            f"debias is {target:g}, but no question type is asked in {FOLDS} scenes, which the text statistic needs; "
            "build more scenes, or leave --debias out (with --resume the finished clips are kept)"
        )
    dropped: dict[str, list[Row]] = {}
    excess: dict[str, float] = {}
    for kind, group in sorted(judged.items()):
        kept, dropped[kind] = thin(group, lambda left: floor_score(left) + target + _ROUNDING)
        excess[kind] = float(text_scores(kept).score.mean()) - floor_score(kept)
    above = {kind: found for kind, found in excess.items() if found > target + _ROUNDING}
    if above:
        named = ", ".join(f"{kind} (still {found:.3f} above its floor)" for kind, found in above.items())
        # Thinning goes the same way whatever the target: at the highest excess that half of the rows has, it ends
        enough = math.ceil(100.0 * (max(above.values()) - _ROUNDING)) / 100.0
        raise TargetNotMet(
            f"debias is {target:g}, which can't be met with half of the rows of {named}; use --debias {enough:g}, or "
            "scenes that vary more (with --resume the finished clips are kept)"
        )
    counts = {kind: len(gone) for kind, gone in dropped.items() if gone}
    return Debiased(frozenset(row["id"] for gone in dropped.values() for row in gone), counts)
