"""Sharing the beginning of prompts changes what is computed, not what is answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.models.load_model import LoadedModel, load_model
from ocr_hf.models.media import encode_video, model_inputs, prompt_ids, with_video
from ocr_hf.models.shared_prefix import generation_inputs, shared_length
from ocr_hf.models.tiny import PRESETS, make_tiny

QUESTIONS = ("How many chairs?", "Is the sofa to the left or the right of the very large table?", "What?", "Where to?")


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model whose answers hang on the video and the question."""
    model, processor = make_tiny(PRESETS["0.2M"], request.param)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(3.0)
    folder = Path(tmp_path_factory.mktemp("lively"))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return load_model(folder, device="cpu")


def video(loaded: LoadedModel, seed: int, size: tuple[int, int] = (84, 112)):
    frames = np.random.default_rng(seed).integers(0, 256, (4, size[0] // 4, size[1] // 4, 3)).astype(np.uint8)
    return encode_video(loaded.processor, frames.repeat(4, axis=1).repeat(4, axis=2), fps=1.0)


def prompts_of(loaded: LoadedModel, videos: list) -> list[list[int]]:
    prompts = []
    for number, shown in enumerate(videos):
        messages = [{"role": "user", "content": [{"type": "text", "text": QUESTIONS[number % len(QUESTIONS)]}]}]
        prompts.append(
            prompt_ids(loaded.processor, with_video(messages) if shown else messages, [shown] if shown else [])
        )
    return prompts


def generate(loaded: LoadedModel, inputs: dict, **options) -> torch.Tensor:
    with torch.inference_mode():
        output = loaded.model.generate(**inputs, max_new_tokens=6, do_sample=False, **options)
    return output[:, inputs["input_ids"].shape[1] :]


@pytest.mark.parametrize("repetition_penalty", [1.0, 1.3])
def test_answers_are_those_of_separate_prompts(loaded: LoadedModel, repetition_penalty: float) -> None:
    """Also where the generation defaults look back at the whole prompt, as Qwen2.5-VL's do."""
    first, second = video(loaded, 1), video(loaded, 2)
    videos = [first, first, second, first, second, second]
    prompts = prompts_of(loaded, videos)
    inputs = generation_inputs(loaded.model, loaded.processor, prompts, videos)
    assert "past_key_values" in inputs and "pixel_values_videos" not in inputs
    options = {"repetition_penalty": repetition_penalty, "min_new_tokens": 6}
    together = generate(loaded, inputs, **options)
    for row, (ids, shown) in enumerate(zip(prompts, videos, strict=True)):
        alone = generate(loaded, model_inputs(loaded.model, loaded.processor, [ids], [shown]), **options)
        assert together[row].tolist() == alone[0].tolist(), row
    assert len({tuple(answer) for answer in together.tolist()}) > 3, "answers must depend on question and video"


def test_logits_are_equal_to_rounding(loaded: LoadedModel) -> None:
    shown = video(loaded, 3)
    prompts = prompts_of(loaded, [shown] * 3)
    inputs = generation_inputs(loaded.model, loaded.processor, prompts, [shown] * 3)
    past = inputs["past_key_values"].get_seq_length()
    inputs["input_ids"], inputs["position_ids"] = inputs["input_ids"][:, past:], inputs["position_ids"][..., past:]
    with torch.inference_mode():
        shared = loaded.model(**inputs).logits[:, -1]
        plain = loaded.model(**model_inputs(loaded.model, loaded.processor, prompts, [shown] * 3)).logits[:, -1]
    assert torch.allclose(shared, plain, atol=1e-4 * plain.abs().max().item())
    assert plain.std() > 0.1


def test_the_vision_tower_runs_once_a_video(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    tower = loaded.model.model.visual
    original = tower.forward
    monkeypatch.setattr(tower, "forward", lambda pixels, *a, **k: seen.append(len(pixels)) or original(pixels, *a, **k))
    first, second = video(loaded, 1), video(loaded, 2)
    videos = [first, second, first, first, second]
    generation_inputs(loaded.model, loaded.processor, prompts_of(loaded, videos), videos)
    assert seen == [2 * len(first.pixel_values_videos)]


def test_without_video_the_words_are_shared(loaded: LoadedModel) -> None:
    prompts = prompts_of(loaded, [None] * 4)
    inputs = generation_inputs(loaded.model, loaded.processor, prompts, [None] * 4)
    assert inputs["past_key_values"].get_seq_length() > 5
    together = generate(loaded, inputs, min_new_tokens=6)
    for row, ids in enumerate(prompts):
        alone = generate(loaded, model_inputs(loaded.model, loaded.processor, [ids]), min_new_tokens=6)
        assert together[row].tolist() == alone[0].tolist()


def test_what_cant_be_shared_is_asked_plainly(loaded: LoadedModel) -> None:
    """Every prompt its own video; videos of two sizes; questions with and without video; a single question."""
    wide, tall, other = video(loaded, 1), video(loaded, 1, (112, 84)), video(loaded, 2, (56, 56))
    for videos in ([wide, video(loaded, 2)], [wide, other, wide], [wide, None, wide], [tall]):
        prompts = prompts_of(loaded, videos)
        inputs = generation_inputs(loaded.model, loaded.processor, prompts, videos)
        plain = model_inputs(loaded.model, loaded.processor, prompts, [shown for shown in videos if shown])
        assert set(inputs) == set(plain) and all(torch.equal(inputs[name], plain[name]) for name in plain)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=8), min_size=1, max_size=4))
def test_shared_length(prompts: list[list[int]]) -> None:
    """All begin alike up to there, each keeps a token, and no video token (3) lies behind."""
    length = shared_length(prompts, 3)
    assert len({tuple(ids[:length]) for ids in prompts}) == 1
    assert all(len(ids) > length for ids in prompts)
    if length:
        assert all(3 not in ids[length:] for ids in prompts)
    elif all(3 not in ids for ids in prompts) and min(map(len, prompts)) > 1:
        assert len({ids[0] for ids in prompts}) > 1, "nothing was shared although it could be"
