"""Sample completions with transformers, each rollout from its own video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from trl.extras.profiling import profiling_context
from trl.models import unwrap_model_for_generation

from ocr_hf.train.media_table import MediaId

if TYPE_CHECKING:
    from ocr_hf.train.trainer import OCRGRPOTrainer


def left_padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids, mask) (B, longest) of prompts padded on the left."""
    longest = max(len(ids) for ids in prompts)
    ids = torch.tensor([[pad] * (longest - len(ids)) + list(ids) for ids in prompts])
    mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts])
    return ids, mask


def until_end(completions: torch.Tensor, ends: Sequence[int]) -> list[list[int]]:
    """Return each row of (B, C) up to and including its first end token."""
    rows = []
    for row in completions.tolist():
        stop = next((position for position, token in enumerate(row) if token in ends), len(row) - 1)
        rows.append(row[: stop + 1])
    return rows


def generate(
    trainer: OCRGRPOTrainer, prompts: Sequence[Sequence[int]], media_ids: Sequence[MediaId]
) -> list[list[int]]:
    """Return the token ids of one completion per prompt, sampled with the trainer's settings.

    prompts : token ids with the video tokens in them; media_ids : the video of each
    """
    args, accelerator = trainer.args, trainer.accelerator
    ids, mask = left_padded(prompts, trainer.processing_class.tokenizer.pad_token_id)
    ids, mask = ids.to(accelerator.device), mask.to(accelerator.device)
    with (
        profiling_context(trainer, "transformers.generate"),
        unwrap_model_for_generation(
            trainer.model_wrapped,
            accelerator,
            gather_deepspeed3_params=args.ds3_gather_for_generation,
            generation_kwargs=trainer.generation_kwargs,
            gradient_checkpointing_kwargs=args.gradient_checkpointing_kwargs,
        ) as model,
        torch.no_grad(),
        trainer._dist.summon_full_params(trainer.model_wrapped, recurse=False),
    ):
        with accelerator.autocast():
            video = trainer.media[trainer.mode].arguments(trainer.base_of(model), media_ids, ids)
        tokens = model.generate(
            input_ids=ids, attention_mask=mask, generation_config=trainer.generation_config, **video
        )
    return until_end(tokens[:, ids.shape[1] :], trainer.eos_token_ids)
