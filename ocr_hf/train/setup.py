"""What is checked and prepared before training starts, so that mistakes cost seconds and not hours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.rollouts import Strategy

if TYPE_CHECKING:
    from ocr_hf.train.trainer import OCRGRPOTrainer

ACCURACY = "accuracy_reward"
"""Name of the reward that says whether an answer is right."""


def has_video(dataset: Any, args: OCRGRPOConfig, strategy: Strategy) -> bool:
    """Return whether a run sees video; raise ValueError where the strategy needs columns that the data set lacks.

    A streamed data set may not know its columns; then its rows tell.
    """
    columns = getattr(dataset, "column_names", None)
    if columns is None:
        return True
    if args.video_column not in columns:
        if not args.num_noisy:
            return False
        raise ValueError(
            f"the data set has no video column '{args.video_column}' (it has {', '.join(columns)}), and strategy "
            f"'{args.strategy}' perturbs videos; name the column with video_column, or set strategy to grpo"
        )
    missing = [name for name in strategy.columns if args.num_noisy and name not in columns]
    if missing:
        raise ValueError(
            f"strategy '{args.strategy}' reads the columns {', '.join(missing)}, which the data set lacks; use the "
            "recipes config of ocr-vsi, or strategy noisy_rollout, which needs only id"
        )
    return True


def with_bonus(args: OCRGRPOConfig, reward_funcs: Any, bonus_name: str | None) -> tuple[OCRGRPOConfig, list[Any]]:
    """Return arguments and rewards with a place for the strategy's own reward, which starts at 0."""
    functions = list(reward_funcs) if isinstance(reward_funcs, (list, tuple)) else [reward_funcs]
    if bonus_name is None:
        return args, functions
    if ACCURACY not in [getattr(function, "__name__", None) for function in functions]:
        raise ValueError(
            f"strategy '{args.strategy}' compares accuracies and needs a reward function named '{ACCURACY}'; add "
            "ocr_hf.train.rewards.accuracy_reward"
        )
    args = copy.copy(args)
    if args.reward_weights is not None:
        args.reward_weights = [*args.reward_weights, 1.0]
    return args, [*functions, _zero_reward(bonus_name)]


def _zero_reward(name: str) -> Callable[..., list[float]]:
    def zero(completions: Sequence[Any], **_: Any) -> list[float]:
        return [0.0] * len(completions)

    zero.__name__ = name
    return zero


def check_groups(args: OCRGRPOConfig, strategy: Strategy) -> None:
    """Raise ValueError where rollouts that leave the batch would leave micro-batches of different sizes."""
    if not strategy.excluded:
        return
    rows, chunks = args.per_device_train_batch_size * args.steps_per_generation, args.steps_per_generation
    kept = sum(role not in strategy.excluded for role in strategy.layout)
    if rows % args.num_generations or (rows // args.num_generations * kept) % chunks:
        raise ValueError(
            f"strategy '{args.strategy}' keeps {kept} of {args.num_generations} rollouts, and {rows} rollouts per "
            f"process (per_device_train_batch_size x steps_per_generation) cannot be cut into {chunks} equal "
            f"micro-batches of them; set per_device_train_batch_size to a multiple of {args.num_generations}"
        )


def check_rows(args: OCRGRPOConfig, dataset: Any) -> None:
    """Raise ValueError where a data set has too few rows for one batch; TRL would train no step, in silence."""
    groups = args.generation_batch_size // args.num_generations
    if hasattr(dataset, "__len__") and len(dataset) < groups:
        raise ValueError(
            f"the data set has {len(dataset)} rows, but a batch takes {groups} (processes x "
            "per_device_train_batch_size x steps_per_generation / num_generations), so no step could be trained; lower "
            "these, or give more rows"
        )


def freeze_vision(model: nn.Module, freeze: bool) -> bool:
    """Freeze the vision tower if asked to; return whether nothing of it trains."""
    tower = getattr(getattr(model, "model", None), "visual", None)
    if tower is None:
        return True
    if freeze:
        tower.requires_grad_(False)
    return not any(parameter.requires_grad for parameter in tower.parameters())


def is_sharded(trainer: OCRGRPOTrainer) -> bool:
    """Return whether parameters are whole only inside the model's forward (FSDP, DeepSpeed ZeRO-3)."""
    plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
    return trainer.is_fsdp_enabled or (plugin is not None and plugin.zero_stage == 3)


def suppress_video_token(trainer: OCRGRPOTrainer) -> None:
    """Keep the model from sampling a video token, for which there are no features and no 3D position.

    TRL does so for the image token only.
    """
    config = trainer.base_of(trainer.model).config
    tokens = {getattr(config, name, None) for name in ("image_token_id", "video_token_id")} - {None}
    if not tokens:
        return
    tokens |= set(trainer.generation_kwargs.get("suppress_tokens") or [])
    trainer.generation_kwargs["suppress_tokens"] = sorted(tokens)
    trainer.generation_config.suppress_tokens = sorted(tokens)


def without_video(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a chat without its video blocks."""
    return [
        message
        if isinstance(message["content"], str)
        else {**message, "content": [part for part in message["content"] if part["type"] != "video"]}
        for message in messages
    ]


def check_lengths(trainer: OCRGRPOTrainer, prompts: Sequence[Sequence[int]]) -> None:
    """Raise ValueError where a prompt with its video and a completion do not fit the model's context."""
    context = trainer.base_of(trainer.model).config.get_text_config().max_position_embeddings
    longest = max(prompts, key=len)
    room = context - trainer.max_completion_length
    if len(longest) > room:
        video = list(longest).count(trainer.processing_class.video_token_id)
        raise ValueError(
            f"a prompt has {len(longest)} tokens, {video} of them video, and with max_completion_length = "
            f"{trainer.max_completion_length} exceeds the model's context of {context}; lower num_frames, max_pixels "
            "or max_completion_length"
        )
