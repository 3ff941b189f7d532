"""What happens when a visitor does something: plain functions from component values to component updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from . import views
from .cards import no_answers_html
from .clip import DemoClip
from .noise import MODES, Noise
from .problems import Problem
from .room_model import marked_model
from .uploads import add_clip, add_mesh
from .views import Choice, Demo


def _strength_label(mode: str) -> str:
    unit = MODES[mode].unit
    return f"Strength ({unit})" if unit else "Strength"


def make_choice(
    room: str, policy: str, chosen: Sequence[int], count: float, mode: str, strength: float, seed: float,
    question: int | None,
) -> Choice:  # fmt: skip
    """Return what the controls say; raise Problem for a value that no control allows."""
    noise = Noise(
        policy=policy,
        object_ids=tuple(int(i) for i in chosen or ()),
        max_objects=int(count or 1),
        mode=mode,
        strength=float(strength if strength is not None else 0.0),
        seed=int(seed or 0),
    )
    return Choice(room, noise, question)


class Handlers:
    """The events of rooms, videos and controls, over what all visitors share; for questions see question_events.py."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def start(self, request: gr.Request, progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        """Open the page as its link says."""
        parameters = dict(request.query_params) if request else {}
        try:
            choice = views.from_link(self.demo, parameters)
        except Problem as problem:
            gr.Warning(str(problem))
            choice = views.from_link(self.demo, {})
        return self._open(choice, [], progress)

    def pick_room(
        self,
        event: gr.SelectData,
        mode: str,
        strength: float,
        seed: float,
        own: list,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Open a room of the strip; the noise keeps its mode and strength."""
        choice = make_choice(self.demo.rooms.find(str(event.value)), "chosen", (), 2, mode, strength, seed, None)
        return self._open(choice, own, progress)

    def upload_mesh(self, path: str | None, own: list, progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        """Film a visitor's GLB and open it."""
        clip = add_mesh(self.demo.rooms, path, progress)
        return self._open(Choice(clip.id, Noise()), _added(own, clip), progress)

    def upload_clip(
        self,
        video: str | None,
        cameras: str | None,
        own: list,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Take a visitor's clip and open it."""
        clip = add_clip(self.demo.rooms, video, cameras, progress)
        return self._open(Choice(clip.id, Noise()), _added(own, clip), progress)

    def _open(self, choice: Choice, own: list, progress: gr.Progress) -> list[Any]:
        def tell(share: float, text: str) -> None:
            progress(share, desc=text)

        clip = self.demo.rooms.clip(choice.room, tell)
        choice = views.fitting(choice, clip)
        noise = choice.noise
        stage, _, noisy = views.stage_value(self.demo, choice)
        shown = noise.object_ids if noise.policy == "chosen" else noisy.object_ids
        task = clip.questions[choice.question].question_type if choice.question is not None else None
        return [
            choice.room,
            own,
            views.strip_value(self.demo, choice.room, own),
            stage,
            gr.update(choices=clip.listed(), value=list(shown)),
            noise.policy,
            gr.update(value=noise.max_objects, visible=noise.policy != "chosen"),
            noise.mode,
            gr.update(maximum=MODES[noise.mode].slider_most, value=noise.strength, label=_strength_label(noise.mode)),
            noise.seed,
            gr.update(choices=views.task_choices(clip), value=task),
            gr.update(choices=views.question_choices(clip, task), value=choice.question),
            _options_text(clip, choice.question),
            self._unanswered(clip, choice.question),
            clip.note,
        ]

    def click_frame(
        self, event: gr.SelectData, room: str, policy: str, chosen: list, count: float, mode: str, strength: float,
        seed: float, question: int | None,
    ) -> list[Any]:  # fmt: skip
        """Add the object under the pointer to the chosen ones, or take it out again."""
        frame, x, y = (float(value) for value in event.index)
        clip = self.demo.rooms.clip(room)
        found = clip.object_at(int(frame), x, y) if event.value == clip.id else None
        chosen = list(chosen or []) if policy == "chosen" else []
        if found is None:
            gr.Info("There is only wall, floor or ceiling; click an object.", duration=3)
        else:
            chosen = [i for i in chosen if i != found] if found in chosen else [*chosen, found]
        stage, _, _ = views.stage_value(
            self.demo, make_choice(room, "chosen", chosen, count, mode, strength, seed, question)
        )
        return [chosen, "chosen", gr.update(visible=False), stage]

    def refresh(
        self, room: str, policy: str, chosen: list, count: float, mode: str, strength: float, seed: float,
        question: int | None,
    ) -> list[Any]:  # fmt: skip
        """Show what the controls say."""
        choice = make_choice(room, policy, chosen, count, mode, strength, seed, question)
        stage, _, noisy = views.stage_value(self.demo, choice)
        shown = gr.update() if policy == "chosen" else list(noisy.object_ids)
        return [stage, shown, gr.update(visible=policy != "chosen")]

    def change_mode(self, mode: str) -> Any:
        """Give the strength slider the mode's range and default."""
        known = MODES[mode]
        return gr.update(maximum=known.slider_most, value=known.default_strength, label=_strength_label(mode))

    def pick_task(self, room: str, task: str) -> list[Any]:
        """List a task's questions and choose the first."""
        clip = self.demo.rooms.clip(room)
        first = views.first_question(clip, task)
        return [
            gr.update(choices=views.question_choices(clip, task), value=first),
            _options_text(clip, first),
            self._unanswered(clip, first),
        ]

    def pick_question(self, room: str, question: int | None) -> list[str]:
        """Show a question in full, and its options."""
        clip = self.demo.rooms.clip(room)
        return [_options_text(clip, question), self._unanswered(clip, question)]

    def _unanswered(self, clip: DemoClip, question: int | None) -> str:
        known = question is not None and 0 <= question < len(clip.questions)
        return no_answers_html(self.demo.models.names, clip.questions[question] if known else None)

    def model_3d(
        self, room: str, policy: str, chosen: list, count: float, mode: str, strength: float, seed: float,
        question: int | None,
    ) -> str:  # fmt: skip
        """Return the room's model with the perturbed objects marked."""
        choice = make_choice(room, policy, chosen, count, mode, strength, seed, question)
        clip = self.demo.rooms.clip(room)
        marked = views.with_queried(choice.noise, clip, question).objects(clip)
        return str(marked_model(self.demo.rooms.store.media_folder(clip.id) / "room.glb", marked))


def _added(own: list, clip: Any) -> list:
    return [*(item for item in own if item[0] != clip.id), [clip.id, clip.title]]


def _options_text(clip: Any, number: int | None) -> str:
    if number is None or not 0 <= number < len(clip.questions):
        return ""
    options = clip.questions[number].options
    # Labels come from a visitor's file: whatever Markdown could read in them is taken out
    plain = ["".join(c for c in option if c.isalnum() or c in " .,-'") for option in options or ()]
    return " · ".join(plain) if plain else "The answer is a number."
