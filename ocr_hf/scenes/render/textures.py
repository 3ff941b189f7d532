"""Textures with mip levels in one flat array, looked up for many pixels at once."""

from __future__ import annotations

from copy import copy

import numpy as np

MAX_TEXTURE_SIZE = 1024
"""Longer sides are scaled down to this (texels): frames are far smaller."""
LEVELS_PER_OCTAVE = 2
"""Two levels per halving, so that a lookup in the nearest level alone shows no seam between levels."""


class TextureAtlas:
    """Mip pyramids of several textures.

    textures : (H, W, 3) uint8 sRGB arrays, or None for plain white; equal objects are stored once
    Row 0 of an image is v = 1; coordinates wrap around.
    index : (len(textures),) int32, row of `first_level` for each input
    """

    def __init__(self, textures: tuple[np.ndarray | None, ...]) -> None:
        self._unique: tuple[np.ndarray | None, ...] = ()
        self._texels = np.zeros(0, dtype=np.uint32)
        self.index, self._offset, self._width, self._height, self.first_level, self.last_level = np.zeros(
            (6, 0), dtype=np.int32
        )
        self._add(textures)

    def extended(self, textures: tuple[np.ndarray | None, ...]) -> TextureAtlas:
        """Return an atlas of this one's textures, found as before, and of further ones, whose `index` comes after."""
        longer = copy(self)
        longer._add(textures)
        return longer

    def _add(self, textures: tuple[np.ndarray | None, ...]) -> None:
        # By identity, which is cheap: finishes and mesh files share equal textures already.
        order = {id(texture): number for number, texture in enumerate(self._unique)}
        unique = list(self._unique)
        index = []
        for texture in textures:
            key = id(texture)
            if key not in order:
                order[key] = len(unique)
                unique.append(texture)
            index.append(order[key])
        chunks, offsets, widths, heights, first, last = [self._texels], [], [], [], [], []
        offset, count = self._texels.size, len(self._offset)
        for texture in unique[len(self._unique) :]:
            first.append(count + len(offsets))
            for level in _pyramid(texture):
                offsets.append(offset)
                heights.append(level.shape[0])
                widths.append(level.shape[1])
                # One wrapped texel on every side saves all address arithmetic at the borders.
                chunks.append(_pack(np.pad(level, ((1, 1), (1, 1), (0, 0)), mode="wrap")).reshape(-1))
                offset += chunks[-1].size
            last.append(count + len(offsets) - 1)
        # Kept, so that no other texture gets the identity of one that is in here.
        self._unique = tuple(unique)
        self._texels = np.concatenate(chunks)
        for name, more in (
            ("index", index),
            ("_offset", offsets),
            ("_width", widths),
            ("_height", heights),
            ("first_level", first),
            ("last_level", last),
        ):
            setattr(self, name, np.append(getattr(self, name), np.array(more, dtype=np.int32)))

    @property
    def nbytes(self) -> int:
        """Bytes held by all the levels."""
        return self._texels.nbytes

    def size(self, index: np.ndarray) -> np.ndarray:
        """Return the (N, 2) width and height in texels of the finest level of the textures `index` (N,)."""
        level = self.first_level[index]
        return np.stack([self._width[level], self._height[level]], axis=-1)

    def sample(self, index: np.ndarray, uv: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Look up sRGB colours, bilinearly in the nearest level.

        index : (N,) int32, values of `self.index`
        uv : (2, N) float32
        scale : (N,) float32, log2 of how many texels of the finest level one sample spans
        Returns (3, N) float32 in [0, 255].
        """
        # Nearest level, not trilinear: half the look-ups, and with two levels per octave the switch doesn't show.
        level = np.rint(np.maximum(scale, 0.0) * np.float32(LEVELS_PER_OCTAVE)).astype(np.int32)
        level += self.first_level[index]
        np.minimum(level, self.last_level[index], out=level)
        width = self._width[level]
        column, x = _address(uv[0], width)
        row, y = _address(np.float32(1.0) - uv[1], self._height[level])
        width += 2
        row *= width
        row += column
        row += self._offset[level]
        # Fixed point: bilinear weights in 1/256 that sum to 256. Red and blue lie 16 bits apart, so one product of a
        # 32-bit word weighs both without one carrying into the other.
        right_low = (x * y) >> 8
        left_low = y - right_low
        right_top = x - right_low
        left_top = np.uint32(256) - y - right_top
        red_blue = np.full(len(row), 0x800080, dtype=np.uint32)
        green = np.full(len(row), 0x80, dtype=np.uint32)
        for weight, step in ((left_top, 0), (right_top, 1), (left_low, width - 1), (right_low, 1)):
            row += step
            texel = np.take(self._texels, row)
            green += ((texel >> 8) & np.uint32(0xFF)) * weight
            texel &= np.uint32(0xFF00FF)
            texel *= weight
            red_blue += texel
        colors = np.empty((3, len(row)), dtype=np.float32)
        colors[0] = (red_blue >> 8) & np.uint32(0xFF)
        colors[1] = green >> 8
        colors[2] = red_blue >> 24
        return colors


def _address(coordinate: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of two neighbouring texels (in the padded level) and the second's weight in 1/256."""
    position = coordinate - np.floor(coordinate)
    position *= size
    position += np.float32(0.5)
    whole = position.astype(np.int32)
    # Rounding can lift 1 - epsilon to a full period; the padded border still holds the texel to its left.
    np.minimum(whole, size, out=whole)
    position -= whole
    position *= np.float32(256.0)
    return whole, np.rint(position).astype(np.uint32)


def _pack(image: np.ndarray) -> np.ndarray:
    """Return (H, W) uint32 0x00BBGGRR of (H, W, 3) uint8."""
    wide = image.astype(np.uint32)
    return wide[..., 0] | (wide[..., 1] << 8) | (wide[..., 2] << 16)


def _pyramid(texture: np.ndarray | None) -> list[np.ndarray]:
    """Return the levels (H, W, 3) uint8 of a texture, finest first, down to one texel."""
    if texture is None:
        return [np.full((1, 1, 3), 255, dtype=np.uint8)]
    if texture.ndim != 3 or texture.shape[2] != 3 or texture.dtype != np.uint8 or 0 in texture.shape:
        raise ValueError(f"texture is {texture.dtype} {texture.shape}; give a non-empty (H, W, 3) uint8 array")
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(texture))
    shrink = min(1.0, MAX_TEXTURE_SIZE / max(image.size))
    levels, octave = [], 0.0
    while True:
        factor = shrink * 2.0**-octave
        size = tuple(max(1, round(side * factor)) for side in image.size)
        # Every level is made from the texture itself, since BOX then averages each texel just once.
        scaled = image if size == image.size else image.resize(size, Image.Resampling.BOX)
        levels.append(np.asarray(scaled))
        if max(size) == 1:
            return levels
        octave += 1.0 / LEVELS_PER_OCTAVE
