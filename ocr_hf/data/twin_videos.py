"""The twins of a clip: edited scenes filmed along the same path, and a question's answer in both videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocr_hf.data.build_plan import ClipPlan
from ocr_hf.data.film import Film
from ocr_hf.data.recording import EditedRecording
from ocr_hf.data.row_columns import object_rows, question_columns
from ocr_hf.data.schema import MAX_QUESTIONS
from ocr_hf.data.video import write_mp4
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.perturb.keys import stable_key
from ocr_hf.scenes.scene import Scene
from ocr_hf.twins.find_twins import Twin, Twins, edits_to_json, find_twins
from ocr_hf.vsi_bench.tasks import TASKS

RARE = ("obj_appearance_order", "route_planning", "object_counting")
"""Tasks that few clips allow a twin of: they are aimed at first, so that all eight come up."""


class TwinVideos:
    """Finds a clip's twins, and writes the edited videos that their rows name."""

    def __init__(self, film: Film, clip: ClipPlan) -> None:
        self._film, self._clip = film, clip
        # The scene is kept beside what was filmed of it: while it lives, nothing else has its id
        self._filmed: dict[int, tuple[Scene, EditedRecording]] = {}

    def find(self) -> Twins:
        """Return the twins of the clip, at most `config.twins` questions of different tasks, each twice."""
        config, recording = self._film.config, self._film.recording
        seed = stable_key("twins", config.seed, self._clip.index % config.clips_per_scene) % 2**31
        types = config.question_config.question_types
        asked = [task.name for task in TASKS if set(task.levels) & set(types)]
        rare = [name for name in RARE if name in asked]
        tasks = [
            *_turned(rare, self._clip.index),
            *_turned([name for name in asked if name not in rare], self._clip.index),
        ]
        return find_twins(
            self._film.scene,
            recording.footprints,
            recording.fps,
            recording.camera_to_world,
            self._footprints,
            seed,
            tasks,
            2 * config.twins,
            config.question_config,
        )

    def _footprints(self, scene: Scene) -> Footprints:
        """Film an edited scene along the clip's path; what was filmed is kept until the rows are made."""
        filmed = self._film.of(scene)
        self._filmed[id(scene)] = (scene, filmed)
        return filmed.footprints

    def rows(self, twins: Twins, shared: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
        """Write the edited videos; return the rows of config `twins`.

        shared : the columns that all rows of the clip have; folder : of the split, where the files go
        """
        if not twins.twins:
            return []
        columns = []
        for number, copy in enumerate(twins.copies):
            _, filmed = self._filmed[id(copy.scene)]
            path = folder / self._clip.file("edited", number)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mp4(path, filmed.frames, filmed.fps)
            columns.append(
                {
                    "edited_file_name": self._clip.file("edited", number),
                    "edit": edits_to_json(copy.edits),
                    "edited_objects": object_rows(copy.scene),
                    "edited_footprints": copy.footprints.to_rows(),
                }
            )
        self._filmed.clear()
        first = self._clip.index * MAX_QUESTIONS
        changed = {
            _asked(twin): first + number for number, twin in enumerate(twins.twins) if twin.relation == "changes"
        }
        return [
            {
                "id": first + number,
                **question_columns(twin.question),
                **shared,
                **columns[twin.copy],
                "relation": twin.relation,
                "control_of": changed[_asked(twin)] if twin.relation == "keeps" else None,
                "edited_ground_truth": twin.edited_ground_truth,
            }
            for number, twin in enumerate(twins.twins)
        ]


def _turned(names: list[str], places: int) -> list[str]:
    """Return the names beginning at another one, so that over a build each comes first equally often."""
    start = places % max(len(names), 1)
    return names[start:] + names[:start]


def _asked(twin: Twin) -> tuple[Any, ...]:
    """Return what is equal for the twins of one question."""
    return twin.question.question_type, twin.question.question, twin.question.options
