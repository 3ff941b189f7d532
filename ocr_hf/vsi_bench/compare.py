"""Evaluated models side by side on the same questions: figures with bootstrap intervals, and paired differences.

runs = {name: read_run(Path(folder)) for name, folder in {"a": "results/a", "b": "results/b"}.items()}
check_same_questions(list(runs.values()))
comparison = compare_runs(runs)
comparison.table()["a"]["overall"]             # score in per cent, interval, number of questions
comparison.difference("a", "b")["overall"]     # b - a, paired by question, with p-values
comparison.by_pair()["pairs"]                  # of twins: the same for pairs of videos
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ocr_hf.text_only.text_statistic import text_scores
from ocr_hf.vsi_bench.audits import VANILLA
from ocr_hf.vsi_bench.bootstrap import CONFIDENCE, DRAWS, cluster_codes, draw_weights, percentile_interval
from ocr_hf.vsi_bench.references import reference_scores
from ocr_hf.vsi_bench.scoring import Scored
from ocr_hf.vsi_bench.significance import McNemar, bootstrap_p, holm, mcnemar
from ocr_hf.vsi_bench.stored_runs import StoredRun, bootstrap_clusters, scored_without_text
from ocr_hf.vsi_bench.summary import averages, cluster_sums, summarize, types_of
from ocr_hf.vsi_bench.tasks import TASKS, Task, is_numeric
from ocr_hf.vsi_bench.twin_scores import RELATIONS, pair_scores, scored_pairs

OVERALL = "overall"
PAIRS = "pairs"
REFERENCES = ("most_frequent", "always_a", "random")
"""Systems of every comparison that answer without a model; see `reference_scores`."""
TEXT_STATISTIC = "text_statistic"
RESERVED = (*REFERENCES, TEXT_STATISTIC)
"""Names of systems that no run can have."""


@dataclass(frozen=True)
class Estimate:
    """A score or a difference in per cent, its 95 % interval (None with too few clusters), and its n questions."""

    score: float
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True)
class Difference(Estimate):
    """A paired difference, second - first, and how surely it isn't 0.

    p : two-sided, from the bootstrap over clusters (None without draws or with one cluster)
    corrected : p after Holm over the tasks; None for the overall difference, which is one test
    letters : McNemar's test of the questions with letters, corrected over the tasks that have them; None without any
    """

    p: float | None = None
    corrected: float | None = None
    letters: McNemar | None = None


Table = dict[str, dict[str, Estimate]]
"""System -> (OVERALL or task) -> estimate."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What several systems scored on the same questions.

    rows : the questions; systems : name -> their scores, in the order of the rows
    clusters : of each question, the scene or clip that the bootstrap draws it with
    """

    rows: Sequence[Mapping[str, Any]]
    systems: dict[str, Scored]
    clusters: list[str]

    def table(self, draws: int = DRAWS) -> Table:
        """Return every system's estimates; all of them take the same draws of clusters."""
        return {name: _estimates(scored, self.clusters, draws) for name, scored in self.systems.items()}

    def difference(self, first: str, second: str, draws: int = DRAWS) -> dict[str, Difference]:
        """Return second - first in points, overall and by task, paired by question; corrected for being several."""
        types = np.array(self.systems[first].question_types)
        kept = {OVERALL: np.ones(len(types), dtype=bool)}
        kept |= {task.name: np.isin(types, task.levels) for task in TASKS}
        out = {}
        for name, mask in kept.items():
            if mask.any():
                pair = [self.systems[system].take(np.flatnonzero(mask)) for system in (first, second)]
                where = [label for label, keep in zip(self.clusters, mask, strict=True) if keep]
                found = paired_difference(*pair, where, draws)
                interval = found["interval"] and tuple(found["interval"])
                size = int(mask.sum())
                out[name] = Difference(found["difference"], interval, size, found["p"], None, _letters(*pair))
        return _corrected(out)

    def by_cluster(self, first: str, second: str) -> dict[str, Estimate]:
        """Return second - first in points for each cluster, over its questions; a single one has no interval."""
        before, after = (self.systems[name].tenths for name in (first, second))
        places: dict[str, list[int]] = {}
        for place, label in enumerate(self.clusters):
            places.setdefault(label, []).append(place)
        return {
            label: Estimate(float(10.0 * (after[chosen] - before[chosen]).mean()), None, len(chosen))
            for label, chosen in sorted(places.items())
        }

    def by_pair(self) -> dict[str, Comparison]:
        """Return comparisons whose questions are pairs of videos, scored as `twin_table` scores them.

        Returns:
            PAIRS, and each of RELATIONS that was asked -> its pairs. Nothing where no twins were asked.
        """
        if not self.rows or "video" not in self.rows[0]:
            return {}
        # The expectation of guessing is none of a pair: the lower of two expectations is not the expected lower one
        systems = {name: scored for name, scored in self.systems.items() if name != "random"}
        found = {name: pair_scores(self.rows, scored.scores) for name, scored in systems.items()}
        pairs = next(iter(found.values()))[0]
        if not pairs:
            return {}
        scored = {name: scored_pairs(pairs, scores, systems[name].extraction) for name, (_, scores) in found.items()}
        every = Comparison(pairs, scored, bootstrap_clusters(pairs))
        parts = {
            relation: every._take([place for place, pair in enumerate(pairs) if pair["relation"] == relation])
            for relation in RELATIONS
        }
        return {PAIRS: every, **{relation: part for relation, part in parts.items() if part.rows}}

    def _take(self, places: Sequence[int]) -> Comparison:
        """Return the comparison of the questions at these places."""
        systems = {name: scored.take(places) for name, scored in self.systems.items()}
        return Comparison([self.rows[place] for place in places], systems, [self.clusters[place] for place in places])


