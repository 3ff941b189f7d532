"""What happens when a visitor edits a room: first a still and the answers, then the clip, and the tally grows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np

from ocr_hf.scenes.edits.scene_edit import SceneEdit

from . import shelf, views
from .cards import Compared, answers_value, tally_text
from .comparing import compare, questions_of
from .film_set import MAX_EDITS, FilmSet, edited_id, edits_to_text
from .handlers import ANSWERING, Handlers, make_choice, new_wishes
from .problems import Problem, warn
from .room_view import view_value
from .views import Choice

STEP_M = 0.4
TURN_DEG, GROW = 45.0, 1.25
MOST_TRIES = 400
WAYS = {"left": (-1, 0, 0), "right": (1, 0, 0), "back": (0, 1, 0), "front": (0, -1, 0), "up": (0, 0, 1),
        "down": (0, 0, -1)}  # fmt: skip
"""Unit steps of the buttons that move a thing, in the world's axes."""
ACTIONS = (*WAYS, "turn", "larger", "smaller", "remove")


class EditEvents:
    """The events of the tab in which a room is edited, over what all visitors share."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.demo = handlers, handlers.demo

    def prepare(self, *controls: Any) -> None:
        """Light and film the room as it is, so that the first edit needn't wait for that."""
        room = make_choice(*controls).room
        if self.demo.rooms.can_edit(room):
            self.demo.rooms.film_set(room).recording()

    def edit(self, request: gr.Request, wishes: str, taken: int, model: str, second: str, thinking: bool, tries: list,
             *controls: Any) -> Iterator[list[Any]]:  # fmt: skip
        """Do what was asked for since the edit before, all at once, and show the room; what can't be done is told.

        wishes, taken : as for `new_wishes`; a wish is {clip, action, object, offset}: action is one of `ACTIONS`,
            "move" by the offset (3,) metres, "undo" or "reset"; clip : id of the room that it was asked of
        """
        choice = make_choice(*controls)
        known, edits = self.demo.rooms.film_set(choice.room), choice.edits
        new, taken = new_wishes(wishes, taken)
        for wish in new:
            if wish["clip"] != choice.room:
                continue
            try:
                edits = _checked(known, self._after(known, edits, wish))
            except Problem as problem:
                warn(str(problem))
        if edits == choice.edits:
            # What was dragged goes back
            base, skip = self.demo.rooms.clip(choice.room), gr.skip()
            shown = view_value(base, self.demo.rooms.edited(base.id, edits), edits, True)
            yield [skip, skip, skip, shown, *[skip] * 6, taken]
            return
        for step in self._show(request, replace(choice, edits=edits), model, second, thinking, tries):
            yield [*step, taken]

    def _after(self, known: FilmSet, edits: Sequence[SceneEdit], wish: Mapping[str, Any]) -> tuple[SceneEdit, ...]:
        """Return the edits of a room with one wish more."""
        action = wish["action"]
        if action in ("undo", "reset"):
            return tuple(edits[:-1]) if action == "undo" else ()
        if wish["object"] is None:
            raise Problem("There is no object chosen; pick one in the list, or click one in the room.")
        target = int(wish["object"])
        if action == "move":
            edit = self._moved(known, edits, target, np.array(wish["offset"], dtype=float))
        elif action in WAYS:
            edit = self._moved(known, edits, target, STEP_M * np.array(WAYS[action], dtype=float), nudge=True)
        elif action == "turn":
            edit = SceneEdit("rotate", (target,), {"degrees": TURN_DEG})
        elif action == "remove":
            edit = SceneEdit("remove", (target,), {})
        else:
            edit = SceneEdit("scale", (target,), {"factors": (GROW if action == "larger" else 1.0 / GROW,)})
        return (*edits, edit)

    def _moved(
        self, known: FilmSet, edits: Sequence[SceneEdit], target: int, offset: np.ndarray, nudge: bool = False
    ) -> SceneEdit:
        """Return the edit that moves an object; on a shelf it goes to the nearest free place in that direction."""
        scene = known.edited(edits)
        item = next((item for item in scene.objects if item.id == target), None)
        if item is None:
            raise Problem("That object isn't there any more; undo its removal, or pick another.")
        if known.see is not None:
            here = shelf.cell_of(scene, target)
            wanted = item.box.center + offset * (1.0 if not nudge else 1.25)
            free = [cell for cell in shelf.free_cells(scene, (target,)) if cell != here]
            places = np.array([shelf.cell_place(cell) + [0.0, 0.0, 0.2] for cell in free])
            along = (places - shelf.cell_place(here) - [0.0, 0.0, 0.2]) @ offset > 0.0
            if not along.any():
                raise Problem("There is no free place on the shelf that way; move it another way.")
            near = np.linalg.norm((places - wanted)[:, [0, 2]], axis=1) + np.where(along, 0.0, 100.0)
            offset = places[near.argmin()] - shelf.cell_place(here) - [0.0, 0.0, 0.2]
        return SceneEdit("move", (target,), {"offset": tuple(float(value) for value in offset.round(4))})

    def _show(
        self, request: gr.Request, choice: Choice, model: str, second: str, thinking: bool, tries: list
    ) -> Iterator[list[Any]]:
        """Yield updates of edits, stage, bars, view in 3D, list, line, tally, tries, chosen objects and policy.

        A shelf's models see frames that are filmed apart, so they answer before the clip is there.
        """
        # An edit is looked at by itself: noise would be a second change
        choice = replace(choice, noise=replace(choice.noise, policy="chosen", object_ids=()))
        self.handlers.supersede(request)
        rooms, skip = self.demo.rooms, gr.skip()
        base = rooms.clip(choice.room)
        text = edits_to_text(choice.edits)
        if choice.edits and not rooms.store.has(edited_id(base.id, choice.edits)):
            known = rooms.film_set(base.id)
            scene = known.edited(choice.edits)  # raises before anything is shown
            renderer = known.renderer.edited(scene)
            best = self._telling_frame(base, choice.edits)
            still = self._still(known.still(renderer, best), base, choice, best)
            yield [text, still, skip, skip, skip, skip, skip, skip, [], "chosen"]
        clip = rooms.edited(choice.room, choice.edits)
        stage, *_ = views.stage_value(self.demo, choice)
        _, line = self.handlers.edit_controls(clip, choice)
        left = gr.update(choices=[(clip.name_of(i), i) for i in sorted(clip.labels)])
        yield [text, stage, skip, view_value(base, clip, choice.edits, True), left, line, skip, skip, [], "chosen"]
        compared = self._compared(request, choice, (model, second), thinking)
        if not compared:
            return
        sides = views.sides_of(self.demo, choice, video=False)
        question = questions_of(sides, choice.question)[1]
        told = answers_value(question.question, compared, sides.titles, views.link(choice), sides.edited)
        if sides.edited and question.ground_truth:
            tries = [*tries, *(_try(one) for one in compared)][-MOST_TRIES:]
        yield [text, skip, told, skip, skip, skip, tally_text(tries), tries, [], "chosen"]

    def _compared(self, request: gr.Request, choice: Choice, models: tuple[str, str], thinking: bool) -> list[Compared]:
        if self.demo.stops.refused(request.session_hash, ANSWERING):
            return []
        sides = views.sides_of(self.demo, choice, video=False)
        asked = compare(self.demo, request.session_hash, ANSWERING, models, sides, choice.question, thinking=thinking)
        return [one for one in asked if isinstance(one, Compared)]

    def _telling_frame(self, base: Any, edits: Sequence[SceneEdit]) -> int:
        """Return the number of the frame in which most of what was edited last shows."""
        areas = sum((base.footprints.areas(i) for i in edits[-1].objects), np.zeros(len(base.frames)))
        return int(areas.argmax())

    def _still(self, frame: np.ndarray, base: Any, choice: Choice, number: int) -> str:
        """Return the stage's value with one frame of the edited room, until its clip is there."""
        from PIL import Image

        folder = self.demo.rooms.store.media_folder(base.id)
        name = f"noisy-map-still-{edited_id(base.id, choice.edits)}.png"
        Image.fromarray(frame).save(folder / name)
        value = json.loads(views.stage_value(self.demo, replace(choice, edits=()))[0])
        value |= {
            "still": f"{views.MEDIA_URL}/{base.id}/{name}", "still_frame": number, "right": "Edited",
            "caption": "a still; the clip follows", "turn": time.monotonic_ns(), "link": views.link(choice),
        }  # fmt: skip
        return json.dumps(value)


def _try(one: Compared) -> dict[str, Any]:
    """Return what an edit says of a model: whether its answer had to change, and whether it did as it had to."""
    before, after = (prompt.ground_truth for prompt in one.prompts)
    changes = before != after
    good = one.answers[1].score == 1.0 and one.change != "no" if changes else one.change == "no"
    return {"model": one.name, "changes": changes, "good": bool(good)}


def _checked(known: FilmSet, edits: tuple[SceneEdit, ...]) -> tuple[SceneEdit, ...]:
    """Return the edits; raise Problem where they are too many, or can't all be."""
    if len(edits) > MAX_EDITS:
        raise Problem(f"At most {MAX_EDITS} edits fit into one room; undo some.")
    known.edited(edits)
    return edits
