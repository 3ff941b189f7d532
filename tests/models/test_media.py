"""Frames become exactly the inputs that the processor itself would make, and what it forgets is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.models import media
from ocr_hf.models.sampled_clip import sampled_fps
from ocr_hf.models.tiny import PRESETS, make_tiny, tiny_families


@pytest.fixture(scope="module", params=tiny_families())
def tiny(request):
    model, processor = make_tiny(PRESETS["0.2M"], request.param)
    return model.eval(), processor


@pytest.fixture(scope="module")
def qwen2_5():
    return make_tiny(PRESETS["0.2M"])[1]


def clip(frames: int = 8, height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


QUESTION = [{"role": "user", "content": "How many chairs are there?"}]


def test_equals_the_processor_called_with_metadata(tiny):
    model, processor = tiny
    frames = clip()
    chat = media.with_video(QUESTION)
    video = media.encode_video(processor, frames, fps=2.5)
    ours = media.model_inputs(model, processor, [media.prompt_ids(processor, chat, [video])], [video])
    theirs = processor(
        text=[processor.apply_chat_template(chat, add_generation_prompt=True)],
        videos=[torch.from_numpy(frames).permute(0, 3, 1, 2)],
        video_metadata=[{"total_num_frames": 8, "fps": 2.5, "frames_indices": list(range(8))}],
        do_sample_frames=False,
        return_tensors="pt",
    )
    assert set(ours) == {*theirs, "position_ids"}
    for name in theirs:
        assert torch.equal(ours[name], torch.as_tensor(theirs[name])), name


def test_left_padding_does_not_change_the_answer(tiny):
    model, processor = tiny
    videos = [media.encode_video(processor, clip(n, seed=n), fps=2.0) for n in (8, 4)]
    prompts = [
        media.prompt_ids(processor, media.with_video([{"role": "user", "content": text}]), [video])
        for text, video in zip(("Count.", "How many chairs and tables are there?"), videos, strict=True)
    ]
    with torch.no_grad():
        together = model(**media.model_inputs(model, processor, prompts, videos)).logits
        for row, (prompt, video) in enumerate(zip(prompts, videos, strict=True)):
            alone = model(**media.model_inputs(model, processor, [prompt], [video])).logits[0]
            torch.testing.assert_close(together[row, -len(prompt) :], alone, atol=1e-5, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(frames=st.integers(1, 9), height=st.integers(28, 200), width=st.integers(28, 200))
def test_video_tokens_are_the_grid_over_the_merge_size_squared(qwen2_5, frames, height, width):
    video = media.encode_video(qwen2_5, clip(frames, height, width), fps=1.0, max_pixels=64 * 64)
    grid = video.video_grid_thw[0].tolist()
    assert grid[0] == (frames + 1) // 2
    assert video.num_tokens == grid[0] * grid[1] * grid[2] // 4
    assert len(video.pixel_values_videos) == grid[0] * grid[1] * grid[2]
    ids = media.prompt_ids(qwen2_5, media.with_video(QUESTION), [video])
    assert ids.count(qwen2_5.video_token_id) == video.num_tokens
    assert media.count_tokens(qwen2_5, frames, height, width, 64 * 64) == video.num_tokens


def test_frame_rate_reaches_the_temporal_positions(qwen2_5):
    """Frames one second apart stand twice as far apart in time as frames half a second apart."""
    model, _ = make_tiny(PRESETS["0.2M"])
    spread = []
    for fps in (2.0, 1.0):
        video = media.encode_video(qwen2_5, clip(), fps=fps)
        batch = media.model_inputs(
            model, qwen2_5, [media.prompt_ids(qwen2_5, media.with_video(QUESTION), [video])], [video]
        )
        assert batch["second_per_grid_ts"].item() == 2 / fps
        of_video = batch["position_ids"][1][batch["input_ids"] == qwen2_5.video_token_id]
        spread.append(int(of_video.max() - of_video.min()))
    assert spread == [3 * 2 * 1, 3 * 2 * 2]  # 4 steps of the grid, 2 positions a second


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen2_vl", "qwen3_vl"])
@pytest.mark.parametrize("frames", [2, 40])
def test_text_goes_on_behind_all_axes_of_a_video(name, frames):
    """By hand: as Qwen's own code places it, and transformers up to 5.2, with which the published models were made."""
    model, processor = make_tiny(PRESETS["0.2M"], name)
    video = media.encode_video(processor, clip(frames, 56, 84), fps=1.0)
    ids = media.prompt_ids(processor, media.with_video(QUESTION), [video])
    batch = media.model_inputs(model, processor, [ids, ids[-5:]], [video])
    positions, types = batch["position_ids"][1:, 0], batch["mm_token_type_ids"][0].tolist()
    assert torch.equal(batch["position_ids"][:, 1, -5:], torch.arange(5).expand(4, -1))
    _, rows, columns = (video.video_grid_thw[0] // torch.tensor([1, 2, 2])).tolist()
    # Qwen3-VL has a text before every two frames, the others one block with two positions a second
    second = {"qwen2_5_vl": 2, "qwen2_vl": 0.5, "qwen3_vl": 0}[name]
    expected, start, place = [], 0, 0
    while place < len(ids):
        if types[place] == 0:
            expected.append((start,) * 3)
            start, place = start + 1, place + 1
            continue
        steps = 1 if name == "qwen3_vl" else (frames + 1) // 2
        block = [
            (start + int(2 * second * step), start + row, start + column)
            for step in range(steps)
            for row in range(rows)
            for column in range(columns)
        ]
        expected += block
        start, place = max(max(token) for token in block) + 1, place + len(block)
    assert list(map(tuple, positions.T.tolist())) == expected


def test_rate_from_times():
    assert sampled_fps([0.0, 0.5, 1.0, 1.5]) == pytest.approx(2.0)
    for times in ([1.0], [], [0.0, 0.0], [1.0, 0.5]):
        with pytest.raises(ValueError, match="give at least two times that increase"):
            sampled_fps(times)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either the frames' times or their rate"),
        ({"fps": 2.0, "timestamps_s": [0, 1]}, "either the frames' times or their rate"),
        ({"timestamps_s": [0, 1]}, "8 frames and 2 times"),
        ({"fps": 0.0}, "the frame rate is 0.0"),
        ({"fps": float("nan")}, "the frame rate is nan"),
        ({"fps": 1.0, "min_pixels": 5000, "max_pixels": 4000}, "the first must not exceed the second"),
    ],
)
def test_wrong_arguments_are_named(qwen2_5, arguments, message):
    with pytest.raises(ValueError, match=message):
        media.encode_video(qwen2_5, clip(), **arguments)


