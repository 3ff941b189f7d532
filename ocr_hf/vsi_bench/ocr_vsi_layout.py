"""ocr-vsi as a benchmark: our own clips, with boxes and footprints, so that audits can touch single objects.

OCR stands for Object-Centric 3D Rollout, not for text recognition.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocr_hf.data.schema import MANIFEST, read_manifest
from ocr_hf.vsi_bench.benchmark import QUESTION_COLUMNS, Benchmark, Row


def is_ocr_vsi(folder: Path) -> bool:
    """Return whether a folder was written by `ocr-hf build`."""
    return (folder / MANIFEST).is_file()


class OcrVsi(Benchmark):
    """The vanilla videos and questions of an ocr-vsi folder or Hub repository, whatever splits it has."""

    knows_objects = True

    def __init__(self, name: str, folder: Path, revision: str | None = None) -> None:
        from ocr_hf.data.load import load

        self.name = name
        self.revision = revision or f"format {read_manifest(folder)['format_version']}, {_digest(folder)}"
        self._splits = load(name if revision else folder, "recipes", revision=revision)
        self.rows = []
        self._where: dict[Any, tuple[str, int]] = {}
        for split, rows in self._splits.items():
            light = rows.select_columns([*QUESTION_COLUMNS, "clip_id"])
            for number, row in enumerate(light):
                self.rows.append({**row, "split": split})
                self._where[row["id"]] = (split, number)
        self._videos: dict[str, Any] = {}

    def select(self, split: str) -> list[Row]:
        """Return the rows of one split, or of all for "full"."""
        if split != "full" and split not in self._splits:
            raise ValueError(f"{self.name} has no split '{split}'; it has full, {', '.join(self._splits)}")
        return [row for row in self.rows if split in ("full", row["split"])]

    def video_key(self, row: Row) -> str:
        return str(row["clip_id"])

    def video(self, row: Row) -> Any:
        key = self.video_key(row)
        if key not in self._videos:
            split, number = self._where[row["id"]]
            self._videos[key] = self._splits[split].select_columns(["vanilla"])[number]["vanilla"]
        video = self._videos[key]
        if video.get("bytes") is None and not Path(str(video.get("path"))).is_file():
            raise FileNotFoundError(f"question {row['id']}: there is no video {video.get('path')}; build it again")
        return video

    def missing_videos(self, rows: Sequence[Row]) -> list[Row]:
        missing: dict[str, bool] = {}
        for row in rows:
            key = self.video_key(row)
            if key not in missing:
                try:
                    self.video(row)
                    missing[key] = False
                except FileNotFoundError:
                    missing[key] = True
        return [row for row in rows if missing[self.video_key(row)]]

    def objects(self, row: Row) -> Row:
        split, number = self._where[row["id"]]
        columns = ["id", "queried_objects", "footprints", "camera_to_world"]
        return self._splits[split].select_columns(columns)[number]


def _digest(folder: Path) -> str:
    """Hash of the metadata files, which name every question."""
    from ocr_hf.vsi_bench.vsi_layout import _digest as digest

    return f"blake2b:{digest(sorted(folder.glob('*/vanilla/metadata.parquet')))}"
