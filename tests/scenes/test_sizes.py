"""Longest sides follow the stated spread, and what a room asks for is left as it is."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_hf.scenes.homes.furniture import tables, tableware
from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.sizes import scaled, sized
from ocr_hf.scenes.homes.furniture.style import WHITE, Style, sample_style
from ocr_hf.scenes.homes.primitives import block
from ocr_hf.scenes.randomness import generator


def brick(rng: np.random.Generator, style: Style | None, width: float = 1.0) -> Model:
    parts = Parts()
    parts.add(WHITE, block(0.0, width, 0.0, 0.5, 0.0, 0.2))
    parts.surface("top", 0.2, 0.1, width - 0.1, 0.1, 0.4)
    return parts.model("brick")


def test_longest_sides_have_the_stated_quantiles() -> None:
    rng = generator(5, "sizes")
    make = sized(0.5, 0.8, 2.0)(brick)
    longest = np.array([make(rng, None).size.max() for _ in range(3000)])
    assert np.quantile(longest, [0.1, 0.5, 0.9]) == pytest.approx([0.5, 0.8, 2.0], rel=0.06)
    assert longest.min() > 0.5 * 0.5 / 0.8 and longest.max() < 2.0 * 2.0 / 0.8


def test_a_size_that_the_room_asks_for_is_kept() -> None:
    rng = generator(5, "sizes")
    make = sized(0.5, 0.8, 2.0)(brick)
    assert make(rng, None, width=1.7).size[0] == 1.7
    style = sample_style(rng)
    assert tables.dining_table(rng, style, width=1.1).size[0] == pytest.approx(1.1, abs=0.02)


def test_sides_follow_as_stated() -> None:
    rng = generator(6, "sizes")
    flat = sized(0.5, 0.8, 2.0, follow=(1.0, 0.5, 0.0))(brick)
    for _ in range(20):
        x, y, z = flat(rng, None).size
        assert z == pytest.approx(0.2) and y == pytest.approx(0.5 * np.sqrt(x))
    style = sample_style(rng)
    long, short = max, min
    heights = {kind: [] for kind in (long, short)}
    pairs = [[tables.dining_table(rng, style) for _ in range(2)] for _ in range(30)]
    for pair in pairs:
        for kind in heights:
            heights[kind].append(kind(pair, key=lambda model: model.size[0]).size[2])
    # A long table is hardly higher than a short one, or nobody could eat at it
    assert np.mean(heights[long]) < 1.1 * np.mean(heights[short])


def test_what_stands_on_a_model_finds_its_surface_after_scaling() -> None:
    model = scaled(brick(generator(0), None), np.array([2.0, 3.0, 4.0]))
    (surface,) = model.surfaces
    assert surface.z == pytest.approx(model.size[2]) and model.size.tolist() == pytest.approx([2.0, 1.5, 0.8])
    assert (surface.x0, surface.x1) == pytest.approx((-0.8, 0.8))
    points = np.concatenate([mesh.vertices for mesh in model.meshes])
    assert np.ptp(points, axis=0) == pytest.approx(model.size)


def test_cups_differ_as_cups_do() -> None:
    rng = generator(7, "cups")
    style = sample_style(rng)
    heights = [tableware.cup(rng, style).size.max() for _ in range(200)]
    assert 0.2 < np.std(heights) / np.mean(heights) < 0.4
