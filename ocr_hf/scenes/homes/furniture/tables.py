"""Tables, desks, nightstands."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import fronts, legs
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import DARK, STEEL, Style
from ocr_hf.scenes.homes.materials import plain
from ocr_hf.scenes.homes.primitives import block, cylinder, lathe, rounded_box, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator


@sized(0.85, 1.35, 2.1, follow=(1.0, 0.5, 0.1))
def dining_table(rng: Rng, style: Style, width: float | None = None) -> Model:
    """A rectangular table to eat or meet at."""
    width = rng.uniform(1.1, 1.9) if width is None else width
    depth, height, top = rng.uniform(0.75, 0.95), rng.uniform(0.72, 0.76), rng.uniform(0.025, 0.045)
    parts = Parts()
    parts.add(style.wood, block(-width / 2, width / 2, -depth / 2, depth / 2, height - top, height))
    if rng.random() < 0.7:
        thickness = rng.uniform(0.05, 0.08)
        kind = pick(rng, ("square", "tapered", "square"))
        legs(parts, pick(rng, (style.wood, style.paint)), width - 0.06, depth - 0.06, height - top, thickness, kind)
        for y in (-1, 1):
            mid = y * (depth / 2 - 0.06)
            parts.add(
                style.wood,
                block(-width / 2 + 0.06, width / 2 - 0.06, mid - 0.012, mid + 0.012, height - top - 0.08, height - top),
            )
        for x in (-1, 1):
            mid = x * (width / 2 - 0.06)
            parts.add(
                style.wood,
                block(mid - 0.012, mid + 0.012, -depth / 2 + 0.06, depth / 2 - 0.06, height - top - 0.08, height - top),
            )
    else:
        for x in (-width / 2 + 0.18, width / 2 - 0.18):
            foot, reach = height - top, depth / 2 - 0.05
            parts.add(
                DARK, tube([(x, -reach, 0.02), (x, -reach * 0.6, foot), (x, reach * 0.6, foot), (x, reach, 0.02)], 0.02)
            )
    parts.surface("table", height, -width / 2 + 0.04, width / 2 - 0.04, -depth / 2 + 0.04, depth / 2 - 0.04)
    return parts.model("table")


@sized(0.6, 0.9, 1.35, follow=(1.0, 1.0, 0.1))
def round_table(rng: Rng, style: Style) -> Model:
    """A round table on one foot."""
    radius, height = rng.uniform(0.42, 0.60), rng.uniform(0.71, 0.76)
    top, foot = pick(rng, ((style.wood, style.wood), (style.wood, DARK), (plain((0.92, 0.92, 0.9)), STEEL)))
    parts = Parts()
    parts.add(top, lathe([(radius - 0.01, height - 0.03), (radius, height - 0.02), (radius, height)], 40))
    profile = [
        (radius * 0.55, 0.0),
        (radius * 0.55, 0.02),
        (0.07, 0.06),
        (0.04, 0.12),
        (0.04, height - 0.1),
        (0.12, height - 0.03),
    ]
    parts.add(foot, lathe(profile, 28))
    # Half the side of a square within the round top: below radius / sqrt(2).
    inside = radius * 0.66
    parts.surface("table", height, -inside, inside, -inside, inside)
    return parts.model("table")


@sized(0.55, 0.9, 1.4, follow=(1.0, 0.7, 0.2))
def coffee_table(rng: Rng, style: Style) -> Model:
    """A low table for in front of a sofa, often with a shelf."""
    width, depth, height = rng.uniform(0.8, 1.2), rng.uniform(0.48, 0.65), rng.uniform(0.36, 0.46)
    parts = Parts()
    finish = pick(rng, (style.wood, style.second_wood))
    top = 0.03
    parts.add(finish, rounded_box((width, depth, top), 0.01, (0, 0, height - top / 2)))
    legs(
        parts,
        pick(rng, (finish, style.metal)),
        width - 0.05,
        depth - 0.05,
        height - top,
        0.045,
        pick(rng, ("square", "tapered")),
    )
    if rng.random() < 0.6:
        parts.add(finish, block(-width / 2 + 0.04, width / 2 - 0.04, -depth / 2 + 0.04, depth / 2 - 0.04, 0.12, 0.14))
    parts.surface("table", height, -width / 2 + 0.03, width / 2 - 0.03, -depth / 2 + 0.03, depth / 2 - 0.03)
    return parts.model("table")


@sized(0.95, 1.35, 1.9, follow=(1.0, 0.3, 0.1))
def desk(rng: Rng, style: Style, width: float | None = None) -> Model:
    """A desk with a drawer block on one side and a panel or legs on the other."""
    width = rng.uniform(1.15, 1.6) if width is None else width
    depth, height, top = rng.uniform(0.60, 0.75), rng.uniform(0.72, 0.76), 0.03
    body = pick(rng, (style.wood, style.paint))
    parts = Parts()
    parts.add(style.wood, block(-width / 2, width / 2, -depth / 2, depth / 2, height - top, height))
    x0, x1 = -width / 2 + 0.02, width / 2 - 0.02
    block_side = pick(rng, (-1, 1))
    drawers = 0.40
    a, b = (x0, x0 + drawers) if block_side < 0 else (x1 - drawers, x1)
    parts.add(body, block(a, b, -depth / 2 + 0.05, depth / 2 - 0.02, 0.03, height - top))
    fronts(
        parts,
        body,
        style.metal,
        (a, b),
        (0.04, height - top - 0.005),
        -depth / 2 + 0.05,
        3,
        1,
        pick(rng, ("bar", "knob")),
    )
    c, d = (x1 - 0.03, x1) if block_side < 0 else (x0, x0 + 0.03)
    if rng.random() < 0.5:
        parts.add(body, block(c, d, -depth / 2 + 0.03, depth / 2 - 0.02, 0.0, height - top))
    else:
        for y in (-depth / 2 + 0.06, depth / 2 - 0.06):
            parts.add(style.metal, cylinder(0.022, 0.0, height - top, (c + d) / 2 - block_side * -0.01, y))
    parts.add(body, block(x0 + 0.02, x1 - 0.02, depth / 2 - 0.05, depth / 2 - 0.03, height * 0.55, height - top))
    parts.surface("desk", height, -width / 2 + 0.03, width / 2 - 0.03, -depth / 2 + 0.03, depth / 2 - 0.03)
    return parts.model("desk")


@sized(0.38, 0.56, 0.86, follow=(0.6, 0.3, 1.0))
def nightstand(rng: Rng, style: Style) -> Model:
    """A small chest beside a bed."""
    width, depth, height = rng.uniform(0.40, 0.52), rng.uniform(0.36, 0.44), rng.uniform(0.46, 0.58)
    body = pick(rng, (style.wood, style.paint))
    parts = Parts()
    foot = pick(rng, (0.02, 0.14))
    legs(parts, style.wood, width - 0.04, depth - 0.04, foot + 0.02, 0.035, "tapered")
    parts.add(body, block(-width / 2 + 0.01, width / 2 - 0.01, -depth / 2 + 0.02, depth / 2, foot, height - 0.02))
    parts.add(body, block(-width / 2, width / 2, -depth / 2, depth / 2, height - 0.02, height))
    rows = int(rng.integers(1, 4))
    fronts(
        parts,
        body,
        style.metal,
        (-width / 2 + 0.015, width / 2 - 0.015),
        (foot + 0.01, height - 0.025),
        -depth / 2 + 0.02,
        rows,
        1,
        "knob",
    )
    parts.surface("nightstand", height, -width / 2 + 0.03, width / 2 - 0.03, -depth / 2 + 0.04, depth / 2 - 0.03)
    return parts.model("nightstand")
