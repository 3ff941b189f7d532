"""Noise put into a processor's patches equals noise put on the frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.noise import gaussian_region, region_noise
from ocr_hf.perturb.patch_space import CLIP_MEAN, CLIP_STD, gaussian_patches
from ocr_hf.perturb.schedule import diffusion_scales

torch = pytest.importorskip("torch")

HEIGHT, WIDTH = 56, 84
KEY = stable_key("patches")


@pytest.fixture(scope="module")
def processor():
    transformers = pytest.importorskip("transformers")
    return transformers.Qwen2VLVideoProcessor()


def patches(processor, frames: np.ndarray, **options) -> torch.Tensor:
    video = torch.from_numpy(frames).permute(0, 3, 1, 2)
    out = processor(
        [video], do_resize=False, do_sample_frames=False, return_tensors="pt", cap_pixels_per_frame=False, **options
    )
    return out["pixel_values_videos"]


def clip(num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(num_frames)
    frames = random.integers(0, 256, (num_frames, HEIGHT, WIDTH, 3), dtype=np.uint8)
    return frames, random.random((num_frames, HEIGHT, WIDTH)) < 0.2


@pytest.mark.parametrize("num_frames", [1, 2, 5, 6])
@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0])
def test_noisy_patches_are_the_patches_of_the_noisy_frames(processor, num_frames, strength):
    frames, region = clip(num_frames)
    noisy = gaussian_patches(patches(processor, frames), region, strength, KEY)
    expected = patches(processor, gaussian_region(frames, region, strength, KEY))
    level = 1.0 / 255.0 / min(CLIP_STD)
    difference = (noisy - expected).abs()
    assert difference.max() <= level * 1.01, "at most one of 256 levels, where a value lies on the edge of rounding"
    assert (difference > level / 2).float().mean() < 1e-4


@pytest.mark.parametrize("num_frames", [1, 4])
def test_without_rounding_they_equal_the_float_frames(processor, num_frames):
    frames, region = clip(num_frames)
    signal, amount = diffusion_scales(500)
    floats = frames.astype(np.float32) / 255.0
    for index in range(num_frames):
        noise = region_noise(int(region[index].sum()), KEY, index)
        floats[index][region[index]] = np.clip(signal * floats[index][region[index]] + amount * noise, 0.0, 1.0)
    expected = patches(processor, floats, do_rescale=False)
    noisy = gaussian_patches(patches(processor, frames), region, 0.5, KEY, round_to_uint8=False)
    torch.testing.assert_close(noisy, expected, rtol=0, atol=2e-6)


def test_patches_outside_the_region_are_bit_identical(processor):
    frames, region = clip(4)
    region[:, :, : WIDTH // 2] = False
    clean = patches(processor, frames)
    before = clean.clone()
    noisy = gaussian_patches(clean, region, 0.5, KEY)
    mask = np.repeat(region[..., None], 3, axis=3).astype(np.uint8) * 255
    outside = patches(processor, mask, image_mean=[0.0] * 3, image_std=[1.0] * 3) == 0
    assert torch.equal(noisy[outside], clean[outside]) and torch.equal(clean, before)
    assert (noisy[~outside] != clean[~outside]).float().mean() > 0.9


def test_no_strength_and_no_region_are_the_identity(processor):
    frames, region = clip(2)
    clean = patches(processor, frames)
    assert torch.equal(gaussian_patches(clean, region, 0.0, KEY), clean)
    assert torch.equal(gaussian_patches(clean, np.zeros_like(region), 1.0, KEY), clean)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=6, unique=True))
def test_sampled_frames_get_the_noise_of_their_place_in_the_clip(processor, chosen):
    frames, region = clip(8)
    expected = patches(processor, gaussian_region(frames, region, 0.5, KEY)[chosen])
    noisy = gaussian_patches(patches(processor, frames[chosen]), region[chosen], 0.5, KEY, frame_indices=chosen)
    assert ((noisy - expected).abs() > 0.5 / 255).float().mean() < 1e-3


def test_half_precision_and_other_normalisation(processor):
    frames, region = clip(2)
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    clean = patches(processor, frames, **half)
    noisy = gaussian_patches(clean, region, 0.5, KEY, **half)
    expected = patches(processor, gaussian_region(frames, region, 0.5, KEY), **half)
    assert ((noisy - expected).abs() > 1e-5).float().mean() < 1e-3
    low = gaussian_patches(clean.to(torch.bfloat16), region, 0.5, KEY, **half)
    assert low.dtype == torch.bfloat16
    assert (low.float() - expected).abs().max() < 0.02


def test_the_constants_are_the_processor_s(processor):
    np.testing.assert_allclose(processor.image_mean, CLIP_MEAN)
    np.testing.assert_allclose(processor.image_std, CLIP_STD)


def test_regions_of_another_size_are_refused(processor):
    frames, region = clip(2)
    clean = patches(processor, frames)
    with pytest.raises(ValueError, match="resize the footprints"):
        gaussian_patches(clean, region[:, :, :-1], 0.5, KEY)
    with pytest.raises(ValueError, match="resize the footprints"):
        gaussian_patches(clean, region[:, :28], 0.5, KEY)
    with pytest.raises(ValueError, match="3 frame_indices for a region of 2 frames"):
        gaussian_patches(clean, region, 0.5, KEY, frame_indices=[0, 1, 2])
