"""OCR-GRPO from the command line.

    accelerate launch --config_file recipes/accelerate/one_gpu.yaml -m ocr_hf.train.grpo \
        --config recipes/train/ocr_grpo_tiny.yaml --dataset ocr-vsi --model_name_or_path tiny-sft

Any setting can be given as a flag as well, which goes before the file. Of GRPO this keeps everything of TRL's
trainer; it adds the video, and which variant of it each rollout sees (see trainer.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocr_hf.train.command import command
from ocr_hf.train.rewards import REWARDS, make_rewards

if TYPE_CHECKING:
    from ocr_hf.train.trainer import OCRGRPOTrainer


@dataclass
class RewardArguments:
    """rewards : names of rewards, weighted by `reward_weights`."""

    rewards: list[str] = field(
        default_factory=lambda: ["accuracy", "format"], metadata={"help": f"from {', '.join(REWARDS)}"}
    )


def main(arguments: list[str] | None = None) -> OCRGRPOTrainer:
    """Train; return the trainer when it is done."""
    from ocr_hf.train import run
    from ocr_hf.train.config import OCRGRPOConfig
    from ocr_hf.train.trainer import OCRGRPOTrainer

    data, rewards, args, model = run.parse(
        [run.DataArguments, RewardArguments, OCRGRPOConfig, run.ModelConfig], arguments
    )
    functions = make_rewards(rewards.rewards)
    extra = run.trainer_arguments(model)
    checkpoint = run.resume_from(args)
    start = run.starting_point(model, args)
    train, evaluation, processor = run.training_rows(data, args, start, lambda _: args.max_completion_length)
    args.model_init_kwargs = {**run.model_arguments(start), **(args.model_init_kwargs or {})}
    trainer = OCRGRPOTrainer(
        start.model_name_or_path,
        functions,
        args,
        train,
        eval_dataset=evaluation,
        processing_class=processor,
        **extra,
    )
    if args.process_index == 0:
        changed = run.save_resolved(
            args.output_dir, {"data": data, "rewards": rewards, "training": args, "model": model}
        )
        run.report(f"settings in force, other than defaults (all are in {run.RESOLVED}):\n{changed}", args)
    trainer.train(resume_from_checkpoint=checkpoint)
    run.finish(trainer, args, processor)
    return trainer


if __name__ == "__main__":
    command(main, "ocr_hf.train.grpo")
