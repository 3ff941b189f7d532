"""Context recovery: how much of what a model gains from the video is left with the objects it is asked about noised.

    R = (acc(degraded) - acc(black)) / (acc(vanilla) - acc(black))

for noise on the queried objects and, beside it, on as many like objects of the context (`context_match.py`). 1: nothing
is lost, 0: no more is left than on black frames. docs/measure.md says how to read it, and what it can't tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.bootstrap import CONFIDENCE, DRAWS, cluster_codes, draw_weights, percentile_interval
from ocr_hf.vsi_bench.summary import averages, cluster_sums
from ocr_hf.vsi_bench.tasks import QUESTION_TYPES, TASKS


@dataclass(frozen=True)
class Ratio:
    """A quotient of two differences of scores, with its interval; both None where it is undefined, and why."""

    value: float | None
    interval: tuple[float, float] | None
    undefined: str | None = None


def context_recovery(
    question_types: Sequence[str],
    clusters: Sequence[str],
    vanilla: np.ndarray,
    black: np.ndarray,
    queried: np.ndarray,
    matched: np.ndarray,
    strengths: Sequence[float],
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict[str, Any]:
    """Return R and the scores that it is made of, overall and by task.

    Every figure comes from the same questions and the same bootstrap draws of clusters. Scores are averaged as
    VSI-Bench does, and the quotient is taken of the averages: one of a single question would be undefined more often
    than not. Its interval is Fieller's, with the covariance of the draws. It is bounded where the gain
    acc(vanilla) - acc(black) is significantly above 0, by the same normal approximation; elsewhere R is undefined.

    Args:
        question_types: (n,) VSI-Bench's types.
        clusters: (n,) what the bootstrap draws a question with, its scene.
        vanilla: (n,) scores, 0 to 1, on the plain video.
        black: (n,) on black frames.
        queried: (strengths, noise draws, n) with the queried objects noised.
        matched: (strengths, noise draws, n) with like objects of the context noised.
        strengths: of the noise, 0 to 1.
        draws: of the bootstrap; with 0 there are no intervals, and R is undefined.
        confidence: of the intervals.
        seed: of the bootstrap.

    Returns:
        `n`, `overall` and `tasks`: name -> entry. An entry has `n`; `vanilla`, `black`, `gain` in per cent with
        interval; `strengths`: a list with, for each, `queried` and `matched` (per cent), `R_queried`, `R_matched`,
        their difference `lock_gap` = R_matched - R_queried (see `Ratio`), and `draw_spread`, the standard deviation
        of `queried` over the draws of the noise in points.

    Raises:
        ValueError: the columns have unlike lengths, or no question is of a type that VSI-Bench has.
    """
    shape = (len(strengths), queried.shape[1], len(question_types))
    if queried.shape != shape or matched.shape != shape or {len(vanilla), len(black), len(clusters)} != {shape[2]}:
        raise ValueError(
            f"the columns have shapes {queried.shape}, {matched.shape} and lengths {len(vanilla)}, {len(black)}, "
            f"{len(clusters)}; give one score per question in each"
        )
    known = [row for row, name in enumerate(question_types) if name in QUESTION_TYPES]
    if not known:
        raise ValueError("no question is of a type that VSI-Bench has, so no average is defined")
    types = np.array([QUESTION_TYPES.index(question_types[row]) for row in known])
    codes = cluster_codes([clusters[row] for row in known])
    # (columns, n): vanilla, black, then per strength the means over noise draws of both sides, then every single draw
    columns = np.concatenate(
        [vanilla[None], black[None], queried.mean(axis=1), matched.mean(axis=1), queried.reshape(-1, shape[2])]
    )[:, known]
    parts = [cluster_sums(types, 10.0 * column, codes) for column in columns]
    sums, counts = np.stack([totals for totals, _ in parts]), parts[0][1]
    point = _by_group(sums.sum(axis=1), counts.sum(axis=0))
    drawn = None
    if draws and len(counts) > 1:
        drawn = np.concatenate(
            [
                _by_group(np.moveaxis(weights @ sums, 0, 1), (weights @ counts)[:, None])
                for weights in draw_weights(len(counts), draws, seed)
            ]
        )
    numbers = [np.isin(types, [QUESTION_TYPES.index(level) for level in task.levels]) for task in TASKS]
    sizes = [len(known), *(int(chosen.sum()) for chosen in numbers)]
    scenes = [len(counts), *(len(np.unique(codes[chosen])) for chosen in numbers)]
    entries = [
        _entry(
            point[:, group], None if drawn is None or scenes[group] < 2 else drawn[:, :, group], strengths, confidence
        )
        | {"n": sizes[group]}
        if sizes[group]
        else None
        for group in range(1 + len(TASKS))
    ]
    return {
        "n": len(known),
        "overall": entries[0],
        "tasks": {task.name: entry for task, entry in zip(TASKS, entries[1:], strict=True) if entry},
    }


def _by_group(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (..., 9) per cent, overall and by task, from (..., types) sums of tenths and numbers of questions."""
    tasks, _, macro, _ = averages(sums, np.broadcast_to(counts, sums.shape))
    return np.concatenate([macro[..., None], tasks], axis=-1)


