"""VSI-Bench as it is on the Hub: a question file (Parquet or JSON lines) and a zip archive of videos per source.

    test.parquet | test.jsonl            questions; `data/test-00000-of-00001.parquet` and the like are found too
    arkitscenes.zip scannet.zip scannetpp.zip     holding DATASET/SCENE.mp4 (or SCENE.mp4)
    arkitscenes/41069025.mp4 ...         instead of, or beside, the archives

A copy on the disk may have any of these. Archives are read in place, nothing is extracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocr_hf.archives import ZipArchive
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.benchmark_files import digest_files, fetch_file
from ocr_hf.vsi_bench.prediction_files import read_rows

QUESTION_FILES = ("test.parquet", "test.jsonl", "test-*.parquet", "test*/*.parquet", "data/test*.parquet")
# Files of a part of the questions, which would bring their ids a second time
_SPLIT_FILES = ("debiased", "pruned")


class VsiBench(Benchmark):
    """VSI-Bench in a folder, or in the snapshot of a Hub repository whose archives are fetched when needed."""

    def __init__(self, name: str, folder: Path, revision: str | None = None) -> None:
        self.name = name
        self.folder = folder
        self._commit = revision
        files = _question_files(folder)
        if not files:
            raise ValueError(
                f"{name} holds neither {QUESTION_FILES[0]} nor {QUESTION_FILES[1]}, and no manifest of ocr-vsi; "
                "give a copy of nyu-visionx/VSI-Bench or a folder written by `ocr-hf build`"
            )
        self.rows = [row for file in files for row in read_rows(file)]
        self.revision = revision or digest_files(files)
        self._archives: dict[str, ZipArchive | None] = {}

    def select(self, split: str) -> list[Row]:
        """Return the rows of "full" or "debiased" (not pruned)."""
        if split == "full":
            return list(self.rows)
        if split != "debiased":
            raise ValueError(f"VSI-Bench has no split '{split}'; it has full and debiased")
        if any(row.get("pruned") is None for row in self.rows):
            raise ValueError(f"{self.name} has no column 'pruned', which marks the debiased split; use a newer copy")
        return [row for row in self.rows if not row["pruned"]]

    def video_key(self, row: Row) -> str:
        return f"{row['dataset']}/{row['scene_name']}"

    def video(self, row: Row) -> Any:
        found = self._locate(row)
        if found is None:
            raise FileNotFoundError(
                f"question {row['id']}: neither {self.video_key(row)}.mp4 nor {row['dataset']}.zip with it is in "
                f"{self.name}; download the archive into the folder"
            )
        archive, place = found
        name = f"{self.video_key(row)}.mp4"
        return place if archive is None else {"path": f"{archive.path.name}:{name}", "bytes": archive.read(place)}

    def missing_videos(self, rows: Sequence[Row]) -> list[Row]:
        known: dict[str, bool] = {}
        for row in rows:
            key = self.video_key(row)
            if key not in known:
                known[key] = self._locate(row) is not None
        return [row for row in rows if not known[self.video_key(row)]]

    def _locate(self, row: Row) -> tuple[ZipArchive | None, str] | None:
        """Return (None, path of the file) or (archive, name of the member), or None where there is neither."""
        name = f"{row['scene_name']}.mp4"
        # The question file may come from anywhere, and these names become paths below
        if not _is_plain(str(row["dataset"])) or not _is_plain(str(row["scene_name"])):
            raise ValueError(f"question {row['id']}: '{self.video_key(row)}' is no plain name of a video; fix the row")
        # An extracted file comes first: it needs no archive to be opened or downloaded
        file = self.folder / row["dataset"] / name
        if file.is_file():
            return None, str(file)
        archive = self._archive(row["dataset"])
        if archive is None:
            return None
        members = set(archive.names)
        for member in (f"{row['dataset']}/{name}", name):
            if member in members:
                return archive, member
        return None

    def _archive(self, dataset: str) -> ZipArchive | None:
        if dataset not in self._archives:
            # Archives are large: each is downloaded when the first question needs it
            path = self.folder / f"{dataset}.zip"
            if self._commit is not None and not path.is_file():
                path = fetch_file(self.name, f"{dataset}.zip", self._commit) or path
            self._archives[dataset] = ZipArchive(path) if path.is_file() else None
        return self._archives[dataset]


def has_questions(folder: Path) -> bool:
    """Return whether a folder has a question file of VSI-Bench's names."""
    return bool(_question_files(folder))


def _question_files(folder: Path) -> list[Path]:
    for pattern in QUESTION_FILES:
        files = sorted(file for file in folder.glob(pattern) if not any(word in file.name for word in _SPLIT_FILES))
        if files:
            return files
    return []


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\:\x00")
