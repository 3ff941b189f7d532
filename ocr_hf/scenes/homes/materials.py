"""Procedural surfaces: tileable textures, made once when first used and shared by all scenes.

A `Finish` is a material and the length of wall, cloth or wood that its texture covers. Textures are near white; the
finish's colour tints them, so that a few textures give many surfaces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ocr_hf.scenes.homes.noise_textures import coordinates, noise, patches, to_texture
from ocr_hf.scenes.scene import Material

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Finish:
    """What a surface is made of.

    kind : a name in TEXTURES, or "plain"
    color : sRGB in [0, 1]
    emission : light given off, in units of the albedo
    """

    kind: str
    color: Color
    emission: float = 0.0

    @property
    def tile_m(self) -> float:
        """Metres that the texture covers before it repeats."""
        return TEXTURES[self.kind][1] if self.kind in TEXTURES else 1.0

    def material(self) -> Material:
        """Return the material; its texture array is shared by all finishes of this kind."""
        return Material(self.color, texture(self.kind), self.emission)


def plain(color: Color, emission: float = 0.0) -> Finish:
    """Return a finish without a texture."""
    return Finish("plain", color, emission)


@cache
def texture(kind: str) -> np.ndarray | None:
    """Return the (H, W, 3) uint8 texture of this kind, None for "plain"; KeyError for an unknown kind."""
    return None if kind == "plain" else TEXTURES[kind][0]()


def _wood() -> np.ndarray:
    # A sine across the board, bent by noise that is drawn out along it: annual rings.
    rings = np.sin(5.0 * noise("rings", 1.6, 14.0) + 26.0 * coordinates()[1] * np.pi)
    grain = noise("grain", 0.6, 40.0)
    tone = 0.86 + 0.045 * rings + 0.035 * grain + 0.03 * noise("wood tone", 1.8, 4.0)
    return to_texture(tone, _warm(tone))


def _dark_veins() -> np.ndarray:
    tone = 0.8 + 0.09 * noise("walnut", 1.5, 18.0) + 0.05 * noise("walnut fine", 0.5, 60.0)
    return to_texture(tone, _warm(tone))


def _warm(tone: np.ndarray) -> np.ndarray:
    """Return a tint that makes darker grain warmer, as in real wood."""
    dark = np.clip(0.9 - tone, 0.0, 1.0)[..., None]
    return 1.0 + dark * np.array([0.25, -0.05, -0.35])


def _planks() -> np.ndarray:
    value, du, dv = patches(8, 2, "planks", shift=1.0)
    tone = 0.78 + 0.20 * value + 0.05 * noise("plank grain", 0.9, 24.0) + 0.03 * noise("plank fine", 0.4, 60.0)
    tone = tone * np.where((dv < 0.0035) | (du < 0.003), 0.55, 1.0)
    return to_texture(tone, _warm(tone))


def _parquet() -> np.ndarray:
    value, du, dv = patches(16, 8, "parquet", shift=0.5)
    tone = 0.8 + 0.2 * value + 0.05 * noise("parquet grain", 0.9, 16.0)
    tone = tone * np.where((dv < 0.003) | (du < 0.003), 0.6, 1.0)
    return to_texture(tone, _warm(tone))


def _tile() -> np.ndarray:
    value, du, dv = patches(4, 4, "tiles")
    edge = np.minimum(du, dv)
    tone = 0.92 + 0.05 * value + 0.015 * noise("tile", 1.4)
    return to_texture(np.where(edge < 0.006, 0.66, tone))


def _subway() -> np.ndarray:
    value, du, dv = patches(8, 4, "subway", shift=0.5)
    tone = 0.94 + 0.05 * value
    return to_texture(np.where(np.minimum(du, dv) < 0.004, 0.7, tone))


def _brick() -> np.ndarray:
    value, du, dv = patches(12, 4, "bricks", shift=0.5)
    tone = 0.66 + 0.3 * value + 0.06 * noise("brick", 0.7)
    mortar = np.minimum(du, dv) < 0.007
    # A texture multiplies the finish's colour: the tint takes most of the bricks' red out of the mortar.
    tint = np.where(mortar[..., None], np.array([1.25, 1.6, 1.8]), 1.0)
    return to_texture(np.where(mortar, 0.62 + 0.05 * noise("mortar", 0.5), tone), tint)


def _plaster() -> np.ndarray:
    return to_texture(1.0 + 0.012 * noise("plaster", 1.2) + 0.008 * noise("plaster fine", 0.3))


def _wallpaper() -> np.ndarray:
    u, _ = coordinates()
    stripe = np.where((u * 8) % 1.0 < 0.5, 1.0, 0.93)
    return to_texture(stripe + 0.008 * noise("paper", 0.4))


def _fabric() -> np.ndarray:
    u, v = coordinates()
    weave = np.sin(2 * np.pi * 64 * u) * np.sin(2 * np.pi * 64 * v)
    return to_texture(0.88 + 0.05 * weave + 0.045 * noise("fabric", 0.4) + 0.02 * noise("fabric soft", 1.6))


def _stripes() -> np.ndarray:
    u, _ = coordinates()
    return to_texture(np.where((u * 6) % 1.0 < 0.35, 0.62, 0.95) + 0.03 * noise("stripes", 0.5))


def _checks() -> np.ndarray:
    u, v = coordinates()
    return to_texture(0.6 + 0.2 * ((u * 5) % 1.0 < 0.5) + 0.2 * ((v * 5) % 1.0 < 0.5) + 0.02 * noise("checks", 0.5))


def _carpet() -> np.ndarray:
    return to_texture(0.82 + 0.09 * noise("carpet", 0.15) + 0.05 * noise("carpet soft", 1.3))


def _rug() -> np.ndarray:
    u, v = coordinates()
    diamonds = np.abs((u * 4) % 1.0 - 0.5) + np.abs((v * 4) % 1.0 - 0.5)
    tone = 0.6 + 0.35 * (np.floor(diamonds * 6) % 2) + 0.05 * noise("rug", 0.2)
    return to_texture(tone)


def _leather() -> np.ndarray:
    return to_texture(0.9 + 0.04 * noise("leather", 0.5, low_cut=12.0) + 0.03 * noise("leather soft", 1.8))


def _marble() -> np.ndarray:
    veins = np.abs(noise("veins", 1.9)) ** 0.6
    tone = 0.78 + 0.2 * np.clip(veins * 1.6, 0.0, 1.0) + 0.02 * noise("marble", 1.2)
    return to_texture(tone)


def _granite() -> np.ndarray:
    return to_texture(0.75 + 0.14 * noise("granite", 0.35, low_cut=10.0) + 0.04 * noise("granite soft", 1.4))


def _brushed() -> np.ndarray:
    return to_texture(0.92 + 0.025 * noise("brushed", 0.4, 80.0))


def _leaf() -> np.ndarray:
    u, v = coordinates()
    veins = np.abs(((v * 8 + np.abs(u - 0.5) * 6) % 1.0) - 0.5)
    return to_texture(0.8 + 0.15 * veins + 0.05 * noise("leaf", 1.0) - 0.2 * (np.abs(u - 0.5) < 0.03))


def _wicker() -> np.ndarray:
    u, v = coordinates()
    over = np.where(
        (np.floor(u * 16) + np.floor(v * 16)) % 2 == 0,
        np.sin(np.pi * ((u * 16) % 1.0)),
        np.sin(np.pi * ((v * 16) % 1.0)),
    )
    return to_texture(0.55 + 0.4 * over + 0.04 * noise("wicker", 0.6))


TEXTURES: dict[str, tuple[Callable[[], np.ndarray], float]] = {
    "wood": (_wood, 1.0),
    "walnut": (_dark_veins, 1.0),
    "planks": (_planks, 1.6),
    "parquet": (_parquet, 1.6),
    "tile": (_tile, 1.6),
    "subway": (_subway, 0.8),
    "brick": (_brick, 0.9),
    "plaster": (_plaster, 2.0),
    "wallpaper": (_wallpaper, 0.9),
    "fabric": (_fabric, 0.5),
    "stripes": (_stripes, 0.5),
    "checks": (_checks, 0.5),
    "carpet": (_carpet, 0.8),
    "rug": (_rug, 1.2),
    "leather": (_leather, 0.8),
    "marble": (_marble, 1.5),
    "granite": (_granite, 0.7),
    "brushed": (_brushed, 0.6),
    "leaf": (_leaf, 0.25),
    "wicker": (_wicker, 0.4),
}
"""kind -> (maker, metres that one repeat covers)."""
