"""What fills the holes in walls: doors, windows, curtains."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import frame
from ocr_hf.scenes.homes.furniture.style import WHITE, Style
from ocr_hf.scenes.homes.materials import Finish
from ocr_hf.scenes.homes.pictures import picture
from ocr_hf.scenes.homes.primitives import block, cylinder, picture_plane, sheet, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator


def door(rng: Rng, style: Style, width: float, height: float) -> Model:
    """A door leaf with panels and a handle on both sides."""
    finish = pick(rng, (WHITE, WHITE, style.wood))
    thickness, parts = 0.04, Parts()
    half = thickness / 2
    parts.add(finish, block(-width / 2, width / 2, -half, half, 0.008, height))
    rows = pick(rng, ((0.12, 0.92, 1.06, 1.9), (0.12, 0.62, 0.74, 1.24, 1.36, 1.9), ()))
    columns = pick(rng, (1, 2))
    for z0, z1 in zip(rows[::2], rows[1::2], strict=True):
        step = (width - 0.22) / columns
        for i in range(columns):
            x0 = -width / 2 + 0.11 + i * step + 0.02
            parts.add(finish, block(x0, x0 + step - 0.04, -half - 0.008, half + 0.008, z0, min(z1, height - 0.1)))
    x = width / 2 - 0.06
    for side in (-1, 1):
        y = side * half
        parts.add(style.metal, cylinder(0.025, 0.0, 0.008, segments=14).turned(side * -np.pi / 2, 0).moved(x, y, 1.02))
        parts.add(
            style.metal, tube([(x, y, 1.02), (x, y + side * 0.04, 1.02), (x - 0.11, y + side * 0.042, 1.02)], 0.009)
        )
    return parts.model("door")


def window(rng: Rng, style: Style, width: float, height: float) -> Model:
    """A window frame with panes that show daylight and what is outside; front to -y."""
    edge, half = 0.05, 0.03
    parts = Parts()
    frame(parts, WHITE, width, height, edge, (-half, half), None)
    inner = width / 2 - edge
    sashes = 1 if width < 0.85 else 2 if width < 1.5 else 3
    for i in range(1, sashes):
        middle = -width / 2 + width * i / sashes
        parts.add(WHITE, block(middle - edge / 2, middle + edge / 2, -half, half, edge, height - edge))
    parts.add(WHITE, block(-inner, inner, 0.005, 0.02, edge, height - edge))
    view = picture("outdoors", int(rng.integers(6)), emission=0.9)
    parts.add_picture(view, picture_plane(inner, 0.004, edge, height - edge))
    return parts.model("window")


def curtain(rng: Rng, style: Style, width: float, height: float) -> Model:
    """One gathered curtain hanging in folds, front to -y."""
    finish = Finish(
        pick(rng, ("fabric", "stripes", "fabric")),
        pick(rng, ((0.92, 0.90, 0.86), style.accents[1], style.second_cloth.color)),
    )
    folds = max(3, int(width / 0.09))
    u = np.linspace(0.0, 1.0, 6 * folds + 1)
    wave = 0.022 * np.sin(2 * np.pi * folds * u)
    points = np.empty((4, len(u), 3))
    for row, z in enumerate(np.linspace(0.0, height, 4)):
        spread = 1.0 + 0.03 * np.cos(np.pi * row / 3)
        # Row 0 is at the floor, where the folds are deepest.
        points[row] = np.stack([(u - 0.5) * width * spread, wave * (1.2 - 0.15 * row), np.full_like(u, z)], axis=1)
    parts = Parts()
    parts.add(finish, sheet(points, thickness=0.006))
    return parts.model("curtain")
