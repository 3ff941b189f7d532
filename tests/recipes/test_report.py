"""The report says what the evaluations say, of models whose skill is known."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.references import reference_rows
from ocr_hf.vsi_bench.stored_runs import read_run
from recipes.ocr_vsi_tiny.examples import Example, caption, pick_examples
from recipes.ocr_vsi_tiny.learning_curves import read_logs, series, smooth
from recipes.ocr_vsi_tiny.report import main, write_report
from tests.vsi_bench.made_up_runs import log_lines, make_run

BLIND = ("object_counting", "object_rel_distance")
"""Question types that the made-up checkpoint answers alike whatever it sees."""


@pytest.fixture(scope="module")
def results(toy_benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluations of four made-up models on toy rooms, and the logs of a training."""
    folder = tmp_path_factory.mktemp("results") / "ocr-vsi-test"
    rooms = toy_benchmark / "rooms"
    looks = {"vanilla": 1.0, "black": 0.3, "text_only": 0.3, "queried_noised": 0.5, "context_noised": 0.9}
    make_run(folder / "ocr-vsi-tiny" / "rooms", rooms, looks, BLIND)
    make_run(folder / "sft" / "rooms", rooms, {"vanilla": 0.8, "black": 0.3})
    make_run(folder / "text-only" / "rooms", rooms, {"vanilla": 0.9, "text_only": 0.1})
    for stage in ("sft", "grpo"):
        log = folder.parent / "training" / stage / "log.jsonl"
        log.parent.mkdir(parents=True)
        log.write_text("".join(json.dumps(line) + "\n" for line in log_lines(stage, 20)))
    return folder


@pytest.fixture(scope="module")
def report(results: Path, toy_benchmark: Path) -> str:
    return write_report(results, toy_benchmark, results.parent / "training", draws=200).read_text()


def section(report: str, title: str) -> str:
    return report.partition(f"## {title}\n")[2].partition("\n## ")[0]


