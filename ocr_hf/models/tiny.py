"""Small video language models with random weights, built offline and complete with processors.

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
from typing import TYPE_CHECKING

from ocr_hf.models.families import MODEL_FAMILIES, TinyParts
from ocr_hf.models.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

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


def tiny_families() -> tuple[str, ...]:
    """Return the model families of which a small one can be built."""
    return tuple(name for name, family in MODEL_FAMILIES.items() if family.tiny is not None)


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
    family : one of `tiny_families()`
    reference : a folder with a real Qwen2.5-VL's config.json, tokenizer and chat template; the model then keeps its
        tokenizer, its vocabulary and every setting but the widths and depths
    context : longest sequence in tokens; seed : of the random weights
    The folder appears at once or not at all. Raises ValueError for an unknown size or family, FileExistsError where
    the folder exists and is not empty.
    """
    if isinstance(size, str) and size not in PRESETS:
        raise ValueError(f"there is no size '{size}'; choose one of {', '.join(PRESETS)}")
    if reference is not None and not _parts(family).takes_reference:
        raise ValueError(f"a reference folder does not go with the family '{family}'; leave one of them out")
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
        # mkdtemp makes folders that only their owner may read
        staging.chmod(0o755)
        if out.exists():
            # Empty, as checked above; not every system renames a folder over another
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

    parts = _parts(family)
    if reference is None:
        tokenizer = build_tokenizer(size.vocabulary, context, size.phrases)
        template = CHAT_TEMPLATE.replace("VIDEO", parts.video_block)
    else:
        reference = Path(reference)
        tokenizer = transformers.AutoTokenizer.from_pretrained(reference, padding_side="left")
        template = json.loads((reference / "chat_template.json").read_text())["chat_template"]
    processor = parts.processor(size, tokenizer, template, parts.patch)
    config = parts.config(size, context, tokenizer, reference)
    # The caller's random numbers go on as if none had been drawn here
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    # Both, as in Qwen's own generation configuration: a turn ends with the first, plain text with the second
    model.generation_config.eos_token_id = [tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, processor


def _parts(family: str) -> TinyParts:
    parts = MODEL_FAMILIES.find(family, "family").tiny
    if parts is None:
        raise ValueError(f"the family '{family}' has no tiny model; choose one of {', '.join(tiny_families())}")
    return parts
