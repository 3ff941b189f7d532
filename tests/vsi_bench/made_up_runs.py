"""Evaluations that nobody ran: answers drawn so that how often each model is right is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.vsi_bench.audits import AUDITS, NEED_OBJECTS, VANILLA
from ocr_hf.vsi_bench.benchmark import Benchmark
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.results import write_results
from ocr_hf.vsi_bench.tasks import is_numeric

Skill = dict[str, float]
"""Audit -> share of the questions that are answered rightly; those that aren't named, as vanilla."""


def make_run(out: Path, data: Path, skill: Skill, blind: tuple[str, ...] = (), draws: int = 100) -> None:
    """Write what `ocr-hf eval` would write for a model of this skill.

    skill : the audits that are run, vanilla among them; blind : question types that are answered alike in every audit
    """
    benchmark = open_benchmark(str(data))
    config = EvalConfig(
        model=out.parent.name, data=str(data), frames=8, audit=tuple(set(skill) - {VANILLA}), draws=draws
    )
    asked = [
        (audit, tuple(row for row in benchmark.rows if audit not in NEED_OBJECTS or named(benchmark, row)))
        for audit in (VANILLA, *(audit for audit in AUDITS if audit in skill))
    ]
    answers = {
        (audit, row["id"]): {
            "prediction": answer(row, skill[VANILLA if row["question_type"] in blind else audit], out.parent.name),
            "num_frames": 8,
            "changed_px": 10,
            "asked_px": 10,
        }
        for audit, rows in asked
        for row in rows
    }
    facts = {"data_revision": benchmark.revision, "model_revision": "blake2b:0", "parameters": 1000}
    out.mkdir(parents=True)
    write_results(out, benchmark.rows, asked, answers, config, {**config.identity(), **facts})


def named(benchmark: Benchmark, row: Any) -> bool:
    """Whether the question names an object."""
    return bool(benchmark.objects(row)["queried_objects"])


def answer(row: Any, skill: float, model: str) -> str:
    """Return the truth with probability `skill`, else another letter or three times the number; a function of these."""
    luck = generator(stable_key("answer", row["id"], model)).random()
    truth = row["ground_truth"]
    if luck < skill:
        return truth
    if is_numeric(row["question_type"]):
        return f"{3.0 * float(truth):g}"
    return next(letter for letter in "BA" if letter != truth)


def log_lines(stage: str, steps: int) -> list[dict[str, Any]]:
    """Return what training would log."""
    lines = []
    for step in range(1, steps + 1):
        line: dict[str, Any] = {"step": step, "seconds": 2.0 * step}
        if stage == "sft":
            line["loss"] = 4.0 / step
        else:
            line |= {"reward": 0.5 + 0.1 * np.sin(step), "vanilla/accuracy": 0.6, "noisy/accuracy": 0.4}
        if step % 5 == 0:
            line["held_out"] = 30.0 + step
        lines.append(line)
    return lines
