"""Train with completions that depend only on row and rollout; write the history and the weights of each case.

Started by test_processes.py and test_sharded.py in one process and in two: sampling has another random state in each
process, so that only fixed completions can show that the rest of the step is the same.

    fixed_completions.py MODEL ROWS OUT PER_DEVICE_BATCH {"case": {"setting": value}}

Beside the trainer's settings, a case may have: lora, to train an adapter; sft, to fine-tune with OCRSFTTrainer; text,
rows whose video is taken out; generate, to sample greedily instead, where every other token ends a completion.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor

from ocr_hf.train.sft_trainer import OCRSFTTrainer
from ocr_hf.train.trainer import OCRGRPOTrainer
from tests.train.conftest import make_config, vowel_reward
from tests.train.fsdp_on_cpu import allow_fsdp_on_a_cpu
from tests.train.test_sft import config as sft_config

SAMPLED = OCRGRPOTrainer._generate_single_turn


def fixed(trainer, prompts, *_):
    """One completion of 2 to 6 tokens per rollout, drawn from its global number and step."""
    first = trainer.accelerator.process_index * len(prompts)
    # the videos are there, as they would be for sampling
    names = {rollout.sampled_from for rollout in trainer._rollouts} - {None}
    assert names <= set(trainer.videos["train"].videos)
    randoms = (np.random.default_rng([trainer.state.global_step, first + i]) for i in range(len(prompts)))
    return [random.integers(0, 256, random.integers(2, 7)).tolist() for random in randoms], None


def make(model: str, folder: Path, rows: list, batch: int, settings: dict, base: str | None = None):
    """Return the trainer of a case; `base`, where given, is what its model says it was loaded from."""
    torch.manual_seed(0)
    lora = LoraConfig(r=4, target_modules=r".*language_model.*\.(q|v)_proj$") if settings.pop("lora", False) else None
    sft, without = settings.pop("sft", False), settings.pop("text", [])
    generate = settings.pop("generate", False)
    OCRGRPOTrainer._generate_single_turn = SAMPLED if generate else fixed
    if generate:
        settings["generation_kwargs"] = {"do_sample": False}
    rows = [{**row, "vanilla": None} if number in without else row for number, row in enumerate(rows)]
    loaded = transformers.AutoModelForImageTextToText.from_pretrained(model)
    loaded.name_or_path = base or model
    processor = transformers.AutoProcessor.from_pretrained(model, padding_side="left")
    if sft:
        args = sft_config(folder / "run", per_device_train_batch_size=batch, **settings)
        return OCRSFTTrainer(loaded, args, Dataset.from_list(rows), processor, peft_config=lora)
    trainer = OCRGRPOTrainer(
        loaded,
        vowel_reward,
        make_config(folder / "run", per_device_train_batch_size=batch, **settings),
        Dataset.from_list(rows),
        processing_class=processor,
        peft_config=lora,
    )
    if generate:
        # So that completions end at unlike places in the two processes
        ends = list(range(0, len(processor.tokenizer), 2))
        trainer.eos_token_ids = trainer.generation_config.eos_token_id = ends
    return trainer


def main(model: str, rows_file: str, out: str, batch: str, cases: str) -> None:
    folder = Path(out)
    rows = json.loads(Path(rows_file).read_text())
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
    if sharded:
        allow_fsdp_on_a_cpu()
    for case, settings in json.loads(cases).items():
        trainer = make(model, folder, rows, int(batch), settings)
        trainer.train()
        store = trainer.videos if isinstance(trainer, OCRSFTTrainer) else trainer.videos["train"]
        # Of sharded parameters each process has a part, and all put them together
        values = {name: value.detach() for name, value in trainer.model.named_parameters()}
        assert sharded == any(isinstance(each, DTensor) for each in values.values())
        values = {name: each.full_tensor() if isinstance(each, DTensor) else each for name, each in values.items()}
        if trainer.accelerator.is_main_process:
            history = [entry for entry in trainer.state.log_history if "loss" in entry]
            result = {"processes": trainer.accelerator.num_processes, "history": history}
            result |= {"encoded": store.encoded, "in_step": store.in_step}
            Path(folder, f"{case}.json").write_text(json.dumps(result))
            save_file({name: each.contiguous() for name, each in values.items()}, folder / f"{case}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
