"""The families of Qwen's video language models: Qwen2-VL, Qwen2.5-VL and Qwen3-VL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.models.families import (
    LANGUAGE_MODEL_LINEARS,
    MODEL_FAMILIES,
    ModelFamily,
    TinyParts,
    VideoProcessing,
    VisionTower,
)
from ocr_hf.models.tokenizer import SPECIAL_TOKENS

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from ocr_hf.models.tiny import TinySize


def same_tokens(config: Any, processor: Any) -> str | None:
    """Check that configuration and processor mean the same token by a video and by an image.

    With the tokenizer of another model the placeholder would be text to the model, and the video lost in silence.
    """
    for name in ("video_token_id", "image_token_id"):
        model, text = getattr(config, name), getattr(processor, name)
        if model != text:
            return (
                f"its configuration has {name} {model}, its processor {text}; put the configuration and the tokenizer "
                "of one model together"
            )
    return None


def same_patches(config: Any, processor: Any) -> str | None:
    """Check that the processor cuts patches of the size that the vision tower reads."""
    for name in ("patch_size", "temporal_patch_size"):
        model, video = getattr(config.vision_config, name), getattr(processor.video_processor, name)
        if model != video:
            return (
                f"its vision tower has a {name} of {model}, its video processor of {video}; put the configuration and "
                "the preprocessor files of one model together"
            )
    return None


# Small models


def _bounds(size: TinySize, patch: int, frames: int = 1) -> dict[str, Any]:
    # 2 x 2 patches are merged into one token, the least that a frame can be
    smallest = (2 * patch) ** 2
    return {
        "patch_size": patch,
        "temporal_patch_size": size.temporal_patch,
        "size": {"shortest_edge": smallest, "longest_edge": frames * size.max_pixels},
    }


def _qwen2_processor(kind: str) -> Any:
    def make(size: TinySize, tokenizer: Any, template: str, patch: int) -> ProcessorMixin:
        import transformers

        image = transformers.Qwen2VLImageProcessor(**_bounds(size, patch))
        video = transformers.Qwen2VLVideoProcessor(
            **_bounds(size, patch), cap_pixels_per_frame=False, do_sample_frames=False
        )
        return getattr(transformers, kind)(image, tokenizer, video, chat_template=template)

    return make


def _qwen3_processor(size: TinySize, tokenizer: Any, template: str, patch: int) -> ProcessorMixin:
    import transformers

    image = transformers.Qwen2VLImageProcessor(**_bounds(size, patch))
    # The bound is on the whole video: room for 16 frames
    video = transformers.Qwen3VLVideoProcessor(**_bounds(size, patch, frames=16), do_sample_frames=False)
    return transformers.Qwen3VLProcessor(image, tokenizer, video, chat_template=template)


def _qwen2_config(size: TinySize, context: int, tokenizer: Any, reference: Path | None) -> Any:
    import transformers

    vision = {
        "depth": size.vision_layers,
        "embed_dim": size.vision_hidden,
        "hidden_size": size.hidden,
        "mlp_ratio": 2,
        "num_heads": size.vision_heads,
        "temporal_patch_size": size.temporal_patch,
    }
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": _section(size)}
    return _config(transformers.Qwen2VLConfig, size, _text(size, context), vision, rope, tokenizer)


def _qwen2_5_config(size: TinySize, context: int, tokenizer: Any, reference: Path | None) -> Any:
    import transformers

    text = _text(size, context)
    # transformers defaults to 4 positions a second, the published models have 2
    whole = range(size.vision_layers) if size.whole_frames else [size.vision_layers - 1]
    vision = _vision(size) | {"fullatt_block_indexes": list(whole), "window_size": 56, "tokens_per_second": 2}
    if reference is not None:
        return _like(reference, transformers.Qwen2_5_VLConfig, size, text, vision)
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": _section(size)}
    return _config(transformers.Qwen2_5_VLConfig, size, text, vision, rope, tokenizer)


def _qwen3_config(size: TinySize, context: int, tokenizer: Any, reference: Path | None) -> Any:
    import transformers

    text = _text(size, context) | {"head_dim": size.hidden // size.heads}
    vision = _vision(size) | {"deepstack_visual_indexes": [0], "num_position_embeddings": 64, "patch_size": 16}
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": _section(size), "mrope_interleaved": True}
    return _config(transformers.Qwen3VLConfig, size, text, vision, rope, tokenizer)


def _section(size: TinySize) -> list[int]:
    """Channels of a head, in halves, that turn with time, height and width: 2 : 3 : 3, as in the published models."""
    channels = size.hidden // size.heads
    if size.hidden % size.heads or channels % 16:
        raise ValueError(
            f"a width of {size.hidden} gives {size.heads} heads of {size.hidden / size.heads:g} channels; "
            "M-RoPE needs a multiple of 16"
        )
    return [channels // 8, channels * 3 // 16, channels * 3 // 16]


def _text(size: TinySize, context: int) -> dict[str, Any]:
    return {
        "hidden_size": size.hidden,
        "intermediate_size": size.mlp,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "max_position_embeddings": context,
    }


def _vision(size: TinySize) -> dict[str, Any]:
    return {
        "depth": size.vision_layers,
        "hidden_size": size.vision_hidden,
        "intermediate_size": 2 * size.vision_hidden,
        "num_heads": size.vision_heads,
        "out_hidden_size": size.hidden,
        "temporal_patch_size": size.temporal_patch,
    }


def _like(reference: Path, kind: Any, size: TinySize, text: dict[str, Any], vision: dict[str, Any]) -> Any:
    """Return a real model's configuration with other widths and depths."""
    config = kind.from_pretrained(reference)
    for part, changes in ((config.text_config, text), (config.vision_config, vision)):
        for name, value in changes.items():
            setattr(part, name, value)
    # The reference's own list has one entry for each of its layers
    config.text_config.layer_types = ["full_attention"] * size.layers
    config.text_config.rope_parameters = {**config.text_config.rope_parameters, "mrope_section": _section(size)}
    return config