def _entry(
    point: np.ndarray, drawn: np.ndarray | None, strengths: Sequence[float], confidence: float
) -> dict[str, Any]:
    """Return one group's figures from (columns,) scores and (draws, columns) scores of the draws."""
    if drawn is not None:
        drawn = drawn[~np.isnan(drawn).any(axis=1)]  # a draw may miss all scenes that ask a task
    count = len(strengths)
    singles = point[2 + 2 * count :].reshape(count, -1)

    def figure(weights: np.ndarray) -> dict[str, Any]:
        bounds = None if drawn is None else percentile_interval((drawn @ weights)[:, None], confidence)[:, 0].tolist()
        return {"score": float(point @ weights), "interval": bounds}

    def column(place: int) -> np.ndarray:
        return np.eye(len(point))[place]

    gain = column(0) - column(1)
    found = []
    for place, strength in enumerate(strengths):
        queried, matched = column(2 + place), column(2 + count + place)
        found.append(
            {
                "strength": float(strength),
                "queried": figure(queried),
                "matched": figure(matched),
                "R_queried": _ratio(point, drawn, queried - column(1), gain, confidence),
                "R_matched": _ratio(point, drawn, matched - column(1), gain, confidence),
                "lock_gap": _ratio(point, drawn, matched - queried, gain, confidence),
                "draw_spread": float(np.std(singles[place], ddof=1)) if singles.shape[1] > 1 else None,
            }
        )
    return {"vanilla": figure(column(0)), "black": figure(column(1)), "gain": figure(gain), "strengths": found}


def _ratio(
    point: np.ndarray, drawn: np.ndarray | None, over: np.ndarray, under: np.ndarray, confidence: float
) -> dict[str, Any]:
    """Return the quotient of two linear combinations of the columns as a dict of `Ratio`.

    Fieller's interval (Fieller 1954): all r for which over - r under is not significantly different from 0.
    """
    if drawn is None:
        return asdict(Ratio(None, None, "there are no intervals, so it isn't known whether the gain is clear of 0"))
    top, bottom = float(point @ over), float(point @ under)
    ((top_var, both), (_, bottom_var)) = np.cov(np.stack([drawn @ over, drawn @ under])).tolist()
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2.0) ** 2
    if bottom <= 0.0 or bottom**2 <= z2 * bottom_var:
        return asdict(
            Ratio(None, None, f"the video gains {bottom:+.1f} points over black frames, which is not clear of 0")
        )
    # The roots of r^2 (bottom^2 - z^2 bottom_var) - 2 r (top bottom - z^2 both) + top^2 - z^2 top_var = 0
    a, b, c = bottom**2 - z2 * bottom_var, top * bottom - z2 * both, top**2 - z2 * top_var
    root = max(b**2 - a * c, 0.0) ** 0.5
    return asdict(Ratio(top / bottom, ((b - root) / a, (b + root) / a)))
