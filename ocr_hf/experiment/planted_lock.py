"""The planted lock, test 1: what is trained, with which arms and seeds, and what of it is measured.

Supervised fine-tuning by a teacher who follows a colour makes a model that is locked on it; reinforcement learning
then rewards the truth, in rooms of which nine in ten have the right colour. Every arm starts from the same models and
sees the same questions in the same order; only the rollouts' videos, or what is made of their rewards, differ. All
values are ours and were fixed before the first run; docs/experiment.md says why, and what was predicted.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch

from ocr_hf.experiment.planted_data import taught_letters
from ocr_hf.experiment.planted_rooms import FPS, FRAMES, LETTERS, NAMED_ID
from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.load_model import load_model
from ocr_hf.models.tiny import TinySize, build_tiny
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.video.read import read_frames

SIZES = {
    "0.4M": TinySize(
        96, 3, 6, 2, 288, vision_hidden=64, vision_layers=2, vision_heads=4, max_pixels=112 * 84, whole_frames=True
    ),
    "10M": TinySize(
        320, 8, 10, 2, 800, vision_hidden=128, vision_layers=3, vision_heads=8, max_pixels=112 * 84, whole_frames=True
    ),
}
"""Models, by their rough number of parameters."""


@dataclass(frozen=True)
class SFT:
    """Supervised fine-tuning: `follow` is how often the teacher says what the colour says."""

    steps: int = 1200
    batch: int = 64
    learning_rate: float = 1e-3
    warmup: int = 100
    follow: float = 0.95


@dataclass(frozen=True)
class RL:
    """Reinforcement learning: `prompts` questions a step, `group` rollouts of each."""

    steps: int = 100
    prompts: int = 64
    group: int = 8
    learning_rate: float = 1e-4


STRENGTH = 1.0
"""Noise of t = 999: a hue can be read through less."""
QUERIED = {"strategy": "ocr", "select": "queried", "max_objects": 1, "strength": STRENGTH}
ARMS: dict[str, dict[str, Any]] = {
    "grpo": {"strategy": "grpo"},
    "ocr": QUERIED,
    "ocr_positive": {**QUERIED, "noisy_credit": "positive"},
    "ocr_split": {**QUERIED, "noisy_credit": "split"},
    "same_area": {**QUERIED, "region": "elsewhere"},
    "noisy_rollout": {"strategy": "noisy_rollout"},
    "ocr_own": {**QUERIED, "score_under": "own"},
    "ocr_constant": {**QUERIED, "schedule": "constant"},
    "ocr_visible": {**QUERIED, "select": "visible", "max_objects": 2},
    "ocr_context": {**QUERIED, "select": "context", "max_objects": 2},
    "t_grpo": {"strategy": "t_grpo", "num_noisy": 2},
    "share": {**QUERIED, "strategy": "share"},
    "papo": {"strategy": "papo"},
    "papo_strong": {"strategy": "papo", "strategy_options": {"gamma": 0.1}},
    "roma_like": {"strategy": "roma_like"},
    "counterfactual": {"strategy": "counterfactual"},
}
"""Arm -> settings of OCRGRPOConfig."""


def base_arguments(out: Path, seed: int) -> dict[str, Any]:
    """Return what all trainings have in common."""
    return {
        "output_dir": str(out),
        "seed": seed,
        "data_seed": seed,
        "frames": FRAMES,
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "check_data": False,
        "frame_cache_mb": 2048,
    }


def save_whole(trainer: Any, processor: Any, out: Path) -> None:
    """Save what was trained in the folder `out`, which appears whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    trainer.save_model(str(staging))
    processor.save_pretrained(str(staging))
    shutil.rmtree(out, ignore_errors=True)
    os.replace(staging, out)


