"""Small pictures made of numbers: the view from a window, a screen, a painting, a clock face, keys."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ocr_hf.scenes.homes.noise_textures import SIZE, coordinates, noise
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Material

VARIANTS = 6
"""How many different pictures of each kind there are."""


def picture(kind: str, variant: int = 0, emission: float = 0.0) -> Material:
    """Return a material whose picture fills uv 0 ... 1; kind is a name in PICTURES; KeyError for another."""
    return Material((1.0, 1.0, 1.0), _image(kind, variant % VARIANTS), emission)


@lru_cache(maxsize=64)
def _image(kind: str, variant: int) -> np.ndarray:
    image = (255.0 * np.clip(PICTURES[kind](generator(variant, "picture", kind)), 0.0, 1.0)).round().astype(np.uint8)
    image.setflags(write=False)
    return image


def _mix(low, high, part: np.ndarray) -> np.ndarray:
    """Return colours between two, (SIZE, SIZE, 3)."""
    return np.asarray(low) + (np.asarray(high) - np.asarray(low)) * part[..., None]


def _outdoors(rng: np.random.Generator) -> np.ndarray:
    """Sky, clouds, hills and trees; row 0 is the top."""
    u, v = coordinates()
    clouds = np.clip(0.45 * np.roll(noise("clouds", 1.7, 2.0), int(rng.integers(SIZE)), axis=1), 0.0, 1.0)
    image = _mix((0.52, 0.72, 0.95), (0.86, 0.92, 0.98), np.clip(v * 1.5, 0.0, 1.0))
    image = image + (1.0 - image) * clouds[..., None]
    hills = 0.62 + 0.05 * np.sin(2 * np.pi * (u + rng.random())) + 0.02 * np.sin(6 * np.pi * (u + rng.random()))
    shade = 0.06 * noise("foliage", 0.9)
    image = np.where((v > hills)[..., None], _mix((0.42, 0.56, 0.44), (0.55, 0.70, 0.45), v) + shade[..., None], image)
    crowns = 0.72 + 0.04 * np.roll(noise("crowns", 1.2)[0], int(rng.integers(SIZE)))[None, :]
    return np.where((v > crowns)[..., None], np.array([0.24, 0.42, 0.22]) + 2.0 * shade[..., None], image)


def _painting(rng: np.random.Generator) -> np.ndarray:
    """Soft fields of a few colours."""
    colors = rng.uniform(0.15, 0.95, (4, 3))
    turn = int(rng.integers(SIZE))
    first, second = np.roll(noise("paint a", 2.2), turn, axis=0), np.roll(noise("paint b", 2.0), turn, axis=1)
    image = _mix(colors[0], colors[1], 1.0 / (1.0 + np.exp(-6.0 * first)))
    image = np.where((second > 0.6)[..., None], colors[2], image)
    u, v = coordinates()
    x, y, radius = rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75), rng.uniform(0.08, 0.2)
    disc = (u - x) ** 2 + (v - y) ** 2 < radius**2
    return np.where(disc[..., None], colors[3], image) + 0.02 * noise("canvas", 0.3)[..., None]


def _screen(rng: np.random.Generator) -> np.ndarray:
    """A desktop: a gradient, a window with lines of text, a bar of icons."""
    u, v = coordinates()
    image = _mix(rng.uniform(0.05, 0.4, 3), rng.uniform(0.3, 0.8, 3), 0.5 * (u + v))
    x, y = rng.uniform(0.08, 0.3), rng.uniform(0.08, 0.2)
    inside = (u > x) & (u < x + 0.55) & (v > y) & (v < y + 0.6)
    image = np.where(inside[..., None], 0.94, image)
    # The sine gives each line of text a length of its own.
    text = (
        inside
        & (v > y + 0.08)
        & ((v * 28) % 1.0 < 0.45)
        & (u > x + 0.04)
        & (u < x + 0.2 + 0.3 * np.abs(np.sin(np.floor(v * 28) * 2.3)))
    )
    image = np.where(text[..., None], np.array([0.25, 0.3, 0.4]), image)
    bar = inside & (v < y + 0.05)
    image = np.where(bar[..., None], np.array([0.35, 0.45, 0.6]), image)
    return np.where((v > 0.94)[..., None], np.array([0.08, 0.09, 0.12]), image)


def _film(rng: np.random.Generator) -> np.ndarray:
    """What a television shows: a landscape at dusk."""
    u, v = coordinates()
    image = _mix((0.16, 0.22, 0.42), (0.92, 0.62, 0.40), np.clip(v * 1.5, 0.0, 1.0))
    for level, color in ((0.58, (0.24, 0.25, 0.38)), (0.70, (0.13, 0.15, 0.24))):
        ridge = level + 0.05 * np.roll(noise(f"ridge {level}", 1.8)[0], int(rng.integers(SIZE)))[None, :]
        image = np.where((v > ridge)[..., None], np.array(color), image)
    return image


def _clock(rng: np.random.Generator) -> np.ndarray:
    """A clock face with twelve marks and two hands."""
    u, v = coordinates()
    x, y = u - 0.5, 0.5 - v
    # x before y: the angle runs clockwise from twelve.
    radius, angle = np.hypot(x, y), np.arctan2(x, y) / (2 * np.pi)
    image = np.full((SIZE, SIZE, 3), 0.97)
    marks = (np.abs((angle * 12 + 0.5) % 1.0 - 0.5) < 0.09) & (radius > 0.38) & (radius < 0.46)
    image[marks] = 0.1
    hour = float(rng.random())
    # The minute hand follows from the hour's, or the clock would show a time that doesn't exist.
    for turn, length, width in ((hour, 0.24, 0.02), ((hour * 12) % 1.0, 0.36, 0.013)):
        dx, dy = np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)
        along, across = x * dx + y * dy, np.abs(x * dy - y * dx)
        image[(along > -0.03) & (along < length) & (across < width)] = 0.08
    return image


def _keys(rng: np.random.Generator) -> np.ndarray:
    """The keys of a keyboard: light letters on dark caps."""
    u, v = coordinates()
    row = np.floor(v * 5)
    place = u * 15 + 0.3 * row
    part_u, part_v = place % 1.0, (v * 5) % 1.0
    key = (np.minimum(part_u, 1 - part_u) > 0.08) & (np.minimum(part_v, 1 - part_v) > 0.1)
    key |= (row == 4) & (u > 0.28) & (u < 0.68) & (np.minimum(part_v, 1 - part_v) > 0.1)
    image = np.where(key[..., None], 0.20, 0.07) * np.ones(3)
    letter = key & (np.hypot(part_u - 0.5, part_v - 0.5) < 0.14) & (row < 4)
    return np.where(letter[..., None], 0.8, image)


def _poster(rng: np.random.Generator) -> np.ndarray:
    """Writing and diagrams on a white board."""
    u, v = coordinates()
    image = np.full((SIZE, SIZE, 3), 0.97)
    for _ in range(7):
        x, y, length = rng.uniform(0.05, 0.6), rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.35)
        color = rng.permutation([0.1, 0.15, 0.7])
        wave = y + 0.012 * np.sin(u * 190.0 + 3.0 * np.sin(u * 37.0))
        image[(np.abs(v - wave) < 0.006) & (u > x) & (u < x + length)] = color
    x, y = rng.uniform(0.6, 0.75), rng.uniform(0.3, 0.6)
    ring = np.abs(np.maximum(np.abs(u - x) / 1.2, np.abs(v - y)) - 0.12) < 0.006
    image[ring] = (0.75, 0.15, 0.12)
    return image


def _mirror(rng: np.random.Generator) -> np.ndarray:
    """A cool sheen: what a mirror looks like to a renderer without reflections."""
    u, v = coordinates()
    sheen = 0.5 + 0.5 * np.tanh(8.0 * np.sin(2 * np.pi * (u - v) * 0.75 + 0.8))
    return _mix((0.62, 0.70, 0.74), (0.80, 0.87, 0.90), np.clip(0.25 * sheen + 0.6 * (1 - v), 0.0, 1.0))


PICTURES = {
    "outdoors": _outdoors,
    "painting": _painting,
    "screen": _screen,
    "film": _film,
    "clock": _clock,
    "keys": _keys,
    "poster": _poster,
    "mirror": _mirror,
}
"""kind -> maker of (SIZE, SIZE, 3) colours in [0, 1]."""
