"""What the page shows, as values: no component is touched here, so tests and the API call these functions too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from .answers import Models
from .cards import TASK_NAMES
from .clip import DemoClip
from .noise import MAX_OBJECTS, MAX_SEED, MODES, POLICIES, Noise, Noisy, NoisyVideos
from .page_text import EMPTY
from .problems import Problem
from .rooms import Rooms, Tell, nothing_to_tell
from .stopping import Stops

MEDIA_URL = "media"
"""Where the app serves ClipStore.media, relative to the page."""


@dataclass(frozen=True)
class Demo:
    """What all visitors share."""

    rooms: Rooms
    videos: NoisyVideos
    models: Models
    stops: Stops = field(default_factory=Stops)


@dataclass(frozen=True)
class Choice:
    """What one visitor has chosen; exactly what a link reproduces. question : number in the clip's list, or None."""

    room: str
    noise: Noise
    question: int | None = None


def stage_value(demo: Demo, choice: Choice, tell: Tell = nothing_to_tell) -> tuple[str, DemoClip, Noisy]:
    """Return (JSON for the stage, clip, noisy video), making the video where it isn't there yet."""
    clip = demo.rooms.clip(choice.room, tell)
    noise = with_queried(choice.noise, clip, choice.question)
    noisy = demo.videos.video(clip, noise)
    media = f"{MEDIA_URL}/{clip.id}"
    value = {
        "clip": clip.id,
        "title": clip.title,
        "frames": len(clip.frames),
        "fps": clip.fps,
        "width": clip.frames.shape[2],
        "height": clip.frames.shape[1],
        "vanilla": f"{media}/vanilla.mp4",
        "noisy": f"{media}/{noisy.file}" if noisy.file else None,
        "outlines": f"{media}/outlines.json",
        "labels": {str(i): clip.name_of(i) for i in clip.footprints.object_ids},
        "perturbed": list(noisy.object_ids),
        "queried": list(noise.queried),
        "caption": noise_words(clip, noisy, noise) or "nothing is perturbed",
        "empty": EMPTY[noise.policy] if noise.strength else "The strength is 0: nothing changes",
        "link": link(choice),
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


def strip_value(demo: Demo, current: str, own: Sequence[Sequence[str]] = ()) -> str:
    """Return JSON for the strip of rooms; own : (id, title) of the visitor's uploads."""
    rooms = []
    for clip_id, title in (*demo.rooms.titles.items(), *own):
        made = demo.rooms.store.has(clip_id)
        picture = f"{MEDIA_URL}/{clip_id}/thumbnail.jpg" if made else None
        rooms.append({"id": clip_id, "title": title, "picture": picture})
    return json.dumps({"rooms": rooms, "current": current})


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
    return f"?{urlencode(query)}"


def from_link(demo: Demo, parameters: Mapping[str, str]) -> Choice:
    """Return the choice that a link stands for; what a link says wrongly falls back to the default.

    Raises Problem only where the room doesn't exist.
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
