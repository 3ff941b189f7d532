"""A room that can be edited: its scene, its light and its camera, kept so that an edit renders only what it changes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.clip_cameras import CameraPath
from ocr_hf.data.recording import Recording, record, record_edited
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.question import Question
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene
from ocr_hf.twins.edit_words import edit_words

from .clip import ClipStore, DemoClip, Seen
from .problems import Problem

MAX_EDITS = 8
KINDS = ("move", "rotate", "scale", "remove", "swap", "recolor")
"""Edits that links may name: those that need no seed and no model of new furniture."""


@dataclass(eq=False)
class FilmSet:
    """What it takes to film a room again.

    renderer : of the room as it is; path : of the camera; size : (width, height) of frames, pixels
    ask : what can be asked about a scene of which a clip shows these footprints
    see : films the frames for models apart, None where they are taken from the clip
    check : raises ValueError for an edited scene that can't be; None where the rules for rooms hold
    """

    scene: Scene
    renderer: Renderer
    path: CameraPath
    size: tuple[int, int]
    ask: Callable[[Scene, Footprints], Sequence[Question]]
    see: Callable[[Renderer], Seen] | None = None
    check: Callable[[Scene], None] | None = None
    _recording: Recording | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def config(self) -> BuildConfig:
        """What the recorder needs to know: the size of frames."""
        return BuildConfig(width=self.size[0], height=self.size[1])

    def recording(self) -> Recording:
        """Return the clip before all edits, with what each frame shows; filmed when first asked for."""
        with self._lock:
            if self._recording is None:
                self._recording = record(self.renderer, self.path, self.config)
            return self._recording

    def edited(self, edits: Sequence[SceneEdit]) -> Scene:
        """Return the scene after edits; raise Problem, with the reason, where one can't be."""
        try:
            scene = apply_edits(self.scene, edits, self.check is None, self.path.camera_to_world)
            if self.check is not None:
                self.check(scene)
        except ValueError as error:
            reason = str(error).replace("; pass plausible=False to allow it", "")
            raise Problem(f"This can't be: {reason}.") from error
        return scene

    def still(self, renderer: Renderer, frame: int) -> np.ndarray:
        """Return one frame (H, W, 3) uint8 of an edited room, before the whole clip is there."""
        poses = self.path.camera_to_world[[frame]]
        return renderer.render(poses, self.path.intrinsics, *self.size, self.path.exposure).frames[0]

    def film(self, store: ClipStore, base: DemoClip, edits: Sequence[SceneEdit], renderer: Renderer) -> DemoClip:
        """Film an edited room and keep it; `renderer` is of the edited scene."""
        scene = self.edited(edits)
        shot = record_edited(self.recording(), renderer, self.path, self.config)
        return store.save(
            DemoClip(
                id=edited_id(base.id, edits),
                title=base.title,
                note=base.note,
                frames=shot.frames,
                depth=shot.depth,
                footprints=shot.footprints,
                labels={item.id: item.label for item in scene.objects},
                boxes={item.id: item.box for item in scene.objects},
                camera_to_world=shot.camera_to_world,
                intrinsics=shot.intrinsics,
                fps=shot.fps,
                questions=tuple(same_questions(base.questions, self.ask(scene, shot.footprints))),
                apart=self.see(renderer) if self.see else None,
                planted=base.planted,
            )
        )


def same_questions(before: Sequence[Question], after: Sequence[Question]) -> list[Question]:
    """Return the questions of a room with the answers that hold after an edit, in the same order and with the same
    options; the answer is "" where the room no longer gives one."""
    from dataclasses import replace

    known = {(question.question_type, question.question): question for question in after}
    found = []
    for question in before:
        now = known.get((question.question_type, question.question))
        truth = "" if now is None else now.ground_truth
        if now is not None and question.options:
            # Letters may have been dealt anew: the option's words decide
            words = {option[2:].strip(): option[:1] for option in question.options}
            right = next((option[2:].strip() for option in now.options if option[:1] == now.ground_truth), "")
            truth = words.get(right, "")
        found.append(replace(question, ground_truth=truth))
    return found


def edited_id(clip_id: str, edits: Sequence[SceneEdit]) -> str:
    """Return the id of an edited room's clip: the same for the same edits."""
    text = json.dumps([clip_id, *(edit.to_json() for edit in edits)])
    return f"edit-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def edits_to_text(edits: Sequence[SceneEdit]) -> str:
    """Return edits as one line of JSON, for links."""
    return json.dumps([json.loads(edit.to_json()) for edit in edits], separators=(",", ":")) if edits else ""


def edits_from_text(text: str | None) -> tuple[SceneEdit, ...]:
    """Return the edits that a link or a program names; raise Problem for what is none, or too many."""
    if not text:
        return ()
    try:
        given = json.loads(text[:8000])
        edits = tuple(SceneEdit.from_json(json.dumps(item)) for item in given)
    except (ValueError, TypeError, RecursionError) as error:
        raise Problem("The edits are not as this page writes them; open the room anew and edit it there.") from error
    if len(edits) > MAX_EDITS or any(edit.kind not in KINDS for edit in edits):
        raise Problem(f"At most {MAX_EDITS} edits are taken, each one of {', '.join(KINDS)}.")
    return edits


def edits_in_words(edits: Sequence[SceneEdit], clip: DemoClip) -> str:
    """Say what was done to a room."""
    return edit_words(edits, {i: clip.name_of(i) for i in clip.labels})
