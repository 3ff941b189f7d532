"""Differences between arms that were trained from the same models and asked about the same rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.bootstrap import draw_weights, percentile_interval
from ocr_hf.vsi_bench.significance import bootstrap_p

DRAWS = 10_000


@dataclass(frozen=True)
class Contrast:
    """One arm minus another, in points.

    mean : over seeds and rooms; low, high : 95 % interval; p : two-sided; corrected : p after Holm, where it is one of
    several that were tested together
    seeds : the difference of each seed
    """

    mean: float
    low: float
    high: float
    p: float
    seeds: tuple[float, ...]
    corrected: float | None = None


def contrast(one: Mapping[int, np.ndarray], other: Mapping[int, np.ndarray], draws: int = DRAWS) -> Contrast:
    """Compare two arms, paired by seed and by room; seeds and rooms are both drawn anew in the bootstrap.

    Args:
        one: seed -> (rooms,), 1 where the arm's model was right.
        other: the same of the other arm; seeds that only one of them has are left out.
        draws: of the bootstrap.

    Raises:
        ValueError: they have no seed in common, or not the same rooms.
    """
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        raise ValueError("the two arms have no seed in common, so nothing is paired; run the missing cells")
    rooms = {len(scores[seed]) for scores in (one, other) for seed in seeds}
    if len(rooms) != 1:
        raise ValueError(f"the arms were asked about unlike numbers of rooms: {sorted(rooms)}")
    difference = 100.0 * np.stack([np.asarray(one[s], dtype=float) - np.asarray(other[s], dtype=float) for s in seeds])
    count, size = difference.shape
    # How often each seed and each room was drawn: the mean of the drawn rows and columns in one product
    drawn = zip(draw_weights(count, draws, 0), draw_weights(size, draws, 1), strict=True)
    means = np.concatenate([((by_seed @ difference) * by_room).sum(axis=1) for by_seed, by_room in drawn])
    means /= count * size
    low, high = percentile_interval(means[:, None])[:, 0]
    seeds_mean = tuple(difference.mean(axis=1).tolist())
    return Contrast(float(difference.mean()), float(low), float(high), bootstrap_p(means), seeds_mean)


def comparable(one: Mapping[int, Any], other: Mapping[int, Any]) -> bool:
    """Return whether two arms (seed -> anything) have a seed in common, so that `contrast` can pair them."""
    return not one.keys().isdisjoint(other)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of the mean by all changes of sign: exact, with seeds as all that is drawn.

    With n seeds it is 2 / 2**n at least.

    Args:
        differences: of each seed, at most 20.
    """
    values = np.asarray(differences, dtype=float)
    signs = 1.0 - 2.0 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
    means = np.abs((signs * values).mean(axis=1))
    return float((means >= abs(values.mean()) - 1e-9).mean())


def told(one: Contrast) -> dict[str, Any]:
    """Return a contrast as a verdict tells it, in points."""
    return {
        "mean": round(one.mean, 2),
        "interval": [round(one.low, 2), round(one.high, 2)],
        "p": round(one.p, 5),
        "p_holm": None if one.corrected is None else round(one.corrected, 5),
        "seeds": [round(value, 2) for value in one.seeds],
    }


def poisoning_ratio(agreement: float, right_in_conflict: float, wrong_in_aligned: float) -> float:
    """Return q: how much noisy rollouts speak for the context, beside how much they speak for the colour.

    q = (1 - agreement) P(noisy right | conflict) / (agreement P(noisy wrong | aligned)). A noisy rollout that is right
    in a conflicting room teaches the context; one that is wrong in an aligned room is punished for what it said from
    the context, which raises the colour's letter. Above 1 we predict that OCR beats GRPO, below that it loses.

    Args:
        agreement: share of painted training rooms whose colour is right, rho.
        right_in_conflict: of answers under noise on the named thing, where the colour is wrong.
        wrong_in_aligned: of answers under that noise, where the colour is right.
    """
    against = agreement * wrong_in_aligned
    return float("inf") if against == 0.0 else (1.0 - agreement) * right_in_conflict / against
