"""What every benchmark has: questions with VSI-Bench's columns, checked, and a video for each.

Its subclasses read one layout each and are entries of the registry in `layouts.py`, from which `open_benchmark.py`
chooses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ocr_hf.data.load import spread
from ocr_hf.data.video import probe, read_frames, uniform_indices
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.scoring import reference_letter, reference_number
from ocr_hf.vsi_bench.tasks import TASKS, Task, is_numeric

if TYPE_CHECKING:
    import numpy as np

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
    tasks: Sequence[Task] = TASKS
    """What its macro average is over; question types of its own are named in its layout's `units`."""
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

    def prompt(self, row: Row, style: str) -> str:
        """Return the text of a question in a style; VSI-Bench's wording."""
        return build_prompt(row, style)

    def sample(self, row: Row, count: Callable[[int, float], int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what is shown of a question's video: frames (T, H, W, 3) uint8, their numbers, and times in seconds.

        count : (frames, seconds) of the video -> how many are shown
        """
        source = self.video(row)
        info = probe(source)
        indices = uniform_indices(info.num_frames, count(info.num_frames, info.duration_s))
        frames, times_s = read_frames(source, indices)
        return frames, indices, times_s

    def objects(self, row: Row) -> Row:
        """Return the row with footprints and queried objects, where `knows_objects`."""
        raise ValueError(f"{self.name} doesn't know where objects are in its videos; use an ocr-vsi data set")

    def select(self, split: str) -> list[Row]:
        """Return the rows of a split; raise ValueError, naming the splits there are, for any other."""
        if split != "full":
            raise ValueError(f"{self.name} has no split '{split}'; it has only 'full'")
        return list(self.rows)

    def take(self, split: str, limit: int | None) -> list[Row]:
        """Return `limit` rows of a split, spread evenly over all of them; all without a limit."""
        rows = self.select(split)
        return [rows[place] for place in spread(len(rows), limit)]


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
