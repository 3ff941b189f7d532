"""Runs of twins are compared by pairs of videos, with the pair scores of the evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ocr_hf.cli import main as cli
from ocr_hf.vsi_bench.audits import VANILLA
from ocr_hf.vsi_bench.compare import OVERALL, PAIRS, Comparison, compare_runs
from ocr_hf.vsi_bench.compare_report import write_comparison
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.results import write_results
from ocr_hf.vsi_bench.significance import holm
from ocr_hf.vsi_bench.stored_runs import StoredRun, read_run
from ocr_hf.vsi_bench.tasks import is_numeric
from ocr_hf.vsi_bench.twin_scores import pair_scores
from ocr_hf.vsi_bench.twins_layout import asked_rows
from tests.vsi_bench.test_twin_scores import made_up_twins

QUESTIONS, DRAWS = 120, 200


def write_run(folder: Path, rows: list[dict], answer: Callable[[dict], str]) -> Path:
    """Write what `ocr-hf eval --split twins` would write for somebody who answers so."""
    config = EvalConfig(model=folder.name, data="made-up", split="twins", draws=DRAWS)
    answers = {(VANILLA, row["id"]): {"prediction": answer(row), "num_frames": 8} for row in rows}
    folder.mkdir()
    write_results(folder, rows, [(VANILLA, rows)], answers, config, {**config.identity(), "data_revision": "none"})
    return folder


@pytest.fixture(scope="module")
def asked() -> list[dict]:
    return list(asked_rows(made_up_twins(QUESTIONS)))


@pytest.fixture(scope="module")
def runs(asked: list[dict], tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredRun]:
    """Three who are all right before an edit: one never notices it, one sees all, one takes controls for changes."""
    before = {row["question_id"]: row["ground_truth"] for row in asked if row["video"] == "vanilla"}
    after = {row["question_id"]: row["ground_truth"] for row in asked if row["video"] == "changes"}

    def fooled(row: dict) -> str:
        # In every other question, so that there are pairs of both outcomes
        is_fooled = row["video"] == "keeps" and row["question_id"] % 4 == 0
        return after[row["question_id"]] if is_fooled else row["ground_truth"]

    agents = {
        "unmoved": lambda row: before[row["question_id"]],
        "seeing": lambda row: row["ground_truth"],
        "fooled": fooled,
    }
    folder = tmp_path_factory.mktemp("twin-runs")
    return {name: read_run(write_run(folder / name, asked, answer)) for name, answer in agents.items()}


def test_pairs_are_found_again_in_a_stored_run(runs: dict[str, StoredRun], asked: list[dict]) -> None:
    stored = pq.read_table(runs["seeing"].folder / "predictions.parquet").column("id").to_pylist()
    assert stored == [row["id"] for row in asked]
    kept = {row["id"]: (row["question_id"], row["video"]) for row in asked}
    assert {row["id"]: (row["question_id"], row["video"]) for row in runs["seeing"].rows} == kept


@pytest.mark.parametrize("name", ["unmoved", "seeing", "fooled"])
def test_scores_of_pairs_are_those_of_the_evaluation(runs: dict[str, StoredRun], name: str) -> None:
    parts = compare_runs({name: runs[name]}).by_pair()
    twins = runs[name].results["twins"]
    assert list(parts) == [PAIRS, "changes", "keeps"]
    for kind, part in parts.items():
        table = part.table(DRAWS)
        assert table[name][OVERALL].score == twins[kind]["macro"] and table[name][OVERALL].n == twins[kind]["n"]
        assert list(table[name][OVERALL].interval) == twins[kind]["interval"]["macro"]
        for task, entry in twins[kind]["tasks"].items():
            assert table[name][task].score == entry["score"]
    blind = parts[PAIRS].table(0)
    assert {key: blind[key][OVERALL].score for key in twins["blind"]} == pytest.approx(
        {key: entry["pairs"]["macro"] for key, entry in twins["blind"].items()}
    )
    assert "random" not in blind, "the expectation of guessing once says nothing about guessing twice"


def test_differences_tell_who_follows_an_edit(runs: dict[str, StoredRun]) -> None:
    """Before the edit all three are equal; single questions hide by how much they differ after it."""
    comparison = compare_runs(runs)
    parts = comparison.by_pair()

    def points(first: str, second: str) -> list[float]:
        return [part.difference(first, second, DRAWS)[OVERALL].score for part in parts.values()]

    assert points("unmoved", "seeing") == [100.0, 100.0, 100.0]
    lost = points("seeing", "fooled")
    assert lost[1] == 0.0 and lost[2] < -30.0 and lost[0] == pytest.approx(lost[2] / 2)
    alone = comparison.difference("unmoved", "seeing", DRAWS)[OVERALL].score
    assert alone < 40.0, "only a third of the single answers tells them apart"


def test_tests_of_pairs(runs: dict[str, StoredRun]) -> None:
    part = compare_runs(runs).by_pair()["keeps"]
    found = part.difference("seeing", "fooled", DRAWS)
    letters = [row for row in part.rows if not is_numeric(row["question_type"])]
    fooled = sum(row["question_id"] % 4 == 0 for row in letters)
    assert (found[OVERALL].letters.gained, found[OVERALL].letters.lost) == (0, fooled)
    assert found[OVERALL].letters.p == pytest.approx(min(1.0, 2.0 * 0.5**fooled))
    tasks = [entry for name, entry in found.items() if name != OVERALL]
    assert [entry.corrected for entry in tasks] == holm([entry.p for entry in tasks])
    assert found[OVERALL].n == QUESTIONS == sum(entry.n for entry in tasks)


def test_pairs_are_paired_with_themselves(runs: dict[str, StoredRun]) -> None:
    """What is drawn is the difference of a pair's scores: no noise is left where all pairs change by as much."""
    part = compare_runs(runs).by_pair()[PAIRS]
    same = part.difference("fooled", "fooled", DRAWS)[OVERALL]
    assert (same.score, same.interval, same.p) == (0.0, (0.0, 0.0), 1.0)
    gain = part.difference("unmoved", "seeing", DRAWS)[OVERALL]
    assert gain.interval == (100.0, 100.0) and gain.p == pytest.approx(2 / (DRAWS + 1))


