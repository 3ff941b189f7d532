"""What happens when a visitor does something: plain functions from component values to component updates."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from . import views
from .cards import NO_CURVE, no_answers_value
from .clip import DemoClip
from .film_set import edits_from_text
from .guessing import Guesses, guess_field, score_text
from .noise import MODES, Noise
from .problems import Problem, sentence_for, warn
from .room_view import view_value
from .stories import Story
from .uploads import add_clip, add_mesh
from .views import Choice, Demo

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 4.0
"""How often an open page asks for rooms and pictures that weren't there yet."""
ANSWERING = "answering"
"""What `Stops` calls the answers that a newer choice makes stale."""


def _strength_label(mode: str) -> str:
    unit = MODES[mode].unit
    return f"Strength ({unit})" if unit else "Strength"


def new_wishes(wishes: str, taken: int) -> tuple[list[Any], int]:
    """Return what was asked for since the wish number `taken`, and the newest number.

    wishes : JSON of (number, wish), of the last clicks (wishes.js); those that came while another was at work are among
        them
    """
    new = [(number, wish) for number, wish in json.loads(wishes) if number > taken]
    return [wish for _, wish in new], max([taken, *(number for number, _ in new)])


def make_choice(
    room: str, edits: str, policy: str, chosen: Sequence[int], count: float, mode: str, strength: float, seed: float,
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
    return Choice(room, noise, question, edits_from_text(edits))


class Handlers:
    """The events of rooms, videos and controls, over what all visitors share; for questions see question_events.py.

    `controls` are always the values of room, edits, policy, chosen objects, count, mode, strength, seed and question.
    """

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def start(self, request: gr.Request, progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        """Open the page as its link says; without one, on the first story."""
        return self._follow(dict(request.query_params) if request else {}, [], progress)

    def _follow(
        self, parameters: Mapping[str, str], own: list, progress: gr.Progress, guesses: Guesses | None = None
    ) -> list[Any]:
        """Open what a link shows; what it says wrongly is told."""
        told = next((story for story in self.demo.stories if story.id == parameters.get("story")), None)
        if "story" in parameters and told is None:
            warn(f"There is no story '{parameters['story'][:40]}' any more; this is the first one.")
        if told is None and "room" not in parameters and not parameters.keys() & {"o", "p", "q"} and self.demo.stories:
            told = self.demo.stories[0]
        if told is not None:
            return self.open_story(told, own, progress, guesses)
        try:
            choice = views.from_link(self.demo, parameters)
        except Problem as problem:
            warn(str(problem))
            choice = views.from_link(self.demo, {})
        return self._open(choice, own, progress, guesses=guesses)

    def open_story(self, story: Story, own: list, progress: gr.Progress, guesses: Guesses | None = None) -> list[Any]:
        """Open a story; where its room can't be made, the first room, with a sentence."""
        try:
            choice = Choice(self.demo.rooms.find(story.room), story.noise, 0, story.edits)
            return self._open(choice, own, progress, story, guesses)
        except Exception as error:  # whatever keeps a story from being shown, the page isn't left empty
            if not isinstance(error, Problem):
                logger.exception("the story '%s' can't be shown", story.id)
            warn(f"The story '{story.title}' can't be shown: {sentence_for(error)}")
            return self._open(views.from_link(self.demo, {}), own, progress)

    def pick_room(
        self, wishes: str, mode: str, strength: float, seed: float, own: list, guess_first: bool = False,
        guesses: Guesses | None = None, request: gr.Request = None, progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:  # fmt: skip
        """Open a story or a room of the strip; in a room the noise keeps its mode and strength.

        wishes : JSON of (number, what to open), the newest last (wishes.js); after the browser's Back or Forward it is
            the link to open, from its question mark on
        """
        self.supersede(request)
        guesses = (guesses or {}) if guess_first else None
        name = str(json.loads(wishes)[-1][1])
        if name.startswith("?"):
            return self._follow(dict(parse_qsl(name[1:], keep_blank_values=True)), own, progress, guesses)
        told = next((story for story in self.demo.stories if name == f"story:{story.id}"), None)
        if told is not None:
            return self.open_story(told, own, progress, guesses)
        choice = make_choice(self.demo.rooms.find(name), "", "chosen", (), 2, mode, strength, seed, None)
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

    def _open(
        self, choice: Choice, own: list, progress: gr.Progress, story: Story | None = None,
        guesses: Guesses | None = None,
    ) -> list[Any]:  # fmt: skip
        def tell(share: float, text: str) -> None:
            progress(share, desc=text)

        clip = self.demo.rooms.edited(choice.room, choice.edits, tell)
        choice = views.fitting(choice, clip)
        noise = choice.noise
        stage, _, noisy = views.stage_value(self.demo, choice)
        shown = noise.object_ids if noise.policy == "chosen" else noisy.object_ids
        task = clip.questions[choice.question].question_type if choice.question is not None else None
        first, second = views.models_for(self.demo, clip)
        # A link to what a story shows opens the story
        story = story or next((told for told in self.demo.stories if _shows(told, choice)), None)
        return [
            choice.room,
            views.edits_to_text(choice.edits),
            own,
            views.strip_value(self.demo, choice.room, own, story.id if story else None),
            stage,
            gr.update(choices=clip.listed(), value=list(shown)),
            noise.policy,
            gr.update(value=noise.max_objects, visible=noise.policy != "chosen"),
            noise.mode,
            gr.update(maximum=MODES[noise.mode].slider_most, value=noise.strength, label=_strength_label(noise.mode)),
            noise.seed,
            gr.update(choices=views.task_choices(clip), value=task),
            gr.update(choices=views.question_choices(clip, task), value=choice.question),
            self.unanswered(clip, choice.question),
            story.text if story else clip.note,
            first,
            second,
            NO_CURVE,
            None,
            view_value(self.demo.rooms.clip(choice.room), clip, choice.edits, self.demo.rooms.can_edit(choice.room)),
            *self.edit_controls(clip, choice),
            self.own_words_field(first, second),
            *guess_field(story, clip.questions[choice.question] if task else None, guesses, clip.planted),
        ]

    def edit_controls(self, clip: DemoClip, choice: Choice) -> list[Any]:
        """Return updates of the list of objects to edit, and of the line that says what was edited."""
        can = self.demo.rooms.can_edit(choice.room)
        base = self.demo.rooms.clip(choice.room)
        done = views.edits_in_words(choice.edits, base) if choice.edits else "nothing yet"
        names = [(clip.name_of(i), i) for i in sorted(clip.labels)]
        told = f"Edited: {done}." if can else "Of this room only its film is known, not its 3D scene: edit a story's."
        return [gr.update(choices=names if can else [], value=names[0][1] if can and names else None), told]

    def own_words_field(self, first: str, second: str) -> Any:
        """Return the field for a visitor's own words, shown only where the models know words."""
        return gr.update(visible=all(self.demo.models.speaks(name) for name in (first, second)))

    def click_frame(self, wishes: str, taken: int, request: gr.Request, *controls: Any) -> list[Any]:
        """Add the objects under the pointer to the chosen ones, or take them out again.

        wishes, taken : as for `new_wishes`; a wish is {clip, at: [frame, x, y, side]}
        """
        room, edits, policy, chosen, *_ = controls
        self.supersede(request)
        choice = make_choice(*controls)
        sides = views.sides_of(self.demo, choice, video=False)
        chosen = list(chosen or []) if policy == "chosen" else []
        new, taken = new_wishes(wishes, taken)
        for wish in new:
            frame, x, y, right = (float(value) for value in wish["at"])
            clip = sides.right if right else sides.left
            found = clip.object_at(int(frame), x, y) if wish["clip"] == sides.right.id else None
            if found is None or found not in sides.right.footprints.object_ids:
                gr.Info("There is only wall, floor or ceiling; click an object.", duration=3)
            else:
                chosen = [i for i in chosen if i != found] if found in chosen else [*chosen, found]
        return [chosen, "chosen", gr.update(visible=False), taken]

    def supersede(self, request: gr.Request = None) -> None:
        """End the answer that this visitor's newer choice makes stale."""
        if request is not None:
            self.demo.stops.renew(request.session_hash, ANSWERING)

    def tick(self, request: gr.Request, *controls: Any) -> list[Any]:
        """Perturb what is ticked: a tick under another policy is a choice of one's own from then on."""
        room, edits, _, *rest = controls
        stage, *_ = self.change(request, room, edits, "chosen", *rest)
        return ["chosen", gr.update(visible=False), stage]

    def change(self, request: gr.Request, *controls: Any) -> list[Any]:
        """Show what the controls say now."""
        self.supersede(request)
        return self.refresh(*controls)

    def refresh(self, *controls: Any) -> list[Any]:
        """Show what the controls say, beside the answer to it: nothing is superseded."""
        choice = make_choice(*controls)
        stage, _, noisy = views.stage_value(self.demo, choice)
        chosen = choice.noise.policy == "chosen"
        return [stage, gr.update() if chosen else list(noisy.object_ids), gr.update(visible=not chosen)]

    def change_mode(self, mode: str, request: gr.Request = None) -> Any:
        """Give the strength slider the mode's range and default."""
        self.supersede(request)
        known = MODES[mode]
        return gr.update(maximum=known.slider_most, value=known.default_strength, label=_strength_label(mode))

    def pick_task(self, room: str, edits: str, task: str, request: gr.Request = None) -> list[Any]:
        """List a task's questions and choose the first."""
        self.supersede(request)
        clip = self.demo.rooms.edited(room, edits_from_text(edits))
        first = views.first_question(clip, task)
        return [gr.update(choices=views.question_choices(clip, task), value=first), NO_CURVE, None]

    def pick_question(self, request: gr.Request = None) -> list[Any]:
        """Take away curve and map, which are about another question."""
        self.supersede(request)
        return [NO_CURVE, None]

    def pick_models(self, first: str, second: str, request: gr.Request = None) -> list[Any]:
        """Show the field for own words where both models know words; take away curve and map, which others drew."""
        return [self.own_words_field(first, second), *self.pick_question(request)]

    def look_again(self, strip: str, own: list) -> list[Any]:
        """Show rooms and pictures that have come since; go on looking while some have yet to."""
        if not strip:
            # The page is still being opened; what this returned might come after it, and mark no room
            return [gr.skip(), gr.skip()]
        current = json.loads(strip)["current"]
        story = current.removeprefix("story:") if current.startswith("story:") else None
        now = views.strip_value(self.demo, current, own, story)
        waits = self.demo.rooms.incomplete or any(room["picture"] is None for room in json.loads(now)["rooms"])
        return [gr.skip() if now == strip else now, gr.Timer(LOOK_EVERY_S, active=waits)]

    def want_guess(self, wanted: bool, guesses: Guesses) -> list[Any]:
        """Say that the next story asks first; where the visitor no longer wants that, show what the models answered."""
        return [gr.update(visible=False), "", score_text(guesses) if wanted or guesses else ""]

    def unanswered(self, clip: DemoClip, question: int | None) -> str:
        """Return the bars' value before there is an answer: the question alone."""
        known = question is not None and 0 <= question < len(clip.questions)
        return no_answers_value(clip.questions[question].question if known else "")


def _shows(story: Story, choice: Choice) -> bool:
    told, noise = story.noise, choice.noise
    same = (told.object_ids, told.strength, told.mode) == (noise.object_ids, noise.strength, noise.mode)
    return same and (story.room, story.edits) == (choice.room, choice.edits)


def _added(own: list, clip: Any) -> list:
    return [*(item for item in own if item[0] != clip.id), [clip.id, clip.title]]
