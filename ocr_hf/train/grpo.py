"""OCR-GRPO from the command line: `ocr-hf grpo`, and the same where accelerate starts the processes.

    accelerate launch --config_file recipes/accelerate/one_gpu.yaml -m ocr_hf.train.grpo \
        --config recipes/train/ocr_grpo_tiny.yaml --data ocr-vsi --model tiny-sft

Any setting can be given as a flag as well, which goes before the file. Of GRPO this keeps everything of TRL's
trainer; it adds the video, and which variant of it each rollout sees (see trainer.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocr_hf.settings.command_options import options
from ocr_hf.settings.names import refuse_old_names
from ocr_hf.settings.run_command import run as run_command
from ocr_hf.train.rewards import REWARDS, make_rewards

if TYPE_CHECKING:
    from ocr_hf.train.config import DataArguments, ModelArguments, OCRGRPOConfig
    from ocr_hf.train.trainer import OCRGRPOTrainer


@refuse_old_names
@dataclass
class RewardArguments:
    """rewards : names of rewards, weighted by `reward_weights`."""

    rewards: list[str] = field(
        default_factory=lambda: ["accuracy", "format"], metadata={"help": f"from {', '.join(REWARDS)}"}
    )


def _kinds() -> list[type]:
    from ocr_hf.train.config import DataArguments, ModelArguments, OCRGRPOConfig

    return [DataArguments, RewardArguments, OCRGRPOConfig, ModelArguments]


@options(_kinds, plugins=True)
def main(data: DataArguments, rewards: RewardArguments, args: OCRGRPOConfig, model: ModelArguments) -> OCRGRPOTrainer:
    """Train a video language model by reinforcement learning with Object-Centric 3D Rollout (OCR).

    Rollouts of a group see the recorded video and a copy with noise on objects. To train on several GPUs or machines,
    start the same with `accelerate launch -m ocr_hf.train.grpo`.
    """
    from ocr_hf.train import run
    from ocr_hf.train.trainer import OCRGRPOTrainer

    functions = make_rewards(rewards.rewards)
    # What can be refused without reading data or weights comes first
    extra = run.trainer_arguments(model)
    checkpoint = run.resume_from(args)
    start = run.starting_point(model, args, checkpoint)
    train, evaluation, processor = run.training_rows(data, args, start, lambda _: args.max_completion_length)
    args.model_init_kwargs = {**run.model_arguments(start), **(args.model_init_kwargs or {})}
    trainer = OCRGRPOTrainer(
        start.model, functions, args, train, eval_dataset=evaluation, processing_class=processor, **extra
    )
    parts = {"data": data, "rewards": rewards, "training": args, "model": model}
    run.train(trainer, parts, checkpoint, processor)
    return trainer


if __name__ == "__main__":
    run_command("ocr_hf.train.grpo:main", "ocr_hf.train.grpo")
