"""What colouring reads of a triangle, in one cache line."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.triples import lengths
from ocr_hf.scenes.render.surfaces import Surfaces
from ocr_hf.scenes.render.textures import TextureAtlas


def corner_table(surfaces: Surfaces, gain: np.ndarray, atlas: TextureAtlas) -> np.ndarray:
    """Return the (2 F, 16) float32 table of what shading reads of a triangle's front (first F rows) or back.

    A row is one cache line: r g b u v at the first corner, their change to the second, to the third corner, and
    log2 of texels per metre.
    """
    vertices, uv, color = surfaces.corners(), surfaces.uv, surfaces.color
    count = len(surfaces.faces)
    table = np.empty((2, count, 16), dtype=np.float32)
    # Whole periods are taken off so that float32 keeps its precision for textures that repeat many times.
    uv = uv - np.floor(uv[:, :1])
    value = np.empty((count, 3, 5), dtype=np.float32)
    for side in range(2):
        value[..., :3] = gain[side] * color
        value[..., 3:] = uv
        table[side, :, 0:5] = value[:, 0]
        table[side, :, 5:10] = value[:, 1] - value[:, 0]
        table[side, :, 10:15] = value[:, 2] - value[:, 0]
    edge_a, edge_b = vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0]
    area = lengths(np.cross(edge_a, edge_b))
    texels = (uv[:, 1:] - uv[:, :1]) * atlas.size(atlas.index[surfaces.part])[:, None, :]
    texel_area = np.abs(texels[:, 0, 0] * texels[:, 1, 1] - texels[:, 0, 1] * texels[:, 1, 0])
    table[..., 15] = 0.5 * np.log2(np.maximum(texel_area, 1e-12) / np.maximum(area, 1e-12))
    return table.reshape(2 * count, 16)
