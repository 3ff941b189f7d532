"""Supervised fine-tuning on video before GRPO, on the `reasoning` column; video through the same media code.

ocr-hf sft --config recipes/train/sft_tiny.yaml --data ocr-vsi --model tiny
accelerate launch -m ocr_hf.train.sft --config recipes/train/sft_tiny.yaml --data ocr-vsi --model tiny
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocr_hf.settings.command_options import options
from ocr_hf.settings.run_command import run as run_command

if TYPE_CHECKING:
    from ocr_hf.train.config import DataArguments, ModelArguments, OCRSFTConfig
    from ocr_hf.train.sft_trainer import OCRSFTTrainer


def _kinds() -> list[type]:
    from ocr_hf.train.config import DataArguments, ModelArguments, OCRSFTConfig

    return [DataArguments, OCRSFTConfig, ModelArguments]


@options(_kinds, plugins=True)
def main(data: DataArguments, args: OCRSFTConfig, model: ModelArguments) -> OCRSFTTrainer:
    """Fine-tune a video language model on questions, reasoning and answers: what comes before OCR-GRPO.

    OCR means Object-Centric 3D Rollout. To train on several GPUs or machines, start the same with
    `accelerate launch -m ocr_hf.train.sft`.
    """
    from ocr_hf.train import run
    from ocr_hf.train.sft_trainer import OCRSFTTrainer
    from ocr_hf.train.training_rows import answer

    # What can be refused without reading data or weights comes first
    extra = run.trainer_arguments(model)
    checkpoint = run.resume_from(args)

    def longest(rows: Any) -> int:
        texts = rows.select_columns([n for n in ("ground_truth", "reasoning") if n in rows.column_names])
        # A byte-level tokenizer makes at most one token of a byte, and seldom more than one of three
        return max((len(answer(row, data.prompt).encode()) // 3 for row in texts), default=0)

    start = run.starting_point(model, args, checkpoint)
    train, evaluation, processor = run.training_rows(data, args, start, longest)
    args.model_init_kwargs = {**run.model_arguments(start), **(args.model_init_kwargs or {})}
    trainer = OCRSFTTrainer(
        start.model,
        args,
        train,
        processor,
        completion=lambda row: answer(row, data.prompt),
        eval_dataset=evaluation,
        **extra,
    )
    run.train(trainer, {"data": data, "training": args, "model": model}, checkpoint, processor)
    return trainer


if __name__ == "__main__":
    run_command("ocr_hf.train.sft:main", "ocr_hf.train.sft")
