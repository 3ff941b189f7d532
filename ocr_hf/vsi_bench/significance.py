"""p-values of paired differences: from bootstrap draws, McNemar's exact test, and Holm's correction for being "
"several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class McNemar:
    """Questions that one of two runs got right and the other didn't, and how likely so uneven a split is by chance.

    gained : right in the second run alone; lost : in the first alone
    p : two-sided exact p-value, taking questions as independent; corrected : after Holm, where it is one of several
    """

    gained: int
    lost: int
    p: float
    corrected: float | None = None


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """Compare who was right, by McNemar's test in its exact form (a sign test of the questions on which they differ).

    Args:
        first: (n,) bool, right in one run.
        second: (n,) bool, right in the other.
    """
    from scipy.stats import binomtest

    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    differ = gained + lost
    return McNemar(gained, lost, float(binomtest(gained, differ).pvalue) if differ else 1.0)


def bootstrap_p(differences: np.ndarray) -> float:
    """Return the two-sided p-value of bootstrap draws (draws,) of a difference.

    Never 0: so many draws can't tell less than one of them.
    """
    # Draws in which gains and losses cancel come out as 1e-15 of either sign
    tail = min(int((differences <= 1e-9).sum()), int((differences >= -1e-9).sum()))
    return min(1.0, 2.0 * (1.0 + tail) / (len(differences) + 1.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for being several (Holm 1979), in the order given."""
    order = np.argsort(p_values)
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order.tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
