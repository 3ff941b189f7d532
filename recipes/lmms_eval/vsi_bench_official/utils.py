"""lmms-eval's hooks for VSI-Bench: prompts and scores come from ocr_hf.vsi_bench, nothing is computed here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import TASKS

KEPT = ("id", "dataset", "scene_name", "question_type", "ground_truth")
FIGURES = ("overall", "micro", "overall_low", "overall_high", "n_unparsed", *(task.name for task in TASKS))


def doc_to_visual(doc: dict) -> list[str]:
    """Return the path of the question's video."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    path = home / "vsibench" / doc["dataset"] / f"{doc['scene_name']}.mp4"
    if not path.is_file():
        raise FileNotFoundError(f"question {doc['id']}: there is no {path}; unpack the archives of VSI-Bench there")
    return [str(path)]


def doc_to_text(doc: dict, lmms_eval_specific_kwargs: dict | None = None) -> str:
    """Return the official prompt; `style` chooses another (see ocr_hf.vsi_bench.prompts)."""
    return build_prompt(doc, (lmms_eval_specific_kwargs or {}).get("style", "official"))


def process_results(doc: dict, results: list[str]) -> dict[str, dict]:
    """Return what the aggregations need of one question, once per figure."""
    row = {name: doc[name] for name in KEPT} | {"prediction": results[0]}
    return dict.fromkeys(FIGURES, row)


def summary(rows: list[dict]) -> dict[str, float]:
    """Return every figure for the rows of a run; tasks without a question are NaN."""
    scored = score_answers(
        [row["prediction"] for row in rows],
        [row["ground_truth"] for row in rows],
        [row["question_type"] for row in rows],
        ids=[row["id"] for row in rows],
    )
    results = summarize(scored, scenes=[f"{row['dataset']}/{row['scene_name']}" for row in rows])
    low, high = results["interval"]["macro"] if results["interval"] else (float("nan"), float("nan"))
    tasks = {task.name: results["tasks"].get(task.name, {}).get("score", float("nan")) for task in TASKS}
    return {
        "overall": results["macro"],
        "micro": results["micro"],
        "overall_low": low,
        "overall_high": high,
        "n_unparsed": results["n_unparsed"],
        **tasks,
    }


def _aggregation(figure: str) -> Callable[[list[dict]], float]:
    return lambda rows: summary(rows)[figure]


for _figure in FIGURES:
    globals()[f"aggregate_{_figure}"] = _aggregation(_figure)