def fine_tune(rows: datasets.Dataset, size: TinySize, settings: SFT, seed: int, out: Path) -> None:
    """Make a locked model in the folder `out`: random weights of this seed, then supervised fine-tuning.

    rows : of the part `sft`
    """
    from ocr_hf.train.config import OCRSFTConfig
    from ocr_hf.train.sft_trainer import OCRSFTTrainer

    with tempfile.TemporaryDirectory() as scratch:
        loaded = load_model(str(build_tiny(Path(scratch) / "start", size, seed=seed)), dtype="float32", device="cpu")
    rows = rows.add_column("taught", taught_letters(rows, settings.follow, seed))
    args = OCRSFTConfig(
        **base_arguments(out, seed),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        lr_scheduler_type="cosine",
        logging_steps=50,
    )
    trainer = OCRSFTTrainer(loaded.model, args, rows, loaded.processor, completion=lambda row: row["taught"])
    trainer.train()
    save_whole(trainer, loaded.processor, out)


def learn(rows: datasets.Dataset, start: Path, settings: RL, arm: Mapping[str, Any], seed: int, out: Path) -> list:
    """Train one arm from a locked model, save it in `out`, and return the trainer's log, an entry a step.

    rows : of the part `rl`
    """
    from ocr_hf.train.config import OCRGRPOConfig
    from ocr_hf.train.rewards import accuracy_reward
    from ocr_hf.train.trainer import OCRGRPOTrainer

    loaded = load_model(str(start), dtype="float32", device="cpu")
    args = OCRGRPOConfig(
        **base_arguments(out, seed),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.prompts * settings.group,
        num_generations=settings.group,
        max_completion_length=1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        beta=0.0,
        freeze_vision=True,
        logging_steps=1,
        variant_kl_every=0,
        noise_seed=seed,
        **arm,
    )
    trainer = OCRGRPOTrainer(loaded.model, [accuracy_reward], args, rows, processing_class=loaded.processor)
    trainer.train()
    save_whole(trainer, loaded.processor, out)
    return [entry for entry in trainer.state.log_history if "loss" in entry]


@dataclass(frozen=True)
class View:
    """How test rooms are shown: as they are, or with gaussian noise on some objects.

    select : as of OCRMap, or "black" for no picture at all; None = as they are
    """

    select: str | None = None
    count: int = 1


VIEWS = {
    "clean": View(),
    "queried_noised": View("queried"),
    "context_noised": View("context", 1),
    "black": View("black"),
}


class Examiner:
    """Asks a model the questions of test rooms; frames are decoded once and serve several models."""

    def __init__(self, rows: datasets.Dataset, view: View = View(), batch: int = 64) -> None:
        self.rows, self.batch = rows, batch
        self.frames = [_shown(row, view) for row in rows]

    def answers(self, model: AnsweringModel) -> np.ndarray:
        """Return the probabilities (rooms, 4) of the letters as first token, of all tokens there are."""
        found = []
        for start in range(0, len(self.rows), self.batch):
            part = self.rows.select(range(start, min(start + self.batch, len(self.rows))))
            prompts = [
                Prompt(messages, model.encode(frames, FPS))
                for messages, frames in zip(part["prompt"], self.frames[start : start + self.batch], strict=True)
            ]
            found += [
                [answer.probabilities[letter] for letter in LETTERS]
                for answer in model.answer(prompts, max_new_tokens=1, letters=LETTERS)
            ]
        return np.array(found)


def _shown(row: Mapping[str, Any], view: View) -> np.ndarray:
    frames, _ = read_frames(row["vanilla"], list(range(FRAMES)))
    if view.select is None:
        return frames
    if view.select == "black":
        return np.zeros_like(frames)
    ocr_map = OCRMap(select=view.select, max_objects=view.count, strength=STRENGTH, seed=1)
    footprints = footprints_of(row)
    chosen = ocr_map.choose(row["id"], 0, footprints, [NAMED_ID])
    return ocr_map.perturb(frames, footprints, chosen, row_id=row["id"])


def right(probabilities: np.ndarray, truth: Sequence[str]) -> np.ndarray:
    """Return (rooms,) bool: is the likeliest letter the right one?"""
    return probabilities.argmax(axis=1) == np.array([LETTERS.index(letter) for letter in truth])
