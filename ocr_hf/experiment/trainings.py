"""How experiments train: the settings that all trainings have in common, through the package's own trainers."""

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

from ocr_hf.models.load_model import LoadedModel


@dataclass(frozen=True)
class RL:
    """Reinforcement learning: `prompts` questions a step, `group` rollouts of each."""

    steps: int = 100
    prompts: int = 64
    group: int = 8
    learning_rate: float = 1e-4


def base_arguments(out: Path, seed: int, frames: int) -> dict[str, Any]:
    """Return what all trainings have in common."""
    return {
        "output_dir": str(out),
        "seed": seed,
        "data_seed": seed,
        "frames": frames,
        "use_cpu": not torch.cuda.is_available(),
        # So that any machine gets the same numbers; for models as small as these it is the faster type, too
        "bf16": False,
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


def grpo_trainer(
    loaded: LoadedModel,
    rows: datasets.Dataset,
    settings: RL,
    completion_tokens: int,
    arm: Mapping[str, Any],
    seed: int,
    arguments: Mapping[str, Any],
    callbacks: Sequence[Any] = (),
    eval_rows: datasets.Dataset | None = None,
) -> Any:
    """Return an OCRGRPOTrainer that rewards right answers, the vision tower frozen.

    Args:
        loaded: the model that it starts from.
        rows: to train on.
        settings: of the training.
        completion_tokens: longest answer.
        arm: settings of OCRGRPOConfig that tell this arm from others.
        seed: of the noise.
        arguments: from `base_arguments`.
        callbacks: of the trainer.
        eval_rows: for `evaluate`.
    """
    from ocr_hf.train.config import OCRGRPOConfig
    from ocr_hf.train.rewards import accuracy_reward
    from ocr_hf.train.trainer import OCRGRPOTrainer

    args = OCRGRPOConfig(
        **arguments,
        max_steps=settings.steps,
        per_device_train_batch_size=settings.prompts * settings.group,
        num_generations=settings.group,
        max_completion_length=completion_tokens,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        beta=0.0,
        freeze_vision=True,
        logging_steps=1,
        variant_kl_every=10,
        noise_seed=seed,
        **arm,
    )
    return OCRGRPOTrainer(
        loaded.model,
        [accuracy_reward],
        args,
        rows,
        processing_class=loaded.processor,
        callbacks=list(callbacks),
        **({} if eval_rows is None else {"eval_dataset": eval_rows}),
    )


def step_log(trainer: Any) -> list[dict[str, float]]:
    """Return a trainer's log, an entry a step."""
    return [entry for entry in trainer.state.log_history if "loss" in entry]


LOGGED = (
    *("reward", "vanilla/reward", "noisy/reward", "edited/reward", "vanilla/frac_mixed", "all/frac_mixed"),
    *("noise/area", "tv/noisy_vanilla", "kl/noisy_vanilla", "clip_ratio/region_mean", "vanilla/length", "grad_norm"),
)


def logged_columns(log: list[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Return the trainer's log as columns, an entry a step, of what is worth keeping; None where it wasn't measured."""
    kept = [name for name in LOGGED if any(name in entry for entry in log)]
    return {name: [_rounded(entry.get(name)) for entry in log] for name in kept}


def _rounded(value: Any) -> float | None:
    return None if value is None or not np.isfinite(float(value)) else round(float(value), 5)
