"""Things that hold things: bookshelves, cabinets, closets, racks, boxes."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import books, fronts, legs
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import DARK, Style
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.primitives import block, cylinder, lathe, rounded_box, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator


@sized(0.85, 1.7, 2.2, follow=(0.4, 0.1, 1.0))
def bookshelf(rng: Rng, style: Style) -> Model:
    """An open shelf, half full of books."""
    width, depth, height = rng.uniform(0.7, 1.2), rng.uniform(0.28, 0.36), rng.uniform(1.3, 2.05)
    wood, board = pick(rng, (style.wood, style.second_wood, style.paint)), 0.022
    parts = Parts()
    x, y = width / 2, depth / 2
    parts.add(
        wood, block(-x, -x + board, -y, y, 0.0, height), block(x - board, x, -y, y, 0.0, height),
        block(-x + board, x - board, y - 0.01, y, 0.0, height),
    )  # fmt: skip
    levels = np.linspace(0.06, height - board, max(4, round(height / 0.36)))
    for z in levels:
        parts.add(wood, block(-x + board, x - board, -y, y - 0.01, z, z + board))
    parts.add(wood, block(-x + board, x - board, -y + 0.02, -y + 0.04, 0.0, 0.06))
    for z, above in zip(levels[:-1], levels[1:], strict=True):
        clearance = above - z - board
        filled = rng.uniform(0.25, 1.0) if rng.random() < 0.85 else 0.0
        end = -x + board + filled * (width - 2 * board)
        if filled:
            books(parts, rng, -x + board + 0.01, end, -y + 0.02, depth - 0.08, z + board, clearance)
        # Less than 15 cm beside the books is no place for anything.
        if x - board - end > 0.15:
            parts.surface("shelf", z + board, end + 0.02, x - board - 0.01, -y + 0.02, y - 0.03, clearance - 0.01)
    parts.surface("top", height, -x + 0.01, x - 0.01, -y + 0.02, y - 0.01)
    return parts.model("bookshelf")


@sized(0.7, 1.2, 1.9, follow=(1.0, 0.2, 0.3))
def sideboard(rng: Rng, style: Style, width: float | None = None) -> Model:
    """A low cabinet with doors or drawers, as for under a television."""
    width = rng.uniform(1.2, 1.8) if width is None else width
    depth, height = rng.uniform(0.38, 0.46), rng.uniform(0.45, 0.72)
    body = pick(rng, (style.wood, style.second_wood, style.paint))
    front = pick(rng, (body, style.paint))
    foot = rng.uniform(0.05, 0.16)
    parts = Parts()
    legs(parts, pick(rng, (style.wood, style.metal)), width - 0.1, depth - 0.08, foot + 0.01, 0.035, "tapered")
    x, y = width / 2, depth / 2
    parts.add(body, block(-x, x, -y + 0.018, y, foot, height - 0.022), block(-x, x, -y, y, height - 0.022, height))
    columns, rows = int(rng.integers(2, 5)), pick(rng, (1, 1, 2, 3))
    fronts(
        parts,
        front,
        style.metal,
        (-x + 0.01, x - 0.01),
        (foot + 0.01, height - 0.026),
        -y + 0.018,
        rows,
        columns,
        pick(rng, ("bar", "knob", "none")),
    )
    parts.surface("top", height, -x + 0.01, x - 0.01, -y + 0.02, y - 0.01)
    return parts.model("cabinet")


@sized(0.65, 0.95, 1.5, follow=(1.0, 0.2, 0.4))
def dresser(rng: Rng, style: Style) -> Model:
    """A chest of drawers."""
    width, depth, height = rng.uniform(0.8, 1.3), rng.uniform(0.42, 0.5), rng.uniform(0.75, 1.15)
    body = pick(rng, (style.wood, style.second_wood, style.paint))
    x, y, foot = width / 2, depth / 2, 0.07
    parts = Parts()
    parts.add(body, block(-x, x, -y + 0.018, y, foot, height - 0.025), block(-x, x, -y, y, height - 0.025, height))
    parts.add(body, block(-x + 0.04, x - 0.04, -y + 0.06, y, 0.0, foot))
    rows = round((height - 0.1) / 0.22)
    fronts(
        parts,
        body,
        style.metal,
        (-x + 0.01, x - 0.01),
        (foot + 0.01, height - 0.03),
        -y + 0.018,
        rows,
        2 if width > 0.95 else 1,
        pick(rng, ("bar", "knob")),
    )
    parts.surface("top", height, -x + 0.01, x - 0.01, -y + 0.02, y - 0.01)
    return parts.model("cabinet")


@sized(0.5, 0.75, 1.3, follow=(0.3, 0.1, 1.0))
def filing_cabinet(rng: Rng, style: Style) -> Model:
    """A steel office cabinet with drawers."""
    width, depth, height = rng.uniform(0.4, 0.8), rng.uniform(0.45, 0.55), pick(rng, (0.72, 1.05, 1.32))
    steel = plain(pick(rng, ((0.70, 0.71, 0.72), (0.35, 0.37, 0.40), (0.86, 0.86, 0.84), (0.45, 0.55, 0.62))))
    x, y = width / 2, depth / 2
    parts = Parts()
    parts.add(
        steel, block(-x, x, -y + 0.018, y, 0.03, height), block(-x + 0.03, x - 0.03, -y + 0.05, y - 0.03, 0.0, 0.03)
    )
    fronts(parts, steel, DARK, (-x + 0.008, x - 0.008), (0.035, height - 0.01), -y + 0.018, round(height / 0.34), 1)
    parts.surface("top", height, -x + 0.01, x - 0.01, -y + 0.02, y - 0.01)
    return parts.model("cabinet")


@sized(1.3, 1.9, 2.3, follow=(0.6, 0.1, 1.0))
def closet(rng: Rng, style: Style) -> Model:
    """A wardrobe with two to four tall doors, one of them sometimes a mirror."""
    columns = int(rng.integers(2, 5))
    width, depth, height = columns * rng.uniform(0.44, 0.54), rng.uniform(0.55, 0.63), rng.uniform(1.9, 2.25)
    body = pick(rng, (style.wood, style.second_wood, style.paint))
    x, y = width / 2, depth / 2
    parts = Parts()
    parts.add(
        body, block(-x, x, -y + 0.02, y, 0.06, height - 0.03), block(-x + 0.02, x - 0.02, -y + 0.05, y, 0.0, 0.06)
    )
    parts.add(body, block(-x - 0.01, x + 0.01, -y, y, height - 0.03, height))
    split = pick(rng, (0.0, 0.0, 0.42))
    if split:
        fronts(
            parts, body, style.metal, (-x + 0.005, x - 0.005), (0.07, split), -y + 0.02, 2, max(1, columns // 2), "bar"
        )
    fronts(
        parts,
        body,
        style.metal,
        (-x + 0.005, x - 0.005),
        (max(0.07, split), height - 0.035),
        -y + 0.02,
        1,
        columns,
        "bar",
    )
    parts.surface("top", height, -x + 0.05, x - 0.05, -y + 0.05, y - 0.05, 0.6)
    return parts.model("closet")


@sized(0.5, 0.75, 1.2, follow=(1.0, 0.1, 0.5))
def shoe_rack(rng: Rng, style: Style) -> Model:
    """Two or three slatted boards for shoes."""
    width, depth = rng.uniform(0.6, 0.9), rng.uniform(0.28, 0.33)
    tiers = int(rng.integers(2, 4))
    gap, wood = rng.uniform(0.20, 0.24), pick(rng, (style.wood, DARK))
    height = (tiers - 1) * gap + 0.14
    parts = Parts()
    x, y = width / 2, depth / 2
    for sx in (-x, x - 0.025):
        for sy in (-y, y - 0.025):
            parts.add(wood, block(sx, sx + 0.025, sy, sy + 0.025, 0.0, height))
    for tier in range(tiers):
        z = 0.10 + tier * gap
        for i in range(5):
            y0 = -y + 0.005 + i * (depth - 0.01) / 5
            parts.add(wood, block(-x + 0.025, x - 0.025, y0, y0 + (depth - 0.01) / 5 - 0.018, z, z + 0.018))
        clearance = gap - 0.03 if tier < tiers - 1 else 1.0
        parts.surface("shoes", z + 0.018, -x + 0.03, x - 0.03, -y + 0.01, y - 0.01, clearance)
    return parts.model("shoe rack")


@sized(1.05, 1.6, 1.95)
def coat_rack(rng: Rng, style: Style) -> Model:
    """A standing rack: a pole, hooks around its top, three feet, sometimes a coat."""
    height, wood = rng.uniform(1.65, 1.85), pick(rng, (style.wood, DARK))
    parts = Parts()
    parts.add(wood, cylinder(0.022, 0.06, height, top=0.018, segments=12))
    for i in range(4):
        angle = i * np.pi / 2 + 0.4
        dx, dy = np.cos(angle), np.sin(angle)
        parts.add(wood, tube([(0, 0, 0.2), (0.1 * dx, 0.1 * dy, 0.1), (0.23 * dx, 0.23 * dy, 0.016)], 0.016, 8))
        for z, reach in ((height - 0.08, 0.15), (height - 0.35, 0.11)):
            turn = angle if z > height - 0.2 else angle + np.pi / 4
            ux, uy = np.cos(turn), np.sin(turn)
            parts.add(
                wood,
                tube(
                    [
                        (0, 0, z - 0.05),
                        (reach * 0.7 * ux, reach * 0.7 * uy, z - 0.03),
                        (reach * ux, reach * uy, z + 0.05),
                    ],
                    0.01,
                    6,
                ),
            )
    if rng.random() < 0.6:
        color = pick(rng, style.accents)
        coat = [
            (0.14, height - 1.05),
            (0.13, height - 0.7),
            (0.11, height - 0.4),
            (0.07, height - 0.2),
            (0.02, height - 0.12),
        ]
        shape = lathe(coat, 14, smooth=True)
        shape = shape._replace(vertices=shape.vertices * (1.0, 0.55, 1.0))
        parts.add(Finish("fabric", color), shape.turned(0.4).moved(0.09, 0.04))
    return parts.model("coat rack")


@sized(0.26, 0.4, 0.64)
def basket(rng: Rng, style: Style) -> Model:
    """A woven basket, open at the top."""
    radius, height = rng.uniform(0.15, 0.22), rng.uniform(0.22, 0.40)
    wicker = Finish("wicker", pick(rng, ((0.75, 0.58, 0.38), (0.55, 0.40, 0.26), (0.85, 0.78, 0.66))))
    parts = Parts()
    bottom = radius * 0.82
    parts.add(
        wicker,
        lathe([(bottom, 0.0), (radius, height), (radius - 0.015, height), (bottom - 0.015, 0.02), (0.0, 0.02)], 24),
    )
    for side in (-1, 1):
        x = side * (radius - 0.008)
        parts.add(
            wicker,
            tube(
                [
                    (x, -0.05, height - 0.01),
                    (x, -0.035, height + 0.05),
                    (x, 0.035, height + 0.05),
                    (x, 0.05, height - 0.01),
                ],
                0.008,
                6,
            ),
        )
    if rng.random() < 0.5:
        parts.add(
            Finish("fabric", pick(rng, style.accents)),
            rounded_box((1.3 * radius, 1.3 * radius, 0.1), 0.045, (0, 0, height - 0.07)),
        )
    return parts.model("basket")


@sized(0.28, 0.42, 0.62)
def crate(rng: Rng, style: Style) -> Model:
    """A slatted wooden crate or a plastic one, open at the top."""
    width, depth, height = rng.uniform(0.36, 0.5), rng.uniform(0.28, 0.36), rng.uniform(0.22, 0.30)
    finish = pick(rng, (style.second_wood, plain(style.accents[1]), plain((0.35, 0.45, 0.55))))
    x, y, wall = width / 2, depth / 2, 0.012
    parts = Parts()
    parts.add(finish, block(-x, x, -y, y, 0.0, wall))
    slat = (height - wall) / 3
    for i in range(3):
        z0 = wall + i * slat + 0.01
        z1 = z0 + slat - 0.018
        parts.add(finish, block(-x, x, -y, -y + wall, z0, z1), block(-x, x, y - wall, y, z0, z1))
        parts.add(finish, block(-x, -x + wall, -y, y, z0, z1), block(x - wall, x, -y, y, z0, z1))
    for sx in (-x + wall, x - wall - 0.02):
        for sy in (-y + wall, y - wall - 0.02):
            parts.add(finish, block(sx, sx + 0.02, sy, sy + 0.02, wall, height))
    return parts.model("crate")
