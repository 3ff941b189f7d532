"""Frames as images or as a video, for models of families without an entry of ours; their processors make the inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ocr_hf.models.answer import GREEDY, AnsweringModel, Prompt
from ocr_hf.models.load_model import ModelLoadError, load_model
from ocr_hf.models.tiny import build_tiny
from tests.models.small_models import SMALL, build_small

CLIPS = [np.random.default_rng(seed).integers(0, 256, (3, 84, 112, 3), dtype=np.uint8) for seed in (0, 1)]


@pytest.fixture(scope="module", params=SMALL)
def folder(request, tmp_path_factory):
    if request.param == "smolvlm2":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    return build_small(request.param, tmp_path_factory.mktemp("models") / request.param)


def test_images_are_those_that_the_processor_alone_would_make(folder) -> None:
    loaded = load_model(folder, device="cpu", needs_video=False)
    asked = AnsweringModel.of(loaded, frames_as="images")
    prompts = [Prompt.of("Chairs?", asked.encode(clip, 1.0)) for clip in CLIPS]
    answers = asked.answer(prompts, 4, "AB")
    assert answers[0].probabilities["A"] != pytest.approx(answers[1].probabilities["A"], rel=1e-3), "images are seen"
    for clip, answer in zip(CLIPS, answers, strict=True):
        blocks = [{"type": "image"}] * len(clip) + [{"type": "text", "text": "Chairs?"}]
        text = loaded.processor.apply_chat_template(
            [{"role": "user", "content": blocks}], tokenize=False, add_generation_prompt=True
        )
        images = [Image.fromarray(frame) for frame in clip]
        inputs = loaded.processor(text=[text], images=[images], return_tensors="pt")
        with torch.inference_mode():
            tokens = loaded.model.generate(**inputs, **GREEDY, max_new_tokens=4)
        new = tokens[0, inputs["input_ids"].shape[1] :]
        assert answer.text == loaded.processor.tokenizer.decode(new, skip_special_tokens=True)
    assert asked.answer([Prompt.of("Chairs?")], 2)[0].text is not None


def test_video_is_the_way_where_there_is_one(folder) -> None:
    loaded = load_model(folder, device="cpu", needs_video=False)
    if getattr(loaded.processor, "video_processor", None) is None:
        with pytest.raises(ValueError, match="takes no video; give --frames-as images"):
            AnsweringModel.of(loaded, frames_as="video")
        with pytest.raises(ModelLoadError, match="has no video processor"):
            load_model(folder, device="cpu")
        return
    by_default, asked = AnsweringModel.of(loaded), AnsweringModel.of(loaded, frames_as="video")
    assert type(by_default.encoder) is type(asked.encoder)
    answers = asked.answer([Prompt.of("Chairs?", asked.encode(clip, 1.0)) for clip in CLIPS], 4, "AB")
    assert answers[0].probabilities["A"] != pytest.approx(answers[1].probabilities["A"], rel=1e-3)
    with pytest.raises(ValueError, match="leave out --max-pixels"):
        AnsweringModel.of(loaded, max_pixels=784, frames_as="images")


def test_qwen_takes_images_of_the_size_that_is_asked_for(tmp_path) -> None:
    loaded = load_model(build_tiny(tmp_path / "tiny", "0.2M"), device="cpu")
    for most, tokens in ((None, 3 * 12), (56 * 56, 3 * 2)):
        asked = AnsweringModel.of(loaded, max_pixels=most, frames_as="images")
        batch = asked.encoder.batch([(Prompt.of("Go.").messages, asked.encode(CLIPS[0], 1.0))])
        assert int((batch["input_ids"] == loaded.processor.image_token_id).sum()) == tokens
