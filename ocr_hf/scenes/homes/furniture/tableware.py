"""Small kitchen things: kettles, cups, bowls, pans, bottles."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import BLACK, DARK, STEEL, WHITE, Style
from ocr_hf.scenes.homes.materials import plain
from ocr_hf.scenes.homes.primitives import block, cylinder, lathe, rounded_box, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator


@sized(0.17, 0.25, 0.34)
def kettle(rng: Rng, style: Style) -> Model:
    """An electric kettle with spout, lid and handle."""
    height, radius = rng.uniform(0.19, 0.23), rng.uniform(0.07, 0.085)
    body = pick(rng, (STEEL, WHITE, DARK, plain(style.accents[0])))
    parts = Parts()
    parts.add(DARK, cylinder(radius * 1.05, 0.0, 0.018, segments=24))
    parts.add(
        body,
        lathe(
            [(radius, 0.018), (radius * 1.02, 0.05), (radius * 0.78, height * 0.92), (radius * 0.7, height * 0.93)], 24
        ),
    )
    parts.add(
        DARK,
        lathe(
            [
                (radius * 0.66, height * 0.93),
                (radius * 0.5, height * 0.98),
                (0.012, height),
                (0.012, height + 0.015),
                (0.0, height + 0.015),
            ],
            20,
        ),
    )
    parts.add(body, tube([(-radius * 0.7, 0, height * 0.74), (-radius * 1.35, 0, height * 0.92)], 0.018))
    parts.add(
        DARK,
        tube(
            [
                (radius * 0.75, 0, height * 0.88),
                (radius * 1.6, 0, height * 0.85),
                (radius * 1.65, 0, height * 0.3),
                (radius * 0.95, 0, height * 0.2),
            ],
            0.011,
        ),
    )
    return parts.model("kettle")


@sized(0.075, 0.11, 0.165)
def cup(rng: Rng, style: Style) -> Model:
    """A mug with a handle, hollow."""
    height, radius = rng.uniform(0.085, 0.11), rng.uniform(0.038, 0.047)
    glaze = plain(pick(rng, ((0.95, 0.95, 0.93), *style.accents)))
    wall = 0.004
    parts = Parts()
    parts.add(
        glaze,
        lathe(
            [
                (radius * 0.92, 0.0),
                (radius, height * 0.2),
                (radius, height),
                (radius - wall, height),
                (radius - wall, wall),
                (0.0, wall),
            ],
            20,
        ),
    )
    parts.add(
        glaze,
        tube(
            [
                (radius - 0.002, 0, height * 0.8),
                (radius + 0.026, 0, height * 0.72),
                (radius + 0.026, 0, height * 0.35),
                (radius - 0.002, 0, height * 0.24),
            ],
            0.005,
            6,
        ),
    )
    return parts.model("cup")


@sized(0.14, 0.22, 0.34)
def bowl(rng: Rng, style: Style) -> Model:
    """A bowl, sometimes with fruit."""
    radius, height = rng.uniform(0.10, 0.14), rng.uniform(0.06, 0.085)
    glaze = plain(pick(rng, ((0.94, 0.93, 0.90), *style.accents)))
    wall = 0.006
    rise = np.linspace(0.0, 1.0, 5)
    outside = [(radius * (0.4 + 0.6 * np.sin(r * np.pi / 2)), height * r) for r in rise]
    inside = [(max(r - wall, 0.0), max(z, wall)) for r, z in outside[::-1]]
    parts = Parts()
    parts.add(glaze, lathe([*outside, *inside, (0.0, wall)], 24))
    if rng.random() < 0.6:
        for i in range(4):
            angle = i * np.pi / 2 + 0.3
            color = pick(rng, ((0.80, 0.25, 0.15), (0.90, 0.60, 0.15), (0.55, 0.70, 0.20)))
            fruit = lathe([(0.0, -0.035), (0.024, -0.026), (0.036, 0.0), (0.024, 0.026), (0.0, 0.033)], 12, smooth=True)
            parts.add(plain(color), fruit.moved(0.045 * np.cos(angle), 0.045 * np.sin(angle), height - 0.005))
    return parts.model("bowl")


@sized(0.33, 0.42, 0.52)
def pan(rng: Rng, style: Style) -> Model:
    """A frying pan with a long handle (towards -y), or a pot."""
    radius = rng.uniform(0.11, 0.14)
    height = 0.05
    metal = pick(rng, (DARK, STEEL))
    parts = Parts()
    parts.add(
        metal,
        lathe(
            [(radius * 0.85, 0.0), (radius, height), (radius - 0.005, height), (radius * 0.84, 0.006), (0.0, 0.006)], 24
        ),
    )
    parts.add(
        BLACK,
        tube(
            [
                (0, -radius + 0.004, height * 0.8),
                (0, -radius - 0.06, height + 0.02),
                (0, -radius - 0.19, height + 0.025),
            ],
            0.011,
        ),
    )
    return parts.model("pan")


@sized(0.24, 0.38, 0.56, follow=(1.0, 1.0, 0.3))
def cutting_board(rng: Rng, style: Style) -> Model:
    """A wooden board lying flat."""
    width, depth = rng.uniform(0.32, 0.44), rng.uniform(0.22, 0.29)
    parts = Parts()
    parts.add(style.wood, rounded_box((width, depth, 0.022), 0.009, (0, 0, 0.011)))
    parts.add(style.second_wood, block(-width / 2 + 0.02, -width / 2 + 0.03, -0.05, 0.05, 0.02, 0.0235))
    return parts.model("cutting board")


@sized(0.17, 0.26, 0.38)
def bottle(rng: Rng, style: Style) -> Model:
    """A bottle with a label."""
    radius, height = rng.uniform(0.034, 0.042), rng.uniform(0.22, 0.31)
    glass = plain(pick(rng, ((0.18, 0.35, 0.20), (0.40, 0.22, 0.10), (0.70, 0.82, 0.85), (0.55, 0.15, 0.15))))
    parts = Parts()
    profile = [
        (radius, 0.0),
        (radius, height * 0.58),
        (radius * 0.9, height * 0.66),
        (0.014, height * 0.8),
        (0.014, height * 0.96),
    ]
    parts.add(glass, lathe(profile, 18, smooth=True))
    # The label is 0.8 mm proud of the glass: faces that coincide flicker.
    parts.add(plain((0.92, 0.90, 0.84)), cylinder(radius + 0.0008, height * 0.2, height * 0.46, segments=18))
    parts.add(DARK, cylinder(0.0155, height * 0.94, height))
    return parts.model("bottle")
