"""Read the folders that `ocr-hf eval` writes, question by question, so that runs can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ocr_hf.data.schema import MAX_QUESTIONS
from ocr_hf.vsi_bench.audits import VANILLA
from ocr_hf.vsi_bench.scoring import Scored, score_answers
from ocr_hf.vsi_bench.twins_layout import read_id

COLUMNS = [
    "audit", "id", "dataset", "scene_name", "question_type", "question", "options", "ground_truth", "pruned",
    "prediction",
]  # fmt: skip


SAME = ("dataset", "scene_name", "question_type", "question", "options", "ground_truth")
"""What one question has in all runs."""


@dataclass(frozen=True, eq=False)
class StoredRun:
    """The evaluation of one model.

    rows : questions in the order of their ids; those of twins also say which question's and of which video they are
    answers : audit -> the model's text for each row, None where the audit leaves the question out
    results : results.json
    """

    folder: Path
    rows: list[dict[str, Any]]
    answers: dict[str, list[str | None]]
    results: dict[str, Any]

    def take(self, places: Sequence[int]) -> StoredRun:
        """Return the run with the questions at these places."""
        answers = {audit: [texts[place] for place in places] for audit, texts in self.answers.items()}
        return replace(self, rows=[self.rows[place] for place in places], answers=answers)

    def scored(self, audit: str = VANILLA) -> Scored:
        """Return the scores of the answers in one audit; raise ValueError where the audit was not run."""
        texts = self.answers.get(audit)
        if texts is None:
            flag = f"--audit {audit} " if audit != VANILLA else ""
            raise ValueError(f"{self.folder} has no run '{audit}'; evaluate the model with `ocr-hf eval {flag}...`")
        truths, types = ([row[name] for row in self.rows] for name in ("ground_truth", "question_type"))
        return score_answers(texts, truths, types, self.results["extraction"], [row["id"] for row in self.rows])


def read_run(folder: Path) -> StoredRun:
    """Read a folder written by `ocr-hf eval`; raise FileNotFoundError where its files are missing."""
    for name in ("results.json", "predictions.parquet"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {name}; evaluate the model with `ocr-hf eval --out {folder}`, or score its "
                "predictions with --data"
            )
    table = pq.read_table(folder / "predictions.parquet", columns=COLUMNS).to_pylist()
    given = {(row["audit"], row["id"]): row["prediction"] for row in table}
    rows = sorted((row for row in table if row["audit"] == VANILLA), key=lambda row: row["id"])
    answers = {
        audit: [given.get((audit, row["id"])) for row in rows] for audit in dict.fromkeys(row["audit"] for row in table)
    }
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if "twins" in results:
        rows = [{**row, **read_id(row["id"])} for row in rows]
    return StoredRun(folder, rows, answers, results)


def check_same_questions(runs: Sequence[StoredRun]) -> None:
    """Raise ValueError unless all runs answer the same questions about the same data."""
    first = runs[0]
    for other in runs[1:]:
        if [row["id"] for row in other.rows] != [row["id"] for row in first.rows]:
            raise ValueError(
                f"{other.folder} and {first.folder} answer different questions; evaluate both on the same data"
            )
        theirs, ours = (run.results["settings"]["data_revision"] for run in (other, first))
        if theirs != ours:
            raise ValueError(
                f"{other.folder} was evaluated on data {theirs}, {first.folder} on {ours}; use the same data for both"
            )


def on_common_questions(runs: Sequence[StoredRun], partly: bool = False) -> list[StoredRun]:
    """Return the runs with the questions that all of them answer, in one order.

    Args:
        runs: at least two.
        partly: allow that some runs answer more; without, all must answer the same.

    Raises:
        ValueError: they have no question in common, not the same ones (without `partly`), or an id stands for unlike
            questions.
    """
    first = runs[0]
    ids = [{row["id"] for row in run.rows} for run in runs]
    common = set.intersection(*ids)
    names = " and ".join(str(run.folder) for run in runs)
    if not common:
        raise ValueError(f"{names} have no question in common; evaluate them on the same data")
    for run, own in zip(runs[1:], ids[1:], strict=True):
        if own != ids[0] and not partly:
            raise ValueError(
                f"{run.folder} and {first.folder} answer different questions: {len(own - ids[0]):,} and "
                f"{len(ids[0] - own):,} are in one alone, {len(own & ids[0]):,} in both; evaluate both on the same "
                "data, "
                "or compare what is common with --common"
            )
    kept = [run.take([place for place, row in enumerate(run.rows) if row["id"] in common]) for run in runs]
    for run in kept[1:]:
        for row, other in zip(run.rows, kept[0].rows, strict=True):
            unlike = [name for name in SAME if row[name] != other[name]]
            if unlike:
                raise ValueError(
                    f"question {row['id']} has another {unlike[0]} in {run.folder} than in {first.folder}; evaluate "
                    "both "
                    "on the same data"
                )
    return kept


def bootstrap_clusters(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return (n,) the cluster of each question, which the bootstrap draws as one: its scene.

    Questions about one scene depend on each other, so drawing them singly would give intervals that are too narrow.
    With one scene there would be nothing to draw from; then a cluster is a clip.
    """
    scenes = [f"{row['dataset']}/{row['scene_name']}" for row in rows]
    if len(set(scenes)) > 1:
        return scenes
    # ocr-vsi builds ids as clip number x MAX_QUESTIONS + number of the question; other benchmarks tell no clip
    ids = [row.get("question_id", row["id"]) for row in rows]
    return [
        f"clip {name // MAX_QUESTIONS}" if isinstance(name, int) else scene
        for name, scene in zip(ids, scenes, strict=True)
    ]


def scored_without_text(scores: np.ndarray, types: Sequence[str]) -> Scored:
    """Return scores (n,), 0 to 1, of a baseline that writes no text, as `score_answers` returns those of texts."""
    return Scored(10.0 * scores, np.ones(len(scores), dtype=bool), ("",) * len(scores), tuple(types), "none")
