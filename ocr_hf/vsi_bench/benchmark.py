"""What is asked: the questions of a benchmark, checked, and where each question's video is.

Two layouts are read: VSI-Bench's own (`vsi_layout.py`) and ocr-vsi's (`ocr_vsi_layout.py`), from a folder or the Hub.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.vsi_bench.scoring import reference_letter, reference_number
from ocr_hf.vsi_bench.tasks import is_numeric

Row = Mapping[str, Any]
QUESTION_COLUMNS = ("id", "dataset", "scene_name", "question_type", "question", "options", "ground_truth")


class Benchmark(ABC):
    """Questions and their videos.

    name : as given; revision : commit of the Hub repository, or a hash of the question file
    rows : questions with VSI-Bench's columns, in the benchmark's order
    """

    name: str
    revision: str
    rows: Sequence[Row]
    knows_objects = False
    """Whether queried objects and their footprints are known, which some audits need."""

    @abstractmethod
    def video_key(self, row: Row) -> str:
        """Return a name that two questions share if and only if they share a video."""

    @abstractmethod
    def video(self, row: Row) -> Any:
        """Return the video as `ocr_hf.data.video.read_frames` takes it; raise FileNotFoundError naming the row."""

    @abstractmethod
    def missing_videos(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows whose video isn't there, without reading any video."""

    def objects(self, row: Row) -> Row:
        """Return the row with footprints and queried objects, where `knows_objects`."""
        raise ValueError(f"{self.name} doesn't know where objects are in its videos; use an ocr-vsi data set")

    def select(self, split: str) -> list[Row]:
        """Return the rows of a split; raise ValueError, naming the splits there are, for any other."""
        if split != "full":
            raise ValueError(f"{self.name} has no split '{split}'; it has only 'full'")
        return list(self.rows)


def open_benchmark(data: str, revision: str | None = None) -> Benchmark:
    """Open a local folder or a data set of the Hub, in VSI-Bench's or ocr-vsi's layout.

    Raises ValueError where it is neither, or questions are not in order (see `check_questions`).
    """
    from ocr_hf.vsi_bench.ocr_vsi_layout import MANIFEST, METADATA, PRUNED, OcrVsi, is_ocr_vsi
    from ocr_hf.vsi_bench.vsi_layout import QUESTION_FILES, VsiBench

    if Path(data).is_dir():
        folder, found = Path(data), None
    elif data.count("/") == 1 and not data.startswith((".", "/", "~")):
        folder, found = fetch_folder(data, revision, [*QUESTION_FILES, METADATA, MANIFEST, PRUNED])
    else:
        raise ValueError(f"'{data}' is neither a folder nor an ORG/NAME of the Hub; try nyu-visionx/VSI-Bench")
    if is_ocr_vsi(folder):
        benchmark: Benchmark = OcrVsi(data, folder, found)
    else:
        benchmark = VsiBench(data, folder, found)
    check_questions(benchmark.rows, data)
    return benchmark


def check_questions(rows: Sequence[Row], name: str) -> None:
    """Raise ValueError, naming the row, for an id that repeats, an unknown type, missing options or a wrong answer."""
    if not rows:
        raise ValueError(f"{name} holds no question; check that the folder is complete")
    seen: dict[Any, int] = {}
    for number, row in enumerate(rows):
        missing = [column for column in QUESTION_COLUMNS if column not in row]
        if missing:
            raise ValueError(
                f"{name}, row {number}: no column {', '.join(missing)}; questions need VSI-Bench's columns"
            )
        if row["id"] in seen:
            raise ValueError(f"{name}: id {row['id']} is in rows {seen[row['id']]} and {number}; ids must be unique")
        seen[row["id"]] = number
        try:
            if is_numeric(row["question_type"]):
                reference_number(row["ground_truth"])
            else:
                letter = reference_letter(row["ground_truth"])
                options = [] if row["options"] is None else list(row["options"])
                if len(options) <= ord(letter) - ord("A"):
                    raise ValueError(f"there are {len(options)} options but the answer is {letter}")
        except ValueError as error:
            raise ValueError(f"{name}, row {number} (id {row['id']}): {error}") from None


def take(rows: Sequence[Row], limit: int | None) -> list[Row]:
    """Return `limit` rows spread evenly over all of them, first and last included; all without a limit.

    The benchmark is sorted by task, so its first rows would all be of one task.
    """
    if limit is None or limit >= len(rows):
        return list(rows)
    if limit < 1:
        raise ValueError(f"limit is {limit}; ask at least one question")
    return [rows[i] for i in np.linspace(0, len(rows) - 1, limit).round().astype(int)]


def fetch_folder(repo: str, revision: str | None, patterns: Sequence[str]) -> tuple[Path, str]:
    """Return (folder, commit) of a Hub data set with the files of these patterns.

    Works offline where they were fetched before. Raises ValueError where the repository can't be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=list(patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f"data set '{repo}' can't be had from the Hub ({first}); check name, revision, token"
        ) from error
    return Path(folder), Path(folder).name


def fetch_file(repo: str, name: str, commit: str) -> Path | None:
    """Return one file of a Hub data set, or None if the repository has no such file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(repo, name, repo_type="dataset", revision=commit))
    except EntryNotFoundError:
        return None


def digest_files(files: Sequence[Path]) -> str:
    """Return a hash of files' contents: the revision of data that has no commit."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(file.read_bytes())
    return f"blake2b:{digest.hexdigest()}"