def test_scenes_are_drawn_not_pairs(runs: dict[str, StoredRun]) -> None:
    part = compare_runs(runs).by_pair()[PAIRS]
    scenes = {f"procedural/procedural_{number // 8:06d}" for number in range(QUESTIONS)}
    assert set(part.clusters) == scenes and len(part.by_cluster("unmoved", "seeing")) == len(scenes)


def test_the_report_has_pairs_first(runs: dict[str, StoredRun], tmp_path: Path, capsys) -> None:
    out, folders = tmp_path / "out", [run.folder for run in runs.values()]
    try:
        cli(["compare", *map(str, folders), "--out", str(out), "--draws", str(DRAWS)])
    except SystemExit as end:
        assert not end.code
    assert "seeing minus unmoved, points; pairs of videos" in " ".join(capsys.readouterr().out.split())
    found = json.loads((out / "comparison.json").read_text())
    part = compare_runs(runs).by_pair()["keeps"]
    stored = found["pairs"]["differences"]["fooled"]["keeps"]
    own = part.difference("unmoved", "fooled", DRAWS)
    assert {name: entry["score"] for name, entry in stored["tasks"].items()} == {
        name: entry.score for name, entry in own.items()
    }
    assert found["pairs"]["n"] == {"pairs": 2 * QUESTIONS, "changes": QUESTIONS, "keeps": QUESTIONS}
    # Pairs that turned are told by the id of the edited video's question
    assert all(name.endswith("/keeps") for name in stored["questions"]["gained"]) and not stored["questions"]["lost"]
    assert len(stored["questions"]["gained"]) == own[OVERALL].letters.gained
    text = (out / "comparison.md").read_text()
    assert text.index("## Pairs of videos") < text.index("## seeing minus unmoved\n") < text.index("## Scores\n")
    low, high = own[OVERALL].interval
    assert f"| Keeps | {own[OVERALL].score:+.1f} | [{low:.1f}, {high:.1f}] |" in text
    assert "| **All pairs** | +100.0 | [100.0, 100.0] |" in text and "| Changes | +100.0 |" in text
    assert text.count("By task and kind of pair:") == 2
    assert 'srcset="comparison-pairs-dark.png"' in text
    assert all((out / f"comparison-pairs-{theme}.png").stat().st_size > 5000 for theme in ("light", "dark"))


def test_a_comparison_of_plain_questions_has_no_pairs(asked: list[dict], tmp_path: Path) -> None:
    plain = [{name: value for name, value in row.items() if name not in ("video", "question_id")} for row in asked[:60]]
    plain = [{**row, "id": number} for number, row in enumerate(plain)]
    folders = [
        write_run(tmp_path / name, plain, lambda row, text=text: text or row["ground_truth"])
        for name, text in (("right", ""), ("wrong", "no idea"))
    ]
    found = write_comparison(folders, tmp_path / "out", draws=100)
    assert found["pairs"] is None and not list((tmp_path / "out").glob("*pairs*"))
    assert "Pairs of videos" not in (tmp_path / "out" / "comparison.md").read_text()


def test_a_question_asked_in_part_makes_the_pairs_that_it_can(runs: dict[str, StoredRun]) -> None:
    seeing, unmoved = runs["seeing"], runs["unmoved"]

    def kept(videos: tuple[str, ...]) -> Comparison:
        places = [place for place, row in enumerate(seeing.rows) if row["video"] in videos]
        return compare_runs({"unmoved": unmoved.take(places), "seeing": seeing.take(places)})

    assert list(kept(("vanilla", "changes")).by_pair()) == [PAIRS, "changes"]
    assert kept(("vanilla", "keeps")).by_pair() == {}


def test_pairs_score_what_their_worse_answer_scores(runs: dict[str, StoredRun]) -> None:
    comparison = compare_runs(runs)
    part = comparison.by_pair()[PAIRS]
    _, scores = pair_scores(comparison.rows, comparison.systems["fooled"].scores)
    np.testing.assert_array_equal(part.systems["fooled"].scores, scores)
