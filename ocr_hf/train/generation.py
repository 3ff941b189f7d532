"""Sample completions with transformers, each from the video of its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ocr_hf.models.families import family_of


def until_end(completions: torch.Tensor, ends: Sequence[int]) -> list[list[int]]:
    """Return each row of (B, C) up to and including its first end token."""
    rows = []
    for row in completions.tolist():
        # Not the first padding token: some models pad with a token that also ends an answer, as Qwen's <|endoftext|>
        stop = next((position for position, token in enumerate(row) if token in ends), len(row) - 1)
        rows.append(row[: stop + 1])
    return rows


def sample_completions(model: Any, inputs: dict[str, Any], generation_config: Any, end_tokens: Sequence[int]) -> list:
    """Return the token ids of one completion per prompt, as lists.

    model : ready for `generate`; inputs : from `shared_prefix.rollout_inputs`, or plain ones
    """
    tokens = model.generate(generation_config=generation_config, **inputs)
    return until_end(tokens[:, inputs["input_ids"].shape[1] :], end_tokens)


def suppress_media_tokens(model_config: Any, generation_kwargs: dict[str, Any], generation_config: Any) -> None:
    """Keep the model from sampling an image or video token, for which there are no features and no 3D position.

    TRL suppresses the image token only, and a sampled video token would stop the next scoring with an error about
    features and tokens that do not match. Both of TRL's places are set: `generation_config` is used here,
    `generation_kwargs` by what TRL derives from it.
    """
    tokens = family_of(model_config).unsampled_tokens(model_config)
    if not tokens:
        return
    tokens |= set(generation_kwargs.get("suppress_tokens") or [])
    generation_kwargs["suppress_tokens"] = sorted(tokens)
    generation_config.suppress_tokens = sorted(tokens)