def _letters(first: Scored, second: Scored) -> McNemar | None:
    """Return McNemar's test of the questions that are answered by letters; None where a system has no answers."""
    chosen = [place for place, name in enumerate(first.question_types) if not is_numeric(name)]
    if not chosen or "none" in (first.extraction, second.extraction):
        return None
    return mcnemar(*(run.tenths[chosen] == 10 for run in (first, second)))


def _corrected(differences: dict[str, Difference]) -> dict[str, Difference]:
    """Return the differences with Holm's correction over the tasks, for each of the two tests."""
    tasks = [name for name in differences if name != OVERALL]
    tested = [name for name in tasks if differences[name].p is not None]
    out = dict(differences)
    for name, p in zip(tested, holm([differences[name].p or 0.0 for name in tested]), strict=True):
        out[name] = replace(out[name], corrected=p)
    pairs = [(name, found) for name in tasks if (found := differences[name].letters)]
    for (name, found), p in zip(pairs, holm([found.p for _, found in pairs]), strict=True):
        out[name] = replace(out[name], letters=replace(found, corrected=p))
    return out


def compare_runs(
    runs: Mapping[str, StoredRun], audits: Mapping[str, str] | None = None, pruned: bool | None = None
) -> Comparison:
    """Put evaluations of the same questions side by side, with REFERENCES and the text-only statistic.

    Args:
        runs: System -> its evaluation. One evaluation may stand under several names, with different audits.
        audits: System -> the audit whose answers count; the vanilla video's for systems that are not named.
        pruned: False keeps the debiased questions, True those that were pruned, None all.

    Returns:
        The comparison. The system `text_statistic` is missing where all questions are about one scene: the statistic
        is fitted to the other scenes.

    Raises:
        ValueError: If an evaluation lacks the audit that `audits` names, or has the name of a reference.
    """
    if taken := [name for name in runs if name in RESERVED]:
        raise ValueError(
            f"a run is called '{taken[0]}', as one of the references of every comparison ({', '.join(RESERVED)}), "
            "so that its scores would be lost; give it another name"
        )
    first = next(iter(runs.values()))
    kept = [place for place, row in enumerate(first.rows) if pruned is None or row["pruned"] is pruned]
    rows = [first.rows[place] for place in kept]
    types = [row["question_type"] for row in rows]
    systems = {name: run.scored((audits or {}).get(name, VANILLA)).take(kept) for name, run in runs.items()}
    if len({row["scene_name"] for row in rows}) > 1:
        # Fitted to the questions that are kept, so that all systems are compared on the same ones
        systems[TEXT_STATISTIC] = scored_without_text(text_scores(rows).score, types)
    systems |= {name: scored_without_text(scores, types) for name, scores in reference_scores(rows).items()}
    return Comparison(rows, systems, bootstrap_clusters(rows))


