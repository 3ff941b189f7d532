"""The user's table of labels: class name of a scene file -> category that questions name."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

SEPARATORS = {".csv": ",", ".tsv": "\t"}
HEADS = ("class", "cls", "class name", "class_name", "name", "label", "node")
"""First cell of a heading line of a CSV or TSV table, in lower case."""
LabelTable = Path | str | Mapping[str, str | None]
"""A file, or what it holds: class name -> category, None for structure."""


def read_labels(source: LabelTable) -> tuple[str, dict[str, str | None]]:
    """Return where a table comes from, for messages, and its entries; None: part of the structure.

    Args:
        source: A dict, or a JSON, YAML, CSV or TSV file. CSV and TSV have two columns, class name and category; an
            empty category is None, and a heading line may stand first.

    Raises:
        FileNotFoundError: The file is missing; it is named.
        ValueError: The file isn't such a table; it is named with the place.
    """
    if isinstance(source, Mapping):
        where, entries = "labels", source
    else:
        path = Path(source)
        where, entries = str(path), _from_file(path)
    if not isinstance(entries, Mapping):
        raise ValueError(f"{where} holds a {type(entries).__name__}; give an object of class name: category")
    for name, category in entries.items():
        if not isinstance(name, str) or not (category is None or isinstance(category, str) and category.strip()):
            raise ValueError(f"{where}: {name!r}: {category!r}; give a class name and a category or null")
    return where, dict(entries)


def _from_file(path: Path) -> object:
    """Return what a file holds."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give a table of labels, a JSON, YAML, CSV or TSV file")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give a table of labels or none")
    try:
        # Spreadsheets write a byte order mark
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    suffix = path.suffix.lower()
    if suffix in SEPARATORS:
        return _from_rows(path, text, SEPARATORS[suffix])
    if suffix in (".yaml", ".yml"):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            problem = " ".join(str(error).split())
            raise ValueError(f"{path} is not YAML: {problem}; give lines of class name: category") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}; give a JSON object") from error


def _from_rows(path: Path, text: str, separator: str) -> dict[str, str | None]:
    """Return the entries of a table of two columns."""
    entries: dict[str, str | None] = {}
    rows = csv.reader(text.splitlines(), delimiter=separator)
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[0].lower() in HEADS):
            continue
        if len(cells) != 2 or not cells[0]:
            raise ValueError(f"{path}, line {number} has {len(cells)} cells; give two, class name and category")
        if cells[0] in entries and entries[cells[0]] != (cells[1] or None):
            raise ValueError(f"{path}, line {number}: '{cells[0]}' stands there twice; give it one category")
        entries[cells[0]] = cells[1] or None
    return entries
