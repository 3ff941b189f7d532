"""From scored questions to the table of VSI-Bench: tasks, levels, both overall averages, bootstrap intervals.

All figures are percentages. `macro` is the benchmark's own overall: the unweighted mean of the eight tasks, where
relative direction is the unweighted mean of its three levels. `micro` is the mean over questions that some harnesses
publish; it is commonly 1.5 to 3 points higher.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .scoring import Scored
from .tasks import QUESTION_TYPES, TASKS

AVERAGES = ("macro", "micro")
_DRAWS_AT_ONCE = 64
_TYPE_INDEX = {name: i for i, name in enumerate(QUESTION_TYPES)}


def summarize(
    scored: Scored,
    pruned: Sequence[bool] | None = None,
    scenes: Sequence[str] | None = None,
    average: str = "macro",
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict:
    """Return the results of a run as plain numbers, ready for JSON.

    pruned : per question, whether the debiased split leaves it out; adds `debiased`, else that is None
    scenes : per question, the scene it asks about. Questions about a scene share its video, so the bootstrap draws
        whole scenes; without it questions are drawn one by one, which makes intervals too narrow, and
        `clustered_by` says so
    draws : bootstrap draws for the percentile intervals; 0 leaves `interval` out (None)
    Tasks and levels without a question are named in `missing`, and then `macro` is the mean over the tasks present.
    Raises ValueError for another length, average or confidence than can be right, or no question at all.
    """
    size = len(scored.tenths)
    if size == 0:
        raise ValueError("there is no question to score; give at least one prediction")
    if average not in AVERAGES:
        raise ValueError(f"average {average!r} is unknown; use one of {', '.join(AVERAGES)}")
    if draws < 0 or not 0.0 < confidence < 1.0:
        raise ValueError(f"draws is {draws} and confidence {confidence}; give draws >= 0 and a confidence in (0, 1)")
    for name, column in (("pruned", pruned), ("scenes", scenes)):
        if column is not None and len(column) != size:
            raise ValueError(f"there are {size} predictions but {len(column)} {name}; give one per question")
    everything = np.ones(size, dtype=bool)
    results = _table(scored, everything, scenes, draws, confidence, seed)
    results["overall"] = results[average]
    results["average"] = average
    results["extraction"] = scored.extraction
    results["clustered_by"] = "question" if scenes is None else "scene"
    results["debiased"] = None
    if pruned is not None:
        kept = ~_as_bool(pruned)
        results["debiased"] = _table(scored, kept, scenes, draws, confidence, seed) if kept.any() else {"n": 0}
    results["scores"] = scored.scores.tolist()
    return results


def _as_bool(pruned: Sequence[bool]) -> np.ndarray:
    for row, value in enumerate(pruned):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"row {row}: pruned is {value!r}; give True or False")
    return np.asarray(pruned, dtype=bool)


def _table(
    scored: Scored, keep: np.ndarray, scenes: Sequence[str] | None, draws: int, confidence: float, seed: int
) -> dict:
    """Return tasks, levels and averages of the rows in `keep` (n,) bool."""
    types = np.array([_TYPE_INDEX[name] for name in scored.question_types])[keep]
    tenths, parsed = scored.tenths[keep], scored.parsed[keep]
    clusters = _own_clusters(types, tenths) if scenes is None else _codes(scenes)[keep]
    totals, counts = _cluster_sums(types, tenths, clusters)
    levels, tasks, macro, micro = averages(totals.sum(axis=0), counts.sum(axis=0))
    if draws:
        weights = _draw_weights(len(totals), draws, seed)
        spread = [averages(part @ totals, part @ counts) for part in weights]
        bounds = [_interval(np.concatenate(column), confidence) for column in zip(*spread, strict=True)]
    else:
        bounds = [None] * 4
    unparsed = np.bincount(types[~parsed], minlength=len(QUESTION_TYPES))
    sizes = counts.sum(axis=0)
    rows_of = {task.name: [_TYPE_INDEX[level] for level in task.levels] for task in TASKS}
    return {
        "macro": float(macro),
        "micro": float(micro),
        "interval": None if not draws else {"macro": bounds[2].tolist(), "micro": bounds[3].tolist()},
        "n": len(types),
        "n_unparsed": int((~parsed).sum()),
        "n_scenes": None if scenes is None else len(totals),
        "tasks": {
            task.name: _entry(tasks[i], sizes[rows_of[task.name]], unparsed[rows_of[task.name]], bounds[1], i)
            for i, task in enumerate(TASKS)
            if sizes[rows_of[task.name]].any()
        },
        "levels": {
            name: _entry(levels[i], sizes[i], unparsed[i], bounds[0], i)
            for i, name in enumerate(QUESTION_TYPES)
            if sizes[i]
        },
        "missing": [name for i, name in enumerate(QUESTION_TYPES) if not sizes[i]],
    }


def _entry(score: float, sizes: np.ndarray, unparsed: np.ndarray, bounds: np.ndarray | None, index: int) -> dict:
    interval = None if bounds is None else bounds[:, index].tolist()
    return {
        "score": float(score),
        "n": int(np.sum(sizes)),
        "n_unparsed": int(np.sum(unparsed)),
        "interval": interval,
    }


def averages(totals: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (levels (..., 10), tasks (..., 8), macro (...), micro (...)) in per cent.

    totals, counts : (..., 10) summed tenths and number of questions per question type. What has no question is NaN
    and is left out of the averages above it.
    """
    totals, counts = np.asarray(totals, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    levels = np.divide(10.0 * totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
    tasks = np.stack(
        [_mean_present(levels[..., [_TYPE_INDEX[level] for level in task.levels]]) for task in TASKS], axis=-1
    )
    micro = 10.0 * totals.sum(axis=-1) / counts.sum(axis=-1)
    return levels, tasks, _mean_present(tasks), micro


def _mean_present(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    total = np.where(present, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def _codes(labels: Sequence[str]) -> np.ndarray:
    """Return (n,) ints that number the labels in sorted order, so that results don't depend on the order of rows."""
    _, codes = np.unique(np.asarray([str(label) for label in labels]), return_inverse=True)
    return codes.reshape(-1)


def _own_clusters(types: np.ndarray, tenths: np.ndarray) -> np.ndarray:
    """Return (n,) ints that give every row a cluster of its own, numbered by its content, not by its position."""
    clusters = np.empty(len(types), dtype=np.int64)
    clusters[np.lexsort((tenths, types))] = np.arange(len(types))
    return clusters


def _cluster_sums(types: np.ndarray, tenths: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (clusters, 10) float64 sums of tenths and counts; clusters without a row are left out."""
    names, rows = np.unique(clusters, return_inverse=True)
    cells = rows.reshape(-1) * len(QUESTION_TYPES) + types
    shape = (len(names), len(QUESTION_TYPES))
    length = shape[0] * shape[1]
    totals = np.bincount(cells, weights=tenths, minlength=length).reshape(shape)
    return totals, np.bincount(cells, minlength=length).reshape(shape).astype(np.float64)


def _draw_weights(clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield (<= 64, clusters) float64: how often each cluster was drawn, for `draws` draws with replacement."""
    generator = np.random.Generator(np.random.Philox(seed))
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        picks = generator.integers(clusters, size=(size, clusters)) + clusters * np.arange(size)[:, None]
        yield np.bincount(picks.reshape(-1), minlength=size * clusters).reshape(size, clusters).astype(np.float64)


def _interval(values: np.ndarray, confidence: float) -> np.ndarray:
    """Return (2, ...) the central percentile interval of (draws, ...) values, over the draws that have a value."""
    tail = 100.0 * (1.0 - confidence) / 2.0
    flat = values.reshape(len(values), -1)
    bounds = np.full((2, flat.shape[1]), np.nan)
    for column in range(flat.shape[1]):
        present = flat[~np.isnan(flat[:, column]), column]
        if len(present):
            bounds[:, column] = np.percentile(present, [tail, 100.0 - tail])
    return bounds.reshape(2, *values.shape[1:])
