"""What the planted lock shows: contrasts, the verdict by the fixed rules, and a report, from the results alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.experiment.cells import Results
from ocr_hf.experiment.contrasts import Contrast, comparable, contrast, poisoning_ratio, sign_flip_p, told
from ocr_hf.experiment.experiment_plots import plot_arms, plot_curves, plot_doses
from ocr_hf.experiment.planted_cells import DOSES, LARGE, MAIN, MANY, Design
from ocr_hf.experiment.planted_examples import write_examples
from ocr_hf.experiment.planted_rooms import LETTERS
from ocr_hf.vsi_bench.significance import holm

CLAIM = (("ocr", "grpo"), ("ocr", "noisy_rollout"), ("ocr", "same_area"))
"""Rule 1: the claim holds here if each of these is above 0 after Holm's correction."""
LEVEL = 0.05
GUARD = 2.0
"""Aligned rooms may lose no more than so many points against the model before."""
CHANCE = 1.0 / len(LETTERS)
BLOCK = 10
"""Steps that q while training is the mean of."""


@dataclass(frozen=True)
class ArmScores:
    """What the models of one arm answered right: seed -> (rooms,) bool, by part of the test."""

    conflict: Mapping[int, np.ndarray]
    aligned: Mapping[int, np.ndarray]
    unanswerable: Mapping[int, np.ndarray]

    def mean(self, part: str) -> float:
        """Return the mean over seeds and rooms of a part, points."""
        return 100.0 * float(np.mean([scores.mean() for scores in getattr(self, part).values()]))

    def spread(self, part: str) -> float | None:
        """Return the standard deviation over seeds of a part, points; None of one seed."""
        means = [100.0 * float(scores.mean()) for scores in getattr(self, part).values()]
        return float(np.std(means, ddof=1)) if len(means) > 1 else None


PLOTS = "plots"
NOT_SHOWN = (
    "What this doesn't show: anything about models that reason in text, about real homes, or about larger models. The "
    "lock is ours, planted by a teacher; how often models of the field are locked like this is another question."
)
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


def curves_of(results: Results, design: Design) -> dict[str, dict[int, list[float]]]:
    """Return arm -> step -> accuracy of each model in the conflicting rooms that were asked on the way, percent."""
    found: dict[str, dict[int, list[float]]] = {}
    for name in results.done():
        kind, *rest = name.split("/")
        if kind == "rl" and rest[0] == design.name:
            for step, value in results.read(name).get("conflict_by_step", {}).items():
                found.setdefault(rest[1], {}).setdefault(int(step), []).append(value)
    return found


def compared(arms: Mapping[str, ArmScores], pairs: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], Contrast]:
    """Return the contrasts of pairs of arms in conflicting rooms, with Holm's correction over those that there are."""
    found = {
        (a, b): contrast(arms[a].conflict, arms[b].conflict)
        for a, b in pairs
        if a in arms and b in arms and comparable(arms[a].conflict, arms[b].conflict)
    }
    corrected = holm([one.p for one in found.values()])
    return {pair: replace(one, corrected=p) for (pair, one), p in zip(found.items(), corrected, strict=True)}


def verdict(results: Results) -> dict[str, Any]:
    """Return what the three rules say; a rule whose cells aren't all there says so."""
    arms = arms_of(results, MAIN)
    claim = compared(arms, CLAIM)
    found: dict[str, Any] = {"missing_cells": len(results.cells) - sum(1 for _ in results.done())}
    found["withheld"] = _withheld(results, claim)
    found["claim"] = (
        None if found["withheld"] else all(one.mean > 0.0 and (one.corrected or 0.0) < LEVEL for one in claim.values())
    )
    found["contrasts"] = {f"{a} - {b}": told(one) for (a, b), one in claim.items()}
    # Of an arm that isn't done from every model an interval would hold for the models that happen to be done
    others = [
        (a, "grpo") for a in arms if a not in ("grpo", "before") and (a, "grpo") not in CLAIM and _whole(results, {a})
    ]
    found["others"] = {f"{a} - {b}": told(one) for (a, b), one in compared(arms, tuple(others)).items()}
    found["arms"] = {
        arm: {part: round(scores.mean(part), 2) for part in PARTS}
        | {"conflict_sd_over_seeds": _rounded(scores.spread("conflict")), "seeds": len(scores.conflict)}
        | {"minus_grpo": _rounded(_gain(scores, arms.get("grpo")) if arm not in ("grpo", "before") else None)}
        for arm, scores in arms.items()
    }
    if "before" in arms:
        found["guards"] = {
            arm: {
                "aligned": scores.mean("aligned") >= arms["before"].mean("aligned") - GUARD,
                "unanswerable": _at_chance(scores.unanswerable),
            }
            for arm, scores in arms.items()
        }
    doses = list(_doses(results))
    whole = [dose for dose in doses if dose["interval"]]
    clear = [dose for dose in whole if dose["interval"][0] > 0.0 or dose["interval"][1] < 0.0]
    found["doses"] = doses
    found["mechanism"] = all(dose["sign_predicted"] == np.sign(dose["mean"]) for dose in clear) if clear else None
    found["repaired_credit"] = _repaired(results)
    return found


