"""The frames that patches hold give these patches again, so that a model which takes frames sees the same pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.models.media import VideoInputs, encode_video, prompt_ids, with_video
from ocr_hf.models.tiny import PRESETS, make_tiny
from ocr_hf.models.video_frames import as_one_token, frames_of, vllm_fields
from ocr_hf.perturb.noise import gaussian_region
from ocr_hf.perturb.patch_space import gaussian_patches

FAMILIES = ("qwen2_5_vl", "qwen2_vl", "qwen3_vl")
CHAT = with_video([{"role": "user", "content": "How many chairs are there?"}])


@pytest.fixture(scope="module")
def processors():
    return {name: make_tiny(PRESETS["0.2M"], name)[1] for name in FAMILIES}


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def taken(processor, fields: dict) -> dict:
    """What transformers' processor makes of the fields of a prompt, called as vLLM calls it."""
    ((frames, metadata),) = fields["multi_modal_data"]["video"]
    assert metadata.pop("do_sample_frames") is False
    settings = {"video_metadata": [[metadata]]} | fields["mm_processor_kwargs"]
    text = processor.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    return processor(text=[text], videos=[frames], return_tensors="pt", **settings)


@pytest.mark.parametrize("family", FAMILIES)
@given(
    st.integers(2, 7), st.integers(40, 160), st.integers(40, 160), st.sampled_from((0.31, 2.0, 24.0)), st.integers(0, 9)
)
def test_the_same_patches_times_and_tokens(processors, family, num_frames, height, width, fps, seed):
    processor = processors[family]
    video = encode_video(processor, noise((num_frames, height, width, 3), seed), fps=fps)
    seen = taken(processor, vllm_fields(video, "clip/1", processor))
    assert torch.equal(seen["pixel_values_videos"], video.pixel_values_videos)
    assert torch.equal(seen["video_grid_thw"], video.video_grid_thw)
    if "second_per_grid_ts" in seen:
        assert float(seen["second_per_grid_ts"][0]) == pytest.approx(video.seconds_per_grid, rel=1e-6)
    # Qwen3-VL's placeholder spells the times of the frames
    assert seen["input_ids"][0].tolist() == prompt_ids(processor, CHAT, [video])


@pytest.mark.parametrize("num_frames", [4, 5])
def test_without_resizing_they_are_the_frames(processors, num_frames):
    processor, frames = processors["qwen2_5_vl"], noise((num_frames, 84, 112, 3))
    assert np.array_equal(frames_of(encode_video(processor, frames, fps=2.0), processor.video_processor), frames)


def noisy(processor, frames: np.ndarray, **options) -> tuple[VideoInputs, np.ndarray]:
    region = np.random.default_rng(1).random(frames.shape[:3]) < 0.3
    video = encode_video(processor, frames, fps=2.0)
    patches = gaussian_patches(video.pixel_values_videos, region, 0.7, 5, **options)
    return video.with_pixels(patches), region


@pytest.mark.parametrize("num_frames", [4, 5])
def test_noise_in_patch_space(processors, num_frames):
    processor, frames = processors["qwen2_5_vl"], noise((num_frames, 84, 112, 3))
    video, region = noisy(processor, frames)
    found = frames_of(video, processor.video_processor)
    assert (found != gaussian_region(frames, region, 0.7, 5)).mean() < 1e-4, "but where a value lies on the edge"
    seen = taken(processor, vllm_fields(video, "clip/1", processor))["pixel_values_videos"]
    # Noise is normalised in another order of operations than the processor's
    assert float((seen - video.pixel_values_videos).abs().max()) < 1e-6


def test_colours_that_no_frame_has_are_refused(processors):
    processor = processors["qwen2_5_vl"]
    video, _ = noisy(processor, noise((4, 84, 112, 3)), round_to_uint8=False)
    with pytest.raises(ValueError, match="hold a colour 0.5 of 256 levels beside .* round noise to 8-bit colours"):
        frames_of(video, processor.video_processor)
    bright = replace(video, pixel_values_videos=torch.full_like(video.pixel_values_videos, 9.0))
    with pytest.raises(ValueError, match="of 256 levels beside those of a frame"):
        frames_of(bright, processor.video_processor)
    broken = replace(video, pixel_values_videos=torch.full_like(video.pixel_values_videos, torch.nan))
    with pytest.raises(ValueError, match="hold a colour nan of 256 levels"):
        frames_of(broken, processor.video_processor)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_token_in_the_prompt(processors, family):
    processor = processors[family]
    video = encode_video(processor, noise((6, 84, 112, 3)), fps=2.0)
    short = prompt_ids(processor, CHAT, [as_one_token(video, processor)])
    assert short.count(processor.video_token_id) == 1 < video.num_tokens
    text = processor.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert short == processor.tokenizer(text, add_special_tokens=False)["input_ids"]
