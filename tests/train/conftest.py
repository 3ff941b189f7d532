"""A tiny model and a few clips of moving coloured rectangles, with exact footprints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from datasets import Dataset

from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.trainer import OCRGRPOTrainer
from tests.train.clips import make_folder, make_rows


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("models") / "tiny", "0.2M")


@pytest.fixture(scope="session")
def rows(tmp_path_factory) -> list[dict[str, Any]]:
    return make_rows(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "ocr-vsi")


def vowel_reward(completions, **_):
    """A reward that random text earns in different amounts, so that advantages are not zero."""
    return [sum(c[0]["content"].count(letter) for letter in "aeiou ") / 4 for c in completions]


def make_config(folder: Path, **changes: Any) -> OCRGRPOConfig:
    settings = {
        "output_dir": str(folder),
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 8,
        "max_steps": 2,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "frames": 4,
        "disable_tqdm": True,
        "variant_kl_every": 1,
    }
    return OCRGRPOConfig(**settings | changes)


@pytest.fixture
def make_trainer(tiny_folder, rows, tmp_path):
    """Return a function that makes a trainer on the tiny model; keyword arguments change its configuration."""

    def make(
        *,
        data: Any = None,
        held: Any = None,
        rewards: Any = vowel_reward,
        peft_config: Any = None,
        model: Any = None,
        **changes: Any,
    ) -> OCRGRPOTrainer:
        torch.manual_seed(0)
        return OCRGRPOTrainer(
            model if model is not None else transformers.AutoModelForImageTextToText.from_pretrained(tiny_folder),
            rewards,
            make_config(tmp_path / "run", **changes),
            Dataset.from_list(rows) if data is None else data,
            eval_dataset=held,
            processing_class=transformers.AutoProcessor.from_pretrained(tiny_folder, padding_side="left"),
            peft_config=peft_config,
        )

    return make


def history(trainer: Any, name: str) -> list[float]:
    """Return a metric's values over the training steps."""
    return [entry[name] for entry in trainer.state.log_history if name in entry]
