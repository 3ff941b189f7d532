"""A model without a family of ours: its own processor makes the inputs; it answers, and is refused by training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.load_model import ModelLoadError, check_config, load_model
from ocr_hf.models.tokenizer import build_tokenizer

TEMPLATE = (
    "{% for turn in messages %}{{ turn['role'] }}: {% for part in turn['content'] %}{% if part['type'] == 'video' %}"
    "<video>{% else %}{{ part['text'] }}{% endif %}{% endfor %};{% endfor %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small LLaVA-OneVision."""
    tokenizer = build_tokenizer()
    tokenizer.add_tokens(["<image>", "<video>"], special_tokens=True)
    size, grid = {"height": 56, "width": 56}, [[56, 56]]
    image = transformers.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=grid)
    video = transformers.LlavaOnevisionVideoProcessor(size=size)
    processor = transformers.LlavaOnevisionProcessor(
        image, tokenizer, video, num_image_tokens=16, vision_feature_select_strategy="full", chat_template=TEMPLATE
    )
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlavaOnevisionConfig(
        vision_config={
            **layers, "model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 64,
            "image_size": 56, "patch_size": 14, "vision_use_head": False,
        },
        text_config={
            **layers, "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 128, "num_key_value_heads": 2,
            "vocab_size": len(tokenizer),
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grid, vision_feature_select_strategy="full", vision_feature_layer=-1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.LlavaOnevisionForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():  # so large that answers differ from video to video
            if weight.ndim > 1:
                weight.mul_(3.0)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    out = tmp_path_factory.mktemp("models") / "llava"
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out


def test_answers_are_those_of_the_model_and_its_processor_alone(folder):
    answering = AnsweringModel.of(load_model(folder, device="cpu"))
    clips = [np.random.default_rng(seed).integers(0, 256, (4, 84, 112, 3), dtype=np.uint8) for seed in (0, 1)]
    texts = ("Go.", "Chairs?")
    prompts = [Prompt.of(text, answering.encode(clip, 1.0)) for text, clip in zip(texts, clips, strict=True)]
    answers = answering.answer(prompts, 5, "AB")
    assert answers[0].probabilities["A"] != pytest.approx(answers[1].probabilities["A"], rel=1e-3)
    for prompt, clip, answer in zip(prompts, clips, answers, strict=True):
        text = f"user: <video>{prompt.messages[0]['content'][0]['text']};"
        inputs = answering.processor(
            text=[text], videos=[torch.from_numpy(clip).permute(0, 3, 1, 2)], return_tensors="pt"
        )
        with torch.no_grad():
            shares = answering.model(**inputs).logits[0, -1].softmax(-1)
            tokens = answering.model.generate(**inputs, do_sample=False, max_new_tokens=5)
        new = tokens[0, inputs["input_ids"].shape[1] :]
        assert answer.text == answering.processor.tokenizer.decode(new, skip_special_tokens=True)
        token = answering.processor.tokenizer.convert_tokens_to_ids("A")
        assert answer.probabilities["A"] == pytest.approx(shares[token].item(), rel=1e-4)


def test_bounds_on_pixels_and_training_are_refused(folder):
    with pytest.raises(ValueError, match="'llava_onevision' sets its frame size itself; leave out --max-pixels"):
        AnsweringModel.of(load_model(folder, device="cpu"), max_pixels=56 * 56)
    with pytest.raises(ModelLoadError, match="models of type 'llava_onevision' can be evaluated but not trained"):
        check_config(folder, training=True)
