"""Pieces that many kinds of furniture share: legs, fronts with handles, books."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Parts
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.primitives import Shape, block, cylinder, tube
from ocr_hf.scenes.randomness import pick

GAP_M = 0.004
"""Gap between drawer fronts."""


def legs(parts: Parts, finish: Finish, width: float, depth: float, height: float, thickness: float, kind: str) -> None:
    """Add four legs at the corners of a width x depth footprint; kind is "square", "round" or "tapered"."""
    x, y = width / 2.0 - thickness / 2.0, depth / 2.0 - thickness / 2.0
    for sx in (-x, x):
        for sy in (-y, y):
            half = thickness / 2.0
            if kind == "square":
                parts.add(finish, block(sx - half, sx + half, sy - half, sy + half, 0.0, height))
            elif kind == "round":
                parts.add(finish, cylinder(half, 0.0, height, sx, sy, segments=12))
            else:
                parts.add(finish, cylinder(half * 0.55, 0.0, height, sx, sy, top=half, segments=10))


def fronts(
    parts: Parts,
    finish: Finish,
    metal: Finish,
    x: tuple[float, float],
    z: tuple[float, float],
    y: float,
    rows: int,
    columns: int,
    handle: str = "bar",
) -> None:
    """Add rows x columns of drawer or door fronts before the plane y (facing -y), each with a handle.

    handle : "bar", "knob" or "none"; tall fronts are doors: their handle is at the side, towards the middle.
    """
    width, height = (x[1] - x[0]) / columns, (z[1] - z[0]) / rows
    is_door = height > width
    for row in range(rows):
        for column in range(columns):
            x0, z0 = x[0] + column * width + GAP_M, z[0] + row * height + GAP_M
            x1, z1 = x0 + width - 2 * GAP_M, z0 + height - 2 * GAP_M
            parts.add(finish, block(x0, x1, y - 0.018, y, z0, z1))
            inner = (x1 - 0.035 if column % 2 == 0 else x0 + 0.035) if is_door else (x0 + x1) / 2.0
            middle = (z0 + z1) / 2.0 if is_door else z1 - min(0.06, 0.35 * height)
            if handle == "knob":
                parts.add(
                    metal, cylinder(0.014, 0.0, 0.025, segments=10).turned(np.pi / 2, 0).moved(inner, y - 0.018, middle)
                )
            elif handle == "bar":
                parts.add(metal, _bar(inner, y - 0.018, middle, min(0.09, 0.3 * max(width, height)), upright=is_door))


def _bar(x: float, y: float, z: float, half: float, upright: bool) -> Shape:
    dx, dz = (0.0, half) if upright else (half, 0.0)
    out = y - 0.028
    path = [(x - dx, y, z - dz), (x - dx, out, z - dz), (x + dx, out, z + dz), (x + dx, y, z + dz)]
    return tube(path, 0.006, 6)


def frame(
    parts: Parts, finish: Finish, width: float, height: float, edge: float, y: tuple[float, float], back: float | None
) -> None:
    """Add four boards around an upright rectangle that stands on z = 0, and a panel from depth `back` to y[1] in it."""
    x = width / 2.0
    parts.add(finish, block(-x, x, *y, 0.0, edge), block(-x, x, *y, height - edge, height))
    parts.add(finish, block(-x, -x + edge, *y, edge, height - edge), block(x - edge, x, *y, edge, height - edge))
    if back is not None:
        parts.add(finish, block(-x + edge, x - edge, back, y[1], edge, height - edge))


def books(
    parts: Parts,
    rng: np.random.Generator,
    x0: float,
    x1: float,
    y_front: float,
    depth: float,
    z: float,
    clearance: float,
) -> None:
    """Fill part of a shelf board with upright books, from x0 towards x1; the spines look to -y."""
    x = x0
    while True:
        thickness = float(rng.uniform(0.018, 0.05))
        if x + thickness > x1:
            return
        height = float(rng.uniform(0.6, 0.92)) * clearance
        color = pick(rng, BOOK_COLORS)
        inset = float(rng.uniform(0.0, 0.03))
        parts.add(
            # A millimetre between books, so that no two faces coincide.
            plain(color),
            block(x, x + thickness - 0.001, y_front + inset, y_front + inset + depth, z, z + height),
        )
        x += thickness


BOOK_COLORS = (
    (0.60, 0.16, 0.14),
    (0.13, 0.25, 0.42),
    (0.16, 0.36, 0.24),
    (0.75, 0.62, 0.30),
    (0.85, 0.82, 0.74),
    (0.18, 0.18, 0.20),
    (0.45, 0.28, 0.45),
    (0.70, 0.40, 0.20),
    (0.35, 0.50, 0.58),
    (0.55, 0.52, 0.46),
)
