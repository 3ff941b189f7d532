"""Files of predictions become rows: every format, every JSON shape, and every way they can be broken."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from ocr_hf.vsi_bench import prediction_files as reading
from ocr_hf.vsi_bench.prediction_files import parse_rows, read_rows
from ocr_hf.vsi_bench.predictions import pair

ROWS = [
    {"id": 5, "question_type": "object_counting", "ground_truth": "4", "prediction": "4, say"},
    {"id": 3, "question_type": "route_planning", "ground_truth": "A", "prediction": 'A "left"\nor\tso'},
]


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"run{suffix}"
    frame = pd.DataFrame(ROWS)
    if suffix.endswith(".gz"):
        path.write_bytes(gzip.compress(write(folder, suffix.removesuffix(".gz")).read_bytes()))
    elif suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".xlsx":
        pytest.importorskip("openpyxl", reason="openpyxl, which reads spreadsheets, isn't installed")
        frame.to_excel(path, index=False)
    elif suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    else:
        frame.to_json(path, orient="records", lines=suffix == ".jsonl")
    return path


@pytest.mark.parametrize("suffix", [*reading.FORMATS, ".jsonl.gz", ".json.gz", ".csv.gz", ".tsv.gz"])
def test_every_format_gives_the_same_run(tmp_path: Path, suffix: str) -> None:
    run = pair(read_rows(write(tmp_path, suffix)))
    assert run.predictions == ("4, say", 'A "left"\nor\tso')
    assert run.references == ("4", "A")
    assert run.question_types == ("object_counting", "route_planning")
    assert run.ids == (5, 3), "ids are numbers whatever the table made of them"
    assert run.pruned is None and run.scenes is None and run.unanswered == () and run.elsewhere == 0


def test_pasted_text_tells_its_format_by_itself(tmp_path: Path) -> None:
    for suffix in (".json", ".jsonl", ".csv", ".tsv"):
        text = write(tmp_path, suffix).read_text()
        assert pair(parse_rows(text)).predictions == pair(parse_rows(text, suffix)).predictions


SHAPES = {
    "id -> answer": {"5": "4", "3": "A"},
    "id -> row": {"5": {"response": "4"}, "3": {"response": "A"}},
    "rows under a key": {"model": "x", "predictions": [{"id": 5, "answer": "4"}, {"id": 3, "answer": "A"}]},
    "column -> values": {"id": [5, 3], "output": ["4", "A"]},
    "column -> row -> value": {"id": {"0": 5, "1": 3}, "prediction": {"0": "4", "1": "A"}},
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("suffix", [".json", ".jsonl", None])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_in_the_shapes_that_people_write(name: str, suffix: str | None, indent: int | None) -> None:
    rows = parse_rows(json.dumps(SHAPES[name], indent=indent), suffix)
    asked = [{"id": key, "question_type": kind, "ground_truth": "4"} for key, kind in ((3, "route_planning"), (5, "x"))]
    run = pair(rows, asked)
    assert dict(zip(run.ids, run.predictions, strict=True)) == {5: "4", 3: "A"}


def test_json_lines_named_json_and_a_lone_row() -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    assert parse_rows(lines, ".json") == ROWS and parse_rows(lines.splitlines()[0]) == ROWS[:1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.txt", b"A", "run.txt is not one of .jsonl, .json, .csv, .tsv, .parquet, .xlsx; convert it"),
        ("run.pkl", b"A", "a pickle can run code, so it is not read; save it as .xlsx or .tsv"),
        ("run.parquet.gz", b"A", "run.parquet.gz is not one of"),
        ("run.jsonl", b'{"id": 1}\n{"id": ', "run.jsonl: line 2 is not JSON"),
        ("run.jsonl", b'{"id": 1}\n\n[2]', "run.jsonl: row 1 is a list"),
        ("run.json", b'{"id": 1}', "JSON must be a list of objects, one per question, or id -> answer"),
        ("run.json", b'{"a": 1, "b": [2]}', "this object has a, b"),
        ("run.json", b"3", "JSON must be a list of objects"),
        ("run.json", b"[" * 100_000, "the text is not JSON"),
        ("run.json", b'{"results": {"x": 1}, "configs": {}}', "looks like a file of averages.*lacks the answers"),
        ("run.csv", b'id,prediction\n1,"A', "run.csv: not CSV"),
        ("run.tsv", b'id\tprediction\n1\t"A', "run.tsv: not TSV"),
        ("run.csv", b"id,prediction\n1,A,B\n", "row 0 does not have 2 fields"),
        ("run.csv", b"id,prediction\n1\n", "row 0 does not have 2 fields"),
        ("run.csv", b"id,prediction\n1,\xff\n", "run.csv is not UTF-8"),
        ("run.csv.gz", b"id,prediction\n", "run.csv.gz: not a readable gzip file"),
        ("run.csv.gz", gzip.compress(b"id,prediction\n1,A\n", mtime=0)[:-9], "run.csv.gz: not a readable gzip file"),
        ("run.parquet", b"PAR1 no", "run.parquet: not a readable Parquet file"),
        ("run.parquet", b"", "run.parquet: not a readable Parquet file"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_rows(tmp_path / name)
    assert str(caught.value).startswith(name) and "\n" not in str(caught.value)


def test_oversized_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 4000)
    path = tmp_path / "run.parquet"
    pd.DataFrame({"id": range(10), "prediction": ["A" * 20_000] * 10}).to_parquet(path, compression="zstd")
    assert path.stat().st_size < 4000
    (tmp_path / "run.jsonl.gz").write_bytes(gzip.compress(b" " * 100_000))
    for name in ("run.parquet", "run.jsonl.gz"):
        with pytest.raises(ValueError, match=f"{name}: it unpacks to more than 4,000 bytes"):
            read_rows(tmp_path / name)
    (tmp_path / "run.json").write_text(json.dumps([{"prediction": "A" * 5000}]))
    with pytest.raises(ValueError, match="at most 4,000 are read"):
        read_rows(tmp_path / "run.json")
    with pytest.raises(ValueError, match="at most 4,000 are read"):
        parse_rows("A" * 5000)


def test_spreadsheets_that_are_none_or_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openpyxl", reason="openpyxl, which reads spreadsheets, isn't installed")
    good = write(tmp_path, ".xlsx")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("mimetype", "no sheet")
    for content in (b"", b"PK no", other.getvalue(), good.read_bytes()[:-200]):
        (tmp_path / "bad.xlsx").write_bytes(content)
        with pytest.raises(ValueError, match="bad.xlsx: not a readable spreadsheet"):
            read_rows(tmp_path / "bad.xlsx")
    monkeypatch.setattr(reading, "MAX_BYTES", good.stat().st_size)
    with pytest.raises(ValueError, match="run.xlsx: it unpacks to more than"):
        read_rows(good)


def test_without_openpyxl_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.xlsx").write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError, match=r"reading run.xlsx needs openpyxl.*pip install 'ocr-hf\[xlsx\]'"):
        read_rows(tmp_path / "run.xlsx")
