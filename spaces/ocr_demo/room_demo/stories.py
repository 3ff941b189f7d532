"""Stories: what a visitor sees first, each a room, a question and one change on which an answer hangs.

They lie in `stories.json`, as `find_stories.py` ranks them: by how far the locked model's probabilities move.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ocr_hf.scenes.edits.scene_edit import SceneEdit

from .film_set import edits_from_text
from .noise import Noise

FILE = Path(__file__).parent / "stories.json"


@dataclass(frozen=True)
class Story:
    """One story.

    id : letters, digits and dashes; title : of its card; text : one or two sentences above the videos
    room : id of a shelf; objects : ids of what is noised, at `strength`; edits : of the room
    """

    id: str
    title: str
    text: str
    room: str
    objects: tuple[int, ...] = ()
    strength: float = 1.0
    edits: tuple[SceneEdit, ...] = ()

    @property
    def noise(self) -> Noise:
        """What is done to its video."""
        return Noise("chosen", self.objects, mode="gaussian", strength=self.strength)


def read_stories(file: Path = FILE) -> tuple[Story, ...]:
    """Return the stories of a file, none where it isn't there. Raises Problem or KeyError for a damaged one."""
    if not file.is_file():
        return ()
    return tuple(
        Story(
            id=told["id"],
            title=told["title"],
            text=told["text"],
            room=told["room"],
            objects=tuple(told.get("objects", ())),
            strength=told.get("strength", 1.0),
            edits=edits_from_text(json.dumps(told["edits"])) if told.get("edits") else (),
        )
        for told in json.loads(file.read_text(encoding="utf-8"))
    )
