"""Bathrooms and laundry."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.joinery import frame, fronts
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import BLACK, CERAMIC, CHROME, DARK, GREY, WHITE, Style
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.pictures import picture
from ocr_hf.scenes.homes.primitives import (
    Shape,
    block,
    cylinder,
    fan,
    join,
    lathe,
    picture_plane,
    prism,
    rounded_box,
    sheet,
    surface,
    tube,
)
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator


def _oval(width: float, depth: float, count: int = 24) -> np.ndarray:
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    return np.stack([width / 2 * np.cos(angle), depth / 2 * np.sin(angle)], axis=1)


def _oval_solid(profile: list[tuple[float, float]], depth_to_width: float) -> Shape:
    """Return a lathe stretched along y."""
    shape = lathe(profile, 28, smooth=True)
    return shape._replace(vertices=shape.vertices * (1.0, depth_to_width, 1.0))


@sized(0.5, 0.73, 0.9)
def toilet(rng: Rng, style: Style) -> Model:
    """A toilet: bowl, seat ring, lid up or down, cistern with a button."""
    seat = rng.uniform(0.40, 0.43)
    parts = Parts()
    foot = [(0.11, 0.0), (0.105, 0.05), (0.10, 0.16), (0.16, seat - 0.1), (0.185, seat - 0.02)]
    stretch = 1.25
    parts.add(
        CERAMIC,
        _oval_solid([*foot, (0.13, seat - 0.02), (0.07, seat - 0.16), (0.0, seat - 0.17)], stretch).moved(0, -0.06),
    )
    ring = [
        (0.125, seat - 0.018),
        (0.19, seat - 0.018),
        (0.192, seat - 0.005),
        (0.185, seat + 0.004),
        (0.13, seat + 0.004),
        (0.125, seat - 0.018),
    ]
    parts.add(WHITE, _oval_solid(ring, stretch).moved(0, -0.06))
    parts.add(
        plain((0.75, 0.85, 0.88)), _oval_solid([(0.075, seat - 0.155), (0.0, seat - 0.15)], stretch).moved(0, -0.06)
    )
    if rng.random() < 0.5:
        parts.add(WHITE, prism(_oval(0.375, 0.375 * stretch), seat + 0.005, seat + 0.022).moved(0, -0.06))
    else:
        lid = prism(_oval(0.375, 0.375 * stretch), -0.008, 0.008).turned(np.pi / 2 - 0.12, 0)
        parts.add(WHITE, lid.moved(0, 0.165, seat + 0.24))
    parts.add(CERAMIC, rounded_box((0.20, 0.28, seat - 0.04), 0.03, (0, 0.18, (seat - 0.04) / 2)))
    top = seat + rng.uniform(0.34, 0.40)
    parts.add(CERAMIC, rounded_box((0.40, 0.17, top - seat + 0.02), 0.03, (0, 0.285, (top + seat) / 2 - 0.02)))
    parts.add(CERAMIC, rounded_box((0.42, 0.19, 0.035), 0.015, (0, 0.285, top - 0.012)))
    parts.add(CHROME, cylinder(0.022, top, top + 0.012, y=0.285))
    return parts.model("toilet")


def bathtub(rng: Rng, style: Style, length: float | None = None) -> Model:
    """A bathtub against a wall, hollow, with taps at one end."""
    length = rng.uniform(1.5, 1.75) if length is None else length
    width, height, rim = rng.uniform(0.70, 0.78), rng.uniform(0.52, 0.60), 0.07
    x, y = length / 2, width / 2
    parts = Parts()
    parts.add(CERAMIC, _tub(x, y, rim, height))
    end = x - rim / 2
    parts.add(
        CHROME,
        tube(
            [
                (end, 0.0, height),
                (end, 0.0, height + 0.14),
                (end - 0.12, 0.0, height + 0.13),
                (end - 0.12, 0.0, height + 0.09),
            ],
            0.014,
        ),
    )
    for side in (-1, 1):
        parts.add(CHROME, cylinder(0.022, height, height + 0.05, end, side * 0.1))
    parts.add(CHROME, cylinder(0.025, 0.121, 0.124, x - 0.32, 0.0))
    return parts.model("bathtub")


def _tub(x1: float, y1: float, rim: float, height: float) -> Shape:
    """Return the walls, rim and hollow of a tub over -x1 ... x1, -y1 ... y1; its floor is at 0.12 m."""
    x0, y0 = -x1, -y1
    rows = []
    for inset, z, radius in (
        (rim, height, 0.14),
        (rim + 0.02, height - 0.08, 0.16),
        (rim + 0.07, 0.22, 0.18),
        (rim + 0.15, 0.13, 0.16),
        (rim + 0.25, 0.12, 0.1),
    ):
        rows.append(
            np.column_stack(
                [_rounded_rectangle(x0 + inset, x1 - inset, y0 + inset, y1 - inset, radius), np.full(29, z)]
            )
        )
    edge = _rounded_rectangle(x0, x1, y0, y1, 0.03)
    skirt = [np.column_stack([edge, np.full(29, z)]) for z in (0.0, height - 0.02, height)]
    points = np.stack([*skirt, *rows])
    length = np.linspace(0.0, 4.0, 29)
    uv = np.stack(np.broadcast_arrays(length[None, :], np.linspace(0, 1.5, len(points))[:, None]), axis=-1)
    return join([surface(points, uv), fan(points[-1, :-1]), fan(points[0, :-1][::-1])])


def _rounded_rectangle(x0: float, x1: float, y0: float, y1: float, radius: float) -> np.ndarray:
    """Return (29, 2) points counter-clockwise around a rectangle with round corners, closed."""
    # At exactly half a side neighbouring arcs would share a point, and a triangle between them had no area.
    radius = min(radius, (x1 - x0) / 2.01, (y1 - y0) / 2.01)
    points = []
    for i, (cx, cy) in enumerate(((x1, y0), (x1, y1), (x0, y1), (x0, y0))):
        angle = np.linspace(-np.pi / 2, 0.0, 7) + i * np.pi / 2
        center = (cx - radius if cx == x1 else cx + radius, cy - radius if cy == y1 else cy + radius)
        points.append(np.stack([center[0] + radius * np.cos(angle), center[1] + radius * np.sin(angle)], axis=1))
    ring = np.concatenate(points)
    return np.vstack([ring, ring[:1]])


@sized(0.5, 0.85, 1.3, follow=(0.8, 0.4, 0.3))
def bathroom_sink(rng: Rng, style: Style, width: float | None = None) -> Model:
    """A washbasin on a vanity cabinet or on a pedestal, with a tap."""
    width = rng.uniform(0.52, 0.9) if width is None else width
    depth, height = rng.uniform(0.42, 0.5), rng.uniform(0.82, 0.88)
    x, y = width / 2, depth / 2
    parts = Parts()
    bowl = min(0.24, x - 0.06)
    hollow = [(0.0, height - 0.13), (bowl * 0.6, height - 0.12), (bowl * 0.95, height - 0.03), (bowl, height + 0.012)]
    rim = [(bowl + 0.015, height + 0.012), (bowl + 0.015, height - 0.04)]
    if rng.random() < 0.6:
        body = pick(rng, (style.wood, style.paint))
        top = height - 0.02
        parts.add(body, block(-x + 0.01, x - 0.01, -y + 0.03, y, 0.14, height - 0.14))
        fronts(parts, body, style.metal, (-x + 0.012, x - 0.012), (0.15, height - 0.15), -y + 0.03, 1, 2)
        parts.add(body, block(-x + 0.02, x - 0.02, -y + 0.08, y, 0.0, 0.14))
        parts.add(CERAMIC, block(-x, x, -y, y, height - 0.14, top - 0.02))
        parts.add(style.stone if style.stone.kind == "marble" else CERAMIC, block(-x, x, -y, y, top - 0.02, top))
        lift = 0.10
    else:
        parts.add(
            CERAMIC,
            lathe([(0.12, 0.0), (0.10, 0.05), (0.08, 0.4), (0.11, height - 0.14)], 20, smooth=True).moved(0, 0.08),
        )
        parts.add(CERAMIC, rounded_box((width, depth, 0.15), 0.05, (0, 0, height - 0.075)))
        lift = 0.005
    shape = lathe([(bowl * 0.5, height - 0.13), *rim[::-1], *hollow[::-1]], 28, smooth=False)
    scale = 0.78
    shape = shape._replace(vertices=shape.vertices * (1.0, scale, 1.0))
    parts.add(CERAMIC, shape.moved(0, -0.035, lift))
    back = y - 0.04
    parts.add(
        CHROME,
        tube(
            [
                (0, back, height - 0.03),
                (0, back, height + lift + 0.12),
                (0, back - 0.12, height + lift + 0.11),
                (0, back - 0.12, height + lift + 0.08),
            ],
            0.012,
        ),
    )
    parts.add(CHROME, block(-0.008, 0.008, back - 0.01, back + 0.03, height + lift + 0.13, height + lift + 0.142))
    return parts.model("sink")


@sized(0.42, 0.85, 1.4)
def mirror(rng: Rng, style: Style) -> Model:
    """A framed mirror for a wall, rectangular or round; front to -y."""
    parts = Parts()
    finish = pick(rng, (style.wood, style.metal, DARK, WHITE))
    glass = picture("mirror", int(rng.integers(6)))
    if rng.random() < 0.7:
        width, height = rng.uniform(0.45, 0.8), rng.uniform(0.6, 1.0)
        edge = rng.uniform(0.015, 0.05)
        frame(parts, finish, width, height, edge, (-0.012, 0.012), -0.004)
        parts.add_picture(glass, picture_plane(width / 2 - edge, -0.005, edge, height - edge))
    else:
        radius = rng.uniform(0.28, 0.4)
        ring = [
            (radius - 0.02, -0.012),
            (radius, -0.012),
            (radius, 0.012),
            (radius - 0.02, 0.012),
            (radius - 0.02, -0.012),
        ]
        parts.add(finish, lathe(ring, 36).turned(-np.pi / 2, 0))
        disc = cylinder(radius - 0.01, -0.01, 0.006, segments=36)
        disc = disc._replace(uv=(disc.vertices[:, :2] / (2 * radius) + 0.5).astype(np.float32))
        parts.add_picture(glass, disc.turned(-np.pi / 2, 0))
    return parts.model("mirror")


@sized(0.38, 0.55, 0.87)
def towel(rng: Rng, style: Style) -> Model:
    """A towel over a rail on the wall; front to -y."""
    width, height = rng.uniform(0.42, 0.56), rng.uniform(0.5, 0.75)
    finish = Finish(pick(rng, ("carpet", "stripes", "carpet")), pick(rng, (*style.accents, (0.94, 0.93, 0.90))))
    parts = Parts()
    top, out = height - 0.02, -0.03
    parts.add(CHROME, tube([(-width / 2 - 0.05, out, top), (width / 2 + 0.05, out, top)], 0.009))
    for side in (-1, 1):
        end = side * (width / 2 + 0.04)
        parts.add(CHROME, tube([(end, out, top), (end, 0.03, top)], 0.008))
    u = np.linspace(-0.5, 0.5, 13)
    rows = [
        (-0.016, 0.0),
        (-0.018, 0.3),
        (-0.016, top - 0.05),
        (-0.012, top + 0.006),
        (0.0, top + 0.014),
        (0.012, top + 0.006),
        (0.014, top - 0.1),
        (0.012, 0.12),
    ]
    points = np.empty((len(rows), len(u), 3))
    for i, (y, z) in enumerate(rows):
        ripple = 0.006 * np.sin(9 * u + 1.0) * (1.0 - z / height)
        points[i] = np.stack([u * width, out + y + ripple, np.full_like(u, z)], axis=1)
    parts.add(finish, sheet(points, thickness=0.006))
    return parts.model("towel")


@sized(0.8, 0.86, 0.95)
def washer(rng: Rng, style: Style) -> Model:
    """A front-loading washing machine: round door, drawer, dial."""
    width, depth, height = rng.uniform(0.58, 0.62), rng.uniform(0.55, 0.64), rng.uniform(0.83, 0.88)
    body = pick(rng, (WHITE, WHITE, plain((0.45, 0.46, 0.48))))
    x, y = width / 2, depth / 2
    parts = Parts()
    parts.add(body, rounded_box((width, depth, height - 0.015), 0.02, (0, 0, height / 2 + 0.0075)))
    parts.add(DARK, block(-x + 0.04, x - 0.04, -y + 0.04, y - 0.04, 0.0, 0.02))
    radius, z = width * 0.33, height * 0.46
    ring = [
        (radius * 0.74, 0.0),
        (radius, 0.0),
        (radius, 0.02),
        (radius * 0.82, 0.045),
        (radius * 0.74, 0.03),
        (radius * 0.74, 0.0),
    ]
    parts.add(pick(rng, (CHROME, GREY, WHITE)), lathe(ring, 32).turned(np.pi / 2, 0).moved(0, -y, z))
    parts.add(
        BLACK,
        lathe([(radius * 0.75, 0.0), (radius * 0.72, 0.018), (radius * 0.4, 0.032), (0.0, 0.036)], 28, smooth=True)
        .turned(np.pi / 2, 0)
        .moved(0, -y, z),
    )
    parts.add(DARK, block(-x + 0.27, x - 0.03, -y - 0.004, -y + 0.004, height - 0.13, height - 0.04))
    parts.add(GREY, block(-x + 0.03, -x + 0.19, -y - 0.004, -y + 0.004, height - 0.13, height - 0.04))
    parts.add(
        CHROME, cylinder(0.028, 0.0, 0.025, segments=20).turned(np.pi / 2, 0).moved(-x + 0.23, -y, height - 0.085)
    )
    parts.add(plain((0.4, 0.8, 1.0), 0.8), block(0.06, 0.14, -y - 0.006, -y - 0.003, height - 0.10, height - 0.07))
    parts.surface("top", height, -x + 0.05, x - 0.05, -y + 0.06, y - 0.05)
    return parts.model("washer")


@sized(0.2, 0.31, 0.48)
def bucket(rng: Rng, style: Style) -> Model:
    """A bucket with its handle down."""
    radius, height = rng.uniform(0.13, 0.16), rng.uniform(0.24, 0.30)
    plastic = plain(pick(rng, ((0.20, 0.40, 0.70), (0.75, 0.20, 0.18), (0.60, 0.62, 0.64), (0.20, 0.55, 0.40))))
    bottom, wall = radius * 0.75, 0.006
    parts = Parts()
    profile = [
        (bottom, 0.0),
        (radius, height - 0.02),
        (radius + 0.008, height - 0.015),
        (radius + 0.008, height),
        (radius - wall, height),
        (bottom - wall, 0.01),
        (0.0, 0.01),
    ]
    parts.add(plastic, lathe(profile, 24))
    bend = np.linspace(0.0, np.pi, 11)
    arc = np.stack(
        [(radius + 0.008) * np.cos(bend), -(radius + 0.012) * np.sin(bend), height - 0.03 - 0.05 * np.sin(bend)], axis=1
    )
    parts.add(GREY, tube(arc, 0.004, 6))
    return parts.model("bucket")
