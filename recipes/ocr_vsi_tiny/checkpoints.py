"""What training writes: the model and record of a finished stage, and the state from which a killed phase resumes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForImageTextToText

import ocr_hf
from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.models.usage import write_usage
from recipes.ocr_vsi_tiny.config import USAGE, RecipeConfig

if TYPE_CHECKING:
    from recipes.ocr_vsi_tiny.sampling import BatchSampler
    from recipes.ocr_vsi_tiny.sft_model import SFTModel


def save_model(model: Any, processor: Any, folder: Path) -> None:
    """Write a checkpoint in bf16 that transformers loads without this package; replaces an earlier one at once."""
    staging = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    # A copy, since training goes on in float32
    copy = AutoModelForImageTextToText.from_config(model.config, dtype=torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = model.generation_config
    copy.save_pretrained(staging)
    processor.save_pretrained(staging)
    write_usage(staging, USAGE)
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(staging, folder)


def finish(
    folder: Path, model: Any, processor: Any, config: RecipeConfig, stage: str, started: float, facts: dict[str, Any]
) -> None:
    """Write the model of a stage and, last, what it cost: training.json."""
    save_model(model, processor, folder / "model")
    shutil.rmtree(folder / "latest", ignore_errors=True)
    lines = (folder / "log.jsonl").read_text().splitlines()
    record = {
        "stage": stage,
        "ocr_hf": ocr_hf.__version__,
        "seconds": round(time.perf_counter() - started, 1),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "parameters": sum(each.numel() for each in model.parameters()),
        "last": json.loads(lines[-1]) if lines else {},
        "config": asdict(config),
        **facts,
    }
    write_json(folder / "training.json", record)


def save_progress(
    file: Path, step: int, sft_model: SFTModel, optimizer: torch.optim.Optimizer, sampler: BatchSampler
) -> None:
    """Write the state after a step, at once or not at all."""
    state = {
        "step": step,
        "weights": [each.detach() for each in sft_model.parameters()],
        "optimizer": optimizer.state_dict(),
        "random": sampler.rng.bit_generator.state,
        "order": sampler.order,
    }
    with replacing(file) as temporary:
        torch.save(state, temporary)


def load_progress(file: Path, sft_model: SFTModel, optimizer: torch.optim.Optimizer, sampler: BatchSampler) -> None:
    """Set everything to what `save_progress` wrote."""
    state = torch.load(file, weights_only=True)
    with torch.no_grad():
        for parameter, value in zip(sft_model.parameters(), state["weights"], strict=True):
            parameter.copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    sampler.rng.bit_generator.state = state["random"]
    sampler.order = state["order"]


def step_of(file: Path) -> int:
    """Return the step after which a state was written, 0 without one."""
    return torch.load(file, weights_only=True)["step"] if file.exists() else 0
