"""Diffusion noise: where it is, how much it is, and that it depends on nothing but its key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.perturb.noise import diffuse_frames, gaussian_region, region_noise
from ocr_hf.perturb.schedule import diffusion_scales


def clip_and_region(seed: int, frames: int = 3, height: int = 17, width: int = 23) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return (
        random.integers(0, 256, (frames, height, width, 3), dtype=np.uint8),
        random.random((frames, height, width)) < random.random(),
    )


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
def test_pixels_outside_the_region_are_bit_identical(seed, strength):
    frames, region = clip_and_region(seed)
    before = frames.copy()
    noisy = gaussian_region(frames, region, strength, seed)
    np.testing.assert_array_equal(noisy[~region], frames[~region])
    np.testing.assert_array_equal(frames, before)
    assert not np.shares_memory(noisy, frames)


@given(st.integers(0, 2**32 - 1))
def test_no_strength_or_no_region_is_the_identity(seed):
    frames, region = clip_and_region(seed)
    np.testing.assert_array_equal(gaussian_region(frames, region, 0, seed), frames)
    np.testing.assert_array_equal(gaussian_region(frames, np.zeros_like(region), 1, seed), frames)


@pytest.mark.parametrize("strength", [0.2, 0.4, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("value", [0, 60, 128, 255])
def test_noisy_pixels_follow_the_formula_with_its_clamping(strength, value):
    frames = np.full((6, 100, 100, 3), value, dtype=np.uint8)
    region = np.zeros(frames.shape[:3], dtype=bool)
    region[:, 20:80, 10:90] = True
    noisy = gaussian_region(frames, region, strength, 11)[region].astype(np.float64).ravel()
    signal, amount = diffusion_scales(min(round(strength * 1000), 999))
    # a level k is what falls into [k - 1/2, k + 1/2) / 255, the end levels also what the clamp brings there
    law = stats.norm(signal * value / 255.0, amount)
    below = law.cdf((np.arange(255) + 0.5) / 255.0)
    expected = np.diff(np.concatenate([[0.0], below, [1.0]]))
    counts = np.bincount(noisy.astype(np.int64), minlength=256)
    plenty = expected * noisy.size > 20
    assert counts[~plenty].sum() <= expected[~plenty].sum() * noisy.size * 3 + 20
    seen, due = counts[plenty], expected[plenty] * noisy.size
    if plenty.sum() > 1:
        assert stats.chisquare(seen, due * seen.sum() / due.sum()).pvalue > 1e-4
    assert abs(seen.sum() - due.sum()) < 5 * np.sqrt(noisy.size)


def test_noise_is_independent_across_frames_colours_and_neighbours():
    frames = np.full((4, 64, 64, 3), 128, dtype=np.uint8)
    noise = gaussian_region(frames, np.ones(frames.shape[:3], dtype=bool), 0.4, 5).astype(np.float64) - 128
    noise -= noise.mean()
    limit = 4.5 / np.sqrt(3 * 64 * 64)

    def correlation(a: np.ndarray, b: np.ndarray) -> float:
        return abs(float(np.corrcoef(a.ravel(), b.ravel())[0, 1]))

    assert correlation(noise[0], noise[1]) < limit
    assert correlation(noise[..., 0], noise[..., 1]) < limit
    assert correlation(noise[:, :, 1:], noise[:, :, :-1]) < limit
    assert correlation(noise[:, 1:], noise[:, :-1]) < limit


@given(st.integers(0, 2**32 - 1), st.permutations(range(5)), st.integers(1, 5))
def test_a_frame_s_noise_does_not_depend_on_the_frames_beside_it(seed, order, count):
    frames, region = clip_and_region(seed, frames=5)
    whole = gaussian_region(frames, region, 0.5, seed)
    chosen = list(order[:count])
    some = gaussian_region(frames[chosen], region[chosen], 0.5, seed, frame_indices=chosen)
    np.testing.assert_array_equal(some, whole[chosen])


def test_the_normal_values_are_normal():
    noise = region_noise(400_000, 1, 0).ravel().astype(np.float64)
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    assert abs(noise.mean()) < 4.5 / np.sqrt(noise.size)
    assert abs(noise.var() - 1.0) < 4.5 * np.sqrt(2.0 / noise.size)
    assert 4.0 < np.abs(noise).max() < 4.33


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_any_number_of_values_is_drawn_and_longer_draws_begin_alike(count):
    noise = region_noise(count, 1, 0)
    assert noise.shape == (count, 3) and noise.dtype == np.float32
    np.testing.assert_array_equal(noise, region_noise(9, 1, 0)[:count])


def test_keys_give_different_noise_and_the_same_key_the_same():
    frames, region = clip_and_region(3)
    assert (gaussian_region(frames, region, 0.5, 1) == gaussian_region(frames, region, 0.5, 1)).all()
    assert (gaussian_region(frames, region, 0.5, 1) != gaussian_region(frames, region, 0.5, 2)).any()


def test_the_bytes_stay_those_of_this_version():
    # Published noisy clips can be made again only as long as this holds.
    frames = np.full((2, 2, 2, 3), 100, dtype=np.uint8)
    noisy = gaussian_region(frames, np.ones((2, 2, 2), dtype=bool), 0.5, stable_key("noise", 0, 7, 0))
    assert noisy.reshape(2, -1).tolist() == [
        [174, 0, 225, 57, 55, 30, 0, 255, 166, 152, 0, 114],
        [0, 117, 0, 0, 244, 117, 130, 40, 28, 33, 0, 183],
    ]


def test_noisy_rollout_s_distortion_is_the_same_noise_everywhere():
    frames, region = clip_and_region(9)
    everywhere = np.ones_like(region)
    np.testing.assert_array_equal(diffuse_frames(frames, 450, 4), gaussian_region(frames, everywhere, 0.45, 4))
    np.testing.assert_array_equal(diffuse_frames(frames, 0, 4), frames)


def test_sizes_that_disagree_are_refused():
    frames, region = clip_and_region(1)
    with pytest.raises(ValueError, match="resize the footprints"):
        gaussian_region(frames, region[:, :5], 0.5, 0)
    with pytest.raises(ValueError, match="2 frame_indices for 3 frames"):
        gaussian_region(frames, region, 0.5, 0, frame_indices=[0, 1])


def test_keys_tell_values_and_types_apart_and_numpy_s_numbers_are_python_s():
    keys = [stable_key(*parts) for parts in [(1, 2), (12,), ("1", 2), ((1, 2),), (1, 2, None), (1.0, 2), (True, 2)]]
    assert len(set(keys)) == len(keys)
    assert stable_key(np.int64(5), np.float64(0.5)) == stable_key(5, 0.5)
    with pytest.raises(TypeError, match="use numbers and strings"):
        stable_key(object())


def test_generators_of_a_key_are_distinct():
    draws = {generator(7, index, stream).integers(2**60) for index in range(10) for stream in range(10)}
    assert len(draws) == 100
