"""Kitchens: appliances, counters and what stands on them."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import fronts
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import BLACK, CERAMIC, CHROME, DARK, STEEL, WHITE, Style
from ocr_hf.scenes.homes.materials import plain
from ocr_hf.scenes.homes.primitives import block, cylinder, lathe, rounded_box, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator
COUNTER_HEIGHT_M, COUNTER_DEPTH_M, TOP_M = 0.90, 0.62, 0.035


def _kitchen_front(style: Style):
    return style.paint if style.paint.color[0] > 0.3 else style.wood


def counter(rng: Rng, style: Style, width: float = 1.2) -> Model:
    """Base cabinets under a worktop."""
    x, y = width / 2, COUNTER_DEPTH_M / 2
    parts = Parts()
    body = _kitchen_front(style)
    parts.add(style.stone, block(-x, x, -y, y, COUNTER_HEIGHT_M - TOP_M, COUNTER_HEIGHT_M))
    parts.add(body, block(-x + 0.001, x - 0.001, -y + 0.04, y, 0.09, COUNTER_HEIGHT_M - TOP_M))
    parts.add(DARK, block(-x + 0.001, x - 0.001, -y + 0.09, y, 0.0, 0.09))
    columns = max(1, round(width / 0.5))
    split = 0.66
    front = (-x + 0.004, x - 0.004)
    fronts(parts, body, style.metal, front, (0.10, split), -y + 0.04, 1, columns)
    fronts(parts, body, style.metal, front, (split, COUNTER_HEIGHT_M - TOP_M - 0.004), -y + 0.04, 1, columns)
    parts.surface("counter", COUNTER_HEIGHT_M, -x + 0.01, x - 0.01, -y + 0.03, y - 0.02)
    return parts.model("counter")


def kitchen_sink(rng: Rng, style: Style, width: float = 0.8) -> Model:
    """A sink with its tap, set into a base cabinet and worktop of its own."""
    x, y = width / 2, COUNTER_DEPTH_M / 2
    bowl_x, bowl_y, depth = min(0.27, x - 0.1), 0.20, 0.18
    body, top = _kitchen_front(style), COUNTER_HEIGHT_M
    basin = pick(rng, (STEEL, STEEL, CERAMIC))
    parts = Parts()
    z0, y_bowl = top - TOP_M, -0.03
    parts.add(
        style.stone,
        block(-x, -bowl_x, -y, y, z0, top),
        block(bowl_x, x, -y, y, z0, top),
        block(-bowl_x, bowl_x, -y, y_bowl - bowl_y, z0, top),
        block(-bowl_x, bowl_x, y_bowl + bowl_y, y, z0, top),
    )
    wall = 0.012
    a, b = y_bowl - bowl_y, y_bowl + bowl_y
    parts.add(
        basin,
        block(-bowl_x, bowl_x, a, b, top - depth, top - depth + wall),
        block(-bowl_x, -bowl_x + wall, a, b, top - depth, top + 0.004),
        block(bowl_x - wall, bowl_x, a, b, top - depth, top + 0.004),
        block(-bowl_x, bowl_x, a, a + wall, top - depth, top + 0.004),
        block(-bowl_x, bowl_x, b - wall, b, top - depth, top + 0.004),
        cylinder(0.03, top - depth + wall, top - depth + wall + 0.003, y=y_bowl),
    )
    parts.add(CHROME, _tap(0.0, b + 0.035, top, float(rng.uniform(0.12, 0.4)), 0.17))
    parts.add(body, block(-x + 0.001, x - 0.001, -y + 0.04, y, 0.09, top - depth - 0.01))
    parts.add(
        body, block(-x + 0.001, -x + 0.02, -y + 0.04, y, 0.3, z0), block(x - 0.02, x - 0.001, -y + 0.04, y, 0.3, z0)
    )
    parts.add(
        body,
        block(-x + 0.001, x - 0.001, -y + 0.04, -y + 0.058, 0.3, z0),
        block(-x + 0.001, x - 0.001, y - 0.02, y, 0.3, z0),
    )
    parts.add(DARK, block(-x + 0.001, x - 0.001, -y + 0.09, y, 0.0, 0.09))
    fronts(parts, body, style.metal, (-x + 0.004, x - 0.004), (0.10, z0 - 0.004), -y + 0.04, 1, 2)
    return parts.model("sink")


def _tap(x: float, y: float, z: float, height: float, reach: float):
    """Return a swan-neck tap that reaches towards -y."""
    bend = np.linspace(0.0, np.pi, 9)
    radius = reach / 2.0
    arc = [(x, y - radius + radius * np.cos(a), z + height - radius + radius * np.sin(a)) for a in bend]
    return tube([(x, y, z), (x, y, z + height - radius), *arc[1:], (x, y - reach, z + height - radius - 0.05)], 0.013)


@sized(0.9, 1.64, 1.98, follow=(0.4, 0.2, 1.0))
def refrigerator(rng: Rng, style: Style) -> Model:
    """A refrigerator with two doors one above the other, or side by side."""
    side_by_side = rng.random() < 0.3
    width = rng.uniform(0.85, 0.95) if side_by_side else rng.uniform(0.56, 0.72)
    depth, height = rng.uniform(0.62, 0.72), rng.uniform(1.60, 1.95)
    x, y, door = width / 2, depth / 2, 0.06
    parts = Parts()
    parts.add(DARK, block(-x + 0.03, x - 0.03, -y + 0.12, y - 0.02, 0.0, 0.04))
    parts.add(
        # Only the doors of a steel refrigerator are steel; its body is painted.
        plain((0.62, 0.63, 0.65)) if style.appliance.kind == "brushed" else style.appliance,
        block(-x, x, -y + door + 0.008, y, 0.03, height),
    )
    gap = 0.006
    if side_by_side:
        panels = [(-x, -gap, 0.05, height, -0.05), (gap, x, 0.05, height, 0.05)]
    else:
        split = rng.uniform(0.32, 0.42) * height if rng.random() < 0.5 else rng.uniform(0.66, 0.72) * height
        panels = [(-x, x, 0.05, split - gap, x - 0.06), (-x, x, split + gap, height, x - 0.06)]
    for x0, x1, z0, z1, handle in panels:
        shape = rounded_box((x1 - x0, door, z1 - z0), 0.012, ((x0 + x1) / 2, -y + door / 2, (z0 + z1) / 2))
        parts.add(style.appliance, shape)
        length = min(0.6, 0.6 * (z1 - z0))
        middle = (z0 + z1) / 2
        path = [
            (handle, -y + 0.005, middle - length / 2),
            (handle, -y - 0.035, middle - length / 2 + 0.02),
            (handle, -y - 0.035, middle + length / 2 - 0.02),
            (handle, -y + 0.005, middle + length / 2),
        ]
        parts.add(CHROME if style.appliance.kind == "plain" else STEEL, tube(path, 0.011))
    parts.surface("top", height, -x + 0.05, x - 0.05, -y + 0.12, y - 0.05, 0.5)
    return parts.model("refrigerator")


def stove(rng: Rng, style: Style) -> Model:
    """A cooker: four burners above an oven with a window, knobs between them."""
    width, depth, height = rng.uniform(0.5, 1.15), 0.63, COUNTER_HEIGHT_M
    x, y = width / 2, depth / 2
    body = style.appliance
    parts = Parts()
    parts.add(body, block(-x, x, -y + 0.03, y, 0.05, height - 0.015))
    parts.add(DARK, block(-x + 0.03, x - 0.03, -y + 0.08, y, 0.0, 0.05))
    parts.add(BLACK, block(-x, x, -y + 0.02, y, height - 0.015, height))
    radius = width * 0.13
    gas = rng.random() < 0.5
    for sx in (-1, 1):
        for sy in (-1, 1):
            cx, cy = sx * width * 0.23, 0.02 + sy * depth * 0.22
            if gas:
                parts.add(DARK, cylinder(radius * 0.5, height, height + 0.012, cx, cy))
                for angle in (0.0, np.pi / 2):
                    bar = block(-radius, radius, -0.006, 0.006, 0.010, 0.031).turned(angle)
                    parts.add(DARK, bar.moved(cx, cy, height))
            else:
                ring = [
                    (radius, height),
                    (radius, height + 0.004),
                    (radius * 0.86, height + 0.004),
                    (radius * 0.86, height),
                    (radius, height),
                ]
                parts.add(plain((0.5, 0.5, 0.52)), lathe(ring, 24).moved(cx, cy))
    for i in range(5):
        knob = cylinder(0.019, 0.0, 0.028, segments=14).turned(np.pi / 2, 0)
        parts.add(
            pick(rng, (DARK, STEEL)) if i == 0 else DARK,
            knob.moved(-width * 0.36 + i * width * 0.18, -y + 0.03, height - 0.07),
        )
    parts.add(body, block(-x + 0.012, x - 0.012, -y + 0.005, -y + 0.03, 0.22, height - 0.13))
    parts.add(BLACK, block(-x + 0.09, x - 0.09, -y + 0.001, -y + 0.006, 0.34, height - 0.25))
    z = height - 0.18
    parts.add(
        CHROME,
        tube(
            [
                (-x + 0.07, -y + 0.008, z),
                (-x + 0.07, -y - 0.035, z),
                (x - 0.07, -y - 0.035, z),
                (x - 0.07, -y + 0.008, z),
            ],
            0.011,
        ),
    )
    parts.add(body, block(-x + 0.012, x - 0.012, -y + 0.008, -y + 0.03, 0.06, 0.20))
    x_burner, y_burner = -width * 0.23, 0.02 - depth * 0.22
    top = height + (0.031 if gas else 0.004)
    parts.surface("burner", top, x_burner - 0.13, x_burner + 0.13, y_burner - 0.13, y_burner + 0.13)
    return parts.model("stove")


def dishwasher(rng: Rng, style: Style) -> Model:
    """A dishwasher as high as the counter, with a strip of buttons."""
    width = 0.6
    x, y = width / 2, COUNTER_DEPTH_M / 2
    parts = Parts()
    parts.add(style.stone, block(-x, x, -y, y, COUNTER_HEIGHT_M - TOP_M, COUNTER_HEIGHT_M))
    parts.add(style.appliance, block(-x + 0.004, x - 0.004, -y + 0.04, y, 0.09, COUNTER_HEIGHT_M - TOP_M))
    parts.add(style.appliance, rounded_box((width - 0.012, 0.03, 0.60), 0.01, (0, -y + 0.03, 0.41)))
    parts.add(
        DARK,
        block(-x + 0.006, x - 0.006, -y + 0.02, -y + 0.04, 0.73, 0.855),
        block(-x + 0.02, x - 0.02, -y + 0.09, y, 0.0, 0.09),
    )
    for i in range(5):
        parts.add(STEEL, block(0.03 + i * 0.045, 0.055 + i * 0.045, -y + 0.016, -y + 0.021, 0.785, 0.80))
    parts.add(plain((0.2, 0.8, 0.5), 0.8), block(-0.2, -0.12, -y + 0.017, -y + 0.021, 0.78, 0.81))
    parts.add(
        CHROME,
        tube(
            [(-0.2, -y + 0.015, 0.68), (-0.2, -y - 0.022, 0.68), (0.2, -y - 0.022, 0.68), (0.2, -y + 0.015, 0.68)],
            0.009,
        ),
    )
    parts.surface("counter", COUNTER_HEIGHT_M, -x + 0.01, x - 0.01, -y + 0.03, y - 0.02)
    return parts.model("dishwasher")


def wall_cabinet(rng: Rng, style: Style, width: float) -> Model:
    """Kitchen cabinets that hang above the counter."""
    depth, height = 0.35, rng.uniform(0.55, 0.72)
    x, y = width / 2, depth / 2
    body = _kitchen_front(style)
    parts = Parts()
    parts.add(body, block(-x, x, -y + 0.018, y, 0.0, height))
    fronts(
        parts,
        body,
        style.metal,
        (-x + 0.003, x - 0.003),
        (0.003, height - 0.003),
        -y + 0.018,
        1,
        max(1, round(width / 0.45)),
    )
    return parts.model("cabinet")


def exhaust_fan(rng: Rng, style: Style, width: float = 0.6) -> Model:
    """A cooker hood: a flat pyramid and a chimney."""
    width = max(0.5, width)
    depth, height, canopy = 0.46, rng.uniform(0.55, 0.75), 0.2
    finish = pick(rng, (STEEL, STEEL, WHITE, DARK))
    x, y, flue = width / 2, depth / 2, 0.13
    parts = Parts()
    parts.add(finish, block(-x, x, -y, y, 0.0, 0.05))
    hood = block(-x, x, -y, y, 0.05, canopy)
    # The upper face of a box is drawn in to the chimney, its back stays at the wall: a flat pyramid.
    upper = hood.vertices[:, 2] == canopy
    hood.vertices[upper, 0] *= flue / x
    hood.vertices[upper & (hood.vertices[:, 1] < 0.0), 1] = y - 2 * flue
    parts.add(finish, hood)
    parts.add(finish, block(-flue, flue, y - 2 * flue, y, canopy, height))
    parts.add(DARK, block(-x + 0.05, x - 0.05, -y + 0.05, y - 0.05, -0.003, 0.001))
    return parts.model("exhaust fan")


@sized(0.4, 0.5, 0.74, follow=(1.0, 0.7, 0.5))
def microwave(rng: Rng, style: Style) -> Model:
    """A microwave oven: a dark door, a handle, a panel with a clock."""
    width, depth, height = rng.uniform(0.44, 0.54), rng.uniform(0.33, 0.40), rng.uniform(0.26, 0.31)
    body = pick(rng, (WHITE, STEEL, DARK))
    x, y = width / 2, depth / 2
    split = x - 0.12
    parts = Parts()
    parts.add(body, rounded_box((width, depth - 0.02, height - 0.012), 0.012, (0, 0.01, height / 2 + 0.006)))
    parts.add(DARK, block(-x + 0.03, x - 0.03, -y + 0.06, y - 0.03, 0.0, 0.012))
    parts.add(body, block(-x + 0.006, split - 0.004, -y, -y + 0.02, 0.018, height - 0.006))
    parts.add(
        BLACK,
        block(-x + 0.035, split - 0.05, -y - 0.003, -y + 0.002, 0.05, height - 0.04),
        block(split, x - 0.006, -y, -y + 0.02, 0.018, height - 0.006),
    )
    parts.add(
        plain((0.3, 0.9, 0.7), 0.9),
        block(split + 0.02, x - 0.025, -y - 0.003, -y + 0.001, height - 0.07, height - 0.035),
    )
    for row in range(4):
        for column in range(3):
            bx, bz = split + 0.022 + column * 0.028, 0.05 + row * 0.032
            parts.add(plain((0.6, 0.6, 0.6)), block(bx, bx + 0.018, -y - 0.002, -y + 0.001, bz, bz + 0.016))
    z = height / 2
    parts.add(
        CHROME,
        tube(
            [
                (split - 0.022, -y + 0.001, z - 0.08),
                (split - 0.022, -y - 0.025, z - 0.08),
                (split - 0.022, -y - 0.025, z + 0.08),
                (split - 0.022, -y + 0.001, z + 0.08),
            ],
            0.007,
            6,
        ),
    )
    return parts.model("microwave")


def oven_tower(rng: Rng, style: Style) -> Model:
    """A built-in oven in a tall cabinet."""
    width, depth, height = 0.6, COUNTER_DEPTH_M, rng.uniform(1.95, 2.15)
    x, y = width / 2, depth / 2
    body = _kitchen_front(style)
    parts = Parts()
    parts.add(body, block(-x, x, -y + 0.04, y, 0.09, height))
    parts.add(DARK, block(-x, x, -y + 0.09, y, 0.0, 0.09))
    fronts(parts, body, style.metal, (-x + 0.003, x - 0.003), (0.10, 0.72), -y + 0.04, 2, 1)
    fronts(parts, body, style.metal, (-x + 0.003, x - 0.003), (1.36, height - 0.004), -y + 0.04, 1, 1)
    parts.add(style.appliance, block(-x + 0.006, x - 0.006, -y + 0.012, -y + 0.04, 0.74, 1.34))
    parts.add(
        BLACK,
        block(-x + 0.05, x - 0.05, -y + 0.008, -y + 0.013, 0.80, 1.14),
        block(-x + 0.02, x - 0.02, -y + 0.008, -y + 0.013, 1.23, 1.33),
    )
    parts.add(plain((0.95, 0.55, 0.2), 0.9), block(-0.05, 0.05, -y + 0.006, -y + 0.009, 1.265, 1.30))
    parts.add(
        CHROME,
        tube(
            [(-0.22, -y + 0.013, 1.18), (-0.22, -y - 0.03, 1.18), (0.22, -y - 0.03, 1.18), (0.22, -y + 0.013, 1.18)],
            0.01,
        ),
    )
    return parts.model("oven")
