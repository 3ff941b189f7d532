"""What both stages of the reference training share: how clips are placed in time, and how a model is kept."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

import ocr_hf
from ocr_hf.data.atomic import write_json
from ocr_hf.models.usage import write_usage
from ocr_hf.reference.config import CLIPS, USAGE, ReferenceConfig


def clip_grid(processor: Any, config: ReferenceConfig) -> torch.Tensor:
    """Return the (1, 3) grid of a training clip."""
    video = processor.video_processor
    patches = video.get_num_of_video_patches(1, CLIPS.height, CLIPS.width, {})
    height = round((patches * CLIPS.height / CLIPS.width) ** 0.5)
    return torch.tensor([[config.num_frames // video.temporal_patch_size, height, patches // height]])


def seconds_per_grid(config: ReferenceConfig) -> float:
    """Return the spacing of frames that are sampled evenly, as evaluation does."""
    return (CLIPS.frames - 1) / CLIPS.clip_fps / (config.num_frames - 1)


def save_model(model: Any, processor: Any, folder: Path) -> None:
    """Write a checkpoint in bf16 that transformers loads without this package; replaces an earlier one at once."""
    staging = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
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
    folder: Path, model: Any, processor: Any, config: ReferenceConfig, stage: str, started: float, facts: dict[str, Any]
) -> None:
    """Write the model of a stage and, last, what it cost: training.json."""
    save_model(model, processor, folder / "model")
    shutil.rmtree(folder / "latest", ignore_errors=True)
    lines = (folder / "log.jsonl").read_text().splitlines()
    told = {
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
    write_json(folder / "training.json", told)
