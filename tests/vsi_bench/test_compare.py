"""Runs that are read back and compared: figures are those of the evaluation, and other questions are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_hf.cli import main as cli
from ocr_hf.data.themes import THEMES
from ocr_hf.vsi_bench.compare import OVERALL, Estimate, beats, compare_runs
from ocr_hf.vsi_bench.significance import holm
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
    for name in ("random", "most_frequent", "always_a", "text_statistic"):
        with pytest.raises(ValueError, match=f"called '{name}', as one of the references .*; give it another name"):
            compare_runs({"good": runs["good"], name: runs["worse"]})
    fewer = StoredRun(Path("fewer"), runs["good"].rows[1:], {}, runs["good"].results)
    with pytest.raises(ValueError, match="fewer and .*good/rooms answer different questions; evaluate"):
        check_same_questions([runs["good"], fewer])
    with pytest.raises(FileNotFoundError, match="holds no results.json; evaluate the model with `ocr-hf eval --out"):
        read_run(tmp_path)
    shutil.copy(runs["good"].folder / "results.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no predictions.parquet"):
        read_run(tmp_path)


def compare(*arguments: object) -> None:
    """Run `ocr-hf compare`; a success, which ends with status 0 too, returns."""
    try:
        cli(["compare", *map(str, arguments)])
    except SystemExit as end:
        if end.code:
            raise


def test_tests_of_a_difference(runs: dict[str, StoredRun]) -> None:
    comparison = compare_runs(runs)
    gain = comparison.difference("worse", "good", 400)
    tasks = [entry for name, entry in gain.items() if name != OVERALL]
    assert gain[OVERALL].p == pytest.approx(2 / 401) and gain[OVERALL].corrected is None
    assert [entry.corrected for entry in tasks] == holm([entry.p for entry in tasks])
    letters = [entry.letters for entry in tasks if entry.letters]
    assert [found.corrected for found in letters] == holm([found.p for found in letters])
    # Nobody is right where the good model isn't
    assert all(found.lost == 0 for found in letters) and gain[OVERALL].letters.gained == sum(f.gained for f in letters)
    assert gain[OVERALL].letters.p == pytest.approx(min(1.0, 2.0 * 0.5 ** gain[OVERALL].letters.gained))
    assert comparison.difference("always_a", "good", 50)[OVERALL].letters is None, "a baseline without answers"
    scenes = comparison.by_cluster("worse", "good")
    points = [10.0 * (comparison.systems["good"].tenths - comparison.systems["worse"].tenths).mean()]
    assert sum(entry.score * entry.n for entry in scenes.values()) / len(comparison.rows) == pytest.approx(points[0])


def test_the_command_writes_what_the_comparison_says(runs: dict[str, StoredRun], tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    compare(runs["worse"].folder, runs["good"].folder, "--out", out, "--draws", 200)
    assert "good/rooms minus worse/rooms" in capsys.readouterr().out
    found = json.loads((out / "comparison.json").read_text())
    own = compare_runs(runs).difference("worse", "good", 200)
    tasks = found["differences"]["good/rooms"]["tasks"]
    assert {name: entry["score"] for name, entry in tasks.items()} == {name: own[name].score for name in own}
    assert tasks[OVERALL]["interval"] == list(own[OVERALL].interval)
    assert (found["baseline"], found["n"], found["n_left_out"]) == ("worse/rooms", len(runs["good"].rows), 0)
    turned = found["differences"]["good/rooms"]["questions"]
    assert len(turned["gained"]) == own[OVERALL].letters.gained and turned["lost"] == []
    text = (out / "comparison.md").read_text()
    assert f"| **Overall** | {own[OVERALL].score:+.1f} |" in text and "By scene: better in" in text
    assert 'srcset="comparison-dark.png"' in text and (out / "comparison-light.png").stat().st_size > 5000
    # The audits that were asked besides are no difference in how the questions were asked of the plain video
    assert found["differing"] == {} and "not asked in the same way" not in text
    before = (out / "comparison-dark.png").read_bytes()
    compare(runs["worse"].folder, runs["good"].folder, "--out", out, "--draws", 200, "--json")
    assert json.loads(capsys.readouterr().out) == found and (out / "comparison-dark.png").read_bytes() == before


@pytest.mark.parametrize("name", ["random", "most_frequent", "always_a", "text_statistic"])
def test_a_folder_named_like_a_reference_keeps_its_scores(
    name: str, runs: dict[str, StoredRun], tmp_path: Path
) -> None:
    worse, good = changed(runs["worse"], tmp_path / "results" / "a"), changed(runs["good"], tmp_path / "results" / name)
    compare(worse, good, "--out", tmp_path / "out", "--draws", 100)
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert set(found["differences"]) == {f"results/{name}"} and found["baseline"] == "results/a"
    assert found["scores"][f"results/{name}"][OVERALL]["score"] == 100.0 > found["scores"][name][OVERALL]["score"]


def test_other_questions_are_refused_or_left_out(runs: dict[str, StoredRun], tmp_path: Path, capsys) -> None:
    good, worse = (changed(runs[name], tmp_path / name) for name in ("good", "worse"))

    def refused(*arguments: object) -> str:
        with pytest.raises(SystemExit) as end:
            compare(good, worse, "--out", tmp_path / "out", *arguments)
        told = capsys.readouterr().err
        assert end.value.code == 1 and told.count("\n") == 1 and not (tmp_path / "out").exists()
        return told

    changed(runs["worse"], worse, keep=lambda row: row["id"] != runs["worse"].rows[0]["id"])
    size = len(runs["good"].rows)
    assert f"different questions: 0 and 1 are in one alone, {size - 1:,} in both;" in refused()
    compare(good, worse, "--out", tmp_path / "common", "--draws", 100, "--common")
    found = json.loads((tmp_path / "common" / "comparison.json").read_text())
    assert (found["n"], found["n_left_out"]) == (size - 1, 1)
    changed(runs["worse"], worse, settings={"frames": 4})
    compare(good, worse, "--out", tmp_path / "frames", "--draws", 100)
    assert list(json.loads((tmp_path / "frames" / "comparison.json").read_text())["differing"]) == ["frames"]
    assert "| `frames` | `8` | `4` |" in (tmp_path / "frames" / "comparison.md").read_text()
    assert "frames" in capsys.readouterr().out
    changed(runs["worse"], worse, edit={"question": "What else?"})
    assert "has another question in" in refused()
    changed(runs["worse"], worse, edit={"id": -1})
    assert "have no question in common; evaluate them on the same data" in refused("--common")
    assert "draws is 5; give at least 100" in refused("--draws", 5)


def test_two_different_runs_are_needed(runs: dict[str, StoredRun], tmp_path: Path, capsys) -> None:
    for folders, message in [
        ([runs["good"].folder], "there is 1 run to compare; give at least two folders"),
        ([runs["good"].folder] * 2, "rooms is given twice; give each run once"),
        ([runs["good"].folder, tmp_path], "holds no results.json; evaluate the model with"),
    ]:
        with pytest.raises(SystemExit):
            compare(*folders, "--out", tmp_path / "out")
        assert message in capsys.readouterr().err


def changed(
    run: StoredRun,
    folder: Path,
    keep: Callable = lambda row: True,
    edit: dict | None = None,
    settings: dict | None = None,
) -> Path:
    """Write a copy of a run with some rows left out, values put into all rows (an id is counted on), or other "
    "settings."""
    rows = [row for row in pq.read_table(run.folder / "predictions.parquet").to_pylist() if keep(row)]
    for number, row in enumerate(rows):
        row.update(edit or {})
        if edit and "id" in edit:
            row["id"] = edit["id"] - number
    results = json.loads((run.folder / "results.json").read_text())
    results["settings"] |= settings or {}
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "predictions.parquet")
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def brightness(colour: str) -> float:
    """Relative luminance of "#rrggbb" (WCAG 2.2)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_plots_can_be_read_in_both_themes() -> None:
    def contrast(one: str, other: str) -> float:
        low, high = sorted(map(brightness, (one, other)))
        return (high + 0.05) / (low + 0.05)

    assert [theme.name for theme in THEMES] == ["light", "dark"]
    for theme in THEMES:
        assert contrast(theme.ink, theme.paper) > 7.0
        assert all(contrast(colour, theme.paper) > 4.5 for colour in theme.series)


def test_a_report_shows_its_plots(runs: dict[str, StoredRun]) -> None:
    folder = runs["worse"].folder
    text = (folder / "report.md").read_text()
    for name in ("tasks", "audits"):
        for theme in ("light", "dark"):
            assert f'plots/{name}-{theme}.png"' in text
            assert (folder / "plots" / f"{name}-{theme}.png").read_bytes().startswith(b"\x89PNG")
    assert "plots/pairs" not in text and "plots/audits" not in (runs["good"].folder / "report.md").read_text()
