"""The planted lock, test 1: what is trained, with which arms and seeds, and what of it is measured.

Supervised fine-tuning by a teacher who follows a colour makes a model that is locked on it; reinforcement learning
then rewards the truth, in rooms of which nine in ten have the right colour. Every arm starts from the same models and
sees the same questions in the same order; only the rollouts' videos, or what is made of their rewards, differ. All
values are ours and were fixed before the first run; docs/experiment.md says why, and what was predicted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch

from ocr_hf.experiment.planted_data import taught_letters, with_noised_things
from ocr_hf.experiment.planted_rooms import FPS, FRAMES, LETTERS, NAMED_ID
from ocr_hf.experiment.trainings import RL, base_arguments, grpo_trainer, save_whole, step_log
from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.load_model import load_model
from ocr_hf.models.tiny import TinySize, build_tiny
from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.noise import gaussian_region
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.perturb.schedule import DIFFUSION_STEPS
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
    """Supervised fine-tuning, in three lessons: a model that may choose learns the lamp and few of the colours.

    colour : steps with conflicting rooms alone, in which only the colour helps
    lamp : steps with plain rooms and one conflicting room in ten, which keeps the colours in mind
    steps : with all rooms, and things shown as noise
    follow : how often the teacher says what the colour says; noised : share of rooms in which a thing is noise
    """

    colour: int = 200
    lamp: int = 300
    steps: int = 400
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 100
    follow: float = 0.95
    noised: float = 0.3


KEPT_IN_MIND = 0.1
"""Share of conflicting rooms while the lamp is learnt."""
WARMUP_AGAIN = 20
"""Steps of warm-up of the later lessons: the optimiser begins anew, the model doesn't."""


STRENGTH = 1.0
"""Noise of t = 999: a hue can be read through less."""
QUERIED = {"strategy": "ocr", "select": "queried", "max_objects": 1, "strength": STRENGTH}
MATCHED = "matched"
"""Whole frames get the timestep at which the locked models' answers change as much as by noise on the named thing."""
ARMS: dict[str, dict[str, Any]] = {
    "grpo": {"strategy": "grpo"},
    "ocr": QUERIED,
    "ocr_positive": {**QUERIED, "noisy_credit": "positive"},
    "ocr_split": {**QUERIED, "noisy_credit": "split"},
    "same_area": {**QUERIED, "region": "elsewhere"},
    "noisy_rollout": {"strategy": "noisy_rollout"},
    "noisy_rollout_matched": {
        **{"strategy": "noisy_rollout", "timestep": MATCHED, "timestep_midpoint": 0.5, "timestep_sharpness": 1000.0},
    },
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
    "grpo_both": {"strategy": "grpo"},
}
"""Arm -> settings of OCRGRPOConfig; a timestep that is `MATCHED` comes from the gate."""
BOTH = "grpo_both"
"""GRPO on counterfactual's clips: the edited videos are rows of their own, so that as many rooms conflict."""


def fine_tune(rows: datasets.Dataset, size: TinySize, settings: SFT, seed: int, out: Path) -> None:
    """Make a locked model in the folder `out`: random weights of this seed, then supervised fine-tuning.

    rows : of the part `sft`
    """
    from ocr_hf.train.config import OCRSFTConfig
    from ocr_hf.train.sft_trainer import OCRSFTTrainer

    with tempfile.TemporaryDirectory() as scratch:
        loaded = load_model(str(build_tiny(Path(scratch) / "start", size, seed=seed)), dtype="float32", device="cpu")
    of_kind = {kind: [i for i, found in enumerate(rows["kind"]) if found == kind] for kind in ("plain", "conflict")}
    kept = round(len(of_kind["plain"]) * KEPT_IN_MIND / (1.0 - KEPT_IN_MIND))
    lessons = (
        (of_kind["conflict"], 0.0, settings.colour, settings.warmup, "constant_with_warmup"),
        (of_kind["plain"] + of_kind["conflict"][:kept], 0.0, settings.lamp, WARMUP_AGAIN, "constant_with_warmup"),
        (range(len(rows)), settings.noised, settings.steps, WARMUP_AGAIN, "cosine"),
    )
    for chosen, noised, steps, warmup, schedule in lessons:
        lesson = with_noised_things(rows.select(chosen), noised, seed)
        lesson = lesson.add_column("taught", taught_letters(lesson, settings.follow, seed))
        args = OCRSFTConfig(
            **base_arguments(out, seed, FRAMES),
            max_steps=steps,
            per_device_train_batch_size=settings.batch,
            learning_rate=settings.learning_rate,
            warmup_steps=warmup,
            lr_scheduler_type=schedule,
            logging_steps=50,
        )
        trainer = OCRSFTTrainer(loaded.model, args, lesson, loaded.processor, completion=lambda row: row["taught"])
        trainer.train()
    save_whole(trainer, loaded.processor, out)


