"""Beds and what lies on them."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import legs
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import Style
from ocr_hf.scenes.homes.materials import Finish
from ocr_hf.scenes.homes.primitives import block, pillow_shape, rounded_box
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator
PILLOW_DEPTH_M = 0.42
"""Room kept for pillows at the head of a bed."""


@sized(1.8, 2.12, 2.4, follow=(0.8, 1.0, 0.5))
def bed(rng: Rng, style: Style, width: float | None = None, low: bool = False) -> Model:
    """A single or double bed with a headboard, a mattress and a duvet; a low one fits below a window."""
    width = pick(rng, (0.95, 1.25, 1.45, 1.65, 1.85)) if width is None else width
    length, mattress_top = rng.uniform(1.98, 2.12), rng.uniform(0.46, 0.58)
    head = 0.74 if low else rng.uniform(0.85, 1.2)
    frame = pick(rng, (style.wood, style.wood, style.paint, style.cloth))
    sheet_finish = Finish("fabric", (0.94, 0.93, 0.91))
    duvet = Finish(
        pick(rng, ("fabric", "fabric", "stripes", "checks")), pick(rng, (*style.accents, (0.90, 0.90, 0.88)))
    )
    parts = Parts()
    y0, y1 = -length / 2, length / 2
    if frame.kind in ("fabric", "leather"):
        parts.add(frame, rounded_box((width, 0.10, head), 0.04, (0, y1 - 0.05, head / 2)))
    elif rng.random() < 0.5:
        parts.add(frame, block(-width / 2, width / 2, y1 - 0.05, y1, 0.0, head))
        parts.add(frame, block(-width / 2 - 0.01, width / 2 + 0.01, y1 - 0.06, y1 + 0.01, head - 0.05, head))
    else:
        for x in (-width / 2 + 0.03, width / 2 - 0.03):
            parts.add(frame, block(x - 0.03, x + 0.03, y1 - 0.06, y1, 0.0, head + 0.03))
        for z in np.arange(mattress_top - 0.05, head - 0.08, 0.14):
            parts.add(frame, block(-width / 2 + 0.05, width / 2 - 0.05, y1 - 0.045, y1 - 0.015, z, z + 0.10))
    parts.add(frame, block(-width / 2, width / 2, y0, y1 - 0.05, 0.16, 0.32))
    if rng.random() < 0.4:
        parts.add(frame, block(-width / 2, width / 2, y0, y0 + 0.05, 0.0, mattress_top + 0.05))
    else:
        legs(parts, frame, width - 0.06, length - 0.06, 0.17, 0.06, "square")
    inner = (length - 0.12, mattress_top - 0.28)
    parts.add(sheet_finish, rounded_box((width - 0.05, inner[0], inner[1]), 0.05, (0, -0.0, 0.28 + inner[1] / 2)))
    cover = length - 0.12 - PILLOW_DEPTH_M - rng.uniform(0.08, 0.25)
    drop = rng.uniform(0.14, 0.2)
    # It hangs over the mattress by 5 mm at the foot as at the sides: coinciding faces would flicker
    hang = rounded_box(
        (width + 0.01, cover + 0.005, drop),
        0.045,
        (0, y0 + 0.055 + (cover + 0.005) / 2, mattress_top + 0.03 - drop / 2),
    )
    parts.add(duvet, hang)
    fold = rounded_box((width + 0.012, 0.16, 0.05), 0.024, (0, y0 + 0.06 + cover - 0.06, mattress_top + 0.035))
    parts.add(sheet_finish, fold)
    y_pillow = y1 - 0.09
    parts.surface("pillow", mattress_top, -width / 2 + 0.04, width / 2 - 0.04, y_pillow - PILLOW_DEPTH_M, y_pillow)
    parts.surface("bed", mattress_top + 0.03, -width / 2 + 0.08, width / 2 - 0.08, y0 + 0.12, y0 + cover - 0.12)
    return parts.model("bed")


@sized(0.38, 0.57, 0.8)
def pillow(rng: Rng, style: Style) -> Model:
    """A bed pillow lying flat."""
    parts = Parts()
    finish = Finish("fabric", pick(rng, ((0.95, 0.95, 0.94), (0.90, 0.88, 0.84), style.accents[0])))
    parts.add(finish, pillow_shape(rng.uniform(0.52, 0.64), rng.uniform(0.34, 0.41), rng.uniform(0.12, 0.17)))
    return parts.model("pillow")


@sized(0.3, 0.44, 0.64)
def sofa_pillow(rng: Rng, style: Style) -> Model:
    """A small square cushion leaning back, for sofas."""
    side = rng.uniform(0.34, 0.44)
    finish = Finish(pick(rng, ("fabric", "stripes", "checks", "fabric")), pick(rng, style.accents))
    parts = Parts()
    parts.add(finish, pillow_shape(side, side, rng.uniform(0.11, 0.15)).turned(np.pi / 2 - rng.uniform(0.2, 0.4), 0))
    return parts.model("pillow")


@sized(0.45, 0.7, 1.3, follow=(1.0, 0.8, 0.2))
def blanket(rng: Rng, style: Style) -> Model:
    """A folded blanket."""
    width, depth = rng.uniform(0.45, 0.6), rng.uniform(0.32, 0.42)
    finish = Finish(pick(rng, ("checks", "stripes", "carpet")), pick(rng, style.accents))
    parts = Parts()
    for i in range(3):
        parts.add(finish, rounded_box((width - 0.01 * i, depth - 0.012 * i, 0.035), 0.016, (0, 0, 0.0175 + 0.033 * i)))
    return parts.model("blanket")
