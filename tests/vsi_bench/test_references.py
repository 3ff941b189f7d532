"""Rows that need no model, and the report they go into."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from ocr_hf.vsi_bench.compare import paired_difference
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.markdown_table import table
from ocr_hf.vsi_bench.predictions import pair
from ocr_hf.vsi_bench.references import best_constant, published_rows, reference_rows
from ocr_hf.vsi_bench.report import render_report
from ocr_hf.vsi_bench.results import score_predictions
from ocr_hf.vsi_bench.scoring import mean_relative_accuracy, score_answers
from ocr_hf.vsi_bench.summary import summarize
from tests.vsi_bench.conftest import questions


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> list[dict]:
    shared = request.getfixturevalue("shared")
    return pd.read_parquet(shared / "vsi_bench" / "test.parquet").to_dict("records")


def test_references_on_the_official_set(rows) -> None:
    references = reference_rows(rows)
    assert references["always_a"]["macro"] == pytest.approx(33.974153, abs=5e-7)
    # Table 1 of the paper prints 34.0 for constants; the mode of the answers alone gives less.
    assert references["random"]["macro"] < references["most_frequent"]["macro"] < references["always_a"]["macro"]
    assert references["random"]["tasks"]["object_rel_direction"] == pytest.approx(100 * (1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert references["random"]["tasks"]["object_rel_distance"] == 25.0
    truths = {name: [row["ground_truth"] for row in rows if row["question_type"] == name] for name in CONSTANTS}
    assert {name: best_constant(name, truths[name]) for name in CONSTANTS} == CONSTANTS


CONSTANTS = {
    "object_counting": "2",
    "object_abs_distance": "1.9",
    "object_size_estimation": "93",
    "room_size_estimation": "16.2",
}


def test_expected_chance_is_what_guessing_scores(rows) -> None:
    """A simulated guesser comes out at the expectation, task by task."""
    expected = reference_rows(rows)["random"]["tasks"]
    rng = np.random.default_rng(0)
    by_type: dict[str, list[dict]] = {}
    for row in rows:
        by_type.setdefault(row["question_type"], []).append(row)
    scores: dict[str, list[float]] = {}
    for _ in range(20):
        guesses = []
        for row in rows:
            if row["options"] is None:
                others = by_type[row["question_type"]]
                guesses.append(others[rng.integers(len(others))]["ground_truth"])
            else:
                guesses.append("ABCD"[rng.integers(len(row["options"]))])
        scored = score_answers(guesses, [r["ground_truth"] for r in rows], [r["question_type"] for r in rows])
        for name, entry in summarize(scored, draws=0)["tasks"].items():
            scores.setdefault(name, []).append(entry["score"])
    for name, score in expected.items():
        assert np.mean(scores[name]) == pytest.approx(score, abs=4 * np.std(scores[name]) / np.sqrt(20) + 0.05)


def test_best_constant_is_best(rows) -> None:
    truths = [row["ground_truth"] for row in rows if row["question_type"] == "object_abs_distance"]
    best = sum(mean_relative_accuracy(1.9, float(truth)) for truth in truths)
    for constant in (0.5, 1.0, 1.8, 2.0, 2.5, 5.0):
        assert sum(mean_relative_accuracy(constant, float(truth)) for truth in truths) <= best


def test_most_frequent_breaks_ties_downwards() -> None:
    rows = [
        {"question_type": kind, "ground_truth": truth, "options": options}
        for kind, truth, options in [
            ("object_counting", "10", None),
            ("object_counting", "9", None),
            ("route_planning", "B", ["A. x", "B. y"]),
            ("route_planning", "A", ["A. x", "B. y"]),
        ]
    ]
    frequent = reference_rows(rows)["most_frequent"]["tasks"]
    assert frequent["object_counting"] == pytest.approx(50 * (1.0 + mean_relative_accuracy(9, 10)))
    assert frequent["route_planning"] == 50.0 and "room_size_estimation" not in frequent


def test_paired_difference() -> None:
    kinds, truth, scenes = ["route_planning"] * 40, ["A"] * 40, [f"s{i // 4}" for i in range(40)]
    half = ["A" if i // 4 % 2 else "B" for i in range(40)]
    better, worse = score_answers(half, truth, kinds), score_answers(["B"] * 40, truth, kinds)
    assert paired_difference(better, better, scenes)["interval"] == [0.0, 0.0]
    result = paired_difference(worse, better, scenes)
    assert (result["first"], result["second"], result["difference"]) == (0.0, 50.0, 50.0)
    assert result["interval"] == summarize(better, scenes=scenes)["interval"]["macro"]
    assert paired_difference(better, worse, ["one"] * 40)["interval"] is None
    with pytest.raises(ValueError, match="answer other questions"):
        paired_difference(better, score_answers(["A"], ["A"], kinds[:1]), scenes)


def test_published_rows_name_their_source() -> None:
    for row in published_rows():
        assert re.fullmatch(r"[\d.]+(-[\d.]+)?", row["score"]), row
        assert row["source"] and "frames" in row
    assert any(row["score"] == "47.5" for row in published_rows())


def test_scored_predictions_and_their_report(tmp_path) -> None:
    answers = [{"id": row["id"], "prediction": row["ground_truth"]} for row in questions()[:-3]]
    results = score_predictions(
        pair(answers, questions(), "leave-out"),
        EvalConfig(draws=50, missing="leave-out"),
        tmp_path,
        {"predictions": "p.jsonl"},
        questions(),
    )
    assert results["overall"] == 100.0 and results["n"] == 27 and results["n_unanswered"] == 3
    assert results["missing"] == ["obj_appearance_order"] and results["n_scenes"] == 3
    assert results["references"] == reference_rows(questions()[:-3]) and results["published"] == []
    report = (tmp_path / "report.md").read_text()
    assert report.startswith(
        "# VSI-Bench: p.jsonl\n\n**100.0** [100.0, 100.0] · macro average, official extraction, n = 27"
    )
    assert "No question of obj_appearance_order: the macro average is over the other tasks." in report
    assert "**Without 3 questions that have no answer (missing leave-out).**" in report
    assert "3 questions have no prediction and are left out." in report
    widths = {line.count("|") for line in report.split("## Settings")[0].splitlines() if line.startswith("|")}
    assert widths == {11}, "every line of the score table has as many cells as its header"


def test_report_of_scores_without_scenes_says_so() -> None:
    scored = score_answers(["A"] * 3, ["A", "B", "A"], ["route_planning"] * 3)
    results = {**summarize(scored), "references": {}, "published": [], "audits": {}, "query_lock": None}
    report = render_report({**results, "settings": {"predictions": "x"}})
    assert "No scene is known" in report and "## Audits" not in report and "## Published" not in report


def test_markdown_tables_survive_bars_in_cells() -> None:
    assert table(["a", "b"], [["x|y", 1]]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |"
