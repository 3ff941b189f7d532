"""Lamps; each tells where its light comes from by its emissive parts."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import CERAMIC, DARK, WHITE, Style
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.primitives import block, cylinder, lathe, tube
from ocr_hf.scenes.randomness import pick

Rng = np.random.Generator
GLOW = plain((1.0, 0.96, 0.88), emission=1.0)


@sized(1.2, 1.5, 1.8)
def floor_lamp(rng: Rng, style: Style) -> Model:
    """A standing lamp with a cloth shade."""
    height, metal = rng.uniform(1.4, 1.7), style.metal
    bottom, top, tall = rng.uniform(0.17, 0.23), rng.uniform(0.11, 0.17), rng.uniform(0.22, 0.30)
    parts = Parts()
    parts.add(
        metal,
        lathe([(0.14, 0.0), (0.14, 0.018), (0.02, 0.03)], 24),
        cylinder(0.011, 0.02, height - 0.5 * tall, segments=10),
    )
    parts.add(_shade_finish(rng, style), _ring(bottom, top, height - tall, height))
    parts.add(GLOW, cylinder(0.04, height - 0.7 * tall, height - 0.3 * tall))
    return parts.model("lamp")


@sized(0.3, 0.48, 0.8)
def table_lamp(rng: Rng, style: Style) -> Model:
    """A lamp with a ceramic or wooden foot and a cloth shade."""
    height, base = rng.uniform(0.36, 0.52), rng.uniform(0.055, 0.085)
    bottom = rng.uniform(0.11, 0.15)
    tall = 0.42 * height
    foot = pick(rng, (CERAMIC, style.wood, plain(style.accents[2]), style.metal))
    parts = Parts()
    neck = height - tall
    parts.add(
        foot,
        lathe(
            [
                (base * 0.8, 0.0),
                (base, 0.25 * neck),
                (base * 0.9, 0.5 * neck),
                (0.02, 0.85 * neck),
                (0.012, neck + 0.04),
            ],
            20,
            True,
        ),
    )
    parts.add(_shade_finish(rng, style), _ring(bottom, bottom * rng.uniform(0.6, 0.85), neck, height))
    parts.add(GLOW, cylinder(0.028, neck + 0.02, neck + 0.1))
    return parts.model("lamp")


@sized(0.32, 0.45, 0.65)
def desk_lamp(rng: Rng, style: Style) -> Model:
    """A jointed lamp that leans over its desk (towards -y)."""
    metal = pick(rng, (DARK, WHITE, plain(style.accents[0]), style.metal))
    arm = rng.uniform(0.20, 0.26)
    parts = Parts()
    parts.add(metal, lathe([(0.085, 0.0), (0.085, 0.015), (0.02, 0.025)], 20))
    elbow, head = (0.0, 0.10, arm * 1.05), (0.0, -0.08, arm * 1.9)
    parts.add(metal, tube([(0, 0, 0.02), elbow, head], 0.008))
    hood = lathe([(0.075, 0.0), (0.055, 0.05), (0.022, 0.09), (0.0, 0.09)], 20).turned(0.45, 0)
    parts.add(metal, hood.moved(0.0, -0.11, arm * 1.9 - 0.06))
    glow = cylinder(0.06, -0.004, 0.004).turned(0.45, 0)
    parts.add(GLOW, glow.moved(0.0, -0.11, arm * 1.9 - 0.062))
    return parts.model("lamp")


@sized(0.28, 0.45, 1.05, follow=(1.0, 0.5, 0.3))
def ceiling_light(rng: Rng, style: Style) -> Model:
    """A flat disc, a panel, a hanging dome or a globe."""
    kind = pick(rng, ("disc", "panel", "dome", "globe"))
    parts = Parts()
    if kind == "disc":
        radius = rng.uniform(0.16, 0.25)
        parts.add(GLOW, lathe([(0.0, 0.0), (radius * 0.8, 0.005), (radius, 0.04), (radius, 0.06)], 28, True))
        parts.add(style.metal, cylinder(radius * 1.03, 0.06, 0.085, segments=28))
    elif kind == "panel":
        width, depth = pick(rng, ((0.6, 0.6), (1.2, 0.3), (1.2, 0.2)))
        parts.add(WHITE, block(-width / 2, width / 2, -depth / 2, depth / 2, 0.012, 0.06))
        parts.add(GLOW, block(-width / 2 + 0.02, width / 2 - 0.02, -depth / 2 + 0.02, depth / 2 - 0.02, 0.0, 0.015))
    else:
        drop, radius = rng.uniform(0.28, 0.42), rng.uniform(0.15, 0.24)
        parts.add(DARK, cylinder(0.006, radius, drop, segments=6), cylinder(0.05, drop - 0.025, drop))
        if kind == "dome":
            tall = radius * 0.75
            profile = [
                (radius, 0.0),
                (radius * 0.9, tall * 0.45),
                (radius * 0.55, tall * 0.85),
                (0.02, tall),
                (0.0, tall),
            ]
            inside = [(radius - 0.006, 0.0), (radius, 0.0)]
            parts.add(
                pick(rng, (WHITE, DARK, style.metal, plain(style.accents[1]))), lathe([*inside, *profile[1:]], 28, True)
            )
            parts.add(GLOW, cylinder(radius * 0.85, 0.004, 0.012, segments=28))
        else:
            angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
            ball = np.stack([np.cos(angle), np.sin(angle) + 1.0], axis=1) * radius * 0.8
            # cos(pi / 2) isn't quite 0, and only a radius of exactly 0 ends in a point (see lathe).
            ball[[0, -1], 0] = 0.0
            parts.add(GLOW, lathe(ball, 24, True))
    return parts.model("ceiling light")


def _shade_finish(rng: Rng, style: Style) -> Finish:
    return Finish("fabric", pick(rng, ((0.96, 0.92, 0.82), (0.95, 0.95, 0.93), style.accents[3])), emission=0.35)


def _ring(bottom: float, top: float, z0: float, z1: float):
    """Return a hollow cone: a lamp shade, with an outside and an inside."""
    wall = 0.004
    profile = np.array([(bottom - wall, z0), (bottom, z0), (top, z1), (top - wall, z1), (bottom - wall, z0)])
    return lathe(profile, 28)
