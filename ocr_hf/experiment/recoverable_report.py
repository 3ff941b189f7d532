"""What the recoverable questions show: the verdict by the fixed rules and a report, from the results alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.experiment.cells import Results
from ocr_hf.experiment.contrasts import Contrast, comparable, contrast, told
from ocr_hf.experiment.experiment_plots import plot_arms
from ocr_hf.experiment.recoverable_cells import BASELINE
from ocr_hf.experiment.recoverable_data import BY_FURNITURE, DIRECT
from ocr_hf.vsi_bench.significance import holm

OCR_ARMS = ("ocr", "ocr_geometry")
"""The verdict is the first one's; the other's is told by the same rules."""
RIVALS = ("grpo", "noisy_rollout", "t_grpo")
CLOSED = 25.0
"""Percent of the gap that OCR has to close."""
AHEAD = 5.0
"""Points, under noise on the named thing, by which it has to be above each rival."""
LOSS = 1.0
"""Points of clean accuracy that it may lose."""
RISE = 2.0
"""Points by which a share of answers has to grow, its interval above 0, to count as a rise."""
LEVEL = 0.05
BEFORE = "before"
Scores = dict[int, np.ndarray]
"""Seed -> (questions,) bool."""


def scores_of(results: Results, view: str) -> dict[str, Scores]:
    """Return arm -> whether each question was answered rightly in a view; "before" is before them all."""
    return _collected(results, view, lambda one: [a == b for a, b in zip(one["letters"], one["truth"], strict=True)])


def routes_of(results: Results, view: str = "clean") -> dict[str, Scores]:
    """Return arm -> whether each answer took the route by the furniture."""
    return _collected(results, view, lambda one: [route == BY_FURNITURE for route in one["routes"]])


def _collected(results: Results, view: str, made: Any) -> dict[str, Scores]:
    found: dict[str, Scores] = {}
    for name in results.done():
        kind, *rest = name.split("/")
        if kind not in ("sft", "rl"):
            continue
        asked = results.read(name)["asked"]
        if view in asked:
            arm = BEFORE if kind == "sft" else rest[0]
            found.setdefault(arm, {})[int(rest[-1])] = np.array(list(made(asked[view])))
    return found


def right_by_route(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Return view -> route -> how many answers before reinforcement learning took it, and how many percent were right.

    In no rule: it says whether rewards could favour one of the routes at all.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for view in ("clean", "degraded"):
        right, routes = scores_of(results, view).get(BEFORE, {}), _collected(results, view, lambda one: one["routes"])
        if not right:
            continue
        fine = np.concatenate(list(right.values()))
        taken = np.concatenate(list(routes[BEFORE].values()))
        found[view] = {
            route: {
                "answers": int((taken == route).sum()),
                "right": round(100.0 * float(fine[taken == route].mean()), 2),
            }
            for route in (DIRECT, BY_FURNITURE)
            if (taken == route).any()
        }
    return found


def _mean(scores: Scores, seeds: Any = None) -> float:
    return 100.0 * float(np.mean([one.mean() for seed, one in scores.items() if seeds is None or seed in seeds]))


def verdict(results: Results) -> dict[str, Any]:
    """Return what the rules say; without all the cells that they rest on, `passed` is None and the reason is told."""
    done = set(results.done())
    found: dict[str, Any] = {"missing_cells": len(results.cells) - len(done), "passed": None}
    for gate in ("gate", "choice"):
        if gate in done:
            found[gate] = {name: value for name, value in results.read(gate).items() if name != "seconds"}
    found["arms"] = _figures(results)
    found["right_by_route_before"] = right_by_route(results)
    under_noise = scores_of(results, "degraded")
    for arm in OCR_ARMS:
        if arm in under_noise and all(
            comparable(under_noise[arm], under_noise.get(other, {})) for other in (BEFORE, *RIVALS)
        ):
            found[arm] = _judged(results, arm)
    found["withheld"] = _withheld(results, judged=OCR_ARMS[0] in found)
    if found["withheld"] is None:
        found["passed"] = all(found[OCR_ARMS[0]]["rules"].values())
    return found


def _withheld(results: Results, judged: bool) -> str | None:
    """Return why there is no verdict, None where there is one; judged: its arm could be compared with all others."""
    done = set(results.done())
    if results.cells["gate"].settings["rehearsal"]:
        return "a rehearsal decides nothing"
    for gate, what in (("gate", "no reinforcement learning was started"), ("choice", "the arms were not trained")):
        if gate in done and (missed := results.unmet(gate)):
            return f"the gates aren't met ({', '.join(missed)}), so {what}"
    return None if judged and not set(_of_rules(results)) - done else "cells of the fixed rules are missing"


def _figures(results: Results) -> dict[str, dict[str, Any]]:
    """Return what the report prints of every arm, percent; arms of which nothing is done are left out."""
    shown = {view: scores_of(results, view) for view in ("clean", "degraded", "erased", "away", "twin")}
    shown["by_furniture"] = routes_of(results, "clean")
    shown["by_furniture_degraded"] = routes_of(results, "degraded")
    twins = shown.pop("twin")
    shown["twin_pairs"] = {
        arm: {seed: right & twins[arm][seed] for seed, right in scores.items()}
        for arm, scores in shown["clean"].items()
    }
    found = {}
    for arm, degraded in shown["degraded"].items():
        of_seeds = [100.0 * float(right.mean()) for right in degraded.values()]
        found[arm] = {name: round(_mean(scores[arm]), 2) for name, scores in shown.items()} | {
            "degraded_sd_over_seeds": round(float(np.std(of_seeds, ddof=1)), 2) if len(of_seeds) > 1 else None,
            "seeds": len(of_seeds),
        }
    return found


def _of_rules(results: Results) -> list[str]:
    """Return the cells that the verdict rests on."""
    arms = tuple(f"rl/{arm}/" for arm in (OCR_ARMS[0], *RIVALS))
    return [name for name in results.cells if name.startswith(("sft/", "gate", "tune/", "choice", *arms))]


def _judged(results: Results, arm: str) -> dict[str, Any]:
    """Return figures and rules of one arm."""
    clean, degraded, routes = scores_of(results, "clean"), scores_of(results, "degraded"), routes_of(results)
    seeds = degraded[arm].keys()
    ceiling = _mean(scores_of(results, "context")[BEFORE], seeds)
    start = _mean(degraded[BEFORE], seeds)
    closed = 100.0 * (_mean(degraded[arm]) - start) / max(ceiling - start, 1e-9)
    ahead = {rival: contrast(degraded[arm], degraded[rival]) for rival in RIVALS}
    corrected = holm([one.p for one in ahead.values()])
    ahead = {rival: replace(one, corrected=p) for (rival, one), p in zip(ahead.items(), corrected, strict=True)}
    rises = {name: contrast(routes[name], routes[BEFORE]) for name in (arm, BASELINE)}
    lost = contrast(clean[BEFORE], clean[arm])
    return {
        "ceiling": round(ceiling, 2),
        "gap": round(ceiling - start, 2),
        "closed_percent": round(closed, 2),
        "ahead": {rival: told(one) for rival, one in ahead.items()},
        "clean_loss": told(lost),
        "rise_by_furniture": {name: told(one) for name, one in rises.items()},
        "rules": {
            "closed": closed >= CLOSED,
            "ahead": all(one.mean >= AHEAD and (one.corrected or 0.0) < LEVEL for one in ahead.values()),
            "clean_loss": lost.mean <= LOSS,
            "route": _rises(rises[arm]) and not _rises(rises[BASELINE]),
        },
    }


def _rises(one: Contrast) -> bool:
    return one.mean >= RISE and one.low > 0.0


def sentence(found: Mapping[str, Any]) -> str:
    """Return the verdict in one sentence."""
    if found["withheld"]:
        return f"No verdict: {found['withheld']}."
    one = found[OCR_ARMS[0]]
    ahead = ", ".join(f"{rival} {value['mean']:+.1f} {interval(value)}" for rival, value in one["ahead"].items())
    broken = [name for name, fine in one["rules"].items() if not fine]
    ends = "passes by all four rules" if found["passed"] else f"fails by the rules {', '.join(broken)}"
    return (
        f"By the rules fixed beforehand, OCR {ends}: it closes {one['closed_percent']:.0f} % of the gap, and under "
        f"noise differs from its rivals by points: {ahead}."
    )


def interval(one: Mapping[str, Any]) -> str:
    """Return a contrast's interval as it is printed."""
    low, high = one["interval"]
    return f"[{low:+.1f}, {high:+.1f}]"


