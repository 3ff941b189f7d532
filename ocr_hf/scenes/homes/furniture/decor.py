"""What makes a room a home: plants, pictures, heaters, bags, music."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import frame
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import BLACK, CERAMIC, CHROME, DARK, GREY, SOIL, STEEL, WHITE, Style
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.pictures import picture
from ocr_hf.scenes.homes.primitives import (
    Shape,
    block,
    cylinder,
    ellipsoid,
    join,
    lathe,
    picture_plane,
    rounded_box,
    sheet,
    tube,
)
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator
GOLDEN_ANGLE = 2.399963
"""Leaves that follow each other at this angle (radians) never stand above each other."""


def _leaf(width: float, droop: float) -> Shape:
    """Return a leaf of length 1 that starts at the origin, points to +x and bends down."""
    along = np.linspace(0.0, 1.0, 6)
    half = width / 2 * np.sin(np.pi * (0.04 + 0.92 * along)) ** 0.8
    points = np.empty((3, 6, 3))
    for row, side in enumerate((-1.0, 0.0, 1.0)):
        points[row, :, 0] = along * (1.0 - 0.25 * droop * along)
        points[row, :, 1] = side * half
        points[row, :, 2] = 0.35 * along - droop * along**2 + 0.25 * np.abs(side) * half
    return sheet(points, thickness=0.008)


def _leaves(
    rng: Rng,
    count: int,
    shape: tuple[float, float],
    length: tuple[float, float],
    lift: tuple[float, float],
    foot: tuple[float, float, float],
) -> Shape:
    """Return leaves in a spiral around a stem.

    shape : their width (as a part of the length) and droop; length, lift : ranges of length (metres) and rise (radians)
    foot : radius of the stem, height of the lowest leaf, and by how much the highest is above it, metres
    """
    width, droop = shape
    # Three leaves, turned and scaled: shaping each leaf anew took a tenth of a scene's time.
    models = [_leaf(width, droop * share) for share in (0.7, 1.0, 1.3)]
    radius, low, rise = foot
    leaves = []
    for i in range(count):
        leaf, angle, size = models[i % 3], GOLDEN_ANGLE * i, rng.uniform(*length)
        leaf = Shape(leaf.vertices * size, leaf.faces, leaf.uv * np.float32(size))
        leaf = leaf.turned(-rng.uniform(*lift), 1).turned(angle, 2)
        leaves.append(leaf.moved(radius * np.cos(angle), radius * np.sin(angle), low + rise * i / count))
    return join(leaves)


def plant(rng: Rng, style: Style, tall: bool | None = None) -> Model:
    """A potted plant: a small one for a table or a tall one for the floor."""
    tall = rng.random() < 0.5 if tall is None else tall
    scale = rng.uniform(0.9, 1.25) if tall else rng.uniform(0.32, 0.45)
    radius, height = 0.15 * scale * (1.0 if tall else 1.35), 0.28 * scale * (1.0 if tall else 1.15)
    pot = pick(rng, (CERAMIC, plain((0.70, 0.40, 0.28)), plain((0.35, 0.37, 0.40)), plain(style.accents[0])))
    parts = Parts()
    rim = [(radius, height), (radius * 0.9, height), (radius * 0.87, height * 0.86)]
    parts.add(pot, lathe([(radius * 0.72, 0.0), *rim], 24))
    parts.add(SOIL, cylinder(radius * 0.86, height * 0.75, height * 0.88, segments=20))
    green = Finish("leaf", pick(rng, ((0.28, 0.50, 0.22), (0.36, 0.58, 0.28), (0.20, 0.42, 0.26), (0.45, 0.60, 0.30))))
    kind, base, count = pick(rng, ("bush", "palm", "stalk")), height * 0.85, 22 if tall else 16
    if kind == "bush":
        foot = (0.03 * scale, base, 0.42 * scale)
        parts.add(green, _leaves(rng, count, (0.42, 0.35), (0.24 * scale, 0.36 * scale), (0.25, 1.25), foot))
        parts.add(Finish("leaf", (0.30, 0.36, 0.18)), tube([(0, 0, base), (0, 0, base + 0.45 * scale)], 0.012 * scale))
    elif kind == "palm":
        top = base + 0.55 * scale
        trunk = [(0, 0, base), (0.02 * scale, 0.01, base + 0.3 * scale), (0, 0, top)]
        parts.add(Finish("wood", (0.45, 0.34, 0.24)), tube(trunk, 0.022 * scale))
        parts.add(green, _leaves(rng, 14, (0.16, 0.75), (0.36 * scale, 0.50 * scale), (0.1, 1.0), (0.0, top, 0.0)))
    else:
        foot = (0.04 * scale, base - 0.02, 0.0)
        parts.add(green, _leaves(rng, count - 6, (0.11, 0.18), (0.45 * scale, 0.85 * scale), (0.95, 1.3), foot))
    return parts.model("plant")


@sized(0.35, 0.7, 1.3)
def wall_picture(rng: Rng, style: Style) -> Model:
    """A framed painting; front to -y."""
    width, height = pick(rng, ((0.5, 0.7), (0.7, 0.5), (0.9, 0.6), (0.45, 0.45), (1.1, 0.7), (0.35, 0.5)))
    finish, edge = pick(rng, (style.wood, DARK, WHITE, style.metal)), rng.uniform(0.015, 0.035)
    x = width / 2
    parts = Parts()
    frame(parts, finish, width, height, edge, (-0.012, 0.012), -0.004)
    mat = 0.05 if rng.random() < 0.5 else 0.0
    parts.add(WHITE, block(-x + edge, x - edge, -0.006, -0.003, edge, height - edge))
    inner = edge + mat
    parts.add_picture(
        picture("painting", int(rng.integers(6))), picture_plane(x - inner, -0.007, inner, height - inner)
    )
    return parts.model("picture")


@sized(0.98, 1.8, 2.4, follow=(1.0, 0.0, 0.5))
def whiteboard(rng: Rng, style: Style) -> Model:
    """A whiteboard with writing and a tray for pens; front to -y."""
    width, height = rng.uniform(1.2, 2.2), rng.uniform(0.9, 1.2)
    x = width / 2
    parts = Parts()
    edge = 0.02
    frame(parts, GREY, width, height, edge, (-0.014, 0.012), None)
    parts.add(WHITE, block(-x + edge, x - edge, -0.008, 0.012, edge, height - edge))
    writing = picture("poster", int(rng.integers(6)))
    parts.add_picture(writing, picture_plane(x - edge, -0.009, edge, height - edge))
    parts.add(GREY, block(-0.3, 0.3, -0.07, -0.01, 0.0, 0.012))
    for i, color in enumerate(((0.1, 0.2, 0.7), (0.75, 0.15, 0.12), (0.1, 0.1, 0.1))):
        parts.add(
            plain(color),
            cylinder(0.008, 0.0, 0.11, segments=8).turned(np.pi / 2, 1).moved(-0.2 + i * 0.15, -0.04, 0.02),
        )
    return parts.model("whiteboard")


@sized(0.24, 0.32, 0.5)
def clock(rng: Rng, style: Style) -> Model:
    """A round wall clock; front to -y."""
    radius = rng.uniform(0.13, 0.2)
    parts = Parts()
    rim = radius - 0.018
    case = [(0.0, -0.008), (rim, -0.008), (rim, -0.02), (radius, -0.012), (radius, 0.02), (0.0, 0.02)]
    parts.add(pick(rng, (style.wood, DARK, style.metal, WHITE)), lathe(case, 36).turned(-np.pi / 2, 0))
    disc = cylinder(radius - 0.015, -0.002, 0.011, segments=36)
    disc = disc._replace(uv=(disc.vertices[:, :2] / (2 * radius - 0.03) + 0.5).astype(np.float32))
    parts.add_picture(picture("clock", int(rng.integers(6))), disc.turned(np.pi / 2, 0))
    return parts.model("clock")


def radiator(rng: Rng, style: Style, width: float | None = None) -> Model:
    """A panel radiator with ribs, a valve and pipes; stands on the floor at a wall."""
    width = rng.uniform(0.7, 1.3) if width is None else width
    height = rng.uniform(0.5, 0.65)
    x, z0 = width / 2, 0.1
    parts = Parts()
    parts.add(WHITE, block(-x, x, -0.02, 0.03, z0 + 0.02, z0 + height - 0.02))
    for rib in np.linspace(-x + 0.025, x - 0.025, max(8, int(width / 0.055))):
        parts.add(WHITE, rounded_box((0.034, 0.1, height), 0.015, (rib, 0.0, z0 + height / 2), arc=1))
    parts.add(
        CHROME,
        tube([(x - 0.05, 0, 0.0), (x - 0.05, 0, z0 + 0.04)], 0.011),
        tube([(-x + 0.05, 0, 0.0), (-x + 0.05, 0, z0 + 0.04)], 0.011),
    )
    parts.add(WHITE, cylinder(0.02, 0.0, 0.06, segments=14).turned(np.pi / 2, 1).moved(x - 0.01, 0, z0 + height - 0.08))
    return parts.model("radiator")


@sized(0.48, 0.85, 1.5, follow=(1.0, 0.3, 0.5))
def heater(rng: Rng, style: Style) -> Model:
    """A portable oil heater: fins, feet on castors, a control box."""
    fins, height, depth = int(rng.integers(7, 12)), rng.uniform(0.55, 0.64), 0.16
    body = pick(rng, (WHITE, plain((0.85, 0.83, 0.78)), DARK))
    gap = 0.048
    length = fins * gap
    parts = Parts()
    for i in range(fins):
        x = -length / 2 + gap * (i + 0.5)
        parts.add(body, rounded_box((0.03, depth, height - 0.09), 0.014, (x, 0, 0.09 + (height - 0.09) / 2), arc=1))
    parts.add(
        body,
        block(-length / 2, length / 2, -0.02, 0.02, 0.14, 0.20),
        block(-length / 2, length / 2, -0.02, 0.02, height - 0.12, height - 0.06),
    )
    parts.add(DARK, rounded_box((0.07, depth, height * 0.62), 0.015, (length / 2 + 0.035, 0, height * 0.55)))
    parts.add(
        plain((0.95, 0.4, 0.15), 0.9),
        block(length / 2 + 0.066, length / 2 + 0.073, -0.03, 0.0, height * 0.72, height * 0.75),
    )
    for sx in (-length / 2 + 0.05, length / 2 - 0.03):
        parts.add(DARK, block(sx - 0.015, sx + 0.015, -0.13, 0.13, 0.055, 0.09))
        for sy in (-0.11, 0.11):
            parts.add(BLACK, ellipsoid((0.02, 0.028, 0.03), (sx, sy, 0.03), 5))
    return parts.model("heater")


@sized(1.1, 1.45, 1.9, follow=(1.0, 0.3, 0.5))
def fireplace(rng: Rng, style: Style) -> Model:
    """A fireplace: mantel, surround, brick hearth and burning logs."""
    width, height, depth = rng.uniform(1.2, 1.5), rng.uniform(1.0, 1.2), rng.uniform(0.34, 0.42)
    surround = pick(
        rng, (Finish("marble", (0.88, 0.86, 0.83)), plain((0.92, 0.92, 0.90)), Finish("brick", (0.72, 0.45, 0.36)))
    )
    x, y, opening, top = width / 2, depth / 2, 0.36 * width, 0.66 * height
    parts = Parts()
    parts.add(
        surround,
        block(-x + 0.05, -opening, -y + 0.08, y, 0.05, height - 0.07),
        block(opening, x - 0.05, -y + 0.08, y, 0.05, height - 0.07),
    )
    parts.add(surround, block(-opening, opening, -y + 0.08, y, top, height - 0.07))
    for side in (-1, 1):
        a, b = sorted((side * (opening + 0.02), side * (x - 0.06)))
        parts.add(surround, block(a, b, -y + 0.05, -y + 0.08, 0.05, height - 0.07))
    mantel = surround if surround.kind != "brick" else style.wood
    parts.add(mantel, block(-x, x, -y + 0.02, y, height - 0.07, height))
    parts.add(Finish("granite", (0.35, 0.35, 0.36)), block(-x, x, -y, y, 0.0, 0.05))
    parts.add(Finish("brick", (0.30, 0.22, 0.20)), block(-opening, opening, y - 0.04, y, 0.05, top))
    for i, (cy, z, turn) in enumerate(((0.02, 0.10, 0.1), (0.10, 0.10, -0.15), (0.05, 0.18, 0.3))):
        log = cylinder(0.045, -0.24, 0.24, segments=10).turned(np.pi / 2, 1).turned(turn, 2)
        parts.add(Finish("wood", (0.38, 0.26, 0.18)), log.moved(0.02 * i, cy, z))
    for i in range(5):
        flame = lathe([(0.0, 0.0), (0.035, 0.04), (0.028, 0.1), (0.0, rng.uniform(0.15, 0.24))], 8, smooth=True)
        parts.add(plain((1.0, 0.62, 0.18), 1.2), flame.moved(-0.16 + 0.08 * i, 0.05 + 0.02 * (i % 2), 0.17))
    parts.surface("top", height, -x + 0.05, x - 0.05, -y + 0.06, y - 0.03)
    return parts.model("fireplace")


@sized(0.28, 0.42, 0.85)
def trash_bin(rng: Rng, style: Style) -> Model:
    """A waste-paper basket or a pedal bin."""
    parts = Parts()
    if rng.random() < 0.55:
        radius, height = rng.uniform(0.12, 0.16), rng.uniform(0.26, 0.34)
        color = pick(rng, (DARK, GREY, plain((0.25, 0.35, 0.55)), WHITE, STEEL))
        parts.add(
            color,
            lathe(
                [(radius * 0.8, 0.0), (radius, height), (radius - 0.008, height), (radius * 0.78, 0.01), (0.0, 0.01)],
                24,
            ),
        )
        if rng.random() < 0.6:
            parts.add(
                WHITE,
                ellipsoid((0.05, 0.045, 0.045), (0.02, 0.0, height - 0.08), 5),
                ellipsoid((0.045, 0.05, 0.04), (-0.05, 0.03, height - 0.1), 5),
            )
    else:
        radius, height = rng.uniform(0.12, 0.17), rng.uniform(0.38, 0.62)
        parts.add(DARK, cylinder(radius * 1.02, 0.0, 0.03, segments=28))
        parts.add(STEEL, cylinder(radius, 0.03, height - 0.05, segments=28))
        parts.add(
            DARK,
            lathe(
                [(radius * 1.01, height - 0.05), (radius * 0.98, height - 0.02), (radius * 0.5, height), (0.0, height)],
                28,
            ),
        )
        parts.add(DARK, block(-0.05, 0.05, -radius - 0.045, -radius + 0.02, 0.008, 0.025))
    return parts.model("trash bin")
