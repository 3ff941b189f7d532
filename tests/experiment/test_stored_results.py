"""What the stored reports say follows from the stored answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ocr_hf.experiment.run_cells import EXPERIMENTS, open_experiment

STORED = Path(__file__).resolve().parents[2] / "results" / "experiment"


def differences(found: Any, stored: Any, place: str = "") -> list[str]:
    """Return where two verdicts differ by more than the rounding of another processor."""
    if isinstance(stored, dict):
        names = found.keys() | stored.keys()
        return [
            line for name in sorted(names) for line in differences(found.get(name), stored.get(name), f"{place}/{name}")
        ]
    if isinstance(stored, list):
        pairs = zip(found, stored, strict=True)
        return [line for i, (a, b) in enumerate(pairs) for line in differences(a, b, f"{place}/{i}")]
    same = found == (pytest.approx(stored, abs=0.02) if isinstance(stored, float) else stored)
    return [] if same else [f"{place}: {found}, stored {stored}"]


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_the_verdict_follows_from_the_answers(name: str, tmp_path: Path) -> None:
    stored = STORED / name
    shutil.copy(stored / "plan.json", tmp_path)
    shutil.copytree(stored / "cells", tmp_path / "cells", ignore=shutil.ignore_patterns("*.lock"))
    # Refused where this version plans other cells than those that were run
    results = open_experiment(name, tmp_path, quick=False)
    report = EXPERIMENTS[name][2]
    found = json.loads(json.dumps(report.verdict(results)))
    assert differences(found, json.loads((stored / "verdict.json").read_text())) == []
    assert report.sentence(found) in (stored / "report.md").read_text().splitlines()[0]


def test_a_changed_answer_would_be_noticed() -> None:
    assert differences({"a": [1.0, {"b": 2.5}]}, {"a": [1.01, {"b": 2.5}]}) == []
    assert differences({"a": [1.0, {"b": 2.5}]}, {"a": [1.0, {"b": 2.6}], "c": None}) == ["/a/1/b: 2.5, stored 2.6"]