def _config(
    kind: Any, size: TinySize, text: dict[str, Any], vision: dict[str, Any], rope: dict[str, Any], tokenizer: Any
) -> Any:
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    # A width of 64 learns nothing within minutes from the deviation of 0.02 that suits a width of 2048
    wide = {"initializer_range": round(size.hidden**-0.5 / 2, 4)}
    return kind(
        text_config={
            **text,
            **wide,
            "vocab_size": len(tokenizer),
            "rope_parameters": rope,
            "bos_token_id": ids["<|im_start|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={**vision, **wide},
        tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )


# Entries

_MARKED_VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"

QWEN2_5_VL = ModelFamily(
    title="Qwen2.5-VL",
    processing=VideoProcessing("Qwen2_5_VLProcessor", pixel_bound="frame", seconds_per_grid=True),
    tower=VisionTower("model.visual", "Qwen2_5_VLVisionBlock", attends_within="pair"),
    decoder_layer="Qwen2_5_VLDecoderLayer",
    lora_targets=LANGUAGE_MODEL_LINEARS,
    checks=(same_tokens, same_patches),
    tiny=TinyParts(14, _MARKED_VIDEO, _qwen2_processor("Qwen2_5_VLProcessor"), _qwen2_5_config, takes_reference=True),
    trains=True,
    samples_by_vllm=True,
)
MODEL_FAMILIES.register("qwen2_5_vl", QWEN2_5_VL)

QWEN3_VL = ModelFamily(
    title="Qwen3-VL",
    processing=VideoProcessing("Qwen3VLProcessor", pixel_bound="video", seconds_per_grid=False),
    tower=VisionTower("model.visual", "Qwen3VLVisionBlock", attends_within="pair", deep_stack=True),
    decoder_layer="Qwen3VLTextDecoderLayer",
    lora_targets=LANGUAGE_MODEL_LINEARS,
    checks=(same_tokens, same_patches),
    # The placeholder itself marks each frame and writes its time before it
    tiny=TinyParts(16, "<|video_pad|>", _qwen3_processor, _qwen3_config),
    trains=True,
    # vLLM 0.30 calls transformers 5.23's Qwen3VLProcessor with text and no video, which that refuses
    samples_by_vllm=False,
)
MODEL_FAMILIES.register("qwen3_vl", QWEN3_VL)

QWEN2_VL = ModelFamily(
    title="Qwen2-VL",
    processing=VideoProcessing("Qwen2VLProcessor", pixel_bound="frame", seconds_per_grid=False),
    tower=VisionTower("model.visual", "Qwen2VLVisionBlock", attends_within="pair"),
    decoder_layer="Qwen2VLDecoderLayer",
    lora_targets=LANGUAGE_MODEL_LINEARS,
    checks=(same_tokens, same_patches),
    tiny=TinyParts(14, _MARKED_VIDEO, _qwen2_processor("Qwen2VLProcessor"), _qwen2_config),
    trains=True,
    samples_by_vllm=True,
)
MODEL_FAMILIES.register("qwen2_vl", QWEN2_VL)
