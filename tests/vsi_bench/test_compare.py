"""Runs that are read back and compared: figures are those of the evaluation, and other questions are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ocr_hf.vsi_bench.compare import OVERALL, Estimate, beats, compare_runs
from ocr_hf.vsi_bench.stored_runs import StoredRun, bootstrap_clusters, check_same_questions, read_run
from tests.vsi_bench.made_up_runs import make_run


@pytest.fixture(scope="module")
def runs(toy_benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredRun]:
    """A good model and a worse one that was also asked without video, on toy rooms."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "good" / "rooms", toy_benchmark / "rooms", {"vanilla": 1.0})
    make_run(folder / "worse" / "rooms", toy_benchmark / "rooms", {"vanilla": 0.6, "text_only": 0.1})
    return {name: read_run(folder / name / "rooms") for name in ("good", "worse")}


def test_figures_are_those_of_the_evaluation(runs: dict[str, StoredRun]) -> None:
    table = compare_runs(runs, {"worse": "text_only"}).table(100)
    assert table["good"][OVERALL].score == 100.0
    assert table["worse"][OVERALL].score == pytest.approx(runs["worse"].results["audits"]["text_only"]["macro"])
    assert set(table) == {"good", "worse", "text_statistic", "random", "most_frequent", "always_a"}
    for name, entry in runs["good"].results["references"].items():
        assert table[name][OVERALL].score == pytest.approx(entry["macro"])


def test_paired_differences_are_differences(runs: dict[str, StoredRun]) -> None:
    comparison = compare_runs(runs)
    table, gain = comparison.table(200), comparison.difference("worse", "good", 200)
    assert set(gain) == set(table["good"]) == set(table["worse"])
    for key, estimate in gain.items():
        assert estimate.score == pytest.approx(table["good"][key].score - table["worse"][key].score)
        assert estimate.n == table["good"][key].n
    assert gain[OVERALL].interval[0] <= gain[OVERALL].score <= gain[OVERALL].interval[1]
    none = comparison.difference("worse", "worse", 200)
    assert all(estimate.score == 0.0 and estimate.interval in (None, (0.0, 0.0)) for estimate in none.values())


def test_the_debiased_part_is_a_subset_of_the_same_answers(runs: dict[str, StoredRun], toy_benchmark: Path) -> None:
    run = runs["worse"]
    pruned = set(json.loads((toy_benchmark / "record.json").read_text())["rooms"]["pruned"])
    part = compare_runs({"worse": run}, pruned=False)
    assert {row["id"] for row in part.rows} == {row["id"] for row in run.rows} - pruned
    assert part.table(0)["worse"][OVERALL].score == pytest.approx(run.results["debiased"]["macro"])
    assert {row["id"] for row in compare_runs({"worse": run}, pruned=True).rows} == pruned


def test_a_system_beats_a_baseline_whose_interval_lies_below() -> None:
    table = {
        "mine": {OVERALL: Estimate(50.0, (48.0, 52.0), 9)},
        "random": {OVERALL: Estimate(40.0, (38.0, 47.9), 9)},
        "always_a": {OVERALL: Estimate(40.0, (38.0, 48.0), 9)},
        "most_frequent": {OVERALL: Estimate(0.0, None, 9)},
    }
    assert beats(table, "mine", OVERALL) == {"random": True, "always_a": False, "most_frequent": False}
    assert beats(table, "mine", OVERALL, ("random", "missing")) == {"random": True}


def test_one_scene_is_resampled_by_clips() -> None:
    rows = [{"dataset": "mesh", "scene_name": "house", "id": number * 500} for number in range(6)]
    assert bootstrap_clusters(rows) == ["clip 0", "clip 0", "clip 1", "clip 1", "clip 2", "clip 2"]
    rows[0]["scene_name"] = "other"
    assert bootstrap_clusters(rows)[:2] == ["mesh/other", "mesh/house"]


def test_what_cannot_be_compared_is_refused(runs: dict[str, StoredRun], tmp_path: Path) -> None:
    check_same_questions(list(runs.values()))
    with pytest.raises(ValueError, match="good/rooms has no run 'black'; .* `ocr-hf eval --audit black"):
        compare_runs(runs, {"good": "black"})
    fewer = StoredRun(Path("fewer"), runs["good"].rows[1:], {}, runs["good"].results)
    with pytest.raises(ValueError, match="fewer and .*good/rooms answer different questions; evaluate"):
        check_same_questions([runs["good"], fewer])
    with pytest.raises(FileNotFoundError, match="holds no results.json; evaluate the model with `ocr-hf eval --out"):
        read_run(tmp_path)
    shutil.copy(runs["good"].folder / "results.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no predictions.parquet"):
        read_run(tmp_path)
