"""From scored questions to the table of VSI-Bench: tasks, levels, both overall averages, bootstrap intervals.

All figures are percentages. `macro` is the benchmark's own overall: the unweighted mean of the eight tasks, where
relative direction is the unweighted mean of its three levels. `micro` is the mean over questions that some harnesses
publish; it is commonly 1.5 to 3 points higher. Question types that aren't VSI-Bench's are levels of their own and enter
neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .bootstrap import CONFIDENCE, DRAWS, cluster_codes, draw_weights, percentile_interval
from .scoring import Scored
from .tasks import QUESTION_TYPES, TASKS, Task

AVERAGES = ("macro", "micro")


def types_of(tasks: Sequence[Task]) -> tuple[str, ...]:
    """Return the question types of tasks, in their order: the first columns of every table of totals."""
    return tuple(level for task in tasks for level in task.levels)


def summarize(
    scored: Scored,
    pruned: Sequence[bool] | None = None,
    scenes: Sequence[str] | None = None,
    average: str = "macro",
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    tasks: Sequence[Task] = TASKS,
) -> dict:
    """Summarise a run as plain numbers, ready for JSON.

    Tasks and levels without a question are named in `missing`, and then `macro` is the mean over the tasks present.

    Args:
        scored: every question, as `score_answers` returns.
        pruned: per question, whether the debiased split leaves it out; adds `debiased`, else that is None.
        scenes: per question, the scene it asks about; the bootstrap draws whole scenes. Without it questions are drawn
            one by one, which makes intervals too narrow, and `clustered_by` says so.
        average: the headline, "macro" (mean of the tasks) or "micro" (mean of the questions).
        draws: bootstrap draws for the percentile intervals, 0 for none. A figure that rests on one scene has none.
        confidence: of the intervals, between 0 and 1.
        seed: of the bootstrap.
        tasks: what the macro average is over; a benchmark other than VSI-Bench has its own.

    Returns:
        `overall`, the tasks with their levels, intervals and counts; scores in per cent.

    Raises:
        ValueError: a length, average or confidence can't be right, or there is no question of the tasks' types.

    Example:
        >>> from ocr_hf import score_answers
        >>> from ocr_hf.vsi_bench.summary import summarize
        >>> summarize(score_answers(["3"], ["4"], ["object_counting"]), draws=0)["overall"]
        60.0
    """
    size = len(scored.tenths)
    if size == 0:
        raise ValueError("there is no question to score; give at least one prediction")
    own_types = set(types_of(tasks))
    if not set(scored.question_types) & own_types:
        given = ", ".join(sorted(set(scored.question_types)))
        raise ValueError(
            f"no question is of a type that VSI-Bench has, only {given}, so its averages are not defined; add "
            "questions of its types, or use score_answers, which needs none"
        )
    if average not in AVERAGES:
        raise ValueError(f"average {average!r} is unknown; use one of {', '.join(AVERAGES)}")
    if draws < 0 or not 0.0 < confidence < 1.0:
        raise ValueError(f"draws is {draws} and confidence {confidence}; give draws >= 0 and a confidence in (0, 1)")
    for name, column in (("pruned", pruned), ("scenes", scenes)):
        if column is not None and len(column) != size:
            raise ValueError(f"there are {size} predictions but {len(column)} {name}; give one per question")
    table = _table(scored, np.ones(size, dtype=bool), scenes, draws, confidence, seed, tasks)
    debiased = None
    if pruned is not None:
        kept = ~_as_bool(pruned)
        own = np.array([name in own_types for name in scored.question_types])
        debiased = _table(scored, kept, scenes, draws, confidence, seed, tasks) if (kept & own).any() else {"n": 0}
    return {
        "overall": table[average],
        "average": average,
        "extraction": scored.extraction,
        "clustered_by": "question" if scenes is None else "scene",
        **table,
        "debiased": debiased,
        "scores": scored.scores.tolist(),
    }


def averages(
    totals: np.ndarray, counts: np.ndarray, tasks: Sequence[Task] = TASKS
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (tasks (..., T), levels (..., K), macro (...), micro (...)) in per cent.

    totals, counts : (..., K) summed tenths and number of questions per question type: those of the T tasks (see
        `types_of`; VSI-Bench's ten), then others.
    What has no question is NaN and is left out of the averages above it.
    """
    totals, counts = np.asarray(totals, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    levels = np.divide(10.0 * totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
    means = np.stack([_mean_present(levels[..., columns]) for columns in _task_columns(tasks).values()], axis=-1)
    own = len(types_of(tasks))
    total, count = totals[..., :own].sum(axis=-1), counts[..., :own].sum(axis=-1)
    micro = np.divide(10.0 * total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    return means, levels, _mean_present(means), micro


def _task_columns(tasks: Sequence[Task]) -> dict[str, list[int]]:
    place = {name: i for i, name in enumerate(types_of(tasks))}
    return {task.name: [place[level] for level in task.levels] for task in tasks}


def _mean_present(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    total = np.where(present, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def _table(
    scored: Scored,
    keep: np.ndarray,
    scenes: Sequence[str] | None,
    draws: int,
    confidence: float,
    seed: int,
    tasks: Sequence[Task],
) -> dict:
    """Return averages, tasks and levels of the rows in `keep` (n,) bool."""
    columns = _columns(scored.question_types, tasks)
    types = np.array([columns[name] for name in scored.question_types])[keep]
    tenths, unparsed = scored.tenths[keep], ~scored.parsed[keep]
    clusters = _own_clusters(types, tenths) if scenes is None else cluster_codes(scenes)[keep]
    totals, counts = cluster_sums(types, tenths, clusters, len(columns))
    means, levels, macro, micro = averages(totals.sum(axis=0), counts.sum(axis=0), tasks)
    bounds: list[np.ndarray | None] = [None] * 4
    if draws:
        drawn = [
            averages(weights @ totals, weights @ counts, tasks) for weights in draw_weights(len(totals), draws, seed)
        ]
        bounds = [percentile_interval(np.concatenate(part), confidence) for part in zip(*drawn, strict=True)]
    unparsed_counts = np.bincount(types[unparsed], minlength=len(columns))
    task_entries = _entries(_task_columns(tasks), means, bounds[0], counts, unparsed_counts)
    level_entries = _entries(
        {name: [column] for name, column in columns.items()}, levels, bounds[1], counts, unparsed_counts
    )
    several = draws and len(totals) > 1
    return {
        "macro": float(macro),
        "micro": float(micro),
        "interval": {"macro": bounds[2].tolist(), "micro": bounds[3].tolist()} if several else None,
        "n": len(types),
        "n_unparsed": int(unparsed.sum()),
        "n_scenes": None if scenes is None else len(totals),
        "tasks": task_entries,
        "levels": level_entries,
        "missing": [name for name in types_of(tasks) if name not in level_entries],
    }


def _entries(
    groups: dict[str, list[int]],
    scores: np.ndarray,
    bounds: np.ndarray | None,
    counts: np.ndarray,
    unparsed: np.ndarray,
) -> dict[str, dict]:
    """Return score, interval, n and n_unparsed of each group (columns of `counts`) that has a question."""
    entries = {}
    for index, (name, columns) in enumerate(groups.items()):
        per_cluster = counts[:, columns].sum(axis=1)
        if not per_cluster.any():
            continue
        # Draws of a single cluster are all alike: the interval would have no width and look certain
        has_interval = bounds is not None and np.count_nonzero(per_cluster) > 1
        entries[name] = {
            "score": float(scores[index]),
            "interval": bounds[:, index].tolist() if has_interval else None,
            "n": int(per_cluster.sum()),
            "n_unparsed": int(unparsed[columns].sum()),
        }
    return entries


def _columns(question_types: Sequence[str], tasks: Sequence[Task]) -> dict[str, int]:
    """Return question type -> column: those of the tasks, then others that were asked, by name."""
    own = types_of(tasks)
    return {name: i for i, name in enumerate((*own, *sorted(set(question_types) - set(own))))}


def cluster_sums(
    types: np.ndarray, tenths: np.ndarray, clusters: np.ndarray, num_types: int = len(QUESTION_TYPES)
) -> tuple[np.ndarray, np.ndarray]:
    """Return (clusters, num_types) float64 sums of tenths and counts; clusters without a row are left out."""
    names, rows = np.unique(clusters, return_inverse=True)
    cells = rows.reshape(-1) * num_types + types
    shape = (len(names), num_types)
    totals = np.bincount(cells, weights=tenths, minlength=shape[0] * shape[1]).reshape(shape)
    return totals, np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _own_clusters(types: np.ndarray, tenths: np.ndarray) -> np.ndarray:
    """Return (n,) ints that give every row a cluster of its own, numbered by its content, not by its position."""
    clusters = np.empty(len(types), dtype=np.int64)
    clusters[np.lexsort((tenths, types))] = np.arange(len(types))
    return clusters


def _as_bool(pruned: Sequence[bool]) -> np.ndarray:
    for row, value in enumerate(pruned):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"row {row}: pruned is {value!r}; give True or False")
    return np.asarray(pruned, dtype=bool)
