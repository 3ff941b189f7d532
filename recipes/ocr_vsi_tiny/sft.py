"""The supervised stage: answers to many questions a clip, and dense 3D supervision of what is seen and named."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipes.ocr_vsi_tiny.checkpoints import load_progress, save_progress, step_of
from recipes.ocr_vsi_tiny.config import Phase
from recipes.ocr_vsi_tiny.question_tokenizer import mirror_table
from recipes.ocr_vsi_tiny.sampling import BatchSampler, TrainingData
from recipes.ocr_vsi_tiny.sft_model import SFTModel


def train_sft(
    sft_model: SFTModel,
    data: TrainingData,
    held_out: TrainingData,
    phase: Phase,
    folder: Path,
    started: float,
    every: int = 250,
) -> None:
    """Train for one phase; append losses and, every so many steps, held-out scores to log.jsonl in the folder.

    started : time.perf_counter() when the first phase began, without pauses
    every : steps after which the state is kept, too; a phase that was killed continues from there
    """
    config = sft_model.config
    # A stream per phase, so that a later phase doesn't depend on how often an earlier one was interrupted
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, 6, *([phase.start] if phase.start else [])]))
    groups = [{"params": list(sft_model.model.parameters())}, {"params": sft_model.head_parameters()}]
    optimizer = torch.optim.AdamW(
        groups, lr=phase.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98), fused=True
    )
    sampler = BatchSampler(data, config, phase, rng, mirror_table(sft_model.tokenizer), sft_model.frame[1])
    state = folder / "state.pt"
    # A state that an earlier phase left counts as none
    done = max(0, step_of(state) - phase.start)
    if done:
        load_progress(state, sft_model, optimizer, sampler)
    means: dict[str, list[float]] = defaultdict(list)
    with (folder / "log.jsonl").open("a") as lines:
        for number in range(done + 1, phase.steps + 1):
            # Fresh heads send noise into the model; phase.heads_first steps let them settle before the model moves
            for group, wait in zip(optimizer.param_groups, (phase.heads_first, 0), strict=True):
                group["lr"] = phase.learning_rate * rate(number - wait, phase.schedule - wait, config.warm_up)
            losses = sft_model.losses(sampler.next_batch(), phase.extra)
            sft_model.total(losses).backward()
            torch.nn.utils.clip_grad_norm_(sft_model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            for name, value in losses.items():
                means[name].append(value.item())
            step = phase.start + number
            if step % 25 == 0 or step % every == 0 or number == phase.steps:
                entry: dict[str, Any] = {"step": step, "seconds": round(time.perf_counter() - started, 1)}
                # "loss" is the answers' alone, comparable between phases with other supervision; it stands first
                entry |= {"loss": 0.0} | {name: round(float(np.mean(v)), 4) for name, v in means.items()}
                entry["loss"] = entry.pop("answer")
                means.clear()
                if step % every == 0 or number == phase.steps:
                    summary = sft_model.score(held_out, sampler.even)
                    entry["held_out"] = round(summary["macro"], 2)
                    entry["tasks"] = {name: round(task["score"], 1) for name, task in summary["tasks"].items()}
                    entry["held_out_losses"] = sft_model.held_out_losses(held_out, sampler.even, phase.extra)
                lines.write(json.dumps(entry) + "\n")
                # Before the state is saved: a run that continues from it needs the lines up to its step
                lines.flush()
                if step % every == 0 and number < phase.steps:
                    save_progress(state, step, sft_model, optimizer, sampler)


def rate(step: int, steps: int, warm_up: int) -> float:
    """Return the share of the learning rate at a step: a ramp, then half a cosine down to a fiftieth; none before 1."""
    if step <= warm_up:
        return max(0, step) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.02 + 0.98 * 0.5 * (1.0 + float(np.cos(np.pi * done)))
