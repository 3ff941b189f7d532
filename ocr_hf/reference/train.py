"""From nothing to `ocr-vsi-tiny`: data, untrained model, SFT, OCR-GRPO, and the text-only rival.

    OUT/train/SEED, OUT/cache/SEED.npz   training data and its arrays
    OUT/untrained, OUT/sft, OUT/text-only, OUT/grpo   models, each with log.jsonl and training.json

A finished folder is kept, so a killed run goes on with the stage that it was in. OCR is Object-Centric 3D Rollout.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoProcessor

from ocr_hf.reference.config import ReferenceConfig
from ocr_hf.reference.draw import Data
from ocr_hf.reference.grpo import run_grpo
from ocr_hf.reference.model import build_untrained, freeze, insert_layer, load
from ocr_hf.reference.prepare import load_data, prepare, split_off
from ocr_hf.reference.progress import step_of
from ocr_hf.reference.sft import train_sft
from ocr_hf.reference.stage import finish, save_model
from ocr_hf.reference.student import Student

STAGES = ("data", "sft", "grpo", "text-only")
Tell = Callable[[str], None]


def train_reference(
    config: ReferenceConfig, out: Path, stages: tuple[str, ...] = STAGES, num_proc: int = 1, tell: Tell = print
) -> None:
    """Run the stages that are named and not finished, in order.

    num_proc : processes that build data; the result doesn't depend on it
    Raises ValueError for an unknown stage, FileNotFoundError for one whose predecessor is missing.
    """
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise ValueError(f"there is no stage '{unknown[0]}'; choose of {', '.join(STAGES)}")
    out.mkdir(parents=True, exist_ok=True)
    untrained = out / "untrained"
    if not untrained.exists():
        build_untrained(untrained, config.seed)
    if "data" in stages:
        prepare(config, out, AutoProcessor.from_pretrained(untrained), num_proc, tell)
    for stage in stages:
        folder = out / stage
        if stage == "data" or (folder / "training.json").exists():
            continue
        tell(f"{stage}: started; its log is {folder / 'log.jsonl'}")
        if stage == "grpo":
            run_grpo(config, out)
        else:
            run_sft(config, out, video=stage == "sft")


def run_sft(config: ReferenceConfig, out: Path, video: bool) -> Path:
    """Train the untrained model by SFT, with or without video; return the folder of the stage.

    The models at the end of the first phases are kept in folders of their names, the state in between in state.pt: a
    killed run goes on there and ends with the same model.
    """
    folder = out / ("sft" if video else "text-only")
    folder.mkdir(exist_ok=True)
    state = folder / "state.pt"
    processor = AutoProcessor.from_pretrained(out / "untrained")
    data: tuple[Data, Data] | None = None
    before, phases = out / "untrained", config.phases
    for phase in phases:
        kept = folder / phase.name
        if phase is not phases[-1] and kept.exists():
            before = kept
            continue
        spent = _keep_lines(folder / "log.jsonl", max(phase.start, step_of(state)))
        torch.manual_seed(config.seed)
        model = load(before)
        if phase.inserted_after:
            model = insert_layer(model, phase.inserted_after)
        if phase.frozen:
            freeze(model, phase.frozen)
        model.train()
        student = Student(model, processor, config, video)
        data = data or split_off(load_data(config, out, student.texts), config.held_out_clips)
        started = time.perf_counter() - spent
        train_sft(student, *data, phase, folder, started)
        if phase is phases[-1]:
            finish(folder, model, processor, config, folder.name, started, {"clips": len(data[0].asked)})
        else:
            save_model(model, processor, kept)
        state.unlink(missing_ok=True)
        before = kept
    return folder


def _keep_lines(log: Path, step: int) -> float:
    """Leave in a log what was written up to a step; return the seconds spent until then."""
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    kept = [entry for entry in entries if entry["step"] <= step]
    log.write_text("".join(f"{json.dumps(entry)}\n" for entry in kept))
    return kept[-1]["seconds"] if kept else 0.0
