"""The measure of query lock: four parts, reported together, since each alone takes some good model for a bad one.

| part | asks |
|---|---|
| recovery | how much is left with the named objects noised, and with like objects of the context (`recovery.py`) |
| twins | whether answers follow an edit that changes them, and stay at one that doesn't (`twin_scores.py`) |
| hallucination | how often the answer stays though what the question names was erased from every frame |
| floor | how much answers change when nothing changes but the batches |

A part that was not asked is None, and the report says how to ask it. docs/measure.md shows which simulated agents each
part tells apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.audits import RECOVERY, VANILLA, arms
from ocr_hf.vsi_bench.benchmark import Row
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.query_lock import answer_change
from ocr_hf.vsi_bench.recovery import context_recovery
from ocr_hf.vsi_bench.scoring import Scored
from ocr_hf.vsi_bench.stored_runs import bootstrap_clusters, scored_without_text
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import QUESTION_TYPES, TASK_OF
from ocr_hf.vsi_bench.twin_scores import sensitivity_specificity

Part = tuple[Sequence[Row], Scored]
"""The questions of an audit and their scored answers, in one order."""
Records = Mapping[tuple[str, Any], Mapping[str, Any]]
"""(audit, id) -> what was recorded beside the answer."""


def measure(scored: Mapping[str, Part], records: Records, config: EvalConfig) -> dict[str, Any]:
    """Return the parts of the measure that a run has asked, each overall and by task with intervals; others are None.

    Args:
        scored: audit or arm -> its questions and scores.
        records: what stands beside each answer: pixels that were noised, or why a video failed.
        config: the run's.
    """
    failed = {name for (_, name), record in records.items() if "error" in record}
    # A type that a plugin added is in none of VSI-Bench's averages
    parts = {
        audit: {
            row["id"]: (row, place)
            for place, row in enumerate(rows)
            if row["id"] not in failed and row["question_type"] in QUESTION_TYPES
        }
        for audit, (rows, _) in scored.items()
    }
    rows, plain = scored[VANILLA]
    return {
        "recovery": _recovery(scored, parts, records, config),
        "twins": sensitivity_specificity(rows, plain.scores, config.draws, config.seed),
        "hallucination": _hallucination(scored, parts, config),
        "floor": _unchanged(scored, parts, "repeat", VANILLA, config),
    }


def _recovery(
    scored: Mapping[str, Part], parts: Mapping[str, Mapping], records: Records, config: EvalConfig
) -> dict[str, Any] | None:
    if RECOVERY not in config.audit:
        return None
    strengths, noise_draws = config.recovery_strengths, config.recovery_draws
    found = arms(strengths, noise_draws)
    ids = list(parts[str(found[0])]) if str(found[0]) in parts else []
    unmatched = Counter(
        TASK_OF[row["question_type"]] for name, (row, _) in parts.get("queried_erased", {}).items() if name not in ids
    )
    base = {"n_unmatched": sum(unmatched.values()), "unmatched": dict(unmatched), "noise_draws": noise_draws}
    if not ids:
        return {**base, "n": 0, "overall": None, "tasks": {}, "matched_pixels": None}

    def scores(audit: str) -> np.ndarray:
        return scored[audit][1].scores[[parts[audit][name][1] for name in ids]]

    sides = {
        side: np.array([[scores(str(arm)) for arm in found if (arm.side, arm.strength) == (side, strength)]
                        for strength in strengths])
        for side in ("queried", "matched")
    }  # fmt: skip
    rows = [parts[VANILLA][name][0] for name in ids]
    matched = next(str(arm) for arm in found if arm.side == "matched")
    pixels = [(records[matched, name]["changed_px"], records[matched, name]["asked_px"]) for name in ids]
    table = context_recovery(
        [row["question_type"] for row in rows],
        bootstrap_clusters(rows),
        scores(VANILLA),
        scores("black"),
        sides["queried"],
        sides["matched"],
        strengths,
        config.draws,
        seed=config.seed,
    )
    return {**base, **table, "matched_pixels": float(np.mean([changed / max(1, asked) for changed, asked in pixels]))}


def _hallucination(
    scored: Mapping[str, Part], parts: Mapping[str, Mapping], config: EvalConfig
) -> dict[str, Any] | None:
    """Return how often the answer stays with the named objects erased, beside it on black frames; and who answers."""
    rate = _unchanged(scored, parts, "queried_erased", VANILLA, config)
    if rate is None:
        return None
    erased = parts["queried_erased"]
    parsed = scored["queried_erased"][1].parsed[[place for _, place in erased.values()]]
    black = _unchanged(scored, parts, "black", VANILLA, config, only=list(erased))
    return {**rate, "answered": 100.0 * float(parsed.mean()), "on_black": black and black["unchanged"]}


def _unchanged(
    scored: Mapping[str, Part],
    parts: Mapping[str, Mapping],
    audit: str,
    other: str,
    config: EvalConfig,
    only: Sequence[Any] | None = None,
) -> dict[str, Any] | None:
    """Return the share of answers, per cent, that an audit leaves as they were, as `summarize` has scores.

    Numbers that moved a little have stayed in part, by `answer_change`. None where the audit was not asked.
    """
    ids = [name for name in (parts.get(audit, {}) if only is None else only) if name in parts.get(audit, {})]
    if not ids:
        return None
    rows = [parts[audit][name][0] for name in ids]
    types = [row["question_type"] for row in rows]
    now, before = (
        [scored[run][1].answers[parts[run][name][1]] for name in ids] for run in (audit, other)
    )  # fmt: skip
    same = [1.0 - answer_change(*texts) for texts in zip(types, before, now, strict=True)]
    table = summarize(
        scored_without_text(np.array(same), types),
        None,
        bootstrap_clusters(rows),
        "macro",
        config.draws,
        seed=config.seed,
    )
    return {
        "unchanged": table["macro"],
        "interval": table["interval"] and table["interval"]["macro"],
        "n": table["n"],
        "tasks": {
            name: {key: entry[key] for key in ("score", "interval", "n")} for name, entry in table["tasks"].items()
        },
    }
