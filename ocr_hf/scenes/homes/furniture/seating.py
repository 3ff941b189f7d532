"""Things to sit on: chairs, office chairs, stools, sofas."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import legs
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import BLACK, CHROME, DARK, Style
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.primitives import block, cylinder, ellipsoid, lathe, rounded_box, sheet, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator


def chair(rng: Rng, style: Style) -> Model:
    """A dining chair: slatted wood, upholstered or a moulded shell."""
    return pick(rng, (slat_chair, padded_chair, shell_chair))(rng, style)


@sized(0.66, 0.86, 1.06)
def slat_chair(rng: Rng, style: Style) -> Model:
    """A wooden chair with slats or rungs in its back."""
    width, depth = rng.uniform(0.40, 0.48), rng.uniform(0.42, 0.50)
    seat, height = rng.uniform(0.43, 0.47), rng.uniform(0.82, 1.02)
    bar, wood = rng.uniform(0.03, 0.042), style.wood
    parts = Parts()
    x, back = width / 2, depth / 2
    for side in (-1, 1):
        edge = side * x
        inner = edge - side * bar
        left, right = min(edge, inner), max(edge, inner)
        parts.add(wood, block(left, right, -back, -back + bar, 0.0, seat - 0.03))
        parts.add(wood, block(left, right, back - bar, back, 0.0, height))
        parts.add(wood, block(left, right, -back + bar, back - bar, seat - 0.09, seat - 0.03))
        parts.add(wood, block(left + 0.008, right - 0.008, -back + bar, back - bar, 0.16, 0.185))
    parts.add(wood, block(-x + bar, x - bar, -back, -back + bar * 0.7, seat - 0.09, seat - 0.03))
    seat_finish = pick(rng, (wood, style.second_cloth))
    parts.add(seat_finish, rounded_box((width, depth - bar, 0.035), 0.015, (0, -bar / 2, seat - 0.0175)))
    parts.add(wood, block(-x + bar, x - bar, back - bar * 0.8, back - bar * 0.2, height - 0.07, height - 0.005))
    if rng.random() < 0.5:
        count = int(rng.integers(3, 6))
        for i in range(count):
            middle = -x + bar + (width - 2 * bar) * (i + 0.5) / count
            parts.add(
                wood, block(middle - 0.016, middle + 0.016, back - bar * 0.7, back - bar * 0.3, seat, height - 0.07)
            )
    else:
        for z in np.linspace(seat + 0.12, height - 0.16, 3):
            parts.add(wood, block(-x + bar, x - bar, back - bar * 0.7, back - bar * 0.3, z, z + 0.045))
    return parts.model("chair")


@sized(0.66, 0.86, 1.06)
def padded_chair(rng: Rng, style: Style) -> Model:
    """An upholstered chair on tapered legs, with or without arms."""
    width, depth = rng.uniform(0.46, 0.58), rng.uniform(0.50, 0.60)
    seat, height = rng.uniform(0.45, 0.48), rng.uniform(0.80, 0.95)
    cloth, wood = pick(rng, (style.cloth, style.second_cloth)), style.wood
    parts = Parts()
    legs(parts, wood, width * 0.88, depth * 0.88, seat - 0.1, 0.045, "tapered")
    parts.add(cloth, rounded_box((width, depth, 0.12), 0.04, (0, 0, seat - 0.06)))
    back = rounded_box((width, 0.09, height - seat + 0.02), 0.04, (0, 0, 0)).turned(-rng.uniform(0.03, 0.12), 0)
    parts.add(cloth, back.moved(0, depth / 2 - 0.055, (height + seat) / 2 - 0.01))
    if rng.random() < 0.35:
        for side in (-1, 1):
            x = side * (width / 2 - 0.03)
            parts.add(cloth, rounded_box((0.07, depth * 0.85, 0.20), 0.03, (x, 0.03, seat + 0.09)))
    return parts.model("chair")


@sized(0.64, 0.82, 1.02)
def shell_chair(rng: Rng, style: Style) -> Model:
    """A moulded shell on thin legs."""
    width, depth = rng.uniform(0.45, 0.52), rng.uniform(0.45, 0.52)
    seat, height = 0.45, rng.uniform(0.78, 0.86)
    color = pick(rng, ((0.92, 0.92, 0.90), *style.accents))
    parts = Parts()
    across = np.linspace(-1.0, 1.0, 9)
    side = np.concatenate([np.linspace(0.0, 0.72, 5), [0.86, 1.0, 1.15, 1.35, 1.55, 1.8]])
    along = np.where(side < 0.72, side / 0.72, 1.0)
    y = -depth / 2 + depth * np.minimum(along, 1.0) * 0.9 + np.clip(side - 0.72, 0, None) * 0.06
    z = np.interp(
        side, [0.0, 0.15, 0.72, 0.86, 1.0, 1.8], [seat - 0.02, seat, seat - 0.03, seat + 0.03, seat + 0.1, height]
    )
    half = width / 2 * np.interp(side, [0.0, 0.3, 0.9, 1.8], [0.86, 1.0, 1.0, 0.72])
    points = np.empty((len(side), len(across), 3))
    points[..., 0] = half[:, None] * across
    lift = across[None, :] ** 2
    points[..., 1] = y[:, None] - np.clip(side - 0.7, 0, 0.5)[:, None] * 0.22 * lift
    points[..., 2] = z[:, None] + 0.05 * lift * (side < 0.9)[:, None]
    parts.add(plain(color), sheet(points, thickness=0.012))
    leg = pick(rng, (style.wood, CHROME, DARK))
    for sx in (-1, 1):
        for sy in (-1, 1):
            top = (sx * width * 0.22, sy * depth * 0.2, seat - 0.03)
            parts.add(leg, tube([(sx * width * 0.44, sy * depth * 0.44, 0.0), top], 0.013))
    return parts.model("chair")


@sized(0.78, 0.98, 1.18)
def office_chair(rng: Rng, style: Style) -> Model:
    """A swivel chair: five-star base on castors, gas spring, padded seat and back, usually with arms."""
    width, seat, height = rng.uniform(0.48, 0.54), rng.uniform(0.45, 0.52), rng.uniform(0.92, 1.18)
    cloth = pick(rng, (DARK, Finish("fabric", (0.22, 0.23, 0.26)), style.second_cloth, plain((0.85, 0.85, 0.84))))
    metal = pick(rng, (BLACK, CHROME))
    parts = Parts()
    for i in range(5):
        angle = 2 * np.pi * i / 5 + np.pi / 2
        x, y = 0.27 * np.cos(angle), 0.27 * np.sin(angle)
        parts.add(metal, tube([(0, 0, 0.10), (x, y, 0.065)], 0.018, 6))
        parts.add(BLACK, ellipsoid((0.028, 0.028, 0.03), (x, y, 0.03), 5))
    parts.add(metal, cylinder(0.028, 0.08, seat - 0.08), cylinder(0.09, seat - 0.09, seat - 0.06))
    parts.add(cloth, rounded_box((width, 0.48, 0.085), 0.04, (0, -0.01, seat - 0.035)))
    rise = height - seat - 0.12
    back = rounded_box((width * 0.92, 0.07, rise), 0.035).turned(-0.10, 0)
    parts.add(cloth, back.moved(0, 0.25, seat + 0.12 + rise / 2))
    parts.add(metal, tube([(0, 0.1, seat - 0.07), (0, 0.27, seat - 0.03), (0, 0.29, seat + 0.2)], 0.02, 6))
    if rng.random() < 0.75:
        for side in (-1, 1):
            x = side * (width / 2 + 0.02)
            parts.add(metal, tube([(x, 0.05, seat - 0.06), (x, 0.05, seat + 0.17)], 0.016, 6))
            parts.add(BLACK, rounded_box((0.06, 0.26, 0.035), 0.015, (x, 0.02, seat + 0.19)))
    return parts.model("chair")


@sized(0.34, 0.48, 0.8)
def stool(rng: Rng, style: Style) -> Model:
    """A round or square stool, low or as high as a bar."""
    height = rng.uniform(0.42, 0.50) if rng.random() < 0.6 else rng.uniform(0.62, 0.76)
    radius = rng.uniform(0.16, 0.21)
    frame = pick(rng, (style.wood, DARK, CHROME))
    top = pick(rng, (style.wood, style.second_cloth))
    parts = Parts()
    if rng.random() < 0.7:
        rounded = [
            (radius * 0.9, height - 0.05),
            (radius, height - 0.035),
            (radius, height - 0.015),
            (radius * 0.93, height),
        ]
        parts.add(top, lathe(rounded, 24))
        for i in range(4):
            angle = np.pi / 4 + i * np.pi / 2
            x, y = np.cos(angle), np.sin(angle)
            foot = (radius * 1.08 * x, radius * 1.08 * y, 0.0)
            parts.add(frame, tube([foot, (radius * 0.6 * x, radius * 0.6 * y, height - 0.04)], 0.015))
        ring = 0.3 * height
        around = np.linspace(0, 2 * np.pi, 21)
        reach = radius * (1.08 - 0.48 * ring / (height - 0.04))
        circle = np.stack([reach * np.cos(around), reach * np.sin(around), np.full(21, ring)], axis=1)
        parts.add(frame, tube(circle, 0.009, 6))
    else:
        legs(parts, frame, 2 * radius, 2 * radius * 0.85, height - 0.03, 0.035, "square")
        parts.add(top, rounded_box((2 * radius + 0.02, 2 * radius * 0.85 + 0.02, 0.05), 0.02, (0, 0, height - 0.025)))
    return parts.model("stool")


@sized(0.95, 1.7, 2.5, follow=(1.0, 0.15, 0.1))
def sofa(rng: Rng, style: Style, seats: int | None = None) -> Model:
    """A sofa of one to four seats with loose cushions."""
    seats = int(rng.integers(2, 4)) if seats is None else seats
    seat_width, arm = rng.uniform(0.58, 0.74), rng.uniform(0.10, 0.22)
    depth, seat, height = rng.uniform(0.82, 0.98), rng.uniform(0.40, 0.46), rng.uniform(0.74, 0.92)
    arm_height = rng.uniform(0.52, min(0.68, height - 0.06))
    width, foot = seats * seat_width + 2 * arm, rng.uniform(0.05, 0.14)
    cloth = style.cloth
    parts = Parts()
    legs(parts, pick(rng, (style.wood, style.metal)), width - 0.08, depth - 0.08, foot + 0.02, 0.045, "tapered")
    back = 0.16
    parts.add(cloth, rounded_box((width - 0.02, depth - 0.02, 0.20), 0.03, (0, 0, foot + 0.10)))
    parts.add(
        cloth, rounded_box((width - 0.01, back, height - foot), 0.05, (0, depth / 2 - back / 2, (height + foot) / 2))
    )
    for side in (-1, 1):
        x = side * (width / 2 - arm / 2)
        parts.add(cloth, rounded_box((arm, depth, arm_height - foot), 0.045, (x, 0, (arm_height + foot) / 2)))
    inner_depth = depth - back
    base = foot + 0.19
    for i in range(seats):
        x = -seats * seat_width / 2 + seat_width * (i + 0.5)
        parts.add(
            cloth,
            rounded_box(
                (seat_width - 0.008, inner_depth - 0.01, seat - base), 0.045, (x, -back / 2 - 0.005, (seat + base) / 2)
            ),
        )
        lean = rounded_box((seat_width - 0.012, 0.17, height - seat + 0.02), 0.07).turned(-0.14, 0)
        parts.add(cloth, lean.moved(x, depth / 2 - back - 0.075, (seat + height) / 2 + 0.01))
    inside = seats * seat_width / 2
    # The loose cushions lean over the last 0.24 m before the back.
    parts.surface("seat", seat, -inside, inside, -depth / 2 + 0.05, depth / 2 - back - 0.24)
    return parts.model("sofa")
