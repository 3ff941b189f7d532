"""Does the training minute of `make demo` learn, over several seeds?

    python benchmarks/train_demo.py [--quick] [--data ocr-vsi] [--seeds 3] [--out benchmarks/results]

Each seed builds its own tiny model, trains it by SFT and by OCR-GRPO (Object-Centric 3D Rollout) and scores it on
questions of scenes it was not trained on, before, between and after. Without --data a small set of twelve procedural
rooms is built first. Writes train_demo.json and train_demo.png; the last line is the JSON summary. One thread computes,
so that scores don't depend on the number of cores; times are its processor seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path
from statistics import mean, stdev

import torch

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.train.learning_curve import draw
from ocr_hf.train.training_minute import DemoConfig, train, without_progress_bars

DATA = BuildConfig(scenes=12, rooms=1, frames=16, seconds=16.0, width=224, height=168, seed=11, test=0.34)
NAMES = ("untrained", "after_sft", "after_ocr_grpo", "constants", "rise", "processor_seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, few steps, nothing written")
    parser.add_argument("--data", type=Path, help="an ocr-vsi folder with at least two scenes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    without_progress_bars()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        data = given.data
        if data is None:
            data = Path(scratch) / "ocr-vsi"
            build_folder(DATA if not given.quick else BuildConfig(**{**vars(DATA), "scenes": 4, "test": 0.5}), data)
        runs = []
        for seed in range(1 if given.quick else given.seeds):
            steps = {"sft_steps": 10, "grpo_steps": 4, "evaluations": 1} if given.quick else {}
            runs.append(train(data, Path(scratch) / f"seed{seed}", DemoConfig(seed=seed, **steps)))
            for clocked in (runs[-1], *runs[-1]["points"]):
                del clocked["seconds"]
            print({name: runs[-1][name] for name in NAMES}, flush=True)
    summary = {
        name: {"mean": round(mean(run[name] for run in runs), 2), "all": [run[name] for run in runs]} for name in NAMES
    }
    if len(runs) > 1:
        for name in NAMES:
            summary[name]["sd"] = round(stdev(run[name] for run in runs), 2)
    summary |= {
        "rows": runs[0]["rows"],
        "held_out_rows": runs[0]["held_out_rows"],
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if not given.quick:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "train_demo.json").write_text(json.dumps({"summary": summary, "runs": runs}, indent=1) + "\n")
        draw(runs, given.out / "train_demo.png")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
