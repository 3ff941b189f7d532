"""The style of one home: which woods, cloths and metals its furniture shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.scenes.homes.materials import Color, Finish, plain
from ocr_hf.scenes.randomness import pick

WOODS = (
    Finish("wood", (0.80, 0.62, 0.42)),  # oak
    Finish("wood", (0.90, 0.78, 0.60)),  # birch
    Finish("wood", (0.72, 0.50, 0.32)),  # cherry
    Finish("walnut", (0.52, 0.36, 0.24)),
    Finish("walnut", (0.36, 0.25, 0.18)),  # wenge
    Finish("walnut", (0.66, 0.48, 0.33)),
)
PAINTS = (
    (0.93, 0.93, 0.91),
    (0.86, 0.86, 0.82),
    (0.42, 0.50, 0.48),
    (0.30, 0.38, 0.50),
    (0.72, 0.76, 0.72),
    (0.25, 0.26, 0.28),
)
CLOTHS = (
    (0.55, 0.56, 0.58),
    (0.34, 0.37, 0.42),
    (0.80, 0.76, 0.68),
    (0.28, 0.36, 0.50),
    (0.46, 0.55, 0.46),
    (0.70, 0.60, 0.50),
    (0.62, 0.36, 0.30),
    (0.40, 0.30, 0.28),
    (0.25, 0.42, 0.44),
)
ACCENTS = (
    (0.80, 0.35, 0.25),
    (0.88, 0.68, 0.25),
    (0.20, 0.45, 0.55),
    (0.35, 0.55, 0.35),
    (0.60, 0.30, 0.45),
    (0.90, 0.88, 0.84),
    (0.25, 0.30, 0.55),
    (0.85, 0.55, 0.45),
    (0.20, 0.20, 0.22),
    (0.55, 0.70, 0.75),
)
STONES = (
    Finish("marble", (0.92, 0.91, 0.89)),
    Finish("granite", (0.38, 0.38, 0.40)),
    Finish("granite", (0.72, 0.69, 0.64)),
    Finish("wood", (0.74, 0.55, 0.36)),
)

WHITE = plain((0.93, 0.93, 0.93))
CERAMIC = plain((0.95, 0.95, 0.94))
BLACK = plain((0.07, 0.07, 0.08))
DARK = plain((0.17, 0.17, 0.18))
GREY = plain((0.55, 0.56, 0.57))
STEEL = Finish("brushed", (0.74, 0.75, 0.77))
CHROME = plain((0.80, 0.81, 0.83))
BRASS = Finish("brushed", (0.78, 0.64, 0.36))
SOIL = Finish("carpet", (0.25, 0.18, 0.13))


@dataclass(frozen=True)
class Style:
    """Finishes that a home's furniture is made of."""

    wood: Finish
    second_wood: Finish
    paint: Finish
    cloth: Finish
    second_cloth: Finish
    metal: Finish
    stone: Finish
    appliance: Finish
    accents: tuple[Color, ...]


def sample_style(rng: np.random.Generator) -> Style:
    """Sample the style of one home."""
    cloth_kind = pick(rng, ("fabric", "fabric", "leather"))
    order = rng.permutation(len(CLOTHS))
    return Style(
        wood=pick(rng, WOODS),
        second_wood=pick(rng, WOODS),
        paint=plain(pick(rng, PAINTS)),
        cloth=Finish(cloth_kind, CLOTHS[order[0]]),
        second_cloth=Finish("fabric", CLOTHS[order[1]]),
        metal=pick(rng, (CHROME, DARK, STEEL, BRASS)),
        stone=pick(rng, STONES),
        # Options that are listed twice are twice as likely, here and in all of the furniture.
        appliance=pick(rng, (WHITE, STEEL, STEEL, plain((0.20, 0.21, 0.22)))),
        accents=tuple(ACCENTS[i] for i in rng.permutation(len(ACCENTS))[:4]),
    )
