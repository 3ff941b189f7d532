"""The verdict is recomputed from raw results, and says what the fixed rules say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.experiment.cells import Cell, Results
from ocr_hf.experiment.planted_report import _at_chance, ratio_while_training, sentence, verdict, write_report

ROOMS, SEEDS = 300, 6
MODEL, DESIGN = "0.4M-teacher95", "0.4M-teacher95-rho90"


def answers(share: float, seed: int) -> tuple[str, str]:
    """Return what is said and what is right in so many rooms."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(4, size=ROOMS)
    said = np.where(rng.random(ROOMS) < share, truth, (truth + 1) % 4)
    return "".join("ABCD"[i] for i in said), "".join("ABCD"[i] for i in truth)


def result(conflict: float, seed: int) -> dict:
    asked, truth = {}, {}
    for part, share in (("conflict", conflict), ("aligned", 0.97), ("unanswerable", 0.25)):
        letters, truth[part] = answers(share, seed)
        asked[f"{part}/clean"] = {"letters": letters}
    return {"asked": asked, "truth": truth}


def results_of(
    folder: Path, shares: dict[str, float], ratio: float = 5.0, met: bool = True, rehearsal: bool = False
) -> Results:
    cells = [Cell(f"sft/{MODEL}/{s}", {}) for s in range(SEEDS)]
    cells.append(Cell(f"gate/{DESIGN}", {"rehearsal": rehearsal}))
    cells += [Cell(f"rl/{DESIGN}/{arm}/{s}", {}) for arm in shares for s in range(SEEDS)]
    results = Results(folder, "planted-lock", cells)
    for cell in cells:
        kind, *rest = cell.name.split("/")
        if kind == "gate":
            told = {"ratio": ratio, "predicted_sign_of_ocr_minus_grpo": 1 if ratio > 1 else -1}
            results.run(cell, lambda _, told=told: told | {"met": {"locked_by": met, "conflict": True}})
            continue
        share = 0.2 if kind == "sft" else shares[rest[1]]
        results.run(cell, lambda _, share=share, seed=int(rest[-1]): result(share, seed))
    return results


def test_the_claim_holds_where_all_three_differences_are_clear(tmp_path: Path) -> None:
    found = verdict(results_of(tmp_path, {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.54}))
    assert found["claim"] is True and found["mechanism"] is True and found["missing_cells"] == 0
    assert found["contrasts"]["ocr - grpo"]["mean"] == pytest.approx(15.0, abs=3.0)
    assert "claim holds in this test" in sentence(found)


def test_one_difference_that_is_not_clear_is_enough_against_it(tmp_path: Path) -> None:
    found = verdict(results_of(tmp_path, {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.7}))
    assert found["claim"] is False and "does not hold" in sentence(found)


def test_a_wrong_sign_speaks_against_the_mechanism(tmp_path: Path) -> None:
    shares = {"ocr": 0.5, "grpo": 0.65, "noisy_rollout": 0.55, "same_area": 0.54, "ocr_positive": 0.75}
    found = verdict(results_of(tmp_path, shares, ratio=4.0))
    assert found["mechanism"] is False
    assert verdict(results_of(tmp_path / "other", shares, ratio=0.4))["mechanism"] is True
    repaired = found["repaired_credit"]
    assert repaired["no_worse_anywhere"] is True and repaired["better_where_ratio_below_1"] is None


def test_missing_arms_give_no_verdict(tmp_path: Path) -> None:
    found = verdict(results_of(tmp_path, {"ocr": 0.7, "grpo": 0.55}))
    assert found["claim"] is None and sentence(found).startswith("No verdict: cells of the fixed rules are missing")


@pytest.mark.parametrize(
    ("how", "why"),
    [({"rehearsal": True}, "a rehearsal decides nothing"), ({"met": False}, "the gate isn't met (locked_by)")],
)
def test_a_rehearsal_and_a_gate_that_is_not_met_give_no_verdict(tmp_path: Path, how: dict, why: str) -> None:
    shares = {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.54}
    found = verdict(results_of(tmp_path, shares, **how))
    assert found["missing_cells"] == 0 and found["claim"] is None and sentence(found).startswith(f"No verdict: {why}")


def test_arms_of_other_models_are_not_compared(tmp_path: Path) -> None:
    results = results_of(tmp_path, {"ocr": 0.7, "ocr_positive": 0.7, "grpo": 0.55})
    for arm, kept in (("ocr", 0), ("ocr_positive", 1), ("grpo", 1)):
        for seed in set(range(SEEDS)) - {kept}:
            (tmp_path / "cells" / f"rl/{DESIGN}/{arm}/{seed}.json").unlink()
    found = write_report(results, tmp_path)
    assert found["claim"] is None and not found["contrasts"] and not found["doses"] and not found["repaired_credit"]
    assert found["arms"]["ocr"]["minus_grpo"] is None and found["arms"]["ocr_positive"]["minus_grpo"] > 10


