"""Train `ocr-vsi-tiny` from nothing: data, untrained model, SFT, OCR-GRPO, and the text-only rival.

    python -m recipes.ocr_vsi_tiny.train --num-proc 2

    OUT/train/SEED, OUT/cache/SEED.npz   training data and its arrays
    OUT/untrained, OUT/sft, OUT/text-only, OUT/grpo   models, each with log.jsonl and training.json

A finished folder is kept, so a killed run goes on with the stage that it was in. OCR is Object-Centric 3D Rollout.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import AutoProcessor

from recipes.ocr_vsi_tiny.checkpoints import finish, save_model, step_of
from recipes.ocr_vsi_tiny.config import RecipeConfig
from recipes.ocr_vsi_tiny.grpo import run_grpo
from recipes.ocr_vsi_tiny.model import build_untrained, freeze, insert_layer, load
from recipes.ocr_vsi_tiny.sampling import TrainingData
from recipes.ocr_vsi_tiny.sft import train_sft
from recipes.ocr_vsi_tiny.sft_model import SFTModel
from recipes.ocr_vsi_tiny.training_data import build_training_data, load_data, split_off

STAGES = ("data", "sft", "grpo", "text-only")
Echo = Callable[[str], None]


def train_stages(
    config: RecipeConfig, out: Path, stages: tuple[str, ...] = STAGES, num_proc: int = 1, echo: Echo = print
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
        build_training_data(config, out, AutoProcessor.from_pretrained(untrained), num_proc, echo)
    for stage in stages:
        folder = out / stage
        if stage == "data" or (folder / "training.json").exists():
            continue
        echo(f"{stage}: started; its log is {folder / 'log.jsonl'}")
        if stage == "grpo":
            run_grpo(config, out)
        else:
            run_sft(config, out, video=stage == "sft")


def run_sft(config: RecipeConfig, out: Path, video: bool) -> Path:
    """Train the untrained model by SFT, with or without video; return the folder of the stage.

    The models at the end of the first phases are kept in folders of their names, the state in between in state.pt: a
    killed run goes on there and ends with the same model.
    """
    folder = out / ("sft" if video else "text-only")
    folder.mkdir(exist_ok=True)
    state = folder / "state.pt"
    processor = AutoProcessor.from_pretrained(out / "untrained")
    data: tuple[TrainingData, TrainingData] | None = None
    before, phases = out / "untrained", config.phases
    for phase in phases:
        kept = folder / phase.name
        if phase is not phases[-1] and kept.exists():
            before = kept
            continue
        spent = _keep_lines(folder / "log.jsonl", max(phase.start, step_of(state)))
        # In every phase: fresh heads and layers begin alike whether the run was interrupted or not
        torch.manual_seed(config.seed)
        model = load(before)
        if phase.inserted_after:
            model = insert_layer(model, phase.inserted_after)
        if phase.frozen:
            freeze(model, phase.frozen)
        model.train()
        sft_model = SFTModel(model, processor, config, video)
        data = data or split_off(load_data(config, out, sft_model.question_tokenizer), config.held_out_clips)
        started = time.perf_counter() - spent
        train_sft(sft_model, *data, phase, folder, started)
        if phase is phases[-1]:
            finish(folder, model, processor, config, folder.name, started, {"clips": len(data[0].questions)})
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


def main(
    out: Annotated[Path, typer.Option(help="folder for data, models and logs")] = Path("outputs/ocr-vsi-tiny"),
    stage: Annotated[
        list[str] | None, typer.Option(help="data, sft, grpo or text-only, may be repeated; left out: all")
    ] = None,
    num_proc: Annotated[int, typer.Option(help="processes that build data; the result doesn't depend on it")] = 1,
    threads: Annotated[int, typer.Option(help="threads that train; 0 = as many as there are cores")] = 0,
    sft_steps: Annotated[int | None, typer.Option(help="steps of SFT's last phase, for trials")] = None,
    grpo_steps: Annotated[int | None, typer.Option(help="steps of OCR-GRPO, for trials")] = None,
    seed: Annotated[int, typer.Option(help="of weights, order and noise")] = 0,
) -> None:
    """Train ocr-vsi-tiny: build its rooms, SFT, OCR-GRPO (Object-Centric 3D Rollout), and its text-only rival.

    A finished stage is kept; run the command again to continue after an interruption.
    """
    if threads:
        torch.set_num_threads(threads)
    given = {"sft_steps": sft_steps, "grpo_steps": grpo_steps, "seed": seed}
    config = replace(RecipeConfig(), **{name: value for name, value in given.items() if value is not None})
    try:
        train_stages(config, out, tuple(stage) if stage else STAGES, num_proc, typer.echo)
    except (ValueError, OSError) as error:
        raise SystemExit(f"train: {error}") from error
    typer.echo(f"done: models and logs are in {out}; evaluate with `ocr-hf eval`")


if __name__ == "__main__":
    typer.run(main)
