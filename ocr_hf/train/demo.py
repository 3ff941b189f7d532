"""The training minute of `make demo`: a tiny model learns to answer, by SFT and then by OCR-GRPO, on two CPU cores.

    python -m ocr_hf.train.demo ocr-vsi --out demo/training

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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, concatenate_datasets
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback

from ocr_hf.data.load import load
from ocr_hf.models.media import encode_video, model_inputs, prompt_ids, with_video
from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.clips import CLIP, ClipLoader
from ocr_hf.train.config import OCRGRPOConfig, OCRSFTConfig
from ocr_hf.train.rewards import accuracy_reward
from ocr_hf.train.rows import answer, with_prompts
from ocr_hf.train.sft_trainer import OCRSFTTrainer
from ocr_hf.train.trainer import OCRGRPOTrainer
from ocr_hf.vsi_bench.scoring import score_answer, score_answers
from ocr_hf.vsi_bench.summary import summarize

HELD_OUT_SHARE = 1 / 3
STYLE = "official"
"""Answers alone: a model this small writes reasoning, but learns nothing from it within a minute."""
MAX_NEW_TOKENS = 6


@dataclass(frozen=True)
class DemoConfig:
    """What is trained for how long. One seed decides weights, order, sampling and noise."""

    size: str = "0.2M"
    sft_steps: int = 80
    grpo_steps: int = 30
    evaluations: int = 3
    held_out_rows: int = 160
    num_frames: int = 8
    max_pixels: int = 56 * 84
    seed: int = 0


@dataclass
class Curve:
    """The held-out score over the training: (stage, step, seconds, score in per cent), and the rewards of GRPO."""

    points: list[dict[str, Any]] = field(default_factory=list)
    rewards: list[dict[str, float]] = field(default_factory=list)


def split_by_scene(folder: str | Path) -> tuple[Dataset, Dataset]:
    """Return (rows to train on, held-out rows) of an ocr-vsi folder, no scene in both.

    Its own validation or test split is held out where it has one, else the last third of its scenes.
    """
    splits = load(folder, "recipes")
    held = [name for name in ("validation", "test") if name in splits]
    rows = [with_prompts(splits[name], STYLE) for name in splits if name not in held]
    if held and rows:
        return concatenate_datasets(rows), with_prompts(splits[held[0]], STYLE)
    everything = concatenate_datasets([with_prompts(part, STYLE) for part in splits.values()])
    names = everything["scene_name"]
    scenes = list(dict.fromkeys(names))
    if len(scenes) < 2:
        raise ValueError(f"'{folder}' has {len(scenes)} scene; to hold one out, build at least 2 (--scenes)")
    out = set(scenes[-max(1, round(len(scenes) * HELD_OUT_SHARE)) :])
    return (
        everything.select([i for i, name in enumerate(names) if name not in out]),
        everything.select([i for i, name in enumerate(names) if name in out]),
    )


class HeldOut:
    """Questions of unseen scenes, encoded once; scores a model on them by VSI-Bench's rules."""

    def __init__(self, rows: Dataset, processor: Any, config: DemoConfig) -> None:
        kept = min(len(rows), config.held_out_rows)
        rows = rows.select([number * len(rows) // kept for number in range(kept)])
        self.processor = processor
        self.rows = ClipLoader("vanilla", config.num_frames)(list(rows))
        clips = {row[CLIP].id: row[CLIP] for row in self.rows}
        self.videos = {
            name: encode_video(processor, clip.array, clip.times_s, max_pixels=config.max_pixels)
            for name, clip in clips.items()
        }

    @torch.no_grad()
    def answers(self, model: Any, batch: int = 64) -> list[str]:
        """Return what the model writes for every question, greedily."""
        texts: list[str] = []
        for start in range(0, len(self.rows), batch):
            rows = self.rows[start : start + batch]
            videos = [self.videos[row[CLIP].id] for row in rows]
            prompts = [
                prompt_ids(self.processor, with_video(row["prompt"]), [video])
                for row, video in zip(rows, videos, strict=True)
            ]
            inputs = model_inputs(self.processor, prompts, videos, model.device)
            tokens = model.generate(**inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS)
            texts += self.processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return texts

    def score(self, model: Any) -> float:
        """Return VSI-Bench's overall score in per cent (mean over tasks), by its own extraction."""
        training = model.training
        model.eval()
        texts = self.answers(model)
        model.train(training)
        return self._macro(texts)

    def constants(self, rows: Dataset) -> float:
        """Return the score of the best constant answers per question type, chosen on other rows."""
        best = {}
        kinds, truths = rows["question_type"], rows["ground_truth"]
        for kind in set(kinds):
            own = [truth for other, truth in zip(kinds, truths, strict=True) if other == kind]
            scores = {guess: sum(score_answer(kind, guess, truth) for truth in own) for guess in sorted(set(own))}
            best[kind] = max(scores, key=scores.get)
        return self._macro([best.get(row["question_type"], "A") for row in self.rows])

    def _macro(self, texts: Sequence[str]) -> float:
        truths, kinds = ([row[name] for row in self.rows] for name in ("ground_truth", "question_type"))
        return float(summarize(score_answers(texts, truths, kinds), draws=0)["macro"])


class Watch(TrainerCallback):
    """Score the held-out questions every few steps."""

    def __init__(self, curve: Curve, held_out: HeldOut, stage: str, every: int, started: float) -> None:
        self.curve, self.held_out, self.stage, self.every, self.started = curve, held_out, stage, every, started

    def add(self, model: Any, step: int) -> None:
        score = self.held_out.score(model)
        seconds = round(time.perf_counter() - self.started, 1)
        self.curve.points.append({"stage": self.stage, "step": step, "seconds": seconds, "score": round(score, 2)})

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self.add(model, state.global_step)


def train(data: str | Path, out: str | Path, config: DemoConfig = DemoConfig()) -> dict[str, Any]:  # noqa: B008
    """Train and return the figures; write curve.json, learning_curve.png and the model under `out`."""
    started = time.perf_counter()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rows, held_rows = split_by_scene(data)
    folder = out / f"tiny-{config.size}-seed{config.seed}"
    if not folder.exists():
        build_tiny(folder, config.size, seed=config.seed)
    processor = AutoProcessor.from_pretrained(folder, padding_side="left")
    model = AutoModelForImageTextToText.from_pretrained(folder)
    held_out, curve = HeldOut(held_rows, processor, config), Curve()

    def watch(stage: str, steps: int) -> Watch:
        return Watch(curve, held_out, stage, -(-steps // config.evaluations), started)

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
        "num_frames": config.num_frames,
        "max_pixels": config.max_pixels,
        "seed": config.seed,
    }
    sft = OCRSFTTrainer(
        model,
        OCRSFTConfig(
            str(out / "sft"),
            max_steps=config.sft_steps,
            per_device_train_batch_size=16,
            learning_rate=1e-2,
            lr_scheduler_type="cosine",
            warmup_steps=5,
            **common,
        ),
        rows,
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
            per_device_train_batch_size=8 * min(8, len(rows)),
            num_generations=8,
            max_completion_length=MAX_NEW_TOKENS,
            learning_rate=1e-3,
            variant_kl_every=0,
            noise_seed=config.seed,
            **common,
        ),
        rows,
        processing_class=processor,
        callbacks=[watch("OCR-GRPO", config.grpo_steps)],
    )
    _quietly(grpo)
    names = ("reward", "vanilla/accuracy", "noisy/accuracy", "noise/objects", "noise/area", "vanilla/entropy")
    curve.rewards = [
        {"step": entry["step"], **{name: entry[name] for name in names if name in entry}}
        for entry in grpo.state.log_history
        if "reward" in entry
    ]
    grpo.save_model(str(out / "model"))
    processor.save_pretrained(out / "model")
    last = {point["stage"]: point["score"] for point in curve.points}
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
        "points": curve.points,
        "rewards": curve.rewards,
    }
    temporary = out / ".curve.json"
    temporary.write_text(json.dumps(figures, indent=1))
    os.replace(temporary, out / "curve.json")
    draw([figures], out / "learning_curve.png")
    return figures


def _quietly(trainer: Any) -> None:
    """Train without a line per step."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.train()


def draw(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the held-out score of one or several seeds over the steps of both stages."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=120)
    boundary = max(p["step"] for p in runs[0]["points"] if p["stage"] == "SFT")
    for run in runs:
        steps = [p["step"] + (boundary if p["stage"] == "OCR-GRPO" else 0) for p in run["points"]]
        label = f"seed {run['seed']}"
        axes.plot(steps, [p["score"] for p in run["points"]], marker="o", markersize=3, label=label)
    untrained = sum(run["untrained"] for run in runs) / len(runs)
    axes.axhline(untrained, color="grey", linestyle=":", label=f"untrained: {untrained:.1f}")
    constants = sum(run["constants"] for run in runs) / len(runs)
    axes.axhline(constants, color="grey", linestyle="--", label=f"best constant answers: {constants:.1f}")
    axes.axvline(boundary, color="black", linewidth=0.8)
    top = axes.get_ylim()[1]
    axes.text(boundary / 2, top, "SFT", ha="center", va="bottom")
    axes.text((boundary + axes.get_xlim()[1]) / 2, top, "OCR-GRPO", ha="center", va="bottom")
    axes.set_xlabel("training steps")
    axes.set_ylabel("score on unseen scenes, %")
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


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
    config = DemoConfig(given.size, given.sft_steps, given.grpo_steps, seed=given.seed)
    figures = train(given.data, given.out, config)
    print(
        f"score on {figures['held_out_rows']} questions of unseen scenes: untrained {figures['untrained']:.1f}, after "
        f"SFT {figures['after_sft']:.1f}, after OCR-GRPO {figures['after_ocr_grpo']:.1f}; best constant answers "
        f"{figures['constants']:.1f} ({figures['seconds']:.0f} s; see {given.out / 'learning_curve.png'})"
    )


if __name__ == "__main__":
    main()
