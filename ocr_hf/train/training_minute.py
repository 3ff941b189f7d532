"""The training minute of `make demo`: a tiny model learns to answer, by SFT and then by OCR-GRPO, on two CPU cores.

    python -m ocr_hf.train.training_minute ocr-vsi --out demo/training

OCR is Object-Centric 3D Rollout (arXiv 2511.13190). The figure shows the score on questions of scenes that were not
trained on, asked with VSI-Bench's own prompt and scored by its own rule. What a model of 0.2 M parameters learns in a
minute is to answer in form and which answers are likely, hardly to see: the line to beat is a table of best constants,
which the figure shows. It says that training works from end to end, and nothing about the method.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoModelForImageTextToText, AutoProcessor

from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.config import OCRGRPOConfig, OCRSFTConfig
from ocr_hf.train.held_out import HeldOut, balanced, split_by_scene
from ocr_hf.train.learning_curve import Watch, draw
from ocr_hf.train.rewards import accuracy_reward
from ocr_hf.train.sft_trainer import OCRSFTTrainer
from ocr_hf.train.trainer import OCRGRPOTrainer
from ocr_hf.train.training_rows import answer

STYLE = "official"
"""Answers alone: a model this small writes reasoning, but learns nothing from it within a minute."""
MAX_NEW_TOKENS = 6


@dataclass(frozen=True)
class DemoConfig:
    """What is trained for how long. One seed decides weights, order, sampling and noise."""

    size: str = "0.2M"
    sft_steps: int = 80
    sft_rate: float = 1e-2
    grpo_steps: int = 30
    grpo_rate: float = 5e-4
    evaluations: int = 3
    held_out_rows: int = 400
    frames: int = 8
    max_pixels: int = 56 * 84
    seed: int = 0


def train(data: str | Path, out: str | Path, config: DemoConfig = DemoConfig()) -> dict[str, Any]:  # noqa: B008
    """Train and return the figures; write curve.json, learning_curve.png and the model under `out`."""
    started, worked = time.perf_counter(), time.process_time()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rows, held_rows = split_by_scene(data, STYLE)
    shown = balanced(rows)
    folder = out / f"tiny-{config.size}-seed{config.seed}"
    if not folder.exists():
        build_tiny(folder, config.size, seed=config.seed)
    # Padded on the left, since generation goes on at the right end of every row
    processor = AutoProcessor.from_pretrained(folder, padding_side="left")
    model = AutoModelForImageTextToText.from_pretrained(folder)
    held_out = HeldOut(held_rows, processor, config.frames, config.max_pixels, config.held_out_rows, MAX_NEW_TOKENS)
    points: list[dict[str, Any]] = []

    def watch(stage: str, steps: int) -> Watch:
        return Watch(points, held_out, stage, -(-steps // config.evaluations), started)

    watch("untrained", 1).add(model, 0)
    common = {
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1,
        "log_level": "error",
        "frames": config.frames,
        "max_pixels": config.max_pixels,
        "seed": config.seed,
    }
    sft = OCRSFTTrainer(
        model,
        OCRSFTConfig(
            str(out / "sft"),
            max_steps=config.sft_steps,
            per_device_train_batch_size=16,
            learning_rate=config.sft_rate,
            lr_scheduler_type="cosine",
            warmup_steps=5,
            **common,
        ),
        shown,
        processor,
        completion=lambda row: answer(row, STYLE),
        callbacks=[watch("SFT", config.sft_steps)],
    )
    _quietly(sft)
    grpo = OCRGRPOTrainer(
        sft.model,
        accuracy_reward,
        OCRGRPOConfig(
            str(out / "grpo"),
            strategy="ocr",
            max_steps=config.grpo_steps,
            # Fewer groups where there are fewer rows: on less than a batch TRL would train no step
            per_device_train_batch_size=8 * min(8, len(rows)),
            num_generations=8,
            max_completion_length=MAX_NEW_TOKENS,
            learning_rate=config.grpo_rate,
            warmup_steps=3,
            # Each measurement scores the whole batch twice more, for a figure that the demo doesn't show
            variant_kl_every=0,
            noise_seed=config.seed,
            **common,
        ),
        shown,
        processing_class=processor,
        callbacks=[watch("OCR-GRPO", config.grpo_steps)],
    )
    _quietly(grpo)
    names = ("reward", "vanilla/accuracy", "noisy/accuracy", "noise/objects", "noise/area", "vanilla/entropy")
    rewards = [
        {"step": entry["step"], **{name: round(entry[name], 4) for name in names if name in entry}}
        for entry in grpo.state.log_history
        if "reward" in entry
    ]
    grpo.save_model(str(out / "model"))
    processor.save_pretrained(out / "model")
    last = {point["stage"]: point["score"] for point in points}
    figures = {
        "seed": config.seed,
        "size": config.size,
        "rows": len(rows),
        "held_out_rows": len(held_out.rows),
        "untrained": last["untrained"],
        "after_sft": last["SFT"],
        "after_ocr_grpo": last["OCR-GRPO"],
        "rise": round(last["OCR-GRPO"] - last["untrained"], 2),
        "constants": round(held_out.constants(rows), 2),
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(time.process_time() - worked, 1),
        "points": points,
        "rewards": rewards,
    }
    temporary = out / ".curve.json"
    temporary.write_text(json.dumps(figures, indent=1))
    os.replace(temporary, out / "curve.json")
    draw([figures], out / "learning_curve.png")
    return figures


def without_progress_bars() -> None:
    """Let the libraries of a command that reports by itself be silent; for the whole process."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)


def _quietly(trainer: Any) -> None:
    """Train without a line per step."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.train()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on a folder and say how much the score rose."""
    parser = argparse.ArgumentParser(description="Train a tiny model by SFT and OCR-GRPO (Object-Centric 3D Rollout).")
    parser.add_argument("data", type=Path, help="an ocr-vsi folder with at least two scenes")
    parser.add_argument("--out", type=Path, default=Path("demo/training"), help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default=DemoConfig.size, help="preset of the tiny model")
    parser.add_argument("--sft-steps", type=int, default=DemoConfig.sft_steps)
    parser.add_argument("--grpo-steps", type=int, default=DemoConfig.grpo_steps)
    given = parser.parse_args(arguments)
    config = DemoConfig(size=given.size, sft_steps=given.sft_steps, grpo_steps=given.grpo_steps, seed=given.seed)
    without_progress_bars()
    figures = train(given.data, given.out, config)
    print(
        f"score on {figures['held_out_rows']} questions of unseen scenes: untrained {figures['untrained']:.1f}, after "
        f"SFT {figures['after_sft']:.1f}, after OCR-GRPO {figures['after_ocr_grpo']:.1f}; best constant answers "
        f"{figures['constants']:.1f} ({figures['seconds']:.0f} s; see {given.out / 'learning_curve.png'})"
    )


if __name__ == "__main__":
    main()
