"""What the planted lock shows: contrasts, the verdict by the fixed rules, and a report, from the results alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.experiment.cells import Results
from ocr_hf.experiment.contrasts import Contrast, contrast
from ocr_hf.experiment.planted_cells import DOSES, LARGE, MAIN, Design
from ocr_hf.vsi_bench.significance import holm

CLAIM = (("ocr", "grpo"), ("ocr", "noisy_rollout"), ("ocr", "same_area"))
"""Rule 1: the claim holds here if each of these is above 0 after Holm's correction."""
LEVEL = 0.05
GUARD = 2.0
"""Aligned rooms may lose no more than so many points against the model before."""


@dataclass(frozen=True)
class ArmScores:
    """What the models of one arm answered right: seed -> (rooms,) bool, by part of the test."""

    conflict: Mapping[int, np.ndarray]
    aligned: Mapping[int, np.ndarray]
    unanswerable: Mapping[int, np.ndarray]

    def mean(self, part: str) -> float:
        """Return the mean over seeds and rooms of a part, points."""
        return 100.0 * float(np.mean([scores.mean() for scores in getattr(self, part).values()]))

    def spread(self, part: str) -> float:
        """Return the standard deviation over seeds of a part, points."""
        means = [100.0 * float(scores.mean()) for scores in getattr(self, part).values()]
        return float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")


PARTS = ("conflict", "aligned", "unanswerable")


def arms_of(results: Results, design: Design) -> dict[str, ArmScores]:
    """Return the scores of every arm of a design of which cells are done; "before" are the locked models."""
    found: dict[str, dict[str, dict[int, np.ndarray]]] = {}
    for name in results.done():
        kind, *rest = name.split("/")
        if kind == "sft" and rest[0] == design.model:
            arm, seed = "before", int(rest[1])
        elif kind == "rl" and rest[0] == design.name:
            arm, seed = rest[1], int(rest[2])
        else:
            continue
        result = results.read(name)
        for part in PARTS:
            said = result["asked"][f"{part}/clean"]["letters"]
            right = np.array([a == b for a, b in zip(said, result["truth"][part], strict=True)])
            found.setdefault(arm, {}).setdefault(part, {})[seed] = right
    return {arm: ArmScores(**parts) for arm, parts in found.items()}


def compared(arms: Mapping[str, ArmScores], pairs: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], Contrast]:
    """Return the contrasts of pairs of arms in conflicting rooms, with Holm's correction over those that there are."""
    found = {(a, b): contrast(arms[a].conflict, arms[b].conflict) for a, b in pairs if a in arms and b in arms}
    corrected = holm([one.p for one in found.values()])
    return {pair: replace(one, corrected=p) for (pair, one), p in zip(found.items(), corrected, strict=True)}


def verdict(results: Results) -> dict[str, Any]:
    """Return what the three rules say; a rule whose cells aren't all there says so."""
    arms = arms_of(results, MAIN)
    claim = compared(arms, CLAIM)
    found: dict[str, Any] = {"missing_cells": len(results.cells) - sum(1 for _ in results.done())}
    if len(claim) < len(CLAIM):
        found["claim"] = None
    else:
        found["claim"] = all(one.mean > 0.0 and (one.corrected or 0.0) < LEVEL for one in claim.values())
    found["contrasts"] = {f"{a} - {b}": _told(one) for (a, b), one in claim.items()}
    others = [(a, b) for a in arms for b in ("grpo",) if a not in ("grpo", "before") and (a, b) not in CLAIM]
    found["others"] = {f"{a} - {b}": _told(one) for (a, b), one in compared(arms, tuple(others)).items()}
    found["arms"] = {
        arm: {part: round(scores.mean(part), 2) for part in PARTS}
        | {"conflict_sd_over_seeds": round(scores.spread("conflict"), 2), "seeds": len(scores.conflict)}
        for arm, scores in arms.items()
    }
    if "before" in arms:
        found["guards"] = {
            arm: scores.mean("aligned") >= arms["before"].mean("aligned") - GUARD for arm, scores in arms.items()
        }
    doses = list(_doses(results))
    clear = [dose for dose in doses if dose["low"] > 0.0 or dose["high"] < 0.0]
    found["doses"] = doses
    found["mechanism"] = all(dose["sign_predicted"] == np.sign(dose["mean"]) for dose in clear) if clear else None
    found["repaired_credit"] = _repaired(results)
    return found


