"""Files of predictions, as rows: JSON in the shapes that people write it, tables, Parquet and spreadsheets.

Imports nothing of the package: the metric's Space carries a byte copy of this file. What the columns mean is told by
`predictions.py`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

FORMATS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".xlsx")
"""Each but the last two may be packed with gzip as well: .jsonl.gz."""
MAX_BYTES = 64 * 1024**2
"""Larger files, and files that unpack to more, are refused: a full run of 5,130 rows has about 2 MB."""
_LISTS = ("logs", "predictions", "samples", "results", "data", "answers", "rows")
"""Keys under which a JSON object holds its rows; lmms-eval's old sample logs say "logs"."""
_COLUMNS = {"id", "doc_id", "prediction", "pred", "response", "output", "answer", "question_type", "ground_truth"}
"""Names that tell a row, or a table column by column, from an object of ids and answers."""


def read_rows(path: str | Path) -> list[dict]:
    """Return the rows of a file in one of `FORMATS`; raise ValueError naming the file and the fault.

    Raises ImportError for a spreadsheet where openpyxl isn't installed.
    """
    path = Path(path)
    packed = path.suffix.lower() == ".gz"
    suffix = (path.with_suffix("") if packed else path).suffix.lower()
    if suffix not in FORMATS or (packed and suffix in (".parquet", ".xlsx")):
        hint = (
            "a pickle can run code, so it is not read; save it as .xlsx or .tsv" if suffix == ".pkl" else "convert it"
        )
        raise ValueError(f"{path.name} is not one of {', '.join(FORMATS)}; {hint}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        if suffix == ".parquet":
            return _read_parquet(path)
        if suffix == ".xlsx":
            return _read_xlsx(path)
        # -sig: spreadsheets save UTF-8 with a byte order mark, which would become part of the first column's name
        return parse_rows(_unpacked(path, packed).decode("utf-8-sig"), suffix)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 ({error.reason} at byte {error.start}); re-encode it") from None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def parse_rows(text: str, suffix: str | None = None) -> list[dict]:
    """Return the rows in `text`, by file suffix or, without one, by its beginning: JSON, JSON lines, TSV, else CSV."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"the text has {len(text):,} characters; at most {MAX_BYTES:,} are read")
    if suffix is None:
        start = text.lstrip()[:1]
        table = ".tsv" if "\t" in text.lstrip().partition("\n")[0] else ".csv"
        suffix = {"[": ".json", "{": ".jsonl"}.get(start, table)
    if suffix in (".csv", ".tsv"):
        return _parse_table(text, "\t" if suffix == ".tsv" else ",")
    return _parse_json(text) if suffix == ".json" else _parse_json_lines(text)


def _parse_json(text: str) -> list[dict]:
    try:
        return _rows_of(_load_json(text, "the text"))
    except _NotJson:
        # Many files of JSON lines are named .json
        lines = text.split("\n")
        if len(lines) > 1 and lines[0].strip() not in ("[", "{") and lines[0].lstrip()[:1] == "{":
            return _parse_json_lines(text)
        raise


def _parse_json_lines(text: str) -> list[dict]:
    # Not splitlines, which also cuts at U+2028 and U+0085; both may stand unescaped in a JSON string
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) == 1 or (lines and lines[0][1].strip() in ("[", "{")):
        # One document over one line or many: pasted, or named .jsonl. A lone row is a row
        whole = _load_json(text, f"line {lines[0][0]}" if len(lines) == 1 else "the text")
        lone_row = isinstance(whole, Mapping) and _COLUMNS & set(whole) and _columns(whole) is None
        return [dict(whole)] if lone_row else _rows_of(whole)
    return _check_objects([_load_json(line, f"line {number}") for number, line in lines])


def _parse_table(text: str, delimiter: str) -> list[dict]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        rows = list(reader)
    except csv.Error as error:
        kind = "TSV" if delimiter == "\t" else "CSV"
        raise ValueError(f"not {kind} ({error}, in line {reader.line_num + 1} or before)") from None
    for number, row in enumerate(rows):
        if None in row or None in row.values():
            raise ValueError(f"row {number} does not have {len(reader.fieldnames or ())} fields like the header")
    return rows


class _NotJson(ValueError):
    """Text that isn't JSON, in distinction to JSON of another shape."""


def _load_json(text: str, what: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _NotJson(f"{what} is not JSON ({error})") from None


def _rows_of(content: object) -> list[dict]:
    """Return the rows of a JSON document: a list of them, id -> answer, column -> values, or a list under a key."""
    if not isinstance(content, Mapping):
        return _check_objects(content)
    for name in _LISTS:
        if isinstance(content.get(name), list):
            return _check_objects(content[name])
    if _is_averages(content):
        raise ValueError(
            "this looks like a file of averages, as lmms-eval and `ocr-hf eval` call results.json, and lacks the "
            "answers; give the file of samples or predictions beside it"
        )
    columns = _columns(content)
    if columns is not None:
        return columns
    values = list(content.values())
    if values and all(isinstance(value, Mapping) for value in values):
        return [{"id": key, **value} for key, value in content.items()]
    if values and not _COLUMNS & set(content) and not any(isinstance(value, (Mapping, list)) for value in values):
        return [{"id": key, "prediction": value} for key, value in content.items()]
    raise ValueError(
        f"JSON must be a list of objects, one per question, or id -> answer; this object has {_some(content)}"
    )


def _is_averages(content: Mapping) -> bool:
    ours = "format_version" in content and "tasks" in content
    return ours or (isinstance(content.get("results"), Mapping) and ("configs" in content or "config" in content))


def _columns(content: Mapping) -> list[dict] | None:
    """Return the rows of column -> values, as pandas writes a table, or None for anything else."""
    if not _COLUMNS & set(content):
        return None
    columns = [list(v.values()) if isinstance(v, Mapping) else v for v in content.values()]
    if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        return None
    return [dict(zip(content, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _some(content: Mapping) -> str:
    names = [str(name) for name in content]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") or "nothing"


def _check_objects(rows: object) -> list[dict]:
    if not isinstance(rows, list):
        raise ValueError("JSON must be a list of objects, one per question")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is a {type(row).__name__}; give one JSON object per question")
    return rows


def _unpacked(path: Path, packed: bool) -> bytes:
    if not packed:
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"not a readable gzip file ({error})") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes, the most that are read")
    return content


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


def _read_xlsx(path: Path) -> list[dict]:
    """Return the rows of a spreadsheet's first sheet, whose first row names the columns."""
    try:
        import openpyxl
    except ImportError:
        raise ImportError(
            f"reading {path.name} needs openpyxl, which isn't installed; pip install 'ocr-hf[xlsx]', or save the sheet "
            "as .tsv"
        ) from None
    try:
        with zipfile.ZipFile(path) as archive:
            # zipfile never unpacks more of a member than its entry claims
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes, the most that are read")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            return _sheet_rows(book.worksheets[0])
        finally:
            book.close()
    except (zipfile.BadZipFile, KeyError, IndexError, OSError, zlib.error, SyntaxError) as error:
        raise ValueError(f"not a readable spreadsheet ({error})") from None


def _sheet_rows(sheet: Any) -> list[dict]:
    sheet.reset_dimensions()  # some writers claim fewer cells than there are
    lines = sheet.iter_rows(values_only=True)
    header = [f"column {place}" if cell is None else str(cell) for place, cell in enumerate(next(lines, ()))]
    rows, size = [], 0
    for line in lines:
        # Counted as they come: a text that stands in many cells is stored once
        size += sum(len(cell) if isinstance(cell, str) else 8 for cell in line)
        if size > MAX_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes, the most that are read")
        if any(cell is not None for cell in line):
            rows.append(dict(zip_longest(header, line[: len(header)])))
    return rows
