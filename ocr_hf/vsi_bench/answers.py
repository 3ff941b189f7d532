"""Answers on the disk while a run goes on: JSON lines, one row per question, appended a batch at a time and synced.

Each process writes a file of its own. A batch is the unit: where a killed run left one incomplete, all of it is asked
again, so that a continued run forms the same batches as an unbroken one and ends with the same answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Answer = Mapping[str, Any]
FOLDER = "answers"


class AnswerLog:
    """The answer file of one process; `append` returns when the rows are on the disk."""

    def __init__(self, out: Path, rank: int) -> None:
        self.path = Path(out) / FOLDER / f"rank{rank:04d}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(self.path)

    def append(self, answers: Sequence[Answer]) -> None:
        """Append rows in one write."""
        # One write of whole lines: a kill can tear only the last one, which reading then passes over
        lines = "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
        with self.path.open("ab") as file:
            file.write(lines.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())


def read_answers(out: Path) -> dict[tuple[str, Any], dict]:
    """Return (audit, question id) -> row, from the files of all processes.

    The last line of a file may be torn by a kill and is passed over then; any other bad line is a ValueError.
    """
    answers: dict[tuple[str, Any], dict] = {}
    for path in sorted((Path(out) / FOLDER).glob("rank*.jsonl")):
        lines = path.read_bytes().split(b"\n")
        # What follows the last line feed is empty, or was torn
        for number, line in enumerate(lines[:-1], 1):
            try:
                answer = json.loads(line)
                answers[answer["audit"], answer["id"]] = answer
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}, line {number}, is not an answer ({error}); delete the line to ask it again"
                ) from None
    return answers


def _cut_torn_line(path: Path) -> None:
    """Remove what follows the last line feed, so that the next row starts on a line of its own."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
