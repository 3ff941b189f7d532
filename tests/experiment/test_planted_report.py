"""The verdict is recomputed from raw results, and says what the fixed rules say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ocr_hf.experiment.cells import Cell, Results
from ocr_hf.experiment.planted_report import sentence, verdict, write_report

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


def results_of(folder: Path, shares: dict[str, float], ratio: float = 5.0) -> Results:
    cells = [Cell(f"sft/{MODEL}/{s}", {}) for s in range(SEEDS)] + [Cell(f"gate/{DESIGN}", {})]
    cells += [Cell(f"rl/{DESIGN}/{arm}/{s}", {}) for arm in shares for s in range(SEEDS)]
    results = Results(folder, "planted-lock", cells)
    for cell in cells:
        kind, *rest = cell.name.split("/")
        if kind == "gate":
            results.run(cell, lambda _: {"ratio": ratio, "predicted_sign_of_ocr_minus_grpo": 1 if ratio > 1 else -1})
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
    assert found["claim"] is None and sentence(found).startswith("No verdict yet")


def test_the_report_is_written_from_the_results(tmp_path: Path) -> None:
    results = results_of(tmp_path, {"ocr": 0.7, "grpo": 0.55, "noisy_rollout": 0.55, "same_area": 0.54})
    first = write_report(results, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith(f"**{sentence(first)}**") and "| ocr |" in text and "| before | 2" in text
