"""Questions in VSI-Bench's wording whose answers follow from the words, or from nothing."""

from __future__ import annotations

import numpy as np

from ocr_hf.questions.templates import render

THINGS = ["bed", "chair", "desk", "lamp", "sofa", "stove", "table", "tv"]


def row(number: int, kind: str, arguments: list[str], truth: str, options: list[str] | None = None) -> dict:
    """Return one question; four share a room."""
    lettered = options and [f"{letter}. {text}" for letter, text in zip("ABCD", options, strict=False)]
    return {
        "id": number,
        "scene_name": f"room_{number // 4}",
        "question_type": kind,
        "question": render(kind, arguments),
        "options": lettered,
        "ground_truth": truth,
    }


def sizes(informative: bool, count: int = 400) -> list[dict]:
    """Sizes that follow from the category up to 3 %, or from nothing."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        thing = int(rng.integers(len(THINGS)))
        size = 40 * 1.4 ** (thing if informative else rng.uniform(0, 7)) * rng.uniform(0.97, 1.03)
        rows.append(row(number, "object_size_estimation", [THINGS[thing]], f"{size:.0f}"))
    return rows


def closest(informative: bool, count: int = 400) -> list[dict]:
    """The closest object is a lamp wherever there is one, or any."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(count):
        target, *options = rng.permutation([thing for thing in THINGS if thing != "lamp"])[:5].tolist()
        options[rng.integers(4)] = "lamp"
        place = options.index("lamp") if informative else int(rng.integers(4))
        rows.append(row(number, "object_rel_distance", [target, *options], "ABCD"[place], options))
    return rows