def _told(one: Contrast) -> dict[str, Any]:
    return {
        "mean": round(one.mean, 2),
        "interval": [round(one.low, 2), round(one.high, 2)],
        "p": round(one.p, 5),
        "p_holm": None if one.corrected is None else round(one.corrected, 5),
        "seeds": [round(value, 2) for value in one.seeds],
    }


def _doses(results: Results) -> Iterator[dict[str, Any]]:
    done = set(results.done())
    for design in (MAIN, *DOSES, LARGE):
        if f"gate/{design.name}" not in done:
            continue
        arms = arms_of(results, design)
        if not {"ocr", "grpo"} <= arms.keys():
            continue
        gate = results.read(f"gate/{design.name}")
        one = contrast(arms["ocr"].conflict, arms["grpo"].conflict)
        yield {
            "design": design.name,
            "ratio": gate["ratio"],
            "sign_predicted": gate["predicted_sign_of_ocr_minus_grpo"],
            **{"mean": round(one.mean, 2), "low": round(one.low, 2), "high": round(one.high, 2)},
        }


def _repaired(results: Results) -> dict[str, Any] | None:
    """Return the contrasts of the credits "positive" and joint by dose, and what rule 3 says of them."""
    found = []
    for design in (MAIN, *DOSES, LARGE):
        arms = arms_of(results, design)
        if {"ocr", "ocr_positive"} <= arms.keys():
            ratio = results.read(f"gate/{design.name}")["ratio"]
            one = contrast(arms["ocr_positive"].conflict, arms["ocr"].conflict)
            found.append({"design": design.name, "ratio": ratio, **_told(one)})
    if not found:
        return None
    no_worse = all(one["interval"][1] >= 0.0 for one in found)
    below = [one for one in found if one["ratio"] < 1.0]
    better = all(one["interval"][0] > 0.0 for one in below) if below else None
    return {"by_dose": found, "no_worse_anywhere": no_worse, "better_where_ratio_below_1": better}


def _interval(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return f"[{low:+.1f}, {high:+.1f}]"


def sentence(found: Mapping[str, Any]) -> str:
    """Return the verdict in one sentence."""
    if found["claim"] is None:
        return "No verdict yet: cells of the fixed rules are missing."
    parts = ", ".join(f"{pair} {one['mean']:+.1f} {_interval(one)}" for pair, one in found["contrasts"].items())
    holds = "holds" if found["claim"] else "does not hold"
    return (
        f"By the rules fixed beforehand, the paper's claim {holds} in this test (points of conflict accuracy: {parts})."
    )


def write_report(results: Results, out: Path) -> dict[str, Any]:
    """Write verdict.json, report.md and its pictures into a folder, from the results alone; return the verdict."""
    found = verdict(results)
    write_json(out / "verdict.json", found)
    lines = [
        f"**{sentence(found)}**",
        "",
        "| arm | conflicting rooms, % | sd over seeds | aligned | unanswerable | seeds |",
    ]
    lines.append("|---|---:|---:|---:|---:|---:|")
    ranked = sorted(found["arms"].items(), key=lambda item: -item[1]["conflict"])
    lines += [
        f"| {arm} | {one['conflict']:.1f} | {one['conflict_sd_over_seeds']:.1f} | {one['aligned']:.1f} | "
        f"{one['unanswerable']:.1f} | {one['seeds']} |"
        for arm, one in ranked
    ]
    lines += ["", "| difference, points | mean | 95 % interval | p, Holm |", "|---|---:|---|---:|"]
    lines += [
        f"| {pair} | {one['mean']:+.1f} | {_interval(one)} | {one['p_holm']:.4f} |"
        for pair, one in {**found["contrasts"], **found["others"]}.items()
    ]
    if found["doses"]:
        lines += ["", "| design | q | sign predicted | ocr minus grpo |", "|---|---:|---:|---|"]
        lines += [
            f"| {one['design']} | {one['ratio']:.2f} | {one['sign_predicted']:+d} | {one['mean']:+.1f} "
            f"[{one['low']:+.1f}, {one['high']:+.1f}] |"
            for one in found["doses"]
        ]
    lines += ["", f"Cells that are missing: {found['missing_cells']}.", ""]
    with replacing(out / "report.md") as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")
    return found
