"""Does a 3B recipe run, how long does a step take, how much memory does it need? Random weights, a few steps.

    python benchmarks/recipe_dry_run.py [--data ocr-vsi] [--recipe recipes/train/ocr_grpo_3b_lora_80gb.yaml] [--quick]

Trains as `ocr-hf grpo --config RECIPE` would, but from random weights of Qwen2.5-VL-3B's shape, for --steps steps, with
answers of at most --completion tokens, on the rows of --data. It shows that the recipe's settings go together and
what a step costs; of learning it shows nothing. `--quick` takes a tiny model on the CPU. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import tempfile
from pathlib import Path

from train_step import make_model

ROOT = Path(__file__).parent.parent
TINY = {
    **{"use_cpu": "true", "bf16": "false", "dtype": "float32", "per_device_train_batch_size": "8", "frames": "4"},
    **{"max_pixels": "12544", "gradient_accumulation_steps": "1", "lora_r": "4", "dataloader_num_workers": "0"},
}
"""What a CPU and a tiny model need other than the recipe says."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ocr-vsi", help="folder made by `ocr-hf build` or `make demo`, or a Hub id")
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "train" / "ocr_grpo_3b_lora_80gb.yaml")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--completion", type=int, default=64, help="longest answer, tokens")
    parser.add_argument("--quick", action="store_true", help="a tiny model on the CPU, 2 steps")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    given = parser.parse_args()
    import torch

    from ocr_hf.settings.run_command import call
    from ocr_hf.train import grpo

    if not given.quick and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device, which a 3B model needs here; --quick runs a tiny one on the CPU")
    if given.quick:
        # Two threads on a busy machine wait for each other a hundred times longer than one computes
        torch.set_num_threads(1)
    steps, completion = (2, 8) if given.quick else (given.steps, given.completion)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = make_model("1M" if given.quick else "3B", folder, "cpu" if given.quick else "cuda")
        settings = TINY if given.quick else {}
        settings |= {"model": str(model), "data": given.data, "output_dir": str(folder / "out"), "report_to": "none"}
        settings |= {"max_steps": str(steps), "max_completion_length": str(completion), "save_strategy": "no"}
        settings |= {"resume_from_checkpoint": "none"}
        flags = [word for name, value in settings.items() for word in (f"--{name}", value)]
        trainer = call(grpo.main, [*flags, "--config", str(given.recipe)], "grpo")
        log = [entry for entry in trainer.state.log_history if "loss" in entry]
    cuda = torch.cuda.is_available() and not given.quick
    found = {
        "quick": given.quick,
        "recipe": given.recipe.name,
        "device": torch.cuda.get_device_name() if cuda else f"{platform.machine()} CPU",
        "steps": trainer.state.global_step,
        "rollouts_a_step": trainer.args.generation_batch_size // trainer.args.steps_per_generation
        * trainer.args.gradient_accumulation_steps,
        "longest_answer": completion,
        # The first step warms up
        "step_s": round(sum(entry["step_time"] for entry in log[1:]) / (len(log) - 1), 3),
        "peak_gb": round(
            (torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
            / 1e9,
            2,
        ),
        "loss": [round(entry["loss"], 5) for entry in log][-3:],
    }  # fmt: skip
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