def learn(
    rows: datasets.Dataset,
    start: Path,
    settings: RL,
    arm: Mapping[str, Any],
    seed: int,
    out: Path,
    ask: Callable[[AnsweringModel], float],
) -> tuple[list[dict[str, float]], dict[int, float]]:
    """Train one arm from a locked model and save it in `out`.

    Args:
        rows: of the part `rl`.
        start: folder of the locked model.
        settings: of the training.
        arm: of `ARMS`.
        seed: of prompts, rollouts and noise.
        out: folder of the trained model.
        ask: measures a model on the way, every `ASK_EVERY` steps.

    Returns:
        The trainer's log, an entry a step, and what `ask` measured, by step.
    """
    from transformers import TrainerCallback

    loaded = load_model(str(start), dtype="float32", device="cpu")
    curve: dict[int, float] = {}

    class Asker(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % ASK_EVERY == 0:
                with torch.random.fork_rng():
                    curve[state.global_step] = ask(AnsweringModel.of(loaded))

    trainer = grpo_trainer(loaded, rows, settings, 1, arm, seed, base_arguments(out, seed, FRAMES), [Asker()])
    trainer.train()
    save_whole(trainer, loaded.processor, out)
    return step_log(trainer), curve


def both_videos(rows: datasets.Dataset) -> datasets.Dataset:
    """Return the rows and, after each, one of its edited video with that one's answer; ids stay unlike."""

    def unfolded(batch: dict[str, list]) -> dict[str, list]:
        out: dict[str, list] = {name: [] for name in batch}
        for i in range(len(batch["id"])):
            row = {name: values[i] for name, values in batch.items()}
            edited = {"id": -row["id"], "clip_id": f"{row['clip_id']}_edited", "vanilla": row["edited"]}
            for one in (row, row | edited | {"ground_truth": row["edited_ground_truth"]}):
                for name, values in out.items():
                    values.append(one[name])
        return out

    return rows.map(unfolded, batched=True, batch_size=100, keep_in_memory=True)


ASK_EVERY = 20


@dataclass(frozen=True)
class View:
    """How test rooms are shown: as they are, or with gaussian noise on some objects.

    select : as of OCRMap, or "black" for no picture at all; None = as they are
    count : of objects
    timestep : noise on whole frames instead, 0 = none
    """

    select: str | None = None
    count: int = 1
    timestep: int = 0


VIEWS = {
    "clean": View(),
    "queried_noised": View("queried"),
    "context_noised": View("context", 1),
    "black": View("black"),
}
TIMESTEPS = (50, 100, 150, 200, 300, 500, 999)
"""Of noise on whole frames, by which it is matched with noise on the named thing."""
VIEWS |= {f"frames_{t}": View(timestep=t) for t in TIMESTEPS}


class Examiner:
    """Asks a model the questions of test rooms; frames are decoded once and serve several models."""

    def __init__(self, rows: datasets.Dataset, view: View = View(), batch: int = 64) -> None:
        self.rows, self.batch = rows, batch
        self.frames = [_shown(row, view) for row in rows]

    def answers(self, model: AnsweringModel, first: int | None = None) -> np.ndarray:
        """Return the probabilities (rooms, 4) of the letters as first token, of all tokens there are.

        first : ask only about so many rooms
        """
        found = []
        count = min(first or len(self.rows), len(self.rows))
        for start in range(0, count, self.batch):
            end = min(start + self.batch, count)
            prompts = [
                Prompt(messages, model.encode(frames, FPS))
                for messages, frames in zip(self.rows["prompt"][start:end], self.frames[start:end], strict=True)
            ]
            found += [
                [answer.probabilities[letter] for letter in LETTERS]
                for answer in model.answer(prompts, max_new_tokens=1, letters=LETTERS)
            ]
        return np.array(found)


def _shown(row: Mapping[str, Any], view: View) -> np.ndarray:
    frames, _ = read_frames(row["vanilla"], list(range(FRAMES)))
    if view.timestep:
        everywhere = np.ones(frames.shape[:3], dtype=bool)
        return gaussian_region(frames, everywhere, view.timestep / DIFFUSION_STEPS, stable_key("frames", row["id"]))
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