def line(text: str, start: str) -> list[str]:
    """Return the cells of a table's row."""
    row = next(row for row in text.splitlines() if row.startswith(f"| {start} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_scores_are_those_of_the_evaluations(report: str, results: Path, toy_benchmark: Path) -> None:
    rooms = section(report, "Unseen rooms")
    header = line(rooms, "")[2:]
    cells = dict(zip(header, line(rooms, "overall")[2:], strict=True))
    assert cells["**OCR-GRPO**"].startswith("100.0 [100.0, 100.0]")
    scores = {name: float(cell.split(" ")[0]) for name, cell in cells.items()}
    stored = {
        name: json.loads((results / name / "rooms" / "results.json").read_text()) for name in ("sft", "text-only")
    }
    assert scores["its SFT start"] == pytest.approx(stored["sft"]["macro"], abs=0.051)
    without_video = stored["text-only"]["audits"]["text_only"]["macro"]
    assert scores["text-only model"] == pytest.approx(without_video, abs=0.051)
    references = reference_rows(open_benchmark(str(toy_benchmark / "rooms")).rows)
    for name, title in (("random", "random"), ("most_frequent", "most frequent"), ("always_a", 'constants, "A"')):
        assert scores[title] == pytest.approx(references[name]["macro"], abs=0.051)
    for cell in cells.values():
        low, high = map(float, re.search(r"\[([\d.]+), ([\d.]+)\]", cell).groups())
        assert low <= float(cell.split(" ")[0]) <= high


def test_where_it_does_not_look_is_said(report: str) -> None:
    looking = section(report, "Where it looks")
    assert "**The model does not look in: Obj. Count, Rel. Dist.**" in looking
    assert line(looking, "Obj. Count")[1].startswith("+0.0 [") and line(looking, "Obj. Count")[3] == "**no**"
    assert line(looking, "overall")[3] == "yes"


def test_what_the_verdict_says_follows_from_the_tables(report: str) -> None:
    short, rooms = section(report, "In short"), section(report, "Unseen rooms")
    header = line(rooms, "")[2:]
    won = []
    for row in (row for row in rooms.splitlines() if re.match(r"\| [A-Z]", row)):
        title, _, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        bounds = {
            name: tuple(map(float, found.groups()))
            for name, cell in zip(header, cells, strict=True)
            if (found := re.search(r"\[([\d.]+), ([\d.]+)\]", cell))
        }
        rivals = [bounds[name] for name in ("text-only model", "random", "most frequent", 'constants, "A"')]
        if all(bounds["**OCR-GRPO**"][0] > high for _, high in rivals):
            won.append(title)
    assert f"So does it in {len(won)} of" in short and f"tasks: {', '.join(won)}." in short
    assert "Overall it beats every baseline" in short and "Not evaluated: untrained." in short
    assert re.search(r"OCR-GRPO minus its SFT start: \+\d+\.\d \[\+\d+\.\d, \+\d+\.\d\] points\.", short)


def test_a_second_report_is_the_same(results: Path, report: str, toy_benchmark: Path) -> None:
    """Without the training's folder too: its logs were copied beside the report."""
    files = [results / name for name in ("report.md", "learning_curves.png", "examples.png")]
    before = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    write_report(results, toy_benchmark, draws=200)
    assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in files] == before
    assert "![Held-out score" in report and "(learning_curves.png)" in report and "(examples.png)" in report


def test_examples_show_the_frames_that_were_asked_about(results: Path, toy_benchmark: Path) -> None:
    run = read_run(results / "ocr-vsi-tiny" / "rooms")
    benchmark = open_benchmark(str(toy_benchmark / "rooms"))
    examples = pick_examples(run, toy_benchmark / "rooms")
    assert len({example.title for example in examples}) == len(examples) >= 5
    for example in examples:
        full = benchmark.objects(example.row)
        assert full["queried_objects"] and example.before == example.row["ground_truth"]
        changed = (example.vanilla != example.noisy).any(axis=-1)
        assert 0 < changed.mean() < 0.6, "noise on the queried objects and nowhere else"
        assert example.row["question"][:20] in caption(example)


def test_examples_of_other_data_are_refused(results: Path, toy_benchmark: Path, tmp_path: Path) -> None:
    run = read_run(results / "ocr-vsi-tiny" / "rooms")
    run.results["settings"]["data_revision"] = "format 1, other"
    with pytest.raises(ValueError, match="was evaluated on format 1, other, .* is format 1, blake2b"):
        pick_examples(run, toy_benchmark / "rooms")


def test_dollars_in_questions_are_no_formulas() -> None:
    row = {"question": "How much is $5 and $6?", "options": None, "ground_truth": "1"}
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    assert r"\$5 and \$6" in caption(Example("x", row, "1", "2", pixels, pixels))


def test_little_is_enough_and_what_is_missing_is_said(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "sft" / "rooms", tmp_path / "ocr-vsi-tiny" / "rooms")
    text = write_report(tmp_path, draws=50).read_text()
    assert "Not evaluated: text-only model, untrained, its SFT start." in text
    assert "does **not** beat every baseline" in text, "without the text-only model there is nothing to say"
    assert "Left out: no training logs were given (--logs)." in text
    assert "Left out: no benchmark folder was given (--data)." in text
    assert "What OCR-GRPO changed" not in text


def test_other_questions_cant_be_compared(results: Path, toy_benchmark: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "results")
    shutil.rmtree(tmp_path / "results" / "sft")
    other = Path(shutil.copytree(toy_benchmark / "rooms", tmp_path / "other"))
    (other / "test" / "vanilla" / "metadata.parquet").write_bytes(
        (other / "test" / "metadata.parquet").read_bytes()
    )  # the same rows in other bytes
    make_run(tmp_path / "results" / "sft" / "rooms", other, {"vanilla": 0.8})
    with pytest.raises(ValueError, match="sft/rooms was evaluated on data format 1, .*ocr-vsi-tiny/rooms on format 1"):
        write_report(tmp_path / "results", draws=50)


def test_the_command_prints_the_short_of_it(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.copytree(results, tmp_path / "results")
    main(tmp_path / "results")
    assert "every baseline" in capsys.readouterr().out
    for arguments, told in (
        ((tmp_path,), "ocr-vsi-tiny/rooms holds no results.json; evaluate the checkpoint"),
        ((results, None, tmp_path), "sft/log.jsonl: no such file; --logs takes the folder"),
    ):
        with pytest.raises(SystemExit, match=told):
            main(*arguments)


class TestCurves:
    def test_smoothing_is_a_running_mean(self) -> None:
        values = np.arange(25.0)
        found = smooth(values, 10)
        assert found[0] == 0.0 and found[4] == 2.0 and found[20] == pytest.approx(values[11:21].mean())

    def test_lines_without_a_value_are_passed_over(self, results: Path, report: str) -> None:
        lines = read_logs(results / "logs", ("sft", "grpo"))
        assert series(lines["sft"], "held_out")[0].tolist() == [5, 10, 15, 20]
        assert len(series(lines["sft"], "reward")[0]) == 0 and len(series(lines["grpo"], "reward")[0]) == 20

    def test_a_broken_line_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "sft.jsonl").write_text('{"step": 1}\n{"st')
        with pytest.raises(ValueError, match="sft.jsonl has a line that is no JSON"):
            read_logs(tmp_path, ("sft", "grpo"))
