"""Twins of an ocr-vsi folder as questions: each is asked of three videos, of which one has another right answer.

`ocr-hf eval --split twins` reads config `twins`. A question with its twins becomes three rows, whose column `video`
says what is shown: the `vanilla` video, the edited one that `changes` the answer, and its control, which `keeps` it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ocr_hf.data.load import spread
from ocr_hf.data.schema import METADATA, read_manifest
from ocr_hf.vsi_bench.benchmark import QUESTION_COLUMNS, Row
from ocr_hf.vsi_bench.benchmark_files import digest_files
from ocr_hf.vsi_bench.ocr_vsi_layout import OcrVsiVideos

TWINS = "twins"
"""The split under which twins are asked."""
FILES = f"*/{METADATA['twins']}"
_COLUMNS = ["clip_id", "vanilla_file_name", "edited_file_name", "relation", "control_of", "edited_ground_truth"]


class OcrVsiTwins(OcrVsiVideos):
    """The twins of an ocr-vsi folder or Hub repository, of all its splits."""

    def __init__(self, name: str, folder: Path, revision: str | None = None) -> None:
        version = read_manifest(folder)["format_version"]
        self.name, self.folder, self.commit = name, folder, revision
        files = sorted(folder.glob(FILES))
        if not files:
            raise ValueError(f"{name} has no twins; build it with `ocr-hf build --twins 2`, or ask another split")
        self.revision = revision or f"format {version}, {digest_files(files)}"
        self.rows = [
            {**row, "split": file.parent.name}
            for file in files
            for row in asked_rows(pq.read_table(file, columns=[*QUESTION_COLUMNS, *_COLUMNS]).to_pylist())
        ]

    def select(self, split: str) -> list[Row]:
        """Return all rows, for the split "twins"."""
        if split != TWINS:
            raise ValueError(f"the twins of {self.name} are one split, '{TWINS}', not '{split}'")
        return list(self.rows)

    def video_key(self, row: Row) -> str:
        return self.video_file(row)

    def video_file(self, row: Row) -> str:
        return f"{row['split']}/{row['file_name']}"

    def take(self, split: str, limit: int | None) -> list[Row]:
        """Return the rows of `limit` questions, each with all of its videos."""
        rows = self.select(split)
        questions = list(dict.fromkeys(row["question_id"] for row in rows))
        chosen = {questions[place] for place in spread(len(questions), limit)}
        return [row for row in rows if row["question_id"] in chosen]


def asked_rows(twins: Sequence[Row]) -> Iterator[Row]:
    """Yield the questions of rows of config `twins`, each of every video that it is asked of.

    Beside VSI-Bench's columns they have `question_id`, which a question's rows share, `video` (vanilla, changes or
    keeps) and `file_name`. A question whose control is missing has two rows.
    """
    controls = {row["control_of"]: row for row in twins if row["relation"] == "keeps"}
    for row in twins:
        if row["relation"] != "changes":
            continue
        asked = {name: row[name] for name in QUESTION_COLUMNS} | {"question_id": row["id"]}
        videos = [("vanilla", row["vanilla_file_name"], row["ground_truth"])]
        for relation, edited in (("changes", row), ("keeps", controls.get(row["id"]))):
            if edited is not None:
                videos.append((relation, edited["edited_file_name"], edited["edited_ground_truth"]))
        for video, file_name, truth in videos:
            yield asked | {
                "id": f"{row['id']}/{video}",
                "video": video,
                "file_name": file_name,
                "ground_truth": truth,
            }


def read_id(name: str) -> dict[str, Any]:
    """Return `question_id` and `video` of an id that `asked_rows` gave; a stored answer has nothing else of them."""
    question, _, video = name.rpartition("/")
    return {"question_id": int(question) if question.isdecimal() else question, "video": video}
