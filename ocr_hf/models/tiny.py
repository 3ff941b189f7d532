"""Small Qwen2.5-VL and Qwen3-VL models with random weights, built offline and complete with processors.

They are real models of their families: `AutoModelForImageTextToText` and `AutoProcessor` load them without this
package, and every code path of a 3B model runs on them on a CPU.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.models.tokenizer import SPECIAL_TOKENS, build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
MAX_PIXELS = 112 * 112
"""Pixels of one frame after resizing: 16 video tokens for two frames."""


@dataclass(frozen=True)
class TinySize:
    """Widths and depths of a small model; everything else follows from them.

    Heads of the language model have hidden / heads channels, a multiple of 16 (M-RoPE splits them in 2 : 3 : 3).
    temporal_patch : frames that share a video token (Qwen2.5-VL: 2)
    max_pixels : of one frame after resizing; 112 x 112 are 16 video tokens
    whole_frames : every vision layer attends over whole frames, not only the last one
    phrases : texts that are one token each
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    vision_hidden: int
    vision_layers: int
    vision_heads: int
    vocabulary: int = 1024
    temporal_patch: int = 2
    max_pixels: int = MAX_PIXELS
    whole_frames: bool = False
    phrases: tuple[str, ...] = ()


PRESETS = {
    "0.2M": TinySize(64, 2, 4, 2, 128, vision_hidden=32, vision_layers=2, vision_heads=2),
    "1M": TinySize(128, 4, 4, 2, 384, vision_hidden=64, vision_layers=2, vision_heads=4),
    "3M": TinySize(192, 6, 6, 2, 512, vision_hidden=96, vision_layers=3, vision_heads=4),
    "10M": TinySize(320, 8, 10, 2, 800, vision_hidden=160, vision_layers=4, vision_heads=8),
}
"""Size by its rough number of parameters."""

CHAT_TEMPLATE = """{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}\
{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>\
{% elif part['type'] == 'video' %}VIDEO\
{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""Renders what Qwen2.5-VL's template renders for the same messages."""

def build_tiny(
    out: str | Path,
    size: str | TinySize = "1M",
    family: str = "qwen2_5_vl",
    reference: str | Path | None = None,
    context: int = 4096,
    seed: int = 0,
) -> Path:
    """Write a small video language model with random weights to a folder and return the folder.

    size : a key of PRESETS or widths of your own
    family : "qwen2_5_vl" or "qwen3_vl"
    reference : a folder with a real Qwen2.5-VL's config.json, tokenizer and chat template; the model then keeps its
        tokenizer, its vocabulary and every setting but the widths and depths
    context : longest sequence in tokens; seed : of the random weights
    The folder appears at once or not at all. Raises ValueError for an unknown size or family, FileExistsError where
    the folder exists and is not empty.
    """
    if isinstance(size, str) and size not in PRESETS:
        raise ValueError(f"there is no size '{size}'; choose one of {', '.join(PRESETS)}")
    if family not in FAMILIES:
        raise ValueError(f"there is no tiny model of the family '{family}'; choose one of {', '.join(FAMILIES)}")
    if reference is not None and family != "qwen2_5_vl":
        raise ValueError(f"a reference folder goes with the family qwen2_5_vl, not '{family}'; leave one of them out")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"'{out}' exists and is not an empty folder; name a new one or remove it first")
    widths = PRESETS[size] if isinstance(size, str) else size
    model, processor = make_tiny(widths, family, reference, context, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        model.save_pretrained(staging)
        processor.save_pretrained(staging)
        staging.chmod(0o755)
        if out.exists():
            out.rmdir()
        os.replace(staging, out)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return out


def make_tiny(
    size: TinySize, family: str = "qwen2_5_vl", reference: str | Path | None = None, context: int = 4096, seed: int = 0
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Return a small model with random weights and its processor; see `build_tiny`."""
    import torch
    import transformers

    processor = _processor(size, family, reference, context)
    config = _config(size, family, reference, context, processor.tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    tokenizer = processor.tokenizer
    model.generation_config.eos_token_id = [tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, processor


def _processor(size: TinySize, family: str, reference: str | Path | None, context: int) -> ProcessorMixin:
    import transformers

    if reference is None:
        tokenizer = build_tokenizer(size.vocabulary, context, size.phrases)
        video = "<|vision_start|><|video_pad|><|vision_end|>" if family == "qwen2_5_vl" else "<|video_pad|>"
        template = CHAT_TEMPLATE.replace("VIDEO", video)
    else:
        reference = Path(reference)
        tokenizer = transformers.AutoTokenizer.from_pretrained(reference, padding_side="left")
        template = json.loads((reference / "chat_template.json").read_text())["chat_template"]
    patch = 14 if family == "qwen2_5_vl" else 16
    smallest = (2 * patch) ** 2
    image = transformers.Qwen2VLImageProcessor(
        patch_size=patch,
        temporal_patch_size=size.temporal_patch,
        size={"shortest_edge": smallest, "longest_edge": size.max_pixels},
    )
    if family == "qwen2_5_vl":
        video = transformers.Qwen2VLVideoProcessor(
            patch_size=patch,
            temporal_patch_size=size.temporal_patch,
            size={"shortest_edge": smallest, "longest_edge": size.max_pixels},
            cap_pixels_per_frame=False,
            do_sample_frames=False,
        )
        return transformers.Qwen2_5_VLProcessor(image, tokenizer, video, chat_template=template)
    video = transformers.Qwen3VLVideoProcessor(
        patch_size=patch,
        temporal_patch_size=size.temporal_patch,
        # Qwen3-VL's bound is on the pixels of the whole video
        size={"shortest_edge": smallest, "longest_edge": 16 * size.max_pixels},
        do_sample_frames=False,
    )
    return transformers.Qwen3VLProcessor(image, tokenizer, video, chat_template=template)


def _config(size: TinySize, family: str, reference: str | Path | None, context: int, tokenizer: Any) -> Any:
    import transformers

    channels = size.hidden // size.heads
    if size.hidden % size.heads or channels % 16:
        raise ValueError(
            f"a width of {size.hidden} gives {size.heads} heads of {size.hidden / size.heads:g} channels; "
            "M-RoPE needs a multiple of 16"
        )
    section = [channels // 8, channels * 3 // 16, channels * 3 // 16]
    text = {
        "hidden_size": size.hidden,
        "intermediate_size": size.mlp,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "max_position_embeddings": context,
        "head_dim": channels,
    }
    vision = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_hidden,
        "intermediate_size": 2 * size.vision_hidden,
        "num_heads": size.vision_heads,
        "out_hidden_size": size.hidden,
        "temporal_patch_size": size.temporal_patch,
    }
    if family == "qwen2_5_vl":
        text.pop("head_dim")
        # transformers defaults to 4 positions a second, the published models have 2
        whole = range(size.vision_layers) if size.whole_frames else [size.vision_layers - 1]
        vision |= {"fullatt_block_indexes": list(whole), "window_size": 56, "tokens_per_second": 2}
        rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section}
        kind = transformers.Qwen2_5_VLConfig
    else:
        vision |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 64, "patch_size": 16}
        rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": section, "mrope_interleaved": True}
        kind = transformers.Qwen3VLConfig
    if reference is not None:
        config = kind.from_pretrained(reference)
        for part, changes in ((config.text_config, text), (config.vision_config, vision)):
            for name, value in changes.items():
                setattr(part, name, value)
        config.text_config.layer_types = ["full_attention"] * size.layers
        config.text_config.rope_parameters = {**config.text_config.rope_parameters, "mrope_section": section}
        return config
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
