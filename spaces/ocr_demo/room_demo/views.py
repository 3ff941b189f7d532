"""What the page shows, as values: no component is touched here, so tests and the API call these functions too."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from ocr_hf.scenes.edits.scene_edit import SceneEdit

from .answers import Models
from .cards import TASK_NAMES
from .checkpoints import UNTRAINED
from .clip import DemoClip
from .film_set import edits_from_text, edits_in_words, edits_to_text
from .noise import MAX_OBJECTS, MAX_SEED, MODES, POLICIES, Noise, Noisy, NoisyVideos
from .page_text import EMPTY
from .problems import Problem
from .rooms import Rooms, Tell, nothing_to_tell
from .stopping import Stops
from .stories import Story

MEDIA_URL = "media"
"""Where the app serves ClipStore.media, relative to the page."""


@dataclass(frozen=True)
class Demo:
    """What all visitors share."""

    rooms: Rooms
    videos: NoisyVideos
    models: Models
    stories: tuple[Story, ...] = ()
    stops: Stops = field(default_factory=Stops)


@dataclass(frozen=True)
class Choice:
    """What one visitor has chosen; exactly what a link reproduces.

    question : number in the clip's list, or None; edits : of the room, in order
    """

    room: str
    noise: Noise
    question: int | None = None
    edits: tuple[SceneEdit, ...] = ()


@dataclass(frozen=True, eq=False)
class Sides:
    """What is compared: the left video and the right one.

    left, right : clips; noisy : of the right one
    Without noise on an edited room, the left one is the room before the edit.
    """

    left: DemoClip
    right: DemoClip
    noisy: Noisy
    noise: Noise

    @property
    def edited(self) -> bool:
        """Whether the right side is an edited room beside the room before."""
        return self.left is not self.right

    @property
    def titles(self) -> tuple[str, str]:
        """What the two sides are called beside answers."""
        return ("as it was", "edited") if self.edited else ("vanilla", "noisy")

    @property
    def words(self) -> str:
        """What was perturbed on the right side and how, or ""."""
        return noise_words(self.right, self.noisy, self.noise)


def sides_of(demo: Demo, choice: Choice, tell: Tell = nothing_to_tell, video: bool = True) -> Sides:
    """Return what a choice compares, making clips where they aren't there yet; the noisy video only if asked for."""
    clip = demo.rooms.edited(choice.room, choice.edits, tell)
    noise = with_queried(choice.noise, clip, choice.question)
    noisy = demo.videos.video(clip, noise) if video else demo.videos.without_video(clip, noise)
    before = choice.edits and not noisy.object_ids
    return Sides(demo.rooms.clip(choice.room) if before else clip, clip, noisy, noise)


def film_story(demo: Demo, story: Story) -> None:
    """Make both videos of a story where they aren't there yet, so that it opens at once."""
    sides = sides_of(demo, Choice(story.room, story.noise, 0, story.edits))
    demo.rooms.kept.add(sides.right.id)


def stage_value(demo: Demo, choice: Choice, tell: Tell = nothing_to_tell) -> tuple[str, DemoClip, Noisy]:
    """Return (JSON for the stage, the right side's clip, noisy video), making the video where it isn't there yet."""
    sides = sides_of(demo, choice, tell)
    clip, noisy, noise = sides.right, sides.noisy, sides.noise
    edited = edits_in_words(choice.edits, demo.rooms.clip(choice.room)) if choice.edits else ""
    media = f"{MEDIA_URL}/{clip.id}"
    noisy_file = f"{media}/{noisy.file}" if noisy.file else None
    if sides.left is not clip:
        noisy_file = f"{media}/vanilla.mp4"
    value = {
        "clip": clip.id,
        "title": clip.title,
        "frames": len(clip.frames),
        "fps": clip.fps,
        "width": clip.frames.shape[2],
        "height": clip.frames.shape[1],
        "vanilla": f"{MEDIA_URL}/{sides.left.id}/vanilla.mp4",
        "noisy": noisy_file,
        # Of each side: an object that was moved is outlined where it stands there
        "outlines": [f"{MEDIA_URL}/{each.id}/outlines.json" for each in (sides.left, clip)],
        "labels": {str(i): each.name_of(i) for each in (clip, sides.left) for i in each.footprints.object_ids},
        "perturbed": list(noisy.object_ids),
        "edited": sorted({i for edit in choice.edits for i in edit.objects}),
        "queried": list(noise.queried),
        "left": f"{clip.title}, {edited}" if edited and sides.left is clip else f"{clip.title}, as it is",
        "right": "Edited" if sides.left is not clip else "Noisy",
        "caption": edited if sides.left is not clip else sides.words or "nothing is perturbed",
        "empty": EMPTY[noise.policy] if noise.strength else "The strength is 0: nothing changes",
        "link": link(choice),
        # So that two choices that look alike are two values to the page, which waits for one after every click
        "turn": time.monotonic_ns(),
    }
    return json.dumps(value), clip, noisy


def with_queried(noise: Noise, clip: DemoClip, question: int | None) -> Noise:
    """Return the noise with the ids of what the question names."""
    if question is None or not 0 <= question < len(clip.questions):
        return replace(noise, queried=())
    return replace(noise, queried=tuple(clip.questions[question].queried_objects))


def noise_words(clip: DemoClip, noisy: Noisy, noise: Noise) -> str:
    """Return what is perturbed and how, or ""."""
    if not noisy.object_ids:
        return ""
    return f"{', '.join(clip.name_of(i) for i in noisy.object_ids)} ({noise.mode} {noise.strength:g})"


