"""Textures: tileable, bright, deterministic, shared."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ocr_hf.scenes.homes.materials import TEXTURES, Finish, plain, texture
from ocr_hf.scenes.homes.noise_textures import SIZE, noise
from ocr_hf.scenes.homes.pictures import PICTURES, VARIANTS, picture


@pytest.mark.parametrize("kind", sorted(TEXTURES))
def test_a_texture_wraps_around(kind: str) -> None:
    image = texture(kind).astype(float)
    assert image.shape == (SIZE, SIZE, 3)
    for axis in (0, 1):
        # The step across the seam is no larger than the steps inside (their largest: patterns have edges of their own).
        inside = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
        seam = np.abs(image.take(0, axis) - image.take(-1, axis)).mean()
        assert seam <= 1.25 * inside.max() + 1.0
    assert np.quantile(image, 0.995) > 240.0  # the finish's colour comes through


def test_finishes_share_the_texture_and_differ_in_colour() -> None:
    oak, birch = Finish("wood", (0.8, 0.6, 0.4)).material(), Finish("wood", (0.9, 0.8, 0.6)).material()
    assert oak.texture is birch.texture and oak.color != birch.color
    assert plain((0.5, 0.5, 0.5)).material().texture is None
    with pytest.raises(KeyError):
        Finish("unobtainium", (1, 1, 1)).material()


def test_noise_has_the_statistics_it_promises() -> None:
    for name, falloff, stretch in (("a", 0.0, 1.0), ("b", 1.5, 1.0), ("c", 1.0, 30.0)):
        field = noise(name, falloff, stretch)
        assert abs(float(field.mean())) < 1e-3 and float(field.std()) == pytest.approx(1.0, abs=1e-3)
    grain = noise("c", 1.0, 30.0)
    assert np.abs(np.diff(grain, axis=1)).mean() < 0.3 * np.abs(np.diff(grain, axis=0)).mean()


@pytest.mark.parametrize("kind", sorted(PICTURES))
def test_pictures_vary_and_repeat(kind: str) -> None:
    images = [picture(kind, i).texture for i in range(VARIANTS)]
    assert all(image.dtype == np.uint8 and image.shape == (SIZE, SIZE, 3) for image in images)
    assert picture(kind, VARIANTS).texture is images[0]
    if kind not in ("keys", "mirror"):
        assert len({hashlib.sha256(image.tobytes()).hexdigest() for image in images}) == VARIANTS


def test_textures_are_the_same_bytes_everywhere() -> None:
    digest = hashlib.sha256(b"".join(texture(kind).tobytes() for kind in ("tile", "checks", "stripes"))).hexdigest()
    texture.cache_clear()
    again = hashlib.sha256(b"".join(texture(kind).tobytes() for kind in ("tile", "checks", "stripes"))).hexdigest()
    assert digest == again
