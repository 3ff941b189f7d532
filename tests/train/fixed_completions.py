"""Train with completions that depend only on row and rollout; write the history and the weights of each case.

Started by test_processes.py in one process and in two: sampling has another random state in each process, so that
only fixed completions can show that the rest of the step is the same.

    fixed_completions.py MODEL ROWS OUT PER_DEVICE_BATCH {"case": {"setting": value}}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from datasets import Dataset
from safetensors.torch import save_file

from ocr_hf.train.trainer import OCRGRPOTrainer
from tests.train.conftest import make_config, vowel_reward


def fixed(trainer, prompts, media_ids):
    """One completion of 2 to 6 tokens per rollout, drawn from its global number and step."""
    first = trainer.accelerator.process_index * len(prompts)
    # the videos are there, as they would be for sampling
    assert all(name is None or name in trainer.videos["train"].videos for name in media_ids)
    randoms = (np.random.default_rng([trainer.state.global_step, first + i]) for i in range(len(prompts)))
    return [random.integers(0, 256, random.integers(2, 7)).tolist() for random in randoms]


def main(model: str, rows_file: str, out: str, batch: str, cases: str) -> None:
    OCRGRPOTrainer._sample = fixed
    folder = Path(out)
    rows = json.loads(Path(rows_file).read_text())
    for case, settings in json.loads(cases).items():
        torch.manual_seed(0)
        trainer = OCRGRPOTrainer(
            transformers.AutoModelForImageTextToText.from_pretrained(model),
            vowel_reward,
            make_config(folder / "run", per_device_train_batch_size=int(batch), **settings),
            Dataset.from_list(rows),
            processing_class=transformers.AutoProcessor.from_pretrained(model, padding_side="left"),
        )
        trainer.train()
        if trainer.accelerator.is_main_process:
            history = [entry for entry in trainer.state.log_history if "loss" in entry]
            result = {"processes": trainer.accelerator.num_processes, "history": history}
            Path(folder, f"{case}.json").write_text(json.dumps(result))
            weights = {name: value.detach().contiguous() for name, value in trainer.model.named_parameters()}
            save_file(weights, folder / f"{case}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
