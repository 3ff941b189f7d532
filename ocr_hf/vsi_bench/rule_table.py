"""One run under several extraction rules: the same answers, and the number that each harness would have published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.extraction_rules import EXTRACTIONS, chosen_rules
from ocr_hf.vsi_bench.references import published_rows
from ocr_hf.vsi_bench.scoring import Scored, score_answers
from ocr_hf.vsi_bench.summary import summarize


def rule_rows(
    predictions: Sequence[object],
    references: Sequence[object],
    question_types: Sequence[str],
    names: Sequence[str],
    recorded: Sequence[float | None] | None = None,
) -> list[dict[str, Any]]:
    """Return a run's averages, in per cent, under each rule.

    Args:
        predictions: what the model wrote.
        references: the truths, in the same order.
        question_types: VSI-Bench's names.
        names: of rules; "all" is every one.
        recorded: scores that a harness wrote beside the answers, 0 to 1, None where it wrote none.

    Returns:
        One entry a rule: its name, version, source, both averages and the one that its harness publishes, how many
        answers it doesn't read, how many recorded scores it reproduces, and which published tables were made by it.
    """
    found = []
    for rule in chosen_rules(list(names)):
        scored = score_answers(predictions, references, question_types, rule.name)
        summary = summarize(scored, draws=0)
        found.append(
            {
                "rule": rule.name,
                "version": rule.version,
                "source": rule.source,
                "average": rule.average,
                "macro": summary["macro"],
                "micro": summary["micro"],
                "n_unparsed": summary["n_unparsed"],
                "reproduces": None if recorded is None else _reproduced(scored, recorded),
                "published": published_by(rule.name),
            }
        )
    return found


def _reproduced(scored: Scored, recorded: Sequence[float | None]) -> dict[str, int]:
    """Return how many recorded scores are a rule's own."""
    theirs = np.array([np.nan if score is None else score for score in recorded])
    return {"n": int(np.sum(np.abs(scored.scores - theirs) < 1e-6)), "of": int(np.sum(~np.isnan(theirs)))}


def published_by(name: str) -> list[str]:
    """Return the sources of published averages that are known to have been made by a rule."""
    return list(dict.fromkeys(row["source"] for row in published_rows() if row.get("rule") == name))


def check_rule_fits(
    predictions: Sequence[object], references: Sequence[object], question_types: Sequence[str], name: str
) -> None:
    """Raise ValueError where a rule reads not one answer of a file and another reads most of them."""
    written = [place for place, text in enumerate(predictions) if text is not None and str(text).strip()]
    columns = [[column[place] for place in written] for column in (predictions, references, question_types)]
    if not written or score_answers(*columns, name).parsed.any():
        return
    others = {other: int(score_answers(*columns, other).parsed.sum()) for other in EXTRACTIONS if other != name}
    best = max(others, key=lambda other: others[other])
    if 2 * others[best] > len(written):
        raise ValueError(
            f"extraction {name} reads none of the {len(written):,} answers, the first of which is "
            f"{str(columns[0][0])[:40]!r}, and {best} reads {others[best]:,}; add --extraction {best}, or --rules all"
        )
