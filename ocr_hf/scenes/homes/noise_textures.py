"""Tileable noise: the raw stuff of procedural textures. Every array wraps around at its edges."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ocr_hf.scenes.randomness import generator

SIZE = 256
"""Pixels along a texture's side."""


@lru_cache(maxsize=64)
def noise(name: str, falloff: float = 1.5, stretch: float = 1.0, low_cut: float = 0.0) -> np.ndarray:
    """Return (SIZE, SIZE) float32 periodic noise with mean 0 and standard deviation 1, by filtering in Fourier space.

    falloff : amplitude falls with frequency to this power; 0 = white, 1.5 = clouds
    stretch : above 1 the noise is drawn out along u (columns): wood grain, brushed metal
    low_cut : frequencies below this many waves per side are dropped
    """
    # Spectral synthesis: white noise shaped in Fourier space is periodic by construction, so textures tile without
    # seams.
    white = generator(0, "texture", name).standard_normal((SIZE, SIZE))
    waves = np.fft.fftfreq(SIZE, 1.0 / SIZE)
    across, along = np.meshgrid(waves, waves * stretch, indexing="ij")
    frequency = np.hypot(across, along)
    frequency[0, 0] = 1.0
    gain = frequency**-falloff * (frequency > low_cut)
    gain[0, 0] = 0.0
    field = np.fft.ifft2(np.fft.fft2(white) * gain).real
    field = (field / field.std()).astype(np.float32)
    field.setflags(write=False)
    return field


def coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Return (u, v), each (SIZE, SIZE) in [0, 1): u runs along columns, v along rows."""
    steps = (np.arange(SIZE) + 0.5) / SIZE
    u, v = np.meshgrid(steps, steps)
    return u, v


def to_texture(tone: np.ndarray, tint: np.ndarray | None = None) -> np.ndarray:
    """Return (SIZE, SIZE, 3) uint8 from a brightness field around 1 and an optional (SIZE, SIZE, 3) tint.

    Textures are bright (they multiply a material's colour), so the field is scaled to end at white; by a quantile and
    not the maximum, because one outlier would darken the whole texture.
    """
    rgb = np.broadcast_to(tone[..., None], (SIZE, SIZE, 3)) if tint is None else tone[..., None] * tint
    rgb = rgb / np.quantile(rgb, 0.995)
    texture = (255.0 * np.clip(rgb, 0.0, 1.0)).round().astype(np.uint8)
    texture.setflags(write=False)
    return texture


def patches(rows: int, columns: int, name: str, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay bricks, planks or tiles; return per pixel (random number of its patch in [0, 1), du, dv).

    shift : every second row is moved by this part of a column (0.5 = brick bond); 1 moves each row at random
    du, dv : distance to the patch's nearest edge along u and v, as a part of the texture's side
    """
    u, v = coordinates()
    row = np.floor(v * rows).astype(int)
    rng = generator(0, "patches", name)
    moves = rng.random(rows) if shift == 1.0 else shift * (np.arange(rows) % 2)
    place = (u * columns + moves[row]) % columns
    column = np.floor(place).astype(int)
    value = rng.random((rows, columns))[row, column]
    part_u, part_v = place - column, v * rows - row
    return value, np.minimum(part_u, 1 - part_u) / columns, np.minimum(part_v, 1 - part_v) / rows
