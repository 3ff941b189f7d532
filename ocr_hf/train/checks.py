"""What is checked before training starts, so that a mistake costs seconds and not hours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocr_hf.models.families import ModelFamily, unwrapped_layers
from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.rollouts import Strategy


def has_video(dataset: Any, args: OCRGRPOConfig, strategy: Strategy) -> bool:
    """Return whether a run sees video; raise ValueError where the strategy needs columns that the data set lacks.

    A streamed data set may not know its columns; then its rows tell.
    """
    columns = getattr(dataset, "column_names", None)
    if columns is None:
        return True
    if args.video_column not in columns:
        # A text-only data set: TRL's trainer runs as it is
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
            f"{strategy.data_config} config of ocr-vsi, or strategy noisy_rollout, which needs only id"
        )
    return True


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
    """Raise ValueError where a data set has too few rows for one batch; TRL would train no step and raise nothing."""
    groups = args.generation_batch_size // args.num_generations
    if hasattr(dataset, "__len__") and len(dataset) < groups:
        raise ValueError(
            f"the data set has {len(dataset)} rows, but a batch takes {groups} (processes x "
            "per_device_train_batch_size x steps_per_generation / num_generations), so no step could be trained; lower "
            "these, or give more rows"
        )


def check_recovery(accelerator: Any, args: OCRGRPOConfig) -> None:
    """Raise ValueError where R can't be asked while training: of sharded models, and where nothing is evaluated."""
    if is_sharded(accelerator):
        raise ValueError(
            f"recovery_clips is {args.recovery_clips}, but no process alone can ask a sharded model; set it to 0, and "
            "ask checkpoints by `ocr-hf eval --audit recovery`"
        )
    if args.eval_strategy == "no":
        raise ValueError(
            f"recovery_clips is {args.recovery_clips}, but there are no evaluations, at which R is asked; set "
            "eval_strategy to steps, or recovery_clips to 0"
        )


def check_lengths(prompts: Sequence[Sequence[int]], context: int, completion: int, video_token: int) -> None:
    """Raise ValueError where a prompt with its video and a completion do not fit the model's context.

    prompts : token ids, videos expanded; context, completion : the model's longest sequence and room for the answer
    video_token : the id whose occurrences are the video
    """
    longest = max(prompts, key=len)
    if len(longest) + completion > context:
        raise ValueError(
            f"a prompt has {len(longest)} tokens, {list(longest).count(video_token)} of them video, and with "
            f"max_completion_length = {completion} exceeds the model's context of {context}; lower frames, "
            "max_pixels or max_completion_length"
        )


def is_sharded(accelerator: Any) -> bool:
    """Return whether parameters are whole only inside the model's forward (FSDP, DeepSpeed ZeRO-3)."""
    state = accelerator.state
    deepspeed = getattr(state, "deepspeed_plugin", None)
    return getattr(state, "fsdp_plugin", None) is not None or (deepspeed is not None and deepspeed.zero_stage == 3)


def why_not_vision(accelerator: Any, family: ModelFamily, frozen: bool) -> str | None:
    """Return why a vision tower can't be run once per distinct video, in a forward of its own; None if it can.

    frozen : it doesn't train
    """
    if not family.tower.features_last:
        return f"features of {family.title} can't be passed to it"
    if not is_sharded(accelerator):
        return None
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is None:
        return "DeepSpeed ZeRO-3 gathers parameters in its own forward, and running the tower there is untested"
    if plugin.fsdp_version != 2:
        return "FSDP 1 gathers parameters in its own forward, and running the tower there is untested; use FSDP 2"
    if not frozen:
        return "FSDP with gradients of a tower that runs in a forward of its own is untested; set freeze_vision to true"
    return None


def check_vllm_family(config: Any, family: ModelFamily) -> None:
    """Raise ValueError where nobody has shown that vLLM sees a video of these models as transformers does."""
    if not family.samples_by_vllm:
        raise ValueError(
            f"use_vllm is set, but whether vLLM shows a video to models of type '{config.model_type}' as transformers "
            "does has not been tested; set use_vllm to false, or samples_by_vllm in the entry of their family"
        )


def check_sharding(accelerator: Any, family: ModelFamily) -> None:
    """Raise ValueError where FSDP is set to wrap another family's layers, or ZeRO-3 not to put weights together."""
    deepspeed = getattr(accelerator.state, "deepspeed_plugin", None)
    if deepspeed is not None and deepspeed.zero_stage == 3:
        zero = deepspeed.deepspeed_config.get("zero_optimization", {})
        if zero.get("stage3_gather_16bit_weights_on_model_save") is False:
            raise ValueError(
                "DeepSpeed ZeRO-3 is set to save no whole weights, so that training would end in a model that nothing "
                "loads; set zero3_save_16bit_model to true in the accelerate configuration "
                "(stage3_gather_16bit_weights_on_model_save in DeepSpeed's own)"
            )
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    wrong = unwrapped_layers(family, plugin.transformer_cls_names_to_wrap or ()) if plugin is not None else None
    if wrong is not None:
        raise ValueError(wrong)
