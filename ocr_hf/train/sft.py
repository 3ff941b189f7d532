"""Supervised fine-tuning on video before GRPO, on the `reasoning` column; video through the same media code.

    accelerate launch -m ocr_hf.train.sft --config recipes/train/sft_tiny.yaml --dataset ocr-vsi \
        --model_name_or_path tiny
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocr_hf.train.command import command

if TYPE_CHECKING:
    from ocr_hf.train.sft_trainer import OCRSFTTrainer


def main(arguments: list[str] | None = None) -> OCRSFTTrainer:
    """Train; return the trainer when it is done."""
    from ocr_hf.train import run
    from ocr_hf.train.config import OCRSFTConfig
    from ocr_hf.train.sft_trainer import OCRSFTTrainer
    from ocr_hf.train.training_rows import answer

    data, args, model = run.parse([run.DataArguments, OCRSFTConfig, run.ModelConfig], arguments)
    extra = run.trainer_arguments(model)
    checkpoint = run.resume_from(args)

    def longest(rows: Any) -> int:
        texts = rows.select_columns([n for n in ("ground_truth", "reasoning") if n in rows.column_names])
        # A byte-level tokenizer makes at most one token of a byte, and seldom more than one of three
        return max((len(answer(row, data.prompt_style).encode()) // 3 for row in texts), default=0)

    start = run.starting_point(model, args)
    train, evaluation, processor = run.training_rows(data, args, start, longest)
    args.model_init_kwargs = {**run.model_arguments(start), **(args.model_init_kwargs or {})}
    trainer = OCRSFTTrainer(
        start.model_name_or_path,
        args,
        train,
        processor,
        completion=lambda row: answer(row, data.prompt_style),
        eval_dataset=evaluation,
        **extra,
    )
    if args.process_index == 0:
        changed = run.save_resolved(args.output_dir, {"data": data, "training": args, "model": model})
        run.report(f"settings in force, other than defaults (all are in {run.RESOLVED}):\n{changed}", args)
    trainer.train(resume_from_checkpoint=checkpoint)
    run.finish(trainer, args, processor)
    return trainer


if __name__ == "__main__":
    command(main, "ocr_hf.train.sft")