PLOTS = "plots"
COLUMNS = {
    "clean": "clean",
    "degraded": "thing noised",
    "erased": "thing erased",
    "away": "thing carried away",
    "twin_pairs": "twin pairs",
    "by_furniture": "by furniture",
    "by_furniture_degraded": "by furniture, noised",
    "seeds": "seeds",
}


def write_report(results: Results, out: Path) -> dict[str, Any]:
    """Write verdict.json and report.md into a folder, from the results alone; return the verdict."""
    found = verdict(results)
    write_json(out / "verdict.json", found)
    lines = [f"**{sentence(found)}**", ""]
    if "gate" in found:
        gate = found["gate"]
        lines += [
            f"Before: twin pairs {gate['pairs']:.1f} (blind {gate['blind_pairs']:.1f}), ceiling from the context "
            f"{gate['ceiling']:.1f}, with the named thing noised {gate['degraded']:.1f}, mixed groups "
            f"{gate['mixed_groups']:.0f} %, held-out reward {gate['held_reward']:.1f}. Not met: "
            f"{', '.join(name for name, fine in gate['met'].items() if not fine) or 'none'}.",
            "",
        ]
    if "choice" in found:
        choice = found["choice"]
        lines += [
            f"Learning rate {choice['learning_rate']:g}: held-out reward of GRPO rises {choice['rise']:+.1f}.",
            "",
        ]
    lines += ["All figures in percent of the test's questions; the last columns are shares of answers.", ""]
    lines += [f"| arm | {' | '.join(COLUMNS.values())} |", f"|---|{'---:|' * len(COLUMNS)}"]
    lines += [
        f"| {arm} | {' | '.join(str(one[name]) for name in COLUMNS)} |"
        for arm, one in sorted(found["arms"].items(), key=lambda item: -item[1]["degraded"])
    ]
    lines += _plotted(results, found, out)
    for arm in OCR_ARMS:
        if arm not in found:
            continue
        one = found[arm]
        lines += [
            "",
            f"{arm}: gap {one['gap']:.1f}, of which it closes {one['closed_percent']:.1f} %; rules kept: "
            f"{', '.join(name for name, fine in one['rules'].items() if fine) or 'none'}.",
            "",
            "| difference, points | mean | 95 % interval | p, Holm |",
            "|---|---:|---|---:|",
        ]
        lines += [
            f"| {arm} - {rival}, thing noised | {value['mean']:+.1f} | {interval(value)} | {value['p_holm']:.4f} |"
            for rival, value in one["ahead"].items()
        ]
        told_alone = {"clean, before - after": one["clean_loss"]} | {
            f"share by furniture, {name} - before": value for name, value in one["rise_by_furniture"].items()
        }
        lines += [f"| {what} | {value['mean']:+.1f} | {interval(value)} | |" for what, value in told_alone.items()]
    noised = found["right_by_route_before"].get("degraded", {})
    if len(noised) == 2:
        furniture, direct = noised[BY_FURNITURE], noised[DIRECT]
        lines += [
            "",
            f"After the fact, in no rule: with the thing noised, {furniture['right']:.1f} % of the "
            f"{furniture['answers']:.0f} answers by the furniture were right before reinforcement learning, and "
            f"{direct['right']:.1f} % of the direct ones. Rewards of noisy rollouts favour a way only where it is "
            "right more often.",
        ]
    lines += ["", f"Cells that are missing: {found['missing_cells']}.", ""]
    with replacing(out / "report.md") as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")
    return found


def _plotted(results: Results, found: Mapping[str, Any], out: Path) -> list[str]:
    """Draw every model's accuracy under noise, and how often it goes by the furniture; return lines that show both."""
    arms = sorted(found["arms"], key=lambda arm: -found["arms"][arm]["degraded"])
    if not arms:
        return []

    def of_models(scores: Mapping[str, Scores]) -> dict[str, list[float]]:
        return {arm: [100.0 * float(one.mean()) for one in scores[arm].values()] for arm in arms}

    marks = (
        {"before": found["arms"][BEFORE]["degraded"], "ceiling": found["gate"]["ceiling"]} if "gate" in found else {}
    )
    right, routes = of_models(scores_of(results, "degraded")), of_models(routes_of(results))
    return [
        "",
        plot_arms(
            right, out / PLOTS, "right with the thing noised", "Accuracy with the named thing noised", marks=marks
        ),
        "",
        plot_arms(
            routes,
            out / PLOTS,
            "clean videos answered by the furniture",
            "Share of answers by the furniture",
            name="routes",
            marks={},
        ),
    ]
