"""Textures: which texel lands where, filtering, and mip levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.render.textures import MAX_TEXTURE_SIZE, TextureAtlas
from ocr_hf.scenes.scene import Material, Mesh, Scene, SceneObject


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sample(atlas: TextureAtlas, uv: np.ndarray, scale: float = 0.0, index: int = 0) -> np.ndarray:
    """Return (N, 3) colours at uv (N, 2)."""
    count = len(uv)
    return atlas.sample(
        np.full(count, atlas.index[index], dtype=np.int32),
        np.ascontiguousarray(uv.T, dtype=np.float32),
        np.full(count, scale, dtype=np.float32),
    ).T


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99), st.integers(-3, 3), st.integers(-3, 3))
def test_texel_centres_return_the_texels_and_coordinates_wrap(height, width, seed, periods_u, periods_v):
    image = texture(height, width, seed)
    rows, columns = np.mgrid[0:height, 0:width]
    uv = np.stack([(columns + 0.5) / width + periods_u, 1.0 - (rows + 0.5) / height + periods_v], axis=-1)
    found = sample(TextureAtlas((image,)), uv.reshape(-1, 2))
    # Weights have 8 bits.
    np.testing.assert_allclose(found.reshape(image.shape), image, atol=1.5)


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.integers(0, 99))
def test_between_texels_colours_are_blended(u, v, seed):
    image = texture(5, 7, seed)
    x, y = u * 7 - 0.5, (1.0 - v) * 5 - 0.5
    column, row = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - column, y - row
    corners = [image[(row + j) % 5, (column + i) % 7].astype(float) for j in (0, 1) for i in (0, 1)]
    expected = np.dot([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], corners)
    np.testing.assert_allclose(sample(TextureAtlas((image,)), np.array([[u, v]]))[0], expected, atol=4.0)


def test_coarse_levels_are_means():
    image = texture(64, 32)
    atlas = TextureAtlas((image,))
    mean = sample(atlas, np.array([[0.3, 0.7]]), scale=20.0)[0]
    np.testing.assert_allclose(mean, image.mean(axis=(0, 1)), atol=2.0)
    # One octave up, a texel is the mean of 2 x 2.
    halved = image.reshape(32, 2, 16, 2, 3).mean(axis=(1, 3))
    rows, columns = np.mgrid[0:32, 0:16]
    uv = np.stack([(columns + 0.5) / 16, 1.0 - (rows + 0.5) / 32], axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(sample(atlas, uv, scale=1.0).reshape(halved.shape), halved, atol=2.0)


def test_equal_arrays_are_stored_once_and_none_is_white():
    image = texture(64, 64)
    once, thrice = TextureAtlas((image,)), TextureAtlas((image, image, image))
    assert once.nbytes == thrice.nbytes and len(set(thrice.index.tolist())) == 1
    mixed = TextureAtlas((image, None))
    np.testing.assert_array_equal(sample(mixed, np.array([[0.1, 0.9]]), index=1), [[255.0, 255.0, 255.0]])


def test_huge_textures_are_scaled_down():
    atlas = TextureAtlas((texture(16, 4 * MAX_TEXTURE_SIZE),))
    np.testing.assert_array_equal(atlas.size(atlas.index), [[MAX_TEXTURE_SIZE, 4]])


@pytest.mark.parametrize("image", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match="texture is"):
        TextureAtlas((image,))


def poster(image: np.ndarray, size_m: float, repeat: float = 1.0) -> Scene:
    """Return an upright sheet in the plane x = 2 that shows `image` to a camera at the origin."""
    half = size_m / 2.0
    # Seen along +x with +z up, +y is to the left: the image's left edge (u = 0) is at +y.
    corners = np.array([[2.0, half, -half], [2.0, -half, -half], [2.0, -half, half], [2.0, half, half]])
    uv = repeat * np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
    mesh = Mesh(corners, np.array([[0, 2, 1], [0, 3, 2]]), Material((1.0, 1.0, 1.0), image, emission=1.0), uv=uv)
    box = OrientedBox.axis_aligned(corners.min(axis=0), corners.max(axis=0))
    return Scene("poster", "test", (SceneObject(1, "picture", box, (mesh,)),))


def photograph(scene: Scene, width: int, height: int, fov_deg: float) -> np.ndarray:
    pose = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))[None]
    return Renderer(scene).render(pose, intrinsics_from_fov(width, height, fov_deg), width, height).frames[0]


def test_a_photographed_poster_is_the_image():
    coarse = np.array([[[250, 20, 20], [20, 250, 20]], [[20, 20, 250], [240, 240, 30]]], dtype=np.uint8)
    image = coarse.repeat(16, axis=0).repeat(16, axis=1)
    # 2 m wide at 2 m: the poster fills the 53.13 degrees of the frame exactly.
    frame = photograph(poster(image, 2.0), 32, 32, np.degrees(2.0 * np.arctan(0.5)))
    # It glows at full strength, so what is shown is the texture (scaled by light, clipped at white).
    assert (frame.astype(int) - image)[4:12, 4:12].min() >= -2
    for rows in (slice(4, 12), slice(20, 28)):
        for columns in (slice(4, 12), slice(20, 28)):
            bright = image[rows, columns].reshape(-1, 3)[0] > 100
            patch = frame[rows, columns].reshape(-1, 3)
            assert (patch[:, bright] > 200).all() and (patch[:, ~bright] < 60).all()


def test_fine_patterns_turn_grey_in_the_distance_instead_of_shimmering():
    checks = np.indices((64, 64)).sum(axis=0) % 2
    image = np.repeat((255 * checks).astype(np.uint8)[..., None], 3, axis=2)
    far = photograph(poster(image, 2.0, repeat=8.0), 48, 48, 50.0)[8:-8, 8:-8].astype(float)
    near = photograph(poster(image, 2.0, repeat=0.1), 48, 48, 50.0)[8:-8, 8:-8].astype(float)
    assert far.std() < 6.0 and 100.0 < far.mean() < 200.0
    assert near.std() > 40.0
