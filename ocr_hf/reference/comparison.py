"""Who is better at which task of a part, and does the model look at all: figures for the report, none of it text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ocr_hf.reference.runs import Run, clusters, from_scores
from ocr_hf.reference.text_baseline import text_scores
from ocr_hf.vsi_bench.audits import VANILLA
from ocr_hf.vsi_bench.compare import paired_difference
from ocr_hf.vsi_bench.references import reference_scores
from ocr_hf.vsi_bench.scoring import Scored
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import TASKS

OVERALL = "overall"
BASELINES = ("text-only", "most_frequent", "always_a", "random")
"""What the checkpoint has to beat; the model trained without video is asked without video."""


@dataclass(frozen=True)
class Figure:
    """A score in per cent, its 95 % interval (None with too few clusters) and its number of questions."""

    score: float
    interval: tuple[float, float] | None
    n: int


Table = dict[str, dict[str, Figure]]
"""System -> (OVERALL or task) -> figure."""


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the benchmark: rows, what each system scored on them, and what intervals are drawn over."""

    rows: Sequence[Mapping[str, Any]]
    systems: dict[str, Scored]
    clusters: list[str]

    def table(self, draws: int) -> Table:
        """Return every system's figures; all draws take the same clusters."""
        return {name: _figures(scored, self.clusters, draws) for name, scored in self.systems.items()}

    def difference(self, first: str, second: str, draws: int) -> dict[str, Figure]:
        """Return second - first in points, overall and by task, paired."""
        types = np.array(self.systems[first].question_types)
        kept = {OVERALL: np.ones(len(types), dtype=bool)}
        kept |= {task.name: np.isin(types, task.levels) for task in TASKS}
        out = {}
        for name, mask in kept.items():
            if mask.any():
                pair = (self.systems[system].take(np.flatnonzero(mask)) for system in (first, second))
                where = [label for label, keep in zip(self.clusters, mask, strict=True) if keep]
                found = paired_difference(*pair, where, draws)
                interval = found["interval"] and tuple(found["interval"])
                out[name] = Figure(found["difference"], interval, int(mask.sum()))
        return out


def make_part(runs: Mapping[str, Run], pruned: bool | None = None) -> Part:
    """Return the part that these runs were asked, or its debiased rows (pruned=False).

    runs : by system; "text-only" is taken without video, the first also on black frames
    """
    first = next(iter(runs.values()))
    kept = [place for place, row in enumerate(first.rows) if pruned is None or row["pruned"] is pruned]
    rows = [first.rows[place] for place in kept]
    types = [row["question_type"] for row in rows]
    systems = {}
    for name, run in runs.items():
        audit = "text_only" if name == "text-only" else VANILLA
        systems[name] = run.scored(audit).take(kept)
        if run is first and "black" in run.answers:
            systems["black"] = run.scored("black").take(kept)
    where = clusters(rows)
    if len({row["scene_name"] for row in rows}) > 1:
        systems["text_statistic"] = from_scores(text_scores(rows).score, types)
    systems |= {name: from_scores(scores, types) for name, scores in reference_scores(rows).items()}
    return Part(rows, systems, where)


def beaten(table: Table, system: str, task: str) -> dict[str, bool]:
    """Return for each baseline there is whether the system's interval lies wholly above the baseline's."""
    mine = table[system].get(task)
    out = {}
    for name in BASELINES:
        theirs = table.get(name, {}).get(task)
        if mine and theirs:
            out[name] = bool(mine.interval and theirs.interval and mine.interval[0] > theirs.interval[1])
    return out


def _figures(scored: Scored, where: list[str], draws: int) -> dict[str, Figure]:
    summary = summarize(scored, scenes=where, draws=draws)
    overall = summary["interval"] and tuple(summary["interval"]["macro"])
    tasks = {
        name: Figure(entry["score"], entry["interval"] and tuple(entry["interval"]), entry["n"])
        for name, entry in summary["tasks"].items()
    }
    return {OVERALL: Figure(summary["macro"], overall, summary["n"]), **tasks}
