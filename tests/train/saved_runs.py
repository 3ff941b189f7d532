"""Train and save; be stopped in the middle of a save, go on and save: each case, on every process of a launch.

Started by test_saved_models.py, with torchrun.

    saved_runs.py MODEL ROWS OUT PER_DEVICE_BATCH {"case": {"sharding": "none", "setting": value}}

Beside what fixed_completions.py takes, a case may have: sharding, the state of FSDP's checkpoints or none for DDP;
base, what the model says it was loaded from. A case leaves OUT/case/whole/run and OUT/case/rest/run as a training
command leaves its output_dir, each with weights.safetensors, what the model in memory had.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor
from transformers import Trainer

from ocr_hf.train.checkpoints import last_checkpoint
from tests.train import fixed_completions
from tests.train.fsdp_on_cpu import allow_fsdp_on_a_cpu

STEPS, EVERY = 4, 2


class Stopped(Exception):
    """What stands for a kill."""


def main(model: str, rows_file: str, out: str, batch: str, cases: str) -> None:
    allow_fsdp_on_a_cpu()
    torch.set_num_threads(1)
    rows = json.loads(Path(rows_file).read_text())
    for case, settings in json.loads(cases).items():
        sharding = settings.pop("sharding")
        os.environ["ACCELERATE_USE_FSDP"] = str(sharding != "none").lower()
        os.environ["FSDP_STATE_DICT_TYPE"] = sharding
        run(model, Path(out, case), rows, int(batch), settings)


def run(model: str, folder: Path, rows: list, batch: int, settings: dict) -> None:
    """Write what a run of a case leaves, and what one leaves that was stopped and went on."""

    def make(name: str) -> Trainer:
        own = {"max_steps": STEPS, "save_strategy": "steps", "save_steps": EVERY, **settings}
        base = own.pop("base", None)
        (folder / name).mkdir(parents=True, exist_ok=True)
        return fixed_completions.make(model, folder / name, rows, batch, own, base)

    whole = make("whole")
    whole.train()
    finish(whole, folder / "whole")
    part = make("rest")
    # The last files of a checkpoint but one: weights and optimizer are there
    with pytest.MonkeyPatch.context() as patch, suppress(Stopped):
        patch.setattr(Trainer, "_save_rng_state", stopping_at_the_end(Trainer._save_rng_state))
        part.train()
    part.accelerator.wait_for_everyone()
    assert (folder / "rest" / "run" / f"checkpoint-{STEPS}").is_dir()
    newest = last_checkpoint(folder / "rest" / "run")
    assert newest is not None and newest.name == f"checkpoint-{EVERY}"
    rest = make("rest")
    rest.train(resume_from_checkpoint=str(newest))
    finish(rest, folder / "rest")


def stopping_at_the_end(save: Callable) -> Callable:
    """Return a way to save that ends the run in its last step."""

    def stop_or_save(trainer: Trainer, place: str) -> None:
        if trainer.state.global_step == STEPS:
            raise Stopped
        save(trainer, place)

    return stop_or_save


def finish(trainer: Trainer, folder: Path) -> None:
    """Save a model as a training command does, and beside it what is in memory."""
    trainer.save_model(trainer.args.output_dir)
    values = {name: value.detach() for name, value in trainer.model.named_parameters()}
    values = {name: each.full_tensor() if isinstance(each, DTensor) else each for name, each in values.items()}
    if trainer.accelerator.is_main_process:
        sharded = any(isinstance(each, DTensor) for each in trainer.model.parameters())
        history = [entry for entry in trainer.state.log_history if "loss" in entry]
        (folder / "history.json").write_text(json.dumps({"sharded": sharded, "history": history}))
        save_file({name: each.contiguous() for name, each in values.items()}, folder / "weights.safetensors")
    trainer.accelerator.wait_for_everyone()


if __name__ == "__main__":
    main(*sys.argv[1:])