@pytest.mark.parametrize("frames", [clip()[0], clip().astype(np.float32), clip()[..., :1], clip()[:0]])
def test_only_rgb_bytes_are_frames(qwen2_5, frames):
    with pytest.raises(ValueError, match=r"give \(T, H, W, 3\) uint8"):
        media.encode_video(qwen2_5, frames, fps=1.0)


def test_processor_without_video_is_refused(qwen2_5):
    with pytest.raises(ValueError, match="has no video processor; use a video language model"):
        media.encode_video(qwen2_5.tokenizer, clip(), fps=1.0)


def test_blocks_and_videos_must_agree(qwen2_5):
    video = media.encode_video(qwen2_5, clip(), fps=1.0)
    with pytest.raises(ValueError, match="the prompt has 0 video blocks, but 1 videos"):
        media.prompt_ids(qwen2_5, QUESTION, [video])
    with pytest.raises(ValueError, match="spells '<|video_pad|>' 1 times itself"):
        media.prompt_ids(qwen2_5, media.with_video([{"role": "user", "content": "a <|video_pad|>"}]), [video])


def test_none_keys_of_datasets_do_not_make_a_second_video(qwen2_5):
    block = [{"type": "video", "text": None}, {"type": "text", "text": "Count.", "video": None}]
    video = media.encode_video(qwen2_5, clip(), fps=1.0)
    padded = media.prompt_ids(qwen2_5, [{"role": "user", "content": block}], [video])
    assert padded == media.prompt_ids(qwen2_5, media.with_video([{"role": "user", "content": "Count."}]), [video])


def test_with_video_keeps_a_block_where_it_is_and_the_chat_as_it_was():
    chat = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "video"}]}]
    assert media.with_video(chat) == chat
    plain = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    assert [part["type"] for part in media.with_video(plain)[1]["content"]] == ["video", "text"]
    assert plain[1]["content"] == "q"
    with pytest.raises(ValueError, match="no user message"):
        media.with_video(plain[:1])


def test_media_ids_depend_on_every_setting_and_on_nothing_else():
    noisy = {"objects": (2, 5), "mode": "gaussian", "strength": 0.5, "seed": 1}
    assert media.media_id("c", noisy) == media.media_id("c", dict(reversed(noisy.items())))
    assert media.media_id("c", {**noisy, "strength": np.float64(0.5)}) == media.media_id("c", noisy)
    changed = [{**noisy, "objects": (2,)}, {**noisy, "strength": 0.6}, {**noisy, "seed": 2}, {}, media.VANILLA]
    names = {media.media_id("c", variant) for variant in [noisy, *changed]} | {media.media_id("d", noisy)}
    assert len(names) == 7
    with pytest.raises(TypeError, match="holds a object"):
        media.media_id("c", {"x": object()})


def test_new_pixels_must_fit(qwen2_5):
    video = media.encode_video(qwen2_5, clip(), fps=1.0)
    assert torch.equal(video.with_pixels(video.pixel_values_videos * 0).pixel_values_videos.unique(), torch.zeros(1))
    with pytest.raises(ValueError, match="they must be equal"):
        video.with_pixels(video.pixel_values_videos[:-1])


class TestFrameCache:
    @settings(max_examples=50, deadline=None)
    @given(keys=st.lists(st.integers(0, 6), max_size=40), room=st.integers(0, 400))
    def test_returns_the_right_clip_within_its_bound(self, keys, room):
        cache = media.FrameCache(room)
        for key in keys:
            frames, times = cache.get(key, lambda key=key: (np.full(10 * key, key, dtype=np.uint8), key))
            assert times == key and len(frames) == 10 * key and (frames == key).all()
            assert cache.bytes <= room
        assert cache.hits + cache.misses == len(keys)

    def test_least_recently_used_goes_first(self):
        cache = media.FrameCache(20)
        decoded = []

        def get(key):
            return cache.get(key, lambda: (decoded.append(key), (np.zeros(10, np.uint8), None))[1])

        for key in "abacab":
            get(key)
        assert decoded == ["a", "b", "c", "b"]

    def test_shared_frames_cannot_be_written(self):
        frames, _ = media.FrameCache(100).get("a", lambda: (np.zeros(3, np.uint8), None))
        with pytest.raises(ValueError, match="read-only"):
            frames[0] = 1

    def test_negative_bound_is_refused(self):
        with pytest.raises(ValueError, match="-1 bytes is not possible"):
            media.FrameCache(-1)
