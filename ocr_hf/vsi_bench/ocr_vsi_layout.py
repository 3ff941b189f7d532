"""ocr-vsi as a benchmark: our own clips, with boxes and footprints, so that audits can touch single objects.

OCR stands for Object-Centric 3D Rollout, not for text recognition. The metadata files of config `recipes` are read
directly: `load_dataset` would take a copied or moved folder for the first one and hand out that one's videos.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ocr_hf.data.schema import MANIFEST, read_manifest
from ocr_hf.vsi_bench.benchmark import QUESTION_COLUMNS, Benchmark, Row
from ocr_hf.vsi_bench.benchmark_files import digest_files, fetch_file

METADATA = "*/vanilla/metadata.parquet"
"""Where the metadata files are; the folder's first part is the split."""
PRUNED = "pruned.json"
"""{"pruned": [ids]}, where a folder has a debiased part: the questions that it leaves out."""
_OBJECT_COLUMNS = ["id", "queried_objects", "footprints", "camera_to_world"]


def is_ocr_vsi(folder: Path) -> bool:
    """Return whether a folder was written by `ocr-hf build`."""
    return (folder / MANIFEST).is_file()


class OcrVsiVideos(Benchmark):
    """What is asked about videos of an ocr-vsi folder, or of the snapshot of a Hub repository.

    folder : where the files are; commit : of the snapshot, whose videos are fetched when needed, else None
    """

    folder: Path
    commit: str | None

    @abstractmethod
    def video_file(self, row: Row) -> str:
        """Return the name of a row's video, relative to the folder."""

    def video(self, row: Row) -> Any:
        name = self.video_file(row)
        path = self.folder / name
        if self.commit is not None and not path.is_file():
            path = fetch_file(self.name, name, self.commit) or path
        if not path.is_file():
            raise FileNotFoundError(f"question {row['id']}: {self.name} has no {name}; build or fetch it again")
        return str(path)

    def missing_videos(self, rows: Sequence[Row]) -> list[Row]:
        if self.commit is not None:
            return []  # a pushed folder was checked to be whole; clips are fetched one by one
        return [row for row in rows if not (self.folder / self.video_file(row)).is_file()]


class OcrVsi(OcrVsiVideos):
    """The vanilla videos and questions of an ocr-vsi folder or Hub repository, whatever splits it has."""

    knows_objects = True

    def __init__(self, name: str, folder: Path, revision: str | None = None) -> None:
        version = read_manifest(folder)["format_version"]
        self.name = name
        self.folder = folder
        self.commit = revision
        files = sorted(folder.glob(METADATA))
        self.revision = revision or f"format {version}, {digest_files(files)}"
        self._files = {path.relative_to(folder).parts[0]: pq.ParquetFile(path) for path in files}
        self.rows = []
        self._where: dict[Any, tuple[str, int, int]] = {}
        for split, file in self._files.items():
            for group in range(file.num_row_groups):
                columns = [*QUESTION_COLUMNS, "clip_id", "vanilla_file_name"]
                for number, row in enumerate(file.read_row_group(group, columns).to_pylist()):
                    self.rows.append({**row, "split": split})
                    self._where[row["id"]] = (split, group, number)
        self._mark_pruned()
        # Footprints and poses are most of a file, and questions come mostly in its order: two row groups in memory do
        self._group = lru_cache(maxsize=2)(self._read_group)

    def _mark_pruned(self) -> None:
        """Give the rows VSI-Bench's column `pruned` where the folder says which the debiased part leaves out."""
        path = self.folder / PRUNED
        if not path.is_file():
            return
        pruned = set(json.loads(path.read_text(encoding="utf-8"))["pruned"])
        unknown = pruned - self._where.keys()
        if unknown:
            raise ValueError(f"{path} names question {min(unknown)}, which {self.name} doesn't have; fetch it again")
        self.rows = [{**row, "pruned": row["id"] in pruned} for row in self.rows]

    def select(self, split: str) -> list[Row]:
        """Return the rows of one split, of all for "full", or, where it is known, of the debiased part."""
        if split == "debiased" and self.rows and "pruned" in self.rows[0]:
            return [row for row in self.rows if not row["pruned"]]
        if split != "full" and split not in self._files:
            raise ValueError(f"{self.name} has no split '{split}'; it has full, {', '.join(self._files)}")
        return [row for row in self.rows if split in ("full", row["split"])]

    def video_key(self, row: Row) -> str:
        return str(row["clip_id"])

    def video_file(self, row: Row) -> str:
        return f"{row['split']}/vanilla/{row['vanilla_file_name']}"

    def objects(self, row: Row) -> Row:
        split, group, number = self._where[row["id"]]
        return self._group(split, group)[number]

    def _read_group(self, split: str, group: int) -> list[dict]:
        return self._files[split].read_row_group(group, _OBJECT_COLUMNS).to_pylist()
