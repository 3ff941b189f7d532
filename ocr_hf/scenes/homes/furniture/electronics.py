"""Screens, computers, telephones and their cables."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import BLACK, DARK, GREY, STEEL, WHITE, Style
from ocr_hf.scenes.homes.materials import plain
from ocr_hf.scenes.homes.pictures import picture
from ocr_hf.scenes.homes.primitives import (
    block,
    cylinder,
    ellipsoid,
    extruded,
    lathe,
    picture_plane,
    quad,
    rounded_box,
    tube,
)
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator
GREEN_LIGHT = plain((0.3, 0.9, 0.4), 0.9)


def _face(parts: Parts, kind: str, rng: Rng, x: float, y: float, z0: float, z1: float, emission: float) -> None:
    """Lay a picture over the rectangle -x ... x, z0 ... z1 at depth y, facing -y."""
    parts.add_picture(picture(kind, int(rng.integers(6)), emission), picture_plane(x, y, z0, z1))


@sized(0.6, 0.98, 1.4)
def tv(rng: Rng, style: Style, on_wall: bool = False) -> Model:
    """A flat television on two feet, or for a wall; on or off."""
    width = rng.uniform(0.95, 1.45)
    # 16:9 is 0.5625; the rest is the frame.
    height, foot = width * 0.57, 0.0 if on_wall else 0.07
    x, edge = width / 2, 0.012
    parts = Parts()
    parts.add(BLACK, block(-x, x, -0.012, 0.016, foot, foot + height))
    parts.add(DARK, block(-x * 0.6, x * 0.6, 0.016, 0.045, foot + 0.1 * height, foot + 0.7 * height))
    if rng.random() < 0.6:
        # Half a millimetre before the case, since faces that coincide flicker; so are keys and other screens.
        _face(parts, "film", rng, x - edge, -0.0125, foot + edge * 1.5, foot + height - edge, 0.5)
    else:
        parts.add(
            plain((0.03, 0.035, 0.045)),
            block(-x + edge, x - edge, -0.0135, -0.011, foot + edge * 1.5, foot + height - edge),
        )
    if not on_wall:
        for side in (-1, 1):
            fx = side * x * 0.68
            parts.add(DARK, tube([(fx, -0.11, 0.008), (fx, 0.0, foot + 0.02), (fx, 0.11, 0.008)], 0.008, 6))
    return parts.model("tv")


@sized(0.42, 0.57, 0.78)
def monitor(rng: Rng, style: Style) -> Model:
    """A computer monitor on its stand."""
    width = rng.uniform(0.5, 0.64)
    tall, base = width * rng.uniform(0.56, 0.62), rng.uniform(0.10, 0.15)
    x, case = width / 2, pick(rng, (BLACK, BLACK, plain((0.75, 0.76, 0.77))))
    parts = Parts()
    parts.add(case, rounded_box((width, 0.03, tall), 0.008, (0, 0, base + tall / 2)))
    _face(parts, "screen", rng, x - 0.012, -0.0155, base + 0.02, base + tall - 0.012, 0.55)
    parts.add(case, block(-0.03, 0.03, 0.012, 0.04, 0.01, base + 0.6 * tall))
    parts.add(case, rounded_box((0.24, 0.19, 0.014), 0.006, (0, 0.03, 0.007)))
    return parts.model("monitor")


@sized(0.3, 0.42, 0.5)
def keyboard(rng: Rng, style: Style) -> Model:
    """A keyboard."""
    width, depth = rng.uniform(0.40, 0.46), rng.uniform(0.13, 0.16)
    x, y, z = width / 2, depth / 2, 0.022
    parts = Parts()
    parts.add(DARK, rounded_box((width, depth, z), 0.008, (0, 0, z / 2)))
    keys = quad(
        (-x + 0.008, -y + 0.008, z + 0.0005),
        (x - 0.008, -y + 0.008, z + 0.0005),
        (x - 0.008, y - 0.008, z + 0.0005),
        (-x + 0.008, y - 0.008, z + 0.0005),
        1.0,
        1.0,
    )
    parts.add_picture(picture("keys", 0), keys)
    return parts.model("keyboard")


@sized(0.09, 0.11, 0.14)
def mouse(rng: Rng, style: Style) -> Model:
    """A computer mouse."""
    body = pick(rng, (DARK, BLACK, WHITE))
    angle = np.linspace(0.0, np.pi / 2, 6)
    parts = Parts()
    dome = lathe(
        [(0.031, 0.0), *[(0.031 * np.cos(a), 0.012 + 0.026 * np.sin(a)) for a in angle[:-1]], (0.0, 0.038)],
        20,
        smooth=True,
    )
    parts.add(body, dome._replace(vertices=dome.vertices * (1.0, 1.75, 1.0)))
    parts.add(GREY, ellipsoid((0.004, 0.010, 0.006), (0, -0.026, 0.034), 5))
    return parts.model("computer mouse")


@sized(0.25, 0.35, 0.46)
def laptop(rng: Rng, style: Style) -> Model:
    """An open laptop."""
    width, depth = rng.uniform(0.31, 0.37), rng.uniform(0.21, 0.25)
    x, y, z = width / 2, depth / 2, 0.016
    case = pick(rng, (plain((0.72, 0.73, 0.75)), DARK))
    parts = Parts()
    parts.add(case, rounded_box((width, depth, z), 0.006, (0, 0, z / 2)))
    keys = quad(
        (-x + 0.02, -0.01, z + 0.0005),
        (x - 0.02, -0.01, z + 0.0005),
        (x - 0.02, y - 0.02, z + 0.0005),
        (-x + 0.02, y - 0.02, z + 0.0005),
        1.0,
        1.0,
    )
    parts.add_picture(picture("keys", 0), keys)
    parts.add(GREY, block(-0.05, 0.05, -y + 0.012, -0.025, z - 0.002, z + 0.0006))
    tilt = -rng.uniform(0.15, 0.35)
    lid = rounded_box((width, 0.008, depth), 0.004, (0, 0, depth / 2)).turned(tilt, 0).moved(0, y - 0.004, z)
    parts.add(case, lid)
    a, b = x - 0.008, depth - 0.010
    screen = quad((-a, -0.0046, 0.012), (a, -0.0046, 0.012), (a, -0.0046, b), (-a, -0.0046, b), 1.0, 1.0)
    parts.add_picture(picture("screen", int(rng.integers(6)), 0.55), screen.turned(tilt, 0).moved(0, y - 0.004, z))
    return parts.model("laptop")


@sized(0.3, 0.45, 0.6)
def tower(rng: Rng, style: Style) -> Model:
    """A computer tower."""
    width, depth, height = rng.uniform(0.17, 0.21), rng.uniform(0.38, 0.46), rng.uniform(0.36, 0.46)
    case = pick(rng, (BLACK, DARK, plain((0.72, 0.72, 0.70))))
    x, y = width / 2, depth / 2
    parts = Parts()
    parts.add(case, block(-x, x, -y + 0.02, y, 0.012, height))
    for sx in (-x + 0.03, x - 0.03):
        for sy in (-y + 0.06, y - 0.06):
            parts.add(DARK, cylinder(0.015, 0.0, 0.013, sx, sy, segments=8))
    parts.add(case, rounded_box((width, 0.03, height - 0.012), 0.008, (0, -y + 0.015, height / 2 + 0.006)))
    for z in (height - 0.06, height - 0.11):
        parts.add(GREY, block(-x + 0.02, x - 0.02, -y - 0.003, -y + 0.002, z, z + 0.036))
    for i in range(7):
        z = 0.06 + 0.02 * i
        parts.add(DARK if case is not DARK else GREY, block(-x + 0.03, x - 0.03, -y - 0.002, -y + 0.002, z, z + 0.008))
    parts.add(GREEN_LIGHT, cylinder(0.008, 0.0, 0.004, segments=12).turned(np.pi / 2, 0).moved(0, -y, height - 0.15))
    return parts.model("computer tower")


@sized(0.38, 0.52, 0.66)
def printer(rng: Rng, style: Style) -> Model:
    """A desktop printer with paper in its trays."""
    width, depth, height = rng.uniform(0.38, 0.46), rng.uniform(0.28, 0.34), rng.uniform(0.22, 0.30)
    body, second = pick(rng, ((WHITE, GREY), (DARK, BLACK), (plain((0.82, 0.82, 0.80)), DARK)))
    x, y = width / 2, depth / 2
    paper = plain((0.97, 0.97, 0.96))
    parts = Parts()
    parts.add(body, rounded_box((width, depth, height * 0.42), 0.02, (0, 0, height * 0.21)))
    parts.add(body, rounded_box((width, depth * 0.72, height * 0.5), 0.02, (0, depth * 0.14, height * 0.67)))
    parts.add(second, block(-x + 0.02, x - 0.02, -y + 0.02, y - 0.03, height * 0.88, height * 0.95))
    parts.add(BLACK, block(-x + 0.05, x - 0.05, -y - 0.002, -y + 0.02, height * 0.2, height * 0.36))
    parts.add(second, block(-0.12, 0.12, -y - 0.06, -y + 0.02, height * 0.17, height * 0.2))
    parts.add(paper, block(-0.105, 0.105, -y - 0.055, -y + 0.02, height * 0.2, height * 0.225))
    parts.add(
        plain((0.35, 0.6, 0.9), 0.6),
        block(x - 0.13, x - 0.06, -depth * 0.22 - 0.004, -depth * 0.22 + 0.01, height * 0.72, height * 0.82),
    )
    parts.add(paper, block(-0.105, 0.105, y - 0.06, y - 0.045, height * 0.9, height + 0.1))
    return parts.model("printer")


@sized(0.16, 0.25, 0.42)
def telephone(rng: Rng, style: Style) -> Model:
    """A desk telephone: wedge, keys, handset."""
    body = pick(rng, (BLACK, DARK, plain((0.86, 0.85, 0.80)), plain((0.65, 0.15, 0.13))))
    parts = Parts()
    x, y = 0.09, 0.10
    parts.add(body, extruded([(-y, 0.0), (y, 0.0), (y, 0.075), (-y, 0.03)], -x, x))
    slope = 0.045 / (2 * y)
    for row in range(4):
        for column in range(3):
            kx, ky = 0.0 + column * 0.026, -0.07 + row * 0.026
            z = 0.03 + (ky + y) * slope
            parts.add(GREY, block(kx, kx + 0.018, ky, ky + 0.016, z - 0.004, z + 0.006))
    z = 0.03 + (0.065 + y) * slope
    parts.add(plain((0.55, 0.65, 0.55), 0.3), block(0.0, 0.07, 0.045, 0.085, z - 0.01, z + 0.009))
    hx = -0.055
    parts.add(body, tube([(hx, -0.085, 0.062), (hx, -0.05, 0.085), (hx, 0.05, 0.105), (hx, 0.085, 0.102)], 0.014))
    parts.add(
        body,
        cylinder(0.024, 0.0, 0.03, segments=14).moved(hx, -0.08, 0.04),
        cylinder(0.024, 0.0, 0.03, segments=14).moved(hx, 0.08, 0.075),
    )
    return parts.model("telephone")


@sized(0.22, 0.32, 0.5)
def power_strip(rng: Rng, style: Style) -> Model:
    """A power strip with its cable."""
    sockets = int(rng.integers(3, 7))
    width = 0.06 + 0.05 * sockets
    x = width / 2
    parts = Parts()
    parts.add(WHITE, rounded_box((width, 0.055, 0.038), 0.01, (0, 0, 0.019)))
    for i in range(sockets):
        parts.add(DARK, cylinder(0.017, 0.0375, 0.039, -x + 0.045 + i * 0.05, 0.0, segments=14))
    parts.add(plain((0.9, 0.15, 0.1), 0.7), block(x - 0.03, x - 0.012, -0.01, 0.01, 0.036, 0.042))
    parts.add(WHITE, tube([(-x, 0, 0.015), (-x - 0.05, 0.01, 0.006), (-x - 0.12, 0.02, 0.005)], 0.005, 6))
    return parts.model("power strip")


@sized(0.14, 0.2, 0.3)
def headphones(rng: Rng, style: Style) -> Model:
    """Headphones lying on their side: a bow and two cushions."""
    color = pick(rng, (BLACK, WHITE, plain(style.accents[0])))
    bend = np.linspace(0.0, np.pi, 13)
    arc = np.stack([0.085 * np.cos(bend), 0.095 * np.sin(bend) - 0.03, np.full(13, 0.035)], axis=1)
    parts = Parts()
    parts.add(color, tube(arc, 0.009))
    for side in (-1, 1):
        cushion = lathe([(0.03, -0.016), (0.036, -0.008), (0.036, 0.008), (0.03, 0.016)], 18).turned(np.pi / 2, 1)
        parts.add(DARK, cushion.moved(side * 0.078, -0.04, 0.036))
    return parts.model("headphones")


@sized(0.45, 1.0, 1.28)
def fan(rng: Rng, style: Style) -> Model:
    """A standing fan: foot, pole, a cage of rings and three blades, facing -y."""
    height, radius = rng.uniform(1.05, 1.3), rng.uniform(0.19, 0.23)
    body = pick(rng, (WHITE, DARK, STEEL))
    hub = height - radius
    parts = Parts()
    parts.add(
        body, lathe([(0.19, 0.0), (0.19, 0.015), (0.03, 0.035)], 24), cylinder(0.014, 0.03, hub - 0.02, segments=10)
    )
    parts.add(body, cylinder(0.05, -0.02, 0.12, segments=16).turned(np.pi / 2, 0).moved(0, 0.06, hub))
    around = np.linspace(0.0, 2 * np.pi, 33)
    for y, scale in ((-0.09, 0.7), (-0.075, 1.0), (-0.02, 1.0)):
        ring = np.stack(
            [radius * scale * np.cos(around), np.full(33, y), hub + radius * scale * np.sin(around)], axis=1
        )
        parts.add(body, tube(ring, 0.005, 6))
    for i in range(12):
        angle = 2 * np.pi * i / 12
        dx, dz = np.cos(angle), np.sin(angle)
        path = [
            (0.02 * dx, -0.10, hub + 0.02 * dz),
            (0.7 * radius * dx, -0.092, hub + 0.7 * radius * dz),
            (radius * dx, -0.075, hub + radius * dz),
            (radius * dx, -0.02, hub + radius * dz),
            (0.04 * dx, -0.005, hub + 0.04 * dz),
        ]
        parts.add(body, tube(path, 0.003, 5))
    for i in range(3):
        blade = (
            rounded_box((radius * 0.8, 0.008, 0.11), 0.003, (radius * 0.42, 0, 0))
            .turned(0.5, 0)
            .turned(2 * np.pi * i / 3, 1)
        )
        parts.add(plain((0.55, 0.65, 0.75)), blade.moved(0, -0.05, hub))
    parts.add(DARK, ellipsoid((0.035, 0.02, 0.035), (0, -0.095, hub), 6))
    return parts.model("fan")
