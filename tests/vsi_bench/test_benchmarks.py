"""Benchmarks beside VSI-Bench: ReVSI's subsets, its tasks and averages, and the reader that docs/benchmarks.md adds."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocr_hf.data.video import probe
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.harness import Harness
from ocr_hf.vsi_bench.layouts import BENCHMARKS
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.revsi_layout import NUMERIC, REVSI_TASKS, REVSI_UNITS
from ocr_hf.vsi_bench.runner import run_evaluation
from tests.vsi_bench.conftest import video_bytes


def revsi_rows() -> list[dict]:
    """Two questions of each type, of two scenes."""
    rows = []
    for kind, unit in REVSI_UNITS.items():
        for scene in ("scene0011_00", "27dd4da69e"):
            options = [f"{letter}. thing {letter}" for letter in "ABC"] if unit is None else None
            rows.append(
                {
                    "id": len(rows), "dataset": "ScanNetv2", "scene_id": scene, "question_type": kind,
                    "question": f"What is {kind}?", "options": options,
                    "ground_truth": "4" if unit is not None else "B", "num_frames": "16", "queried_object_ids": [1],
                }
            )  # fmt: skip
    return rows


@pytest.fixture
def revsi(tmp_path) -> Path:
    folder = tmp_path / "ReVSI"
    for subset, rows in (("16_frame", revsi_rows()), ("32_frame", revsi_rows()[:4])):
        (folder / subset).mkdir(parents=True)
        pd.DataFrame(rows).to_parquet(folder / subset / "test-00000-of-00001.parquet")
    with zipfile.ZipFile(folder / "video.zip", "w") as archive:
        for seed, scene in enumerate(("scene0011_00", "27dd4da69e")):
            archive.writestr(f"16_frame/{scene}.mp4", video_bytes(seed, folder))
    return folder


def test_a_subset_of_revsi_is_a_split(revsi) -> None:
    benchmark = open_benchmark(str(revsi), split="16_frame")
    rows = benchmark.take("16_frame", None)
    assert len(rows) == 26 and benchmark.missing_videos(rows) == []
    assert probe(benchmark.video(rows[0])).num_frames == 12
    assert len({benchmark.video_key(row) for row in rows}) == 2
    with pytest.raises(ValueError, match="no split 'full'; its answers depend .* choose one of 16_frame, 32_frame"):
        open_benchmark(str(revsi))
    other = open_benchmark(str(revsi), split="32_frame")
    assert len(other.missing_videos(other.rows)) == 4, "videos of another number of frames are others"
    assert other.revision != benchmark.revision


def test_revsi_is_worded_as_its_authors_do(revsi) -> None:
    benchmark = open_benchmark(str(revsi), split="16_frame")
    count = benchmark.rows[0]
    assert (
        benchmark.prompt(count, "official")
        == f"These are frames of a video.\nWhat is {count['question_type']}?\n{NUMERIC}"
    )
    letter = next(row for row in benchmark.rows if row["options"] is not None)
    assert benchmark.prompt(letter, "official").endswith(
        "Options:\nA. thing A\nB. thing B\nC. thing C\nAnswer with the option's letter from the given choices directly."
    )


def test_revsi_averages_types_and_then_tasks(revsi, lively_model, tmp_path, monkeypatch) -> None:
    """One right answer in one of four types of a task is a quarter of it, whatever the number of questions."""
    right = {"object_rel_direction_forward_easy", "object_counting_single", "object_counting_multiple"}
    truth = {"object_counting_single": "4", "object_counting_multiple": "4"}
    monkeypatch.setattr(
        Harness, "answer",
        lambda self, batch: [
            truth.get(q.row["question_type"], "B") if q.row["question_type"] in right else "" for q in batch
        ],
    )  # fmt: skip
    config = EvalConfig(
        model=str(lively_model), data=str(revsi), split="16_frame", frames=16, draws=20, audit=("text_only",)
    )
    results = run_evaluation(config, tmp_path / "out")
    scores = {name: entry["score"] for name, entry in results["tasks"].items()}
    assert set(scores) == {task.name for task in REVSI_TASKS}
    assert scores["object_counting"] == 100.0 and scores["object_rel_direction"] == 25.0
    assert results["overall"] == pytest.approx(125.0 / 7) and results["micro"] == pytest.approx(100.0 * 6 / 26)
    assert results["missing"] == [] and results["audits"]["text_only"]["difference"] == 0.0
    assert results["references"]["random"]["tasks"]["object_rel_distance"] == pytest.approx(100 / 3)
    report = (tmp_path / "out" / "report.md").read_text()
    assert (
        report.startswith(f"# {revsi}: ")
        and "| Rel. Dir |" in report
        and "Appr. Order" not in report.split("Settings")[0]
    )
    assert NUMERIC in pd.read_parquet(tmp_path / "out" / "predictions.parquet").prompt[0]


NEWER = {
    "a type": (
        lambda row: {**row, "question_type": "object_shape"},
        "'object_shape' .* newer version, name an earlier",
    ),
    "a column": (
        lambda row: {name: value for name, value in row.items() if name != "scene_id"},
        "no column scene_id; .*--data-revision",
    ),
}


@pytest.mark.parametrize("kind", NEWER)
def test_a_newer_revsi_is_told(revsi, kind) -> None:
    change, message = NEWER[kind]
    pd.DataFrame(map(change, revsi_rows())).to_parquet(revsi / "16_frame" / "test-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=message):
        open_benchmark(str(revsi), split="16_frame")


def test_the_reader_of_the_documentation(root, lively_model, tmp_path, monkeypatch) -> None:
    code = re.search(r"```python\n(# mmsi_bench.py.*?)```", (root / "docs" / "benchmarks.md").read_text(), re.DOTALL)
    monkeypatch.setattr(BENCHMARKS, "_entries", dict(BENCHMARKS._entries))
    BENCHMARKS._load()
    exec(compile(code[1], "mmsi_bench.py", "exec"), {"__name__": "mmsi_bench"})

    def picture(seed: int, width: int) -> bytes:
        content = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (84, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(content, "png")
        return content.getvalue()

    rows = [
        {"id": number, "images": [picture(number, 112), picture(9, 84)], "question_type": "Motion (Cam.)",
         "question": "Which way?\nOptions: A: left, B: right, C: up, D: down", "answer": "AB"[number % 2]}
        for number in range(4)
    ]  # fmt: skip
    folder = tmp_path / "MMSI-Bench"
    folder.mkdir()
    pd.DataFrame(rows).to_parquet(folder / "MMSI_Bench.parquet")
    config = EvalConfig(
        model=str(lively_model), data=str(folder), frames_as="images", average="micro", max_new_tokens=2, draws=0
    )
    results = run_evaluation(config, tmp_path / "out")
    assert results["n"] == 4 and results["frames_given"] == [2] and set(results["tasks"]) == {"mmsi"}
    stored = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert stored.prompt[0].startswith("Which way?\nOptions: A: left") and stored.prediction.nunique() > 1
    assert json.loads((tmp_path / "out" / "results.json").read_text())["task_titles"] == {"mmsi": "MMSI"}
