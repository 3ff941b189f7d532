"""The verdict of the recoverable questions is recomputed from raw answers, and says what the fixed rules say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ocr_hf.experiment.cells import Cell, Results
from ocr_hf.experiment.recoverable_report import sentence, verdict, write_report

QUESTIONS, SEEDS = 400, 5
GOOD = {
    "ocr": {"degraded": 0.7, "clean": 0.9, "routes": 0.6},
    "grpo": {"degraded": 0.4, "clean": 0.9, "routes": 0.1},
    "noisy_rollout": {"degraded": 0.5, "clean": 0.9, "routes": 0.2},
    "t_grpo": {"degraded": 0.4, "clean": 0.9, "routes": 0.1},
}
VIEWS = ("clean", "degraded", "erased", "twin", "away", "context")


def answers(share: float, routes: float, key: int) -> dict[str, str]:
    rng = np.random.default_rng(key)
    truth = rng.integers(4, size=QUESTIONS)
    said = np.where(rng.random(QUESTIONS) < share, truth, (truth + 1) % 4)
    letters = ("".join("ABCD"[i] for i in one) for one in (said, truth))
    taken = "".join("f" if drawn else "d" for drawn in rng.random(QUESTIONS) < routes)
    return dict(zip(("letters", "truth"), letters, strict=True)) | {"routes": taken}


def result(given: dict[str, float], seed: int) -> dict:
    asked = {}
    for number, view in enumerate(VIEWS):
        share = {"degraded": given["degraded"], "context": 0.9}.get(view, given["clean"])
        asked[view] = answers(share, given["routes"], 100 * seed + number)
    return {"asked": asked}


def results_of(folder: Path, arms: dict[str, dict[str, float]], met: bool = True, rehearsal: bool = False) -> Results:
    names = [f"sft/{s}" for s in range(SEEDS)] + ["gate", "choice"]
    names += [f"rl/{arm}/{s}" for s in range(SEEDS) for arm in arms]
    results = Results(folder, "recoverable", [Cell(name, {"rehearsal": rehearsal}) for name in names])
    gate = {
        "pairs": 60.0,
        "blind_pairs": 0.0,
        "ceiling": 90.0,
        "degraded": 40.0,
        "mixed_groups": 50.0,
        "held_reward": 60.0,
    }
    before = {"degraded": 0.4, "clean": 0.9, "routes": 0.1}
    for name, cell in results.cells.items():
        kind, *rest = name.split("/")
        if kind == "gate":
            results.run(cell, lambda _: {**gate, "met": {"lock_gap": met}})
        elif kind == "choice":
            results.run(cell, lambda _: {"learning_rate": 1e-4, "rise": 5.0, "met": {"reward_rise": True}})
        else:
            given = before if kind == "sft" else arms[rest[0]]
            results.run(cell, lambda _, given=given, seed=int(rest[-1]): result(given, seed))
    return results


def test_ocr_passes_where_all_rules_are_kept(tmp_path: Path) -> None:
    found = verdict(results_of(tmp_path, GOOD))
    assert found["passed"] is True and all(found["ocr"]["rules"].values())
    # (70 - 40) of (90 - 40)
    assert found["ocr"]["closed_percent"] == pytest.approx(60.0, abs=4.0)
    assert found["ocr"]["ahead"]["noisy_rollout"]["mean"] == pytest.approx(20.0, abs=3.0)
    assert "passes by all four rules" in sentence(found)


@pytest.mark.parametrize(
    ("rule", "arm", "changed"),
    [
        ("closed", "ocr", {"degraded": 0.5}),
        ("ahead", "noisy_rollout", {"degraded": 0.69}),
        ("clean_loss", "ocr", {"clean": 0.85}),
        ("route", "ocr", {"routes": 0.1}),
        ("route", "grpo", {"routes": 0.3}),
    ],
)
def test_each_rule_can_fail(tmp_path: Path, rule: str, arm: str, changed: dict[str, float]) -> None:
    found = verdict(results_of(tmp_path, GOOD | {arm: GOOD[arm] | changed}))
    assert found["passed"] is False and found["ocr"]["rules"][rule] is False
    assert rule in sentence(found)


def test_no_verdict_where_arms_are_missing_or_gates_are_not_met(tmp_path: Path) -> None:
    some = {arm: GOOD[arm] for arm in ("ocr", "grpo")}
    assert sentence(verdict(results_of(tmp_path / "some", some))).startswith("No verdict: cells of the fixed")
    found = verdict(results_of(tmp_path / "gate", GOOD, met=False))
    assert found["passed"] is None and "the gates aren't met (lock_gap)" in sentence(found)
    found = verdict(results_of(tmp_path / "rehearsal", GOOD, rehearsal=True))
    assert found["passed"] is None and sentence(found) == "No verdict: a rehearsal decides nothing."


def test_arms_of_other_models_are_not_compared(tmp_path: Path) -> None:
    results = results_of(tmp_path, GOOD)
    for arm in GOOD:
        for seed in set(range(SEEDS)) - {0 if arm == "ocr" else 1}:
            (tmp_path / "cells" / f"rl/{arm}/{seed}.json").unlink()
    found = write_report(results, tmp_path)
    assert found["passed"] is None and "ocr" not in found and found["arms"]["ocr"]["seeds"] == 1


def test_the_report_is_written_from_the_results(tmp_path: Path) -> None:
    results = results_of(tmp_path, GOOD | {"ocr_geometry": GOOD["ocr"]})
    found = write_report(results, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith(f"**{sentence(found)}**") and "| before |" in text and "ocr_geometry - t_grpo" in text
    assert verdict(results) == found


def test_which_route_was_right_before_is_told(tmp_path: Path) -> None:
    results = results_of(tmp_path, GOOD)
    told = verdict(results)["right_by_route_before"]["degraded"]
    asked = [results.read(f"sft/{seed}")["asked"]["degraded"] for seed in range(SEEDS)]
    answers_of = [zip(one["letters"], one["truth"], one["routes"], strict=True) for one in asked]
    right = {"f": [], "d": []}
    for said, truth, route in (answer for answers in answers_of for answer in answers):
        right[route].append(said == truth)
    for route, fine in right.items():
        assert told[route] == {"answers": len(fine), "right": round(100.0 * sum(fine) / len(fine), 2)}
    write_report(results, tmp_path)
    assert f"{told['f']['right']:.1f} % of the {told['f']['answers']} answers" in (tmp_path / "report.md").read_text()
