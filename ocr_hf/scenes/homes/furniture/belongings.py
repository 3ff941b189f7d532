"""What people own: bags, shoes, instruments."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import BLACK, DARK, GREY, STEEL, WHITE, Style
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.primitives import block, cylinder, ellipsoid, extruded, prism, rounded_box, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator


@sized(0.34, 0.48, 0.66)
def backpack(rng: Rng, style: Style) -> Model:
    """A backpack standing on the floor: body, front pocket, straps."""
    width, depth, height = rng.uniform(0.28, 0.34), rng.uniform(0.16, 0.2), rng.uniform(0.42, 0.5)
    cloth = Finish(
        "fabric",
        pick(rng, ((0.18, 0.25, 0.40), (0.55, 0.18, 0.16), (0.20, 0.20, 0.22), (0.30, 0.42, 0.30), (0.75, 0.55, 0.20))),
    )
    dark = Finish("fabric", tuple(0.6 * value for value in cloth.color))
    parts = Parts()
    parts.add(cloth, rounded_box((width, depth, height), 0.07, (0, 0, height / 2), arc=3))
    parts.add(dark, rounded_box((width * 0.82, 0.07, height * 0.45), 0.03, (0, -depth / 2 - 0.015, height * 0.30)))
    parts.add(
        DARK, block(-width * 0.38, width * 0.38, -depth / 2 - 0.004, -depth / 2 + 0.02, height * 0.62, height * 0.63)
    )
    for side in (-1, 1):
        x = side * width * 0.24
        path = [
            (x, depth / 2 - 0.02, height * 0.9),
            (x, depth / 2 + 0.04, height * 0.75),
            (x, depth / 2 + 0.045, height * 0.4),
            (x * 1.2, depth / 2 - 0.01, height * 0.15),
        ]
        parts.add(dark, tube(path, 0.018, 8))
    bend = np.linspace(0.0, np.pi, 9)
    parts.add(
        dark,
        tube(
            np.stack([0.04 * np.cos(bend), np.full(9, depth / 2 - 0.05), height - 0.01 + 0.045 * np.sin(bend)], axis=1),
            0.008,
            6,
        ),
    )
    return parts.model("backpack")


@sized(0.42, 0.64, 0.95)
def suitcase(rng: Rng, style: Style) -> Model:
    """An upright suitcase on wheels with its handle out."""
    width, depth, height = rng.uniform(0.38, 0.46), rng.uniform(0.22, 0.27), rng.uniform(0.5, 0.66)
    shell = plain(
        pick(rng, ((0.25, 0.32, 0.45), (0.60, 0.62, 0.64), (0.62, 0.20, 0.20), (0.15, 0.16, 0.17), (0.30, 0.48, 0.45)))
    )
    parts = Parts()
    parts.add(shell, rounded_box((width, depth, height), 0.045, (0, 0, 0.055 + height / 2)))
    for i in range(6):
        x = -width * 0.36 + i * width * 0.144
        parts.add(
            shell, rounded_box((0.025, 0.012, height * 0.8), 0.005, (x, -depth / 2 - 0.002, 0.055 + height / 2), arc=1)
        )
    for sx in (-width / 2 + 0.05, width / 2 - 0.05):
        for sy in (-depth / 2 + 0.04, depth / 2 - 0.04):
            parts.add(BLACK, ellipsoid((0.016, 0.028, 0.03), (sx, sy, 0.03), 5))
    top, reach = 0.055 + height, rng.uniform(0.1, 0.35)
    y = depth / 2 - 0.04
    parts.add(
        GREY,
        tube([(-0.09, y, top - 0.02), (-0.09, y, top + reach), (0.09, y, top + reach), (0.09, y, top - 0.02)], 0.009),
    )
    parts.add(
        DARK,
        tube([(-0.07, 0, top - 0.004), (-0.06, 0, top + 0.02), (0.06, 0, top + 0.02), (0.07, 0, top - 0.004)], 0.009),
    )
    return parts.model("suitcase")


@sized(0.22, 0.29, 0.38)
def shoes(rng: Rng, style: Style) -> Model:
    """A pair of shoes."""
    upper = Finish(
        pick(rng, ("leather", "fabric")),
        pick(rng, ((0.20, 0.18, 0.17), (0.45, 0.30, 0.20), (0.85, 0.85, 0.84), *style.accents[:2])),
    )
    parts = Parts()
    outline = [
        (-0.14, 0.0),
        (0.12, 0.0),
        (0.135, 0.03),
        (0.125, 0.085),
        (0.03, 0.09),
        (-0.02, 0.065),
        (-0.12, 0.05),
        (-0.148, 0.025),
    ]
    for x in (-0.06, 0.06):
        parts.add(WHITE, rounded_box((0.088, 0.285, 0.026), 0.012, (x, -0.005, 0.013)))
        body = extruded(outline, -0.038, 0.038)
        taper = 1.0 - 0.25 * np.clip((body.vertices[:, 2] - 0.02) / 0.07, 0, 1)
        vertices = body.vertices * np.stack([taper, np.ones_like(taper), np.ones_like(taper)], axis=1)
        parts.add(upper, body._replace(vertices=vertices).moved(x, 0, 0.02))
        parts.add(DARK, ellipsoid((0.022, 0.045, 0.004), (x, 0.075, 0.110), 5))
    return parts.model("shoes")


@sized(0.24, 0.38, 0.58)
def paper_bag(rng: Rng, style: Style) -> Model:
    """A paper bag with handles, open at the top."""
    width, depth, height = rng.uniform(0.26, 0.34), rng.uniform(0.12, 0.16), rng.uniform(0.30, 0.38)
    paper = plain(pick(rng, ((0.76, 0.60, 0.42), (0.92, 0.90, 0.86), style.accents[1])))
    x, y, wall = width / 2, depth / 2, 0.003
    parts = Parts()
    parts.add(
        paper,
        block(-x, x, -y, y, 0.0, wall),
        block(-x, x, -y, -y + wall, wall, height),
        block(-x, x, y - wall, y, wall, height),
        block(-x, -x + wall, -y, y, wall, height),
        block(x - wall, x, -y, y, wall, height),
    )
    bend = np.linspace(0.0, np.pi, 9)
    for sy in (-y + 0.004, y - 0.004):
        parts.add(
            paper,
            tube(
                np.stack([0.05 * np.cos(bend), np.full(9, sy), height - 0.01 + 0.075 * np.sin(bend)], axis=1), 0.004, 6
            ),
        )
    return parts.model("paper bag")


@sized(0.85, 1.02, 1.15)
def guitar(rng: Rng, style: Style) -> Model:
    """A guitar on a low stand, leaning back."""
    wood = Finish("wood", pick(rng, ((0.82, 0.56, 0.28), (0.60, 0.30, 0.16), (0.90, 0.74, 0.48))))
    turn = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    radius = 0.165 + 0.045 * np.cos(2 * turn) - 0.025 * np.sin(turn) ** 3
    outline = np.stack([radius * np.cos(turn) * 0.92, radius * np.sin(turn) * 1.3], axis=1)
    pieces = [
        (wood, prism(outline, -0.05, 0.05)),
        (DARK, cylinder(0.048, 0.05, 0.0515, y=0.07, segments=24)),
        (Finish("walnut", (0.30, 0.20, 0.14)), block(-0.025, 0.025, 0.1, 0.62, 0.045, 0.066)),
        (Finish("walnut", (0.30, 0.20, 0.14)), block(-0.032, 0.032, 0.62, 0.77, 0.035, 0.055)),
        (Finish("walnut", (0.30, 0.20, 0.14)), block(-0.06, 0.06, -0.13, -0.10, 0.05, 0.062)),
    ]
    pieces += [(STEEL, tube([(s, -0.115, 0.068), (s, 0.7, 0.070)], 0.0012, 4)) for s in np.linspace(-0.018, 0.018, 6)]
    parts = Parts()
    tilt = np.pi / 2 + 0.22
    for finish, shape in pieces:
        upright = shape.turned(tilt, 0)
        parts.add(finish, upright.moved(0, 0.0, 0.29))
    for side in (-1, 1):
        parts.add(DARK, tube([(side * 0.12, -0.14, 0.01), (side * 0.1, 0.06, 0.06), (side * 0.1, 0.20, 0.3)], 0.01, 6))
        parts.add(DARK, tube([(side * 0.1, 0.2, 0.3), (side * 0.14, 0.32, 0.01)], 0.01, 6))
    return parts.model("guitar")


@sized(1.2, 1.46, 1.62, follow=(1.0, 0.4, 0.3))
def piano(rng: Rng, style: Style) -> Model:
    """An upright piano with its keys."""
    width, depth, height = rng.uniform(1.40, 1.52), rng.uniform(0.56, 0.64), rng.uniform(1.08, 1.25)
    body = pick(rng, (BLACK, Finish("walnut", (0.36, 0.22, 0.15)), WHITE))
    x, y = width / 2, depth / 2
    parts = Parts()
    parts.add(
        body, block(-x, x, 0.0, y, 0.05, height - 0.03), block(-x - 0.01, x + 0.01, -0.02, y, height - 0.03, height)
    )
    parts.add(body, block(-x, -x + 0.05, -y, 0.0, 0.0, 0.74), block(x - 0.05, x, -y, 0.0, 0.0, 0.74))
    parts.add(
        body,
        block(-x, x, -y + 0.02, 0.0, 0.56, 0.63),
        block(-x, -x + 0.05, 0.0, y, 0.0, 0.06),
        block(x - 0.05, x, 0.0, y, 0.0, 0.06),
    )
    keys = np.linspace(-x + 0.055, x - 0.055, 53)
    for i in range(52):
        parts.add(plain((0.96, 0.95, 0.92)), block(keys[i], keys[i + 1] - 0.002, -y + 0.03, -0.06, 0.63, 0.65))
        # The 52 white keys begin at A: no black one follows B (1) and E (4).
        if i % 7 not in (1, 4) and i < 51:
            parts.add(BLACK, block(keys[i + 1] - 0.007, keys[i + 1] + 0.005, -y + 0.10, -0.06, 0.65, 0.662))
    parts.add(body, block(-x + 0.05, x - 0.05, -0.06, 0.0, 0.63, 0.70))
    parts.add(body, block(-0.35, 0.35, -0.03, 0.0, 0.80, 0.98))
    for i in range(2):
        parts.add(
            Finish("brushed", (0.78, 0.64, 0.36)), block(-0.06 + i * 0.08, -0.02 + i * 0.08, -0.1, 0.0, 0.06, 0.075)
        )
    parts.surface("top", height, -x + 0.05, x - 0.05, 0.03, y - 0.03)
    return parts.model("piano")
