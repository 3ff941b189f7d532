"""Small models of families that have no entry of ours, built offline with processors, for tests of evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from ocr_hf.models.tokenizer import build_tokenizer

TEXT = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "hidden_size": 64,
        "intermediate_size": 128}  # fmt: skip
VISION = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64,
          "image_size": 56, "patch_size": 14}  # fmt: skip


def template(image: str, video: str = "") -> str:
    return (
        "{% for turn in messages %}{{ turn['role'] }}: {% for part in turn['content'] %}"
        f"{{% if part['type'] == 'video' %}}{video}{{% elif part['type'] == 'image' %}}{image}"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %};{% endfor %}"
    )


def tokenizer_with(*marks: str, **named: str) -> Any:
    """A small tokenizer with more special tokens; the named ones are its attributes, also when it is loaded again."""
    tokenizer = build_tokenizer()
    tokenizer.add_tokens([*marks, *named.values()], special_tokens=True)
    if named:
        tokenizer._set_model_specific_special_tokens(special_tokens=named)
        tokenizer.init_kwargs["extra_special_tokens"] = named
    return tokenizer


def gemma3() -> tuple[Any, Any]:
    """An image model: no video processor, frames are images."""
    names = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = tokenizer_with(**names)
    image = transformers.Gemma3ImageProcessor(size={"height": 56, "width": 56}, do_convert_rgb=True)
    processor = transformers.Gemma3Processor(
        image, tokenizer, chat_template=template("<start_of_image>"), image_seq_length=4
    )
    config = transformers.Gemma3Config(
        text_config={**TEXT, "head_dim": 32, "vocab_size": len(tokenizer), "sliding_window": 512},
        vision_config={**VISION, "model_type": "siglip_vision_model", "vision_use_head": False},
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.boi_token_id, eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
    )  # fmt: skip
    return config, processor


def smolvlm2() -> tuple[Any, Any]:
    names = {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>",
             "global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>"}  # fmt: skip
    tokenizer = tokenizer_with(**names)
    sizes = {"size": {"longest_edge": 56}, "max_image_size": {"longest_edge": 56}}
    image = transformers.SmolVLMImageProcessor(**sizes, do_image_splitting=False)
    video = transformers.SmolVLMVideoProcessor(
        **sizes, video_sampling={"video_size": {"longest_edge": 56}, "max_frames": 64, "fps": 1}
    )
    processor = transformers.SmolVLMProcessor(
        image, tokenizer, video, image_seq_len=4, chat_template=template("<image>", "<video>")
    )
    config = transformers.SmolVLMConfig(
        text_config={**TEXT, "model_type": "llama", "vocab_size": len(tokenizer), "pad_token_id": 0},
        vision_config=VISION,
        scale_factor=2,
        image_token_id=tokenizer.image_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return config, processor


def internvl() -> tuple[Any, Any]:
    names = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
             "video_token": "<video>"}  # fmt: skip
    tokenizer = tokenizer_with(**names)
    size = {"height": 56, "width": 56}
    image = transformers.GotOcr2ImageProcessor(size=size, crop_to_patches=False)
    video = transformers.InternVLVideoProcessor(size=size)
    processor = transformers.InternVLProcessor(
        image, tokenizer, video, image_seq_length=4, chat_template=template("<IMG_CONTEXT>\n", "<video>\n")
    )
    config = transformers.InternVLConfig(
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": len(tokenizer)},
        vision_config={**VISION, "image_size": [56, 56], "patch_size": [14, 14]},
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=4,
    )
    return config, processor


def llava_onevision() -> tuple[Any, Any]:
    tokenizer = tokenizer_with("<image>", "<video>")
    size, grid = {"height": 56, "width": 56}, [[56, 56]]
    processor = transformers.LlavaOnevisionProcessor(
        transformers.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=grid),
        tokenizer,
        transformers.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=template("<image>", "<video>"),
    )
    config = transformers.LlavaOnevisionConfig(
        vision_config={**VISION, "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": len(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grid, vision_feature_select_strategy="full", vision_feature_layer=-1,
    )  # fmt: skip
    return config, processor


SMALL: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava_onevision": llava_onevision,
    "internvl": internvl,
    "smolvlm2": smolvlm2,
    "gemma3": gemma3,
}
"""Family -> its small model; gemma3 takes images only."""


def build_small(name: str, out: Path) -> Path:
    """Write a small model with random weights, so large that its answers differ from video to video."""
    config, processor = SMALL[name]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                # Gemma 3's projection begins at zero, and images would have no effect
                weight.mul_(3.0) if weight.any() else weight.normal_(
                    0.0, 0.2, generator=torch.Generator().manual_seed(1)
                )
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out
