"""ReVSI as it is on the Hub (3dlg-hcvc/ReVSI): a set of questions and of videos for each number of frames.

    16_frame/test-*.parquet ... all_frame/test-*.parquet      questions and answers that hold for so many frames
    video.zip                                                 SUBSET/SCENE.mp4, already sampled
    16_frame/scene0011_00.mp4 ...                             instead of, or beside, the archive

The subset is the split: `--split 32_frame --frames 32`. Columns, types, wording and averages are those of the authors'
register for ms-swift (github.com/3dlg-hcvc/revsi) and of lmms-eval's task (its #1307), read in November 2026. Any other
folder of the same form is a subset too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ocr_hf.archives import ZipArchive
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.benchmark_files import digest_files, fetch_file
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.tasks import Task, is_numeric

REVSI_FILES = ("*_frame/test-*.parquet",)
ARCHIVE = "video.zip"
NUMERIC = "Answer the question using a single integer or decimal number."
_DIRECTIONS = tuple(
    f"object_rel_direction_{way}_{level}" for level in ("easy", "hard") for way in ("forward", "backward")
)
REVSI_TASKS = (
    Task("object_counting", "Obj. Count", ("object_counting_single", "object_counting_multiple"), ""),
    Task("object_abs_distance", "Abs. Dist", ("object_abs_distance",), "m"),
    Task("object_size_estimation", "Obj. Size", ("object_size_estimation",), "cm"),
    Task("room_size_estimation", "Room Size", ("room_size_estimation_single", "room_size_estimation_multiple"), "m2"),
    Task("object_rel_distance", "Rel. Dist", ("object_rel_distance_closest", "object_rel_distance_farthest"), None),
    Task("object_rel_direction", "Rel. Dir", _DIRECTIONS, None),
    Task("route_planning", "Route Plan", ("route_planning",), None),
)
"""The seven tasks; each is the unweighted mean of its types, the overall that of the tasks present."""
REVSI_UNITS = {level: task.unit for task in REVSI_TASKS for level in task.levels}
_NEEDED = ("id", "dataset", "scene_id", "question_type", "question", "options", "ground_truth")


def is_revsi(folder: Path) -> bool:
    """Return whether a folder has a subset of ReVSI's form."""
    return any(folder.glob(REVSI_FILES[0]))


class ReVsi(Benchmark):
    """One subset of ReVSI, in a folder or in the snapshot of a Hub repository whose videos are fetched when needed."""

    tasks = REVSI_TASKS

    def __init__(self, name: str, folder: Path, revision: str | None = None, split: str = "full") -> None:
        self.name, self.folder, self._commit, self.subset = name, folder, revision, split
        subsets = sorted({file.parent.name for file in folder.glob(REVSI_FILES[0])})
        if split not in subsets:
            raise ValueError(
                f"{name} has no split '{split}'; its answers depend on the number of frames, so choose one of "
                f"{', '.join(subsets)} and the same --frames"
            )
        files = sorted((folder / split).glob("test-*.parquet"))
        self.revision = revision or digest_files(files)
        self.rows = [_as_row(row, name) for file in files for row in pq.read_table(file).to_pylist()]
        self._archive: ZipArchive | None = None

    def select(self, split: str) -> list[Row]:
        if split != self.subset:
            raise ValueError(f"{self.name} was opened for split '{self.subset}', not '{split}'")
        return list(self.rows)

    def prompt(self, row: Row, style: str) -> str:
        """Return the text of a question: official as ReVSI words it, which differs for numbers."""
        text = build_prompt(row, style)
        if style != "official" or not is_numeric(row["question_type"]):
            return text
        return f"{text.rpartition(chr(10))[0]}\n{NUMERIC}"

    def video_key(self, row: Row) -> str:
        return f"{self.subset}/{row['scene_name']}"

    def video(self, row: Row) -> Any:
        name = self._member(row)
        path = self.folder / name
        if path.is_file():
            return str(path)
        archive = self._opened()
        if archive is None or name not in archive.names:
            raise FileNotFoundError(
                f"question {row['id']}: {self.name} has neither {name} nor {ARCHIVE} with it; download the archive"
            )
        return {"path": f"{ARCHIVE}:{name}", "bytes": archive.read(name)}

    def missing_videos(self, rows: Sequence[Row]) -> list[Row]:
        found = {row["scene_name"]: (self.folder / self._member(row)).is_file() for row in rows}
        if all(found.values()):
            return []
        archive = self._opened()
        names = set(archive.names) if archive else set()
        return [row for row in rows if not found[row["scene_name"]] and self._member(row) not in names]

    def _member(self, row: Row) -> str:
        scene = str(row["scene_name"])
        # The question file may come from anywhere, and this becomes a path
        if scene.startswith(".") or set(scene) & set("/\\:\x00"):
            raise ValueError(f"question {row['id']}: '{scene}' is no plain name of a scene; fix the row")
        return f"{self.subset}/{scene}.mp4"

    def _opened(self) -> ZipArchive | None:
        if self._archive is None:
            path = self.folder / ARCHIVE
            if self._commit is not None and not path.is_file():
                path = fetch_file(self.name, ARCHIVE, self._commit) or path
            self._archive = ZipArchive(path) if path.is_file() else None
        return self._archive


def _as_row(row: Row, name: str) -> dict[str, Any]:
    """Return a row with VSI-Bench's columns; raise ValueError for columns or a type that this version doesn't know."""
    missing = [column for column in _NEEDED if column not in row]
    if missing:
        raise ValueError(
            f"{name} has no column {', '.join(missing)}; it is another version of ReVSI than is read here, name an "
            "earlier one with --data-revision"
        )
    if row["question_type"] not in REVSI_UNITS:
        raise ValueError(
            f"{name}, question {row['id']}: type '{row['question_type']}' is none of ReVSI's that are read here; it "
            "is a newer version, name an earlier one with --data-revision"
        )
    kept = {column: row[column] for column in _NEEDED if column != "scene_id"}
    return kept | {
        "scene_name": row["scene_id"],
        "options": row["options"] or None,
        "ground_truth": str(row["ground_truth"]),
    }