def test_a_dose_from_some_of_its_models_decides_nothing(tmp_path: Path) -> None:
    """From one model, resampled rooms give an interval that is far too narrow."""
    shares = {"ocr": 0.5, "grpo": 0.65, "noisy_rollout": 0.55, "same_area": 0.54, "ocr_positive": 0.45}
    results = results_of(tmp_path, shares, ratio=4.0)
    assert verdict(results)["mechanism"] is False and verdict(results)["repaired_credit"]["no_worse_anywhere"] is False
    for arm in ("ocr", "ocr_positive"):
        (tmp_path / "cells" / f"rl/{DESIGN}/{arm}/2.json").unlink()
    found = write_report(results, tmp_path)
    (dose,) = found["doses"]
    assert dose["interval"] is None and dose["models"] == SEEDS - 1 and found["mechanism"] is None
    repaired = found["repaired_credit"]
    assert repaired["by_dose"][0]["mean"] < 0.0 and repaired["no_worse_anywhere"] is None
    assert "[models are missing] | 5 |" in (tmp_path / "report.md").read_text()


def test_a_missing_seed_gives_no_verdict(tmp_path: Path) -> None:
    results = results_of(tmp_path, {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.54})
    (tmp_path / "cells" / f"rl/{DESIGN}/same_area/{SEEDS - 1}.json").unlink()
    found = verdict(results)
    assert found["claim"] is None and found["missing_cells"] == 1
    assert f"so far, from {SEEDS - 1} to {SEEDS} models: ocr - grpo +" in sentence(found)
    assert len(found["contrasts"]["ocr - same_area"]["seeds"]) == SEEDS - 1


def test_the_report_is_written_from_the_results(tmp_path: Path) -> None:
    results = results_of(tmp_path, {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.54})
    first = write_report(results, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith(f"**{sentence(first)}**") and "| ocr | +14" in text and "| before | – | 2" in text


def test_an_arm_from_some_of_its_models_has_a_difference_and_no_interval(tmp_path: Path) -> None:
    """One from resampled rooms of one model would look far surer than the models are alike."""
    shares = {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.54, "ocr_positive": 0.75}
    results = results_of(tmp_path, shares)
    for seed in range(1, SEEDS):
        (tmp_path / "cells" / f"rl/{DESIGN}/ocr_positive/{seed}.json").unlink()
    found = write_report(results, tmp_path)
    assert "ocr_positive - grpo" not in found["others"] and "same_area - grpo" in found["others"]
    assert found["arms"]["ocr_positive"]["minus_grpo"] > 10 and found["arms"]["ocr_positive"]["seeds"] == 1
    row = next(line for line in (tmp_path / "report.md").read_text().splitlines() if line.startswith("| ocr_positive"))
    assert row.split("|")[4].strip() == "–"
    json.loads((tmp_path / "verdict.json").read_text(), parse_constant=pytest.fail)  # NaN isn't JSON


def test_guards(tmp_path: Path) -> None:
    found = verdict(results_of(tmp_path, {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.54}))
    assert all(found["guards"]["ocr"].values())
    # Who is right in every second unanswerable room has read the answer from somewhere
    leaking, fair = ({0: np.arange(1000) % n == 0} for n in (2, 4))
    assert not _at_chance(leaking) and _at_chance(fair)


def test_the_ratio_while_training_is_that_of_noisy_rewards_while_there_is_noise(tmp_path: Path) -> None:
    """A tenth of the rooms conflict and are right under noise; of the others, 90 % and then 95 % are."""
    cell = Cell(f"rl/{DESIGN}/ocr/0", {})
    results = Results(tmp_path, "planted-lock", [Cell(f"gate/{DESIGN}", {}), cell])
    results.run(results.cells[f"gate/{DESIGN}"], lambda _: {"conflict_queried_noised": 100.0})
    noisy = [0.1 + 0.9 * 0.9] * 10 + [0.1 + 0.9 * 0.95] * 10 + [0.0] * 5
    results.run(cell, lambda _: {"log": {"noisy/reward": noisy, "noise/area": [0.02] * 20 + [0.0] * 5}})
    assert ratio_while_training(results) == pytest.approx([0.1 / (0.9 * 0.1), 0.1 / (0.9 * 0.05)])