def strip_value(demo: Demo, current: str, own: Sequence[Sequence[str]] = (), story: str | None = None) -> str:
    """Return JSON for the strip of stories and rooms.

    own : (id, title) of the visitor's uploads; story : id of the one that is shown
    """
    rooms = []
    for told in demo.stories:
        rooms.append(
            {"id": f"story:{told.id}", "title": told.title, "picture": _picture(demo, told.room), "story": True}
        )
    for clip_id, title in (*demo.rooms.titles.items(), *own):
        if clip_id not in demo.rooms.unlisted:
            rooms.append({"id": clip_id, "title": title, "picture": _picture(demo, clip_id), "story": False})
    return json.dumps({"rooms": rooms, "current": f"story:{story}" if story else current})


def _picture(demo: Demo, clip_id: str) -> str | None:
    return f"{MEDIA_URL}/{clip_id}/thumbnail.jpg" if demo.rooms.store.has(clip_id) else None


def models_for(demo: Demo, clip: DemoClip) -> tuple[str, str]:
    """Return the two models that a clip is shown to first: the pair of the planted lock for shelves; both may be the
    same."""
    pair = demo.models.pair if clip.planted and demo.models.pair else demo.models.others
    # Beside a trained model, one with random weights tells a visitor nothing
    alone = len(pair) < 2 or (pair[1] in UNTRAINED and pair[0] not in UNTRAINED)
    return pair[0], pair[0] if alone else pair[1]


def task_choices(clip: DemoClip) -> list[tuple[str, str]]:
    """Return (name with count, question type) of the clip's tasks."""
    counts: dict[str, int] = {}
    for question in clip.questions:
        counts[question.question_type] = counts.get(question.question_type, 0) + 1
    return [(f"{TASK_NAMES[name]} ({counts[name]})", name) for name in TASK_NAMES if name in counts]


def question_choices(clip: DemoClip, task: str | None) -> list[tuple[str, int]]:
    """Return (question, its number) of a task's questions."""
    return [(q.question, number) for number, q in enumerate(clip.questions) if q.question_type == task]


def first_question(clip: DemoClip, task: str | None = None) -> int | None:
    """Return the number of the first question of a task (by default multiple choice about an object, if any)."""
    numbers = range(len(clip.questions))
    if task is not None:
        return next((i for i in numbers if clip.questions[i].question_type == task), None)
    preferred = next((i for i in numbers if clip.questions[i].options and clip.questions[i].queried_objects), None)
    return preferred if preferred is not None else next(iter(numbers), None)


def link(choice: Choice) -> str:
    """Return the query string that reproduces a choice."""
    noise = choice.noise
    query: dict[str, object] = {"room": choice.room}
    if noise.policy == "chosen":
        query["o"] = ".".join(map(str, noise.object_ids))
    else:
        query |= {"p": noise.policy, "n": noise.max_objects}
    query |= {"mode": noise.mode, "s": f"{noise.strength:g}", "seed": noise.seed}
    if choice.question is not None:
        query["q"] = choice.question
    if choice.edits:
        query["e"] = edits_to_text(choice.edits)
    return f"?{urlencode(query)}"


def from_link(demo: Demo, parameters: Mapping[str, str]) -> Choice:
    """Return the choice that a link stands for; what a link says wrongly falls back to the default.

    Raises Problem only where the room doesn't exist, or where its edits are none.
    """
    default = next(iter(demo.rooms.titles), "")
    room = demo.rooms.find(parameters.get("room") or default)
    mode = parameters.get("mode") if parameters.get("mode") in MODES else "gaussian"
    policy = parameters.get("p") if parameters.get("p") in POLICIES else "chosen"
    # Whatever a link says is a stranger's text: lists and numbers in it are kept short
    ids = [part for part in parameters.get("o", "").split(".") if part.isascii() and part.isdigit() and len(part) < 6]
    return Choice(
        room,
        Noise(
            policy=policy,
            object_ids=tuple(int(part) for part in ids[:200]),
            max_objects=_whole(parameters.get("n"), 2, 1, MAX_OBJECTS),
            mode=mode,
            strength=_number(parameters.get("s"), MODES[mode].default_strength, MODES[mode].slider_most),
            seed=_whole(parameters.get("seed"), 0, 0, MAX_SEED),
        ),
        _whole(parameters.get("q"), -1, 0, 10_000) if parameters.get("q") else None,
        edits_from_text(parameters.get("e")),
    )


def fitting(choice: Choice, clip: DemoClip) -> Choice:
    """Return the choice without objects and questions that the clip hasn't."""
    shown = tuple(i for i in choice.noise.object_ids if i in clip.footprints.object_ids)
    question = choice.question
    if question is None or not 0 <= question < len(clip.questions):
        question = first_question(clip)
    return replace(choice, noise=replace(choice.noise, object_ids=shown), question=question)


def question_of(clip: DemoClip, number: int | None):
    """Return a question by number; raise Problem where the clip has none of that number."""
    if number is None or not 0 <= number < len(clip.questions):
        raise Problem("There is no question chosen; pick one of the room's, or write your own.")
    return clip.questions[number]


def _whole(text: str | None, default: int, low: int, high: int) -> int:
    # isdigit alone lets "²" through, which int() refuses
    if not text or not text.isascii() or not text.isdigit() or len(text) > 10:
        return default
    return min(max(int(text), low), high)


def _number(text: str | None, default: float, high: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return default
    return value if 0.0 <= value <= high else default
