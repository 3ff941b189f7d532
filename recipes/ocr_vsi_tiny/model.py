"""The untrained reference model: Qwen2.5-VL's architecture at a width that two CPU cores can train."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from ocr_hf.models.tiny import build_tiny
from recipes.ocr_vsi_tiny.config import SIZE


def build_untrained(out: str | Path, seed: int = 0) -> Path:
    """Write the untrained model with tokenizer and processor; the same seed gives the same weights."""
    return build_tiny(out, SIZE, context=1024, seed=seed)


LAYER = "model.language_model.layers."


def load(folder: str | Path) -> PreTrainedModel:
    """Return a model as training needs it: float32, with attention that is kept.

    Attention is plain ("eager") because losses read its weights, and because PyTorch's fused one on the CPU runs
    backwards at a third of its speed in bf16.
    """
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def insert_layer(model: PreTrainedModel, after: int) -> PreTrainedModel:
    """Return a model with one fresh layer after the first `after` of the language model's.

    It gives what the old one gave: what the fresh layer adds to its input is zero until it is trained.
    """
    config = deepcopy(model.config)
    text = config.text_config
    text.num_hidden_layers += 1
    text.layer_types = [*text.layer_types, text.layer_types[-1]]
    deeper = AutoModelForImageTextToText.from_config(config, dtype=torch.float32, attn_implementation="eager")
    deeper.generation_config = model.generation_config
    weights = {}
    for name, value in model.state_dict().items():
        number, dot, rest = name.removeprefix(LAYER).partition(".")
        late = name.startswith(LAYER) and int(number) >= after
        weights[f"{LAYER}{int(number) + 1}{dot}{rest}" if late else name] = value
    own = deeper.state_dict()
    fresh = {name: own[name] for name in own.keys() - weights.keys()}
    # A layer adds attention and MLP to its input, each through an output projection; zeros there make it the identity
    for name in fresh:
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            fresh[name] = torch.zeros_like(fresh[name])
    deeper.load_state_dict(weights | fresh)
    return deeper


def freeze(model: PreTrainedModel, layers: int) -> None:
    """Leave the vision tower, the embeddings and the first layers of the language model as they are from now on."""
    language = model.model.language_model
    for part in (model.model.visual, language.embed_tokens, *language.layers[:layers]):
        part.requires_grad_(False)
