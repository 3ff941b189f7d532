"""A tiny model and a few clips of moving coloured rectangles, with exact footprints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset

from ocr_hf.data.video import write_mp4
from ocr_hf.geometry.visibility import footprints_from_instances
from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.trainer import OCRGRPOTrainer

FRAMES, HEIGHT, WIDTH, FPS = 8, 56, 84, 4.0
COLORS = np.array([[40, 40, 40], [220, 30, 30], [30, 200, 30], [30, 60, 230]], dtype=np.uint8)


def moving_rectangles(seed: int, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Return (frames (T, H, W, 3) uint8, instances (T, H, W) uint16) of three rectangles on their ways."""
    random = np.random.default_rng(seed)
    instances = np.zeros((frames, HEIGHT, WIDTH), dtype=np.uint16)
    for number in (1, 2, 3):
        top, left = random.integers(0, HEIGHT - 20), random.integers(0, WIDTH - 24)
        down, right = random.integers(-2, 3, size=2)
        for t in range(frames):
            y, x = np.clip(top + down * t, 0, HEIGHT - 16), np.clip(left + right * t, 0, WIDTH - 20)
            instances[t, y : y + 16, x : x + 20] = number
    return COLORS[instances], instances


def make_rows(folder: Path, count: int = 4, frames: int = FRAMES) -> list[dict[str, Any]]:
    """Write clips to a folder and return rows in the layout of ocr-vsi's recipes."""
    rows = []
    for number in range(count):
        pixels, instances = moving_rectangles(number, frames)
        write_mp4(folder / f"clip{number}.mp4", pixels, FPS)
        rows.append(
            {
                "id": number,
                "prompt": [{"role": "user", "content": f"How many rectangles are there in clip {number}?"}],
                "question_type": "object_counting",
                "question": "How many rectangles are there?",
                "ground_truth": "3",
                "clip_id": f"clip{number}",
                "fps": FPS,
                "queried_objects": [1, 2],
                "footprints": footprints_from_instances(instances).to_rows(),
                "camera_to_world": np.tile(np.eye(4), (frames, 1, 1)).tolist(),
                "vanilla": str(folder / f"clip{number}.mp4"),
            }
        )
    return rows


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("models") / "tiny", "0.2M")


@pytest.fixture(scope="session")
def rows(tmp_path_factory) -> list[dict[str, Any]]:
    return make_rows(tmp_path_factory.mktemp("clips"))


def vowel_reward(completions, **_):
    """A reward that random text earns in different amounts, so that advantages are not zero."""
    return [sum(c[0]["content"].count(letter) for letter in "aeiou ") / 4 for c in completions]


def make_config(folder: Path, **changes: Any) -> OCRGRPOConfig:
    settings = {
        "output_dir": str(folder),
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 8,
        "max_steps": 2,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "num_frames": 4,
        "disable_tqdm": True,
        "variant_kl_every": 1,
    }
    return OCRGRPOConfig(**settings | changes)


@pytest.fixture
def make_trainer(tiny_folder, rows, tmp_path):
    """Return a function that makes a trainer on the tiny model; keyword arguments change its configuration."""

    def make(
        *, data: Any = None, rewards: Any = vowel_reward, peft_config: Any = None, model: Any = None, **changes: Any
    ) -> OCRGRPOTrainer:
        torch.manual_seed(0)
        return OCRGRPOTrainer(
            model if model is not None else transformers.AutoModelForImageTextToText.from_pretrained(tiny_folder),
            rewards,
            make_config(tmp_path / "run", **changes),
            Dataset.from_list(rows) if data is None else data,
            processing_class=transformers.AutoProcessor.from_pretrained(tiny_folder, padding_side="left"),
            peft_config=peft_config,
        )

    return make


def history(trainer: Any, name: str) -> list[float]:
    """Return a metric's values over the training steps."""
    return [entry[name] for entry in trainer.state.log_history if name in entry]
