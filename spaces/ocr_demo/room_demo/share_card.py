"""The share card: one picture with a frame of both videos, every model's answers, and one line that says it all."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import views
from .cards import Compared, printable, side_of
from .checkpoints import short
from .findings import exports
from .views import Choice, Demo, Sides

WIDTH, MARGIN, GAP = 1200, 40, 24
INK, MUTED, GROUND = (31, 41, 55), (75, 85, 99), (255, 255, 255)
SIDE_COLORS = ((79, 70, 229), (194, 65, 12))
MOODS = {"good": (22, 101, 52), "bad": (153, 27, 27), "": INK}


def telling_frame(sides: Sides, changed: Sequence[int]) -> int:
    """Return the number of the frame in which most of the changed objects shows, on either side, else the middle."""
    clips = (sides.left, sides.right)
    areas = sum(
        (clip.footprints.areas(i) for clip in clips for i in changed if i in clip.footprints.object_ids),
        np.zeros(len(sides.right.frames)),
    )
    return int(areas.argmax()) if np.any(areas) else len(sides.right.frames) // 2


def line_of(compared: Sequence[Compared], what: str) -> str:
    """Return the card's one line: what was done, and whether each model's answer changed."""
    told = [
        f"{short(one.name)} {'keeps its answer' if one.change == 'no' else 'changes its answer'}" for one in compared
    ]
    return f"{what[:1].upper()}{what[1:]}: {', '.join(told)}."


def draw_card(
    frames: tuple[np.ndarray, np.ndarray],
    titles: tuple[str, str],
    question: str,
    line: str,
    compared: Sequence[Compared],
) -> Image.Image:
    """Return the card.

    frames : (H, W, 3) uint8 of the left and the right video; titles : of the two
    """
    column = (WIDTH - 2 * MARGIN - GAP) // 2
    height = round(column * frames[0].shape[0] / frames[0].shape[1])
    asked = _wrapped(question, 26, WIDTH - 2 * MARGIN, 3)
    said = _wrapped(line, 24, WIDTH - 2 * MARGIN, 2)
    top = MARGIN + 34 * len(asked) + 14
    below = top + height + 44
    total = below + 40 * len(compared) + 18 + 32 * len(said) + 44 + MARGIN // 2
    card = Image.new("RGB", (WIDTH, total), GROUND)
    draw = ImageDraw.Draw(card)
    for number, text in enumerate(asked):
        draw.text((MARGIN, MARGIN + 34 * number), text, INK, _font(26))
    for side in range(2):
        left = MARGIN + side * (column + GAP)
        picture = Image.fromarray(np.asarray(frames[side])).resize((column, height), Image.Resampling.LANCZOS)
        card.paste(picture, (left, top))
        draw.text((left, top + height + 8), _cut(titles[side], 20, column), SIDE_COLORS[side], _font(20))
        for number, one in enumerate(compared):
            told = side_of(one.prompts[side], one.answers[side])
            at = below + 40 * number
            name = f"{short(one.name)}: "
            draw.text((left, at), name, MUTED, _font(24))
            offset = int(_font(24).getlength(name)) + 4
            answer = told["value"] or "no valid answer"
            if told["badge"]:
                answer = f"{answer} ({told['badge']})"
            draw.text((left + offset, at), _cut(answer, 24, column - offset), MOODS[told["mood"]], _font(24))
    at = below + 40 * len(compared) + 18
    for number, text in enumerate(said):
        draw.text((MARGIN, at + 32 * number), text, INK, _font(24))
    draw.text(
        (MARGIN, at + 32 * len(said) + 10), "OCR-HF · Object-Centric 3D Rollout, not text recognition", MUTED, _font(18)
    )
    return card


def write_card(demo: Demo, choice: Choice, sides: Sides, question: str, compared: Sequence[Compared]) -> str:
    """Draw the card of what was just answered into a new file in `exports()`, and return its path."""
    noised = sides.noisy.object_ids
    number = telling_frame(sides, noised or tuple(i for edit in choice.edits for i in edit.objects))
    what = "nothing is changed"
    if noised:
        what = f"noise on {', '.join(sides.right.name_of(i) for i in noised)}"
    elif choice.edits:
        what = views.edits_in_words(choice.edits, sides.left)
    right = demo.videos.frames(sides.right, sides.noise, noised)[1]
    card = draw_card(
        (sides.left.frames[number], right[number]),
        (sides.titles[0], f"{sides.titles[1]}: {sides.words or what}"),
        question,
        line_of(compared, what),
        compared,
    )
    path = Path(tempfile.mkdtemp(dir=exports())) / "ocr-hf-answer.png"
    card.save(path, "PNG", compress_level=1)
    return str(path)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _cut(text: str, size: int, width: float) -> str:
    text = printable(text)
    while text and _font(size).getlength(text) > width:
        text = f"{text[:-2].rstrip()}…" if text.endswith("…") else f"{text[:-1].rstrip()}…"
    return text


def _wrapped(text: str, size: int, width: float, most: int) -> list[str]:
    """Return a text in lines of at most `width` pixels; what exceeds `most` lines is cut off."""
    lines = [""]
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if _font(size).getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    kept = lines[:most]
    if len(lines) > most:
        kept[-1] = _cut(f"{kept[-1]} …", size, width)
    return [_cut(line, size, width) for line in kept]
