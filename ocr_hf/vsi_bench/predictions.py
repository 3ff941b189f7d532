"""Predictions that somebody else's harness wrote: read from a file or pasted text, paired with the questions.

Imports nothing of the package: the metric's Space carries a byte copy of this file.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PREDICTION_COLUMNS = ("prediction", "predictions", "pred", "response", "output")
"""Names under which the model's text is looked for, in this order."""
FORMATS = (".jsonl", ".json", ".csv", ".parquet")
MAX_BYTES = 64 * 1024**2
"""Larger files, and Parquet files that unpack to more, are refused: a full run of 5,130 rows has about 2 MB."""


@dataclass(frozen=True)
class Run:
    """Columns of equal length, one entry per scored question.

    ids are None where the rows have none; pruned and scenes are None unless every row has them. unanswered holds the
    ids of questions without a prediction, which are not among the rows.
    """

    predictions: tuple[object, ...]
    references: tuple[object, ...]
    question_types: tuple[str, ...]
    ids: tuple[object, ...] | None
    pruned: tuple[bool, ...] | None
    scenes: tuple[str, ...] | None
    unanswered: tuple[object, ...] = ()


def read_rows(path: str | Path) -> list[dict]:
    """Return the rows of a .jsonl, .json, .csv or .parquet file; raise ValueError naming the file and the fault."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path.name} is not one of {', '.join(FORMATS)}; convert it")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        if suffix == ".parquet":
            return _read_parquet(path)
        # -sig: spreadsheets save UTF-8 with a byte order mark, which would become part of the first column's name
        return parse_rows(path.read_text(encoding="utf-8-sig"), suffix)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 ({error.reason} at byte {error.start}); re-encode it") from None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def parse_rows(text: str, suffix: str | None = None) -> list[dict]:
    """Return the rows in `text`, by file suffix or, without one, by its first character ("[", "{", else CSV)."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"the text has {len(text):,} characters; at most {MAX_BYTES:,} are read")
    if suffix is None:
        suffix = {"[": ".json", "{": ".jsonl"}.get(text.lstrip()[:1], ".csv")
    if suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text), strict=True)
        try:
            rows = list(reader)
        except csv.Error as error:
            raise ValueError(f"not CSV ({error}, in line {reader.line_num + 1} or before)") from None
        for number, row in enumerate(rows):
            if None in row or None in row.values():
                raise ValueError(f"row {number} does not have {len(reader.fieldnames or ())} fields like the header")
        return rows
    if suffix == ".json":
        return _check_objects(_load_json(text, "the text"))
    # Not splitlines, which also cuts at U+2028 and U+0085; both may stand unescaped in a JSON string
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return _check_objects([_load_json(line, f"line {number}") for number, line in lines])


def _load_json(text: str, what: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is not JSON ({error})") from None


def _check_objects(rows: object) -> list[dict]:
    if not isinstance(rows, list):
        raise ValueError("JSON must be a list of objects, one per question")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is a {type(row).__name__}; give one JSON object per question")
    return rows


def _read_parquet(path: Path) -> list[dict]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        largest = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        # A repeated cell is stored once, so what is unpacked is counted as it comes, a few rows at a time.
        rows: list[dict] = []
        unpacked = largest if largest > MAX_BYTES else 0
        batches = file.iter_batches(batch_size=8)
        while unpacked <= MAX_BYTES and (batch := next(batches, None)) is not None:
            unpacked += batch.nbytes
            rows += batch.to_pylist()
        if unpacked > MAX_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes, the most that are read")
        return rows
    except pyarrow.ArrowException as error:
        raise ValueError(f"not a readable Parquet file ({error})") from None


def pair(rows: Sequence[Mapping], questions: Iterable[Mapping] | None = None) -> Run:
    """Join predictions with their questions on `id`, or take `question_type` and `ground_truth` from the rows.

    Raises ValueError for no rows, a row without a prediction column, a repeated id, and an id that no question has.
    An empty prediction is kept: it scores 0. Of a predictions.parquet that `ocr-hf eval` wrote, the rows that an audit
    changed are passed over.
    """
    rows = [row for row in rows if row.get("audit") in (None, "vanilla")]
    if not rows:
        raise ValueError("there are no predictions; give at least one row")
    column = next((name for name in PREDICTION_COLUMNS if name in rows[0]), None)
    if column is None:
        raise ValueError(f"the first row has {', '.join(rows[0])}; name the model's text '{PREDICTION_COLUMNS[0]}'")
    for number, row in enumerate(rows):
        if column not in row:
            raise ValueError(f"row {number} has no '{column}'; give every question one, null for no answer")
    unanswered: tuple[object, ...] = ()
    merged = [dict(row) for row in rows]
    if questions is not None:
        merged, unanswered = _join(merged, list(questions))
    for name in ("question_type", "ground_truth"):
        missing = next((number for number, row in enumerate(merged) if row.get(name) is None), None)
        if missing is not None:
            raise ValueError(f"row {missing} has no '{name}'; add the column, or the questions to join on 'id'")
    return Run(
        predictions=tuple(row[column] for row in merged),
        references=tuple(str(row["ground_truth"]) for row in merged),
        question_types=tuple(row["question_type"] for row in merged),
        ids=_complete(merged, lambda row: row.get("id")),
        pruned=_complete(merged, _pruned),
        scenes=_complete(merged, _scene),
        unanswered=unanswered,
    )


def _join(rows: list[dict], questions: list[Mapping]) -> tuple[list[dict], tuple[object, ...]]:
    """Return each row with its question's columns, and the ids that no row answers."""
    by_id: dict[str, Mapping] = {}
    for question in questions:
        # Compared as text: CSV, and some harnesses' JSON, have ids as strings
        if str(question["id"]) in by_id:
            raise ValueError(f"id {question['id']} names two questions; ids must be unique")
        by_id[str(question["id"])] = question
    joined: dict[str, dict] = {}
    for number, row in enumerate(rows):
        key = str(row.get("id"))
        if key not in by_id:
            raise ValueError(f"row {number}: id {row.get('id')} is none of the {len(by_id)} questions'; check the ids")
        if key in joined:
            raise ValueError(f"row {number}: id {key} was answered before; keep one prediction per question")
        joined[key] = row | dict(by_id[key])
    return list(joined.values()), tuple(q["id"] for key, q in by_id.items() if key not in joined)


def _complete(rows: list[dict], value) -> tuple | None:
    """Return `value` of every row, or None if one row has none."""
    values = tuple(value(row) for row in rows)
    return None if any(item is None for item in values) else values


def _pruned(row: dict) -> bool | None:
    value = row.get("pruned")
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    # A table has NaN for a missing flag, which bool() takes for true
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else bool(value)


def _scene(row: dict) -> str | None:
    if row.get("scene_name") is None:
        return None
    return f"{row.get('dataset') or ''}/{row['scene_name']}"
