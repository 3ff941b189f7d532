"""What an answer hangs on, measured: how it falls with the strength of noise, and which object it rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.data.atomic import replacing
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.question import Question
from ocr_hf.vsi_bench.audits import apply_audit

from .answers import Models
from .clip import ClipStore, DemoClip, Seen
from .findings import LOCK_STRENGTH
from .noise import Noise, NoisyVideos
from .problems import Problem
from .question_prompt import Answer, prompt_of_question

STRENGTHS = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
BATCH = 4
"""Objects noised, each in a video of its own, that are asked about at once."""
TINT = np.array([234, 88, 12])
GAP = 4
"""Pixels between the frames of a map."""


@dataclass(frozen=True)
class Point:
    """One strength of a curve: the probability of the model's own answer, with noise on what the question names
    (`queried`), and on as many pixels of what it doesn't name (`context`)."""

    strength: float
    queried: float
    context: float


def shares(answer: Answer) -> dict[str, float]:
    """Return each option's part of what the options' letters hold together."""
    total = sum(answer.probabilities.values()) or 1.0
    return {letter: value / total for letter, value in answer.probabilities.items()}


def curve(
    models: Models, name: str, clip: DemoClip, question: Question, number: int, stop: Path | None = None
) -> Iterator[tuple[str, Point]]:
    """Yield (the model's own answer, a point) from strength 0 up.

    Context is matched as `ocr-hf eval` does for its audits: in each frame as many pixels as the queried objects have.
    """
    prompt = _asked(question, models.style(name))
    seen = clip.seen(models.frames(name))
    shown = _of_seen(seen)
    if not shown.region(question.queried_objects).any():
        raise Problem("No frame that the model sees shows what the question names, so there is no curve.")
    row_id = f"{clip.id}/{number}"
    (vanilla,) = models.answer(name, prompt, [seen.frames], seen.fps, [(clip.id, "vanilla")], stop)
    letter = max(vanilla.probabilities, key=vanilla.probabilities.get)
    start = shares(vanilla)[letter]
    yield letter, Point(0.0, start, start)
    for strength in STRENGTHS:
        sides = ("queried_noised", "context_noised")
        videos = [
            apply_audit(
                side, seen.frames, row_id, 0, strength, shown, question.queried_objects, seen.indices.tolist()
            ).frames
            for side in sides
        ]
        keys = [(row_id, f"{side}@{strength}") for side in sides]
        queried, context = models.answer(name, prompt, videos, seen.fps, keys, stop)
        yield letter, Point(strength, shares(queried)[letter], shares(context)[letter])


def occlusion(
    models: Models,
    videos: NoisyVideos,
    name: str,
    clip: DemoClip,
    question: Question,
    stop: Path | None = None,
) -> Iterator[dict[int, float]]:
    """Yield what is known so far: object id -> how much the answer changes with that object alone noised, 0 to 1.

    A change is half the sum of what the options' probabilities differ by (total variation).
    """
    prompt = _asked(question, models.style(name))
    seen = clip.seen(models.frames(name))
    shown = _of_seen(seen)
    ids = sorted(shown.object_ids, key=lambda i: -int(shown.areas(i).sum()))
    (vanilla,) = models.answer(name, prompt, [seen.frames], seen.fps, [(clip.id, "vanilla")], stop)
    before, found = shares(vanilla), {}
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        made = [videos.seen(clip, Noise("chosen", (i,), strength=LOCK_STRENGTH), (i,), seen) for i in part]
        keys = [(clip.id, variant) for variant, _ in made]
        answers = models.answer(name, prompt, [frames for _, frames in made], seen.fps, keys, stop)
        for object_id, answer in zip(part, answers, strict=True):
            now = shares(answer)
            found[object_id] = 0.5 * sum(abs(now[letter] - before[letter]) for letter in before)
        yield dict(found)


def draw_map(store: ClipStore, clip: DemoClip, seen: Seen, changes: dict[int, float]) -> Path:
    """Draw the frames that a model saw, each object tinted by how much the answer changes without it.

    Returns:
        A PNG beside the clip's served files, made once for the same changes.
    """
    from PIL import Image

    shown = _of_seen(seen)
    told = repr((seen.frames.shape, sorted((i, round(value, 3)) for i, value in changes.items())))
    path = store.media_folder(clip.id) / f"noisy-map-{hashlib.blake2b(told.encode(), digest_size=8).hexdigest()}.png"
    if path.is_file():
        return path
    frames = seen.frames.astype(float)
    # Grey, so that the tint is the only colour
    grey = frames.mean(axis=-1, keepdims=True).repeat(3, axis=-1) * 0.75 + 50.0
    for object_id, value in changes.items():
        for frame in range(len(frames)):
            mask = shown.mask(object_id, frame)
            if mask is not None:
                grey[frame][mask] = (1.0 - 0.85 * value) * grey[frame][mask] + 0.85 * value * TINT
    count, height, width = frames.shape[:3]
    columns = 4 if count > 3 else count
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255.0)
    for i, frame in enumerate(grey):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = frame
    image = Image.fromarray(sheet.clip(0, 255).astype(np.uint8))
    times = max(1, 640 // image.width)
    with replacing(path) as temporary:
        image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).save(temporary, "PNG")
    return path


def _of_seen(seen: Seen) -> Footprints:
    """Return the footprints in the frames that a model sees, numbered from 0."""
    return seen.footprints.select(seen.indices.tolist()).resized(*seen.frames.shape[1:3])


def _asked(question: Question, style: str):
    if not question.options:
        raise Problem("This question is answered by a number; curve and map follow options, so pick one that has some.")
    prompt = prompt_of_question(question, style)
    if prompt.extraction != "official":
        raise Problem("A model that thinks first says no option's probability at once, so there is nothing to draw.")
    return prompt