def _withheld(results: Results, claim: Mapping[tuple[str, str], Contrast]) -> str | None:
    """Return why there is no verdict on the claim, None where there is one."""
    gate = f"gate/{MAIN.name}"
    if results.cells[gate].settings["rehearsal"]:
        return "a rehearsal decides nothing"
    if gate in set(results.done()) and (missed := results.unmet(gate)):
        return f"the gate isn't met ({', '.join(missed)})"
    if len(claim) < len(CLAIM) or not _whole(results, {arm for pair in CLAIM for arm in pair}):
        return "cells of the fixed rules are missing"
    return None


def _gain(scores: ArmScores, grpo: ArmScores | None) -> float | None:
    """Return conflict accuracy minus grpo's, points, over the models that both were trained from."""
    both = scores.conflict.keys() & grpo.conflict.keys() if grpo else ()
    return (
        float(np.mean([100.0 * (scores.conflict[i].mean() - grpo.conflict[i].mean()) for i in both])) if both else None
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _whole(results: Results, arms: Collection[str], design: Design = MAIN) -> bool:
    """Return whether these arms are done from every locked model that the plan has for them."""
    done = set(results.done())
    return all(
        name in done for name in results.cells if name.startswith(f"rl/{design.name}/") and name.split("/")[2] in arms
    )


def _at_chance(scores: Mapping[int, np.ndarray]) -> bool:
    """Return whether models are not better than guessing where nothing can be known: within two standard errors."""
    rooms = np.mean(list(scores.values()), axis=0)
    error = float(rooms.std(ddof=1)) / len(rooms) ** 0.5 if len(rooms) > 1 else 0.0
    return float(rooms.mean()) <= CHANCE + 2.0 * error


def _doses(results: Results) -> Iterator[dict[str, Any]]:
    done = set(results.done())
    for design in (MAIN, *DOSES, LARGE):
        if f"gate/{design.name}" not in done:
            continue
        arms = arms_of(results, design)
        if not ({"ocr", "grpo"} <= arms.keys() and comparable(arms["ocr"].conflict, arms["grpo"].conflict)):
            continue
        gate = results.read(f"gate/{design.name}")
        one = contrast(arms["ocr"].conflict, arms["grpo"].conflict)
        yield {
            "design": design.name,
            "ratio": gate["ratio"],
            "sign_predicted": gate["predicted_sign_of_ocr_minus_grpo"],
            **_told_of_dose(one, _whole(results, {"ocr", "grpo"}, design)),
        }


def _told_of_dose(one: Contrast, whole: bool) -> dict[str, Any]:
    """Return a contrast of a dose; where models are missing without an interval, which would hold for those at hand."""
    return {
        "mean": round(one.mean, 2),
        "models": len(one.seeds),
        "interval": [round(one.low, 2), round(one.high, 2)] if whole else None,
    }


def _repaired(results: Results) -> dict[str, Any] | None:
    """Return the contrasts of the credits "positive" and joint by dose, and what rule 3 says of them."""
    found = []
    for design in (MAIN, *DOSES, LARGE):
        arms = arms_of(results, design)
        if {"ocr", "ocr_positive"} <= arms.keys() and comparable(arms["ocr_positive"].conflict, arms["ocr"].conflict):
            ratio = results.read(f"gate/{design.name}")["ratio"]
            one = contrast(arms["ocr_positive"].conflict, arms["ocr"].conflict)
            whole = _whole(results, {"ocr", "ocr_positive"}, design)
            found.append({"design": design.name, "ratio": ratio, **_told_of_dose(one, whole)})
    whole = [one for one in found if one["interval"]]
    if not whole:
        return {"by_dose": found, "no_worse_anywhere": None, "better_where_ratio_below_1": None} if found else None
    no_worse = all(one["interval"][1] >= 0.0 for one in whole)
    below = [one for one in whole if one["ratio"] < 1.0]
    better = all(one["interval"][0] > 0.0 for one in below) if below else None
    return {"by_dose": found, "no_worse_anywhere": no_worse, "better_where_ratio_below_1": better}


def _interval(one: Mapping[str, Any]) -> str:
    if one["interval"] is None:
        return "[models are missing]"
    low, high = one["interval"]
    return f"[{low:+.1f}, {high:+.1f}]"


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def sentence(found: Mapping[str, Any]) -> str:
    """Return the verdict in one sentence."""
    parts = ", ".join(f"{pair} {one['mean']:+.1f} {_interval(one)}" for pair, one in found["contrasts"].items())
    if found["claim"] is None:
        models = [len(one["seeds"]) for one in found["contrasts"].values()]
        so_far = f"; so far, from {min(models)} to {max(models)} models: {parts}" if models else ""
        return f"No verdict: {found['withheld']}{so_far}."
    holds = "holds" if found["claim"] else "does not hold"
    return (
        f"By the rules fixed beforehand, the paper's claim {holds} in this test (points of conflict accuracy: {parts})."
    )


def _gate_told(results: Results) -> list[str]:
    """Return what the gate says of the locked models, and what was predicted; nothing where it hasn't been run."""
    name = f"gate/{MAIN.name}"
    if name not in set(results.done()):
        return []
    gate = results.read(name)
    if "aligned" not in gate:
        return []
    way = "beats" if gate["predicted_sign_of_ocr_minus_grpo"] > 0 else "loses to"
    missed = results.unmet(name)
    met = f"not met ({', '.join(missed)})" if missed else "met"
    return [
        f"Before reinforcement learning, {gate['aligned']:.1f} % of aligned and {gate['conflict']:.1f} % of "
        f"conflicting rooms are right, {gate['conflict_queried_noised']:.1f} % of these with noise on the named thing: "
        f"gate A is {met}. q = {gate['ratio']:.2f}: it was predicted that `ocr` {way} `grpo`.",
        "",
    ]


def ratio_while_training(results: Results) -> list[float]:
    """Return q of `ocr`'s rollouts, the mean over its models of each ten steps while there is noise.

    The log has the reward of all noisy rollouts, r, not that of aligned and conflicting rooms apart. With c, how often
    the locked models are right under noise in conflicting rooms, taken as constant (98 % before, 97 to 100 after), the
    share of wrong ones in aligned rooms is (1 - r - (1 - rho) (1 - c)) / rho. Looked at after the fact; in no rule.
    """
    right = results.read(f"gate/{MAIN.name}").get("conflict_queried_noised", 100.0) / 100.0
    found = []
    for name in results.done():
        if name.startswith(f"rl/{MAIN.name}/ocr/") and "noise/area" in (log := results.read(name).get("log", {})):
            noisy = [r for r, area in zip(log["noisy/reward"], log["noise/area"], strict=True) if area]
            blocks = [np.mean(noisy[i : i + BLOCK]) for i in range(0, len(noisy) - BLOCK + 1, BLOCK)]
            wrong = [(1.0 - reward - (1.0 - MAIN.agreement) * (1.0 - right)) / MAIN.agreement for reward in blocks]
            found.append([poisoning_ratio(MAIN.agreement, right, max(share, 1e-3)) for share in wrong])
    steps = min((len(one) for one in found), default=0)
    return [float(np.mean([one[i] for one in found])) for i in range(steps)]


def _rules_told(results: Results, found: Mapping[str, Any]) -> list[str]:
    """Return what rules 2 and 3 say of the doses that are done, and what was seen after the fact."""
    lines = []
    if found["mechanism"] is not None:
        says = "every clear difference has" if found["mechanism"] else "a clear difference has not"
        whole = sum(one["interval"] is not None for one in found["doses"])
        lines.append(
            f"Rule 2, of the {whole} designs that were run from all their models: {says} the sign that q predicted."
        )
    if found["repaired_credit"]:
        told_of = found["repaired_credit"]
        better = {True: "and", False: "but not", None: "and it is open whether it is"}[
            told_of["better_where_ratio_below_1"]
        ]
        doses = ", ".join(
            f"{one['design']} {one['mean']:+.1f} {_interval(one)} (q {one['ratio']:.2f}, models: {one['models']})"
            for one in told_of["by_dose"]
        )
        somewhere = {True: "nowhere", False: "somewhere", None: "not known to be"}[told_of["no_worse_anywhere"]]
        lines.append(
            f"Rule 3: `ocr_positive` is {somewhere} below `ocr`, {better} above it wherever q < 1 "
            f"(`ocr_positive` minus `ocr`: {doses})."
        )
    seen = ratio_while_training(results) if f"gate/{MAIN.name}" in set(results.done()) else []
    if seen:
        values = ", ".join(f"{value:.1f}" for value in seen)
        lines.append(
            f"After the fact, in no rule: while `ocr` trains, q doesn't stay what it was. In every {BLOCK} steps with "
            f"noise it is {values}, by the rewards of noisy rollouts: in aligned rooms they soon are rarely wrong."
        )
    return [part for line in lines for part in ("", line)]


def _by_models_alone(contrasts: Mapping[str, Any]) -> list[str]:
    """Return what a test says in which models alone are drawn, not rooms; nothing without contrasts."""
    if not contrasts:
        return []
    exact = [sign_flip_p(one["seeds"]) for one in contrasts.values()]
    values = ", ".join(
        f"{pair} {p:.3f} ({corrected:.3f} after Holm)"
        for pair, p, corrected in zip(contrasts, exact, holm(exact), strict=True)
    )
    return [
        "",
        "After the fact, in no rule: the rule's bootstrap draws models and rooms. With models alone, by all changes of "
        f"sign of their differences, p is {values}.",
    ]


def write_report(results: Results, out: Path) -> dict[str, Any]:
    """Write verdict.json, report.md and its pictures into a folder, from the results alone; return the verdict."""
    found = verdict(results)
    write_json(out / "verdict.json", found)
    sheet = write_examples(out / "examples")
    lines = [
        f"**{sentence(found)}**",
        "",
        "OCR is Object-Centric 3D Rollout. Design, arms and rules: docs/experiment.md of the package. All figures are "
        "of test rooms that no model was trained on; models answer by the likeliest letter.",
        "",
        f"![One room as the models see it]({sheet.parent.name}/{sheet.name})",
        "",
        *_gate_told(results),
        "| arm | minus grpo, same models | conflicting rooms, % | sd over models | aligned | unanswerable | models |",
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    # By the difference: arms from three models would be ranked by which three these are
    ranked = sorted(found["arms"].items(), key=lambda item: (item[0] == "before", -(item[1]["minus_grpo"] or 0.0)))
    lines += [
        f"| {arm} | {_shown(one['minus_grpo'], '+.1f')} | {one['conflict']:.1f} | "
        f"{_shown(one['conflict_sd_over_seeds'], '.1f')} | {one['aligned']:.1f} | {one['unanswerable']:.1f} | "
        f"{one['seeds']} |"
        for arm, one in ranked
    ]
    arms = arms_of(results, MAIN)
    if ranked:
        per_model = {arm: [100.0 * float(one.mean()) for one in arms[arm].conflict.values()] for arm, _ in ranked}
        title = "Accuracy in conflicting rooms by arm"
        lines += [
            "",
            plot_arms(per_model, out / PLOTS, "right in conflicting rooms", title, {"guessing": 100.0 * CHANCE}),
        ]
    curves = curves_of(results, MAIN)
    if curves:
        lines += ["", plot_curves({arm: curves[arm] for arm in MANY if arm in curves}, out / PLOTS)]
    broken = [
        f"{arm} ({', '.join(name for name, kept in guards.items() if not kept)})"
        for arm, guards in found.get("guards", {}).items()
        if not all(guards.values())
    ]
    lines += ["", f"Guards that aren't kept: {'; '.join(broken) or 'none'}."]
    lines += ["", "| difference, points | mean | 95 % interval | p, Holm |", "|---|---:|---|---:|"]
    lines += [
        f"| {pair} | {one['mean']:+.1f} | {_interval(one)} | {one['p_holm']:.4f} |"
        for pair, one in {**found["contrasts"], **found["others"]}.items()
    ]
    lines += _by_models_alone(found["contrasts"])
    if found["doses"]:
        lines += ["", "| design | q | sign predicted | ocr minus grpo | models |", "|---|---:|---:|---|---:|"]
        lines += [
            f"| {one['design']} | {one['ratio']:.2f} | {one['sign_predicted']:+d} | {one['mean']:+.1f} "
            f"{_interval(one)} | {one['models']} |"
            for one in found["doses"]
        ]
        lines += ["", plot_doses(found["doses"], out / PLOTS), *_rules_told(results, found)]
    lines += ["", f"Cells that are missing: {found['missing_cells']}.", "", NOT_SHOWN, ""]
    with replacing(out / "report.md") as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")
    return found
