"""Sample completions with transformers, each from the video of its prompt."""

from __future__ import annotations

import copy
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


PIECE = 32
"""Tokens that are generated before rollouts which have ended leave the batch: fewer would cost more copies of keys and
values than the rows that they save."""


def sample_completions(
    model: Any,
    inputs: dict[str, Any],
    generation_config: Any,
    end_tokens: Sequence[int],
    in_step: bool = False,
) -> list[list[int]]:
    """Return the token ids of one completion per prompt.

    Args:
        model: ready for `generate`.
        inputs: from `shared_prefix.rollout_inputs`, or plain ones.
        generation_config: of transformers.
        end_tokens: ids that end a completion.
        in_step: run the model as often as all other processes do, until the last of their rollouts ends, as sharded
            parameters need. Else it runs piece by piece, each without the rollouts that have ended, where prompts have
            run already. Greedy completions are the same; sampled ones are other draws from the same distribution.
    """
    longest, shortest = generation_config.max_new_tokens, generation_config.min_new_tokens or 0
    if in_step or longest <= PIECE or "past_key_values" not in inputs or _needs_whole(generation_config):
        # transformers finds out for DeepSpeed and for its own FSDP, but not for accelerate's FSDP 2
        waiting = {"synced_gpus": True} if in_step else {}
        tokens = model.generate(generation_config=generation_config, **inputs, **waiting)
        return until_end(tokens[:, inputs["input_ids"].shape[1] :], end_tokens)
    ends = set(end_tokens)
    inputs = dict(inputs)
    rows = list(range(len(inputs["input_ids"])))
    completions: list[list[int]] = [[] for _ in rows]
    for done in range(0, longest, PIECE):
        settings = copy.deepcopy(generation_config)
        settings.max_new_tokens = min(PIECE, longest - done)
        settings.min_new_tokens = max(0, shortest - done)
        settings.return_dict_in_generate = True
        output = model.generate(generation_config=settings, **inputs)
        new = until_end(output.sequences[:, inputs["input_ids"].shape[1] :], end_tokens)
        for row, tokens in zip(rows, new, strict=True):
            completions[row] += tokens
        left = [place for place, tokens in enumerate(new) if tokens[-1] not in ends]
        if not left:
            break
        rows = [rows[place] for place in left]
        inputs = _after(inputs, output, torch.tensor(left, device=output.sequences.device))
    return completions


def _needs_whole(generation_config: Any) -> bool:
    """Return whether it counts how many tokens one call generates, or the cache is of a fixed size."""
    names = ("forced_eos_token_id", "begin_suppress_tokens", "exponential_decay_length_penalty", "cache_implementation")
    return any(getattr(generation_config, name, None) is not None for name in names)


def _after(inputs: dict[str, Any], output: Any, left: torch.Tensor) -> dict[str, Any]:
    """Return the inputs of the next piece: those rows that go on, with what they have generated."""
    ids, positions = output.sequences, inputs["position_ids"]
    new = ids.shape[1] - positions.shape[-1]
    cache = output.past_key_values
    cache.batch_select_indices(left)
    mask = torch.cat([inputs["attention_mask"], inputs["attention_mask"].new_ones(len(ids), new)], dim=1)
    # Behind a prompt's text, positions go on by one on all axes.
    steps = torch.arange(1, new + 1, device=positions.device)
    positions = torch.cat([positions, positions[..., -1:] + steps], dim=-1)
    return {
        "input_ids": ids[left],
        "attention_mask": mask[left],
        "position_ids": positions[:, left],
        "past_key_values": cache,
    }


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