def beats(table: Table, system: str, task: str, baselines: Sequence[str] = REFERENCES) -> dict[str, bool]:
    """Return, for each baseline that has a score, whether the system's interval lies wholly above the baseline's.

    Intervals that don't overlap are a stricter condition than a paired difference above 0.
    """
    mine = table[system].get(task)
    out = {}
    for name in baselines:
        theirs = table.get(name, {}).get(task)
        if mine and theirs:
            out[name] = bool(mine.interval and theirs.interval and mine.interval[0] > theirs.interval[1])
    return out


def paired_difference(
    first: Scored,
    second: Scored,
    scenes: Sequence[str],
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    tasks: Sequence[Task] = TASKS,
) -> dict:
    """Compare two runs on the same questions by a paired bootstrap over scenes.

    Args:
        first: a run, as `score_answers` returns.
        second: another, of the same questions in the same order.
        scenes: per question, the scene it asks about; each draw takes the same scenes for both runs.
        draws: bootstrap draws, 0 for no interval.
        confidence: of the interval, between 0 and 1.
        seed: of the bootstrap.
        tasks: what the macro average is over.

    Returns:
        Macro average of `first`, of `second`, and `difference` = second - first with its `interval`, all in per cent;
        `p`, two-sided. Interval and p are None without draws, or with one scene.

    Raises:
        ValueError: the runs answer other questions.
    """
    if first.question_types != second.question_types or len(scenes) != len(first.question_types):
        raise ValueError("the two runs answer other questions; pair them on id first")
    own = types_of(tasks)
    asked = [place for place, name in enumerate(first.question_types) if name in own]
    first, second = first.take(asked), second.take(asked)  # the macro average is over the tasks alone
    types = np.array([own.index(name) for name in first.question_types])
    clusters = cluster_codes(scenes)[asked]
    (before, counts), (after, _) = (cluster_sums(types, run.tenths, clusters, len(own)) for run in (first, second))
    means = [float(averages(totals.sum(axis=0), counts.sum(axis=0), tasks)[2]) for totals in (before, after)]
    interval, p = None, None
    if draws and len(counts) > 1:
        drawn = np.concatenate(
            [_difference(weights, before, after, counts, tasks) for weights in draw_weights(len(counts), draws, seed)]
        )
        interval, p = percentile_interval(drawn, confidence).tolist(), bootstrap_p(drawn)
    found = {"first": means[0], "second": means[1], "difference": means[1] - means[0]}
    return {**found, "interval": interval, "p": p}


def _difference(
    weights: np.ndarray, before: np.ndarray, after: np.ndarray, counts: np.ndarray, tasks: Sequence[Task]
) -> np.ndarray:
    """Return (draws,) the difference of the macro averages in each draw."""
    drawn = weights @ counts
    return averages(weights @ after, drawn, tasks)[2] - averages(weights @ before, drawn, tasks)[2]


def _estimates(scored: Scored, clusters: list[str], draws: int) -> dict[str, Estimate]:
    summary = summarize(scored, scenes=clusters, draws=draws)
    overall = summary["interval"] and tuple(summary["interval"]["macro"])
    tasks = {
        name: Estimate(entry["score"], entry["interval"] and tuple(entry["interval"]), entry["n"])
        for name, entry in summary["tasks"].items()
    }
    return {OVERALL: Estimate(summary["macro"], overall, summary["n"]), **tasks}
