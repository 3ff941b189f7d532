"""Reading other people's predictions: every format, and every way they can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from ocr_hf.vsi_bench import predictions as reading
from ocr_hf.vsi_bench.predictions import pair, parse_rows, read_rows

ROWS = [
    {"id": 5, "question_type": "object_counting", "ground_truth": "4", "prediction": "4, say"},
    {"id": 3, "question_type": "route_planning", "ground_truth": "A", "prediction": 'A "left"'},
]
QUESTIONS = [
    {
        "id": 3,
        "dataset": "d",
        "scene_name": "s",
        "question_type": "route_planning",
        "ground_truth": "A",
        "pruned": True,
    },
    {
        "id": 4,
        "dataset": "d",
        "scene_name": "t",
        "question_type": "route_planning",
        "ground_truth": "B",
        "pruned": False,
    },
    {
        "id": 5,
        "dataset": "d",
        "scene_name": "s",
        "question_type": "object_counting",
        "ground_truth": "4",
        "pruned": False,
    },
]


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"run{suffix}"
    frame = pd.DataFrame(ROWS)
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=suffix == ".jsonl")
    return path


@pytest.mark.parametrize("suffix", reading.FORMATS)
def test_every_format_gives_the_same_run(tmp_path: Path, suffix: str) -> None:
    run = pair(read_rows(write(tmp_path, suffix)))
    assert run.predictions == ("4, say", 'A "left"')
    assert run.references == ("4", "A")
    assert run.question_types == ("object_counting", "route_planning")
    assert tuple(map(str, run.ids)) == ("5", "3")
    assert run.pruned is None and run.scenes is None and run.unanswered == ()


def test_pasted_text_tells_its_format_by_itself(tmp_path: Path) -> None:
    for suffix in (".json", ".jsonl", ".csv"):
        text = write(tmp_path, suffix).read_text()
        assert pair(parse_rows(text)).predictions == pair(parse_rows(text, suffix)).predictions


def test_joins_with_the_questions_on_id_not_on_order() -> None:
    run = pair([{"id": "5", "prediction": "4"}, {"id": 3, "response": "B", "prediction": None}], QUESTIONS)
    assert run.ids == (5, 3) and run.predictions == ("4", None)
    assert run.references == ("4", "A") and run.question_types == ("object_counting", "route_planning")
    assert run.pruned == (False, True) and run.scenes == ("d/s", "d/s") and run.unanswered == (4,)


def test_audited_rows_of_our_own_runs_are_passed_over() -> None:
    rows = [{"id": 3, "prediction": "A", "audit": "vanilla"}, {"id": 3, "prediction": "B", "audit": "black"}]
    assert pair(rows, QUESTIONS).predictions == ("A",)


@pytest.mark.parametrize(
    ("rows", "questions", "message"),
    [
        ([], None, "there are no predictions"),
        ([{"id": 1, "text": "A"}], None, "name the model's text 'prediction'"),
        ([{"id": 3, "prediction": "A"}, {"id": 4}], None, "row 1 has no 'prediction'"),
        ([{"id": 3, "prediction": "A"}], None, "row 0 has no 'question_type'"),
        ([{"id": 9, "prediction": "A"}], QUESTIONS, "row 0: id 9 is none of the 3 questions'"),
        ([{"prediction": "A"}], QUESTIONS, "row 0: id None is none of"),
        ([{"id": 3, "prediction": "A"}] * 2, QUESTIONS, "row 1: id 3 was answered before"),
        ([{"id": 3, "prediction": "A"}], QUESTIONS[:1] * 2, "id 3 names two questions"),
    ],
)
def test_bad_rows_are_named(rows, questions, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pair(rows, questions)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.txt", b"A", "run.txt is not one of .jsonl, .json, .csv, .parquet"),
        ("run.jsonl", b'{"id": 1}\n{"id": ', "run.jsonl: line 2 is not JSON"),
        ("run.jsonl", b'{"id": 1}\n\n[2]', "run.jsonl: row 1 is a list"),
        ("run.json", b'{"id": 1}', "JSON must be a list of objects"),
        ("run.json", b"[" * 100_000, "the text is not JSON"),
        ("run.csv", b'id,prediction\n1,"A', "run.csv: not CSV"),
        ("run.csv", b"id,prediction\n1,A,B\n", "row 0 does not have 2 fields"),
        ("run.csv", b"id,prediction\n1\n", "row 0 does not have 2 fields"),
        ("run.csv", b"id,prediction\n1,\xff\n", "run.csv is not UTF-8"),
        ("run.parquet", b"PAR1 no", "run.parquet: not a readable Parquet file"),
        ("run.parquet", b"", "run.parquet: not a readable Parquet file"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / name)


def test_oversized_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 4000)
    path = tmp_path / "run.parquet"
    pd.DataFrame({"id": range(10), "prediction": ["A" * 20_000] * 10}).to_parquet(path, compression="zstd")
    assert path.stat().st_size < 4000
    with pytest.raises(ValueError, match="run.parquet: it unpacks to more than 4,000 bytes"):
        read_rows(path)
    (tmp_path / "run.json").write_text(json.dumps([{"prediction": "A" * 5000}]))
    with pytest.raises(ValueError, match="at most 4,000 are read"):
        read_rows(tmp_path / "run.json")
    with pytest.raises(ValueError, match="at most 4,000 are read"):
        parse_rows("A" * 5000)
