"""What does a step of supervised fine-tuning cost, and what is saved where questions about one clip share it?

    python benchmarks/sft_step.py [--quick] [--prompts 256,1024] [--questions 8,2] [--rounds 1] [--steps 2]

The same model (random weights, 33 M parameters, vision tower trained), the same batches of 8 rows in the same order,
each with a question and an answer of about 64 tokens behind the video; `--questions` of the 8 rows are about one clip.
Every arm trains in a process of its own, in turns, so that peak memory is its own; times are the best of all rounds, in
processor time of one thread.

- nothing shared : share_vision and share_prefix off: every row pays for its clip
- vision shared : share_vision, the tower runs once per distinct clip
- all shared : and share_prefix, what the questions about a clip begin with runs once for them (the default)

Seconds of a step by part: decode (video file to frames), inputs (resize, patches, tokens), forward (of the loss),
backward. Hooks count the tokens that run through the language model beside the least that is possible, P + sum of the
rows' own tokens for each clip with a beginning of P tokens, and the clips that run through the tower. The step that
checks sharing against separate rows is the first, which isn't measured. Cells that are done are kept in the results
file. The last line is JSON, of the first cell.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# Beside this file, where Python looks first
from train_step import CLIPS, Timer, make_model, numbers, write

from ocr_hf import __version__

BASE, ALL = "nothing shared", "all shared"
ARMS: dict[str, dict[str, Any]] = {
    BASE: {"share_vision": False, "share_prefix": False},
    "vision shared": {"share_vision": True, "share_prefix": False},
    ALL: {},
}
PARTS = ("decode", "inputs", "forward", "backward")
BATCH, ANSWER = 8, 64
"""Rows of a batch; tokens of an answer, about."""


def make_rows(folder: Path, prompt: int, clips: int, each: int) -> list[dict[str, Any]]:
    """Clips of three moving boxes, and questions of unlike length about each."""
    import numpy as np

    from ocr_hf.data.video import write_mp4

    frames, height, width = CLIPS[prompt]
    colors = np.array([[60, 60, 60], [200, 40, 40], [40, 200, 40], [40, 40, 200]], dtype=np.uint8)
    rows = []
    for number in range(clips):
        random = np.random.default_rng(number)
        instances = np.zeros((frames, height, width), dtype=np.uint16)
        for item in (1, 2, 3):
            y, x = random.integers(0, height * 2 // 3), random.integers(0, width * 2 // 3)
            for t in range(frames):
                instances[t, y : y + height // 4, x + t % 9 : x + t % 9 + width // 4] = item
        write_mp4(folder / f"{number}.mp4", colors[instances], 4.0)
        for question in range(each):
            asked = f"How many boxes are there, and where do they go? Question {question}." + " Think." * question
            chat = [{"role": "user", "content": asked}]
            rows.append({
                "id": len(rows), "prompt": chat, "clip_id": f"clip{number}", "vanilla": str(folder / f"{number}.mp4")
            })  # fmt: skip
    return rows


def child(arm: str, cell: dict[str, int], steps: int, model: str) -> None:
    """Train one arm and print its figures as JSON."""
    import torch
    import transformers
    from datasets import Dataset

    from ocr_hf.models.branches import IGNORED
    from ocr_hf.train import sft_trainer
    from ocr_hf.train.clip_loader import ClipLoader
    from ocr_hf.train.config import OCRSFTConfig

    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(0)
    timer = Timer(cuda=False)
    with tempfile.TemporaryDirectory() as scratch:
        # Batches are loaded ahead, so that there are some more: each measured step then loads one
        clips = BATCH // cell["questions"] * (steps + 4)
        rows = make_rows(Path(scratch), cell["prompt"], clips, cell["questions"])
        args = OCRSFTConfig(
            output_dir=scratch,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            per_device_train_batch_size=BATCH,
            questions_per_clip=cell["questions"],
            max_steps=steps + 1,
            learning_rate=1e-5,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            frames=CLIPS[cell["prompt"]][0],
            frame_cache_mb=0,
            **ARMS[arm],
        )
        processor = transformers.AutoProcessor.from_pretrained(model)
        spelled = processor.tokenizer("There are three boxes. " * 64, add_special_tokens=False)["input_ids"]
        answer = processor.tokenizer.decode(spelled[: cell["answer"] - 1])
        timer.wrap(ClipLoader, "load", "decode")
        timer.wrap(sft_trainer, "encode_clip", "inputs")
        timer.wrap(sft_trainer, "prompt_ids", "inputs")
        trainer = sft_trainer.OCRSFTTrainer(
            transformers.AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32),
            args,
            Dataset.from_list(rows),
            processor,
            completion=lambda row: answer,
        )
        timer.count(trainer.model)
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        batches: list[dict[str, int]] = []
        collate = trainer.data_collator

        def counted(batch: list) -> dict[str, Any]:
            made = collate(batch)
            ids, names = made["input_ids"], made["media_ids"]
            lengths = made["attention_mask"].sum(1).tolist()
            least = 0
            for name in set(names):
                own = [ids[row, : lengths[row]].tolist() for row, other in enumerate(names) if other == name]
                common = len(os.path.commonprefix(own))
                least += common + sum(len(row) - common for row in own)
            prompt = int((made["labels"] == IGNORED).sum(1).min())
            batches.append(
                {"prompt": prompt, "clips": len(set(names)), "least_tokens": least, "separate_tokens": ids.numel()}
            )
            return made

        trainer.data_collator = counted
        timer.wrap(trainer, "compute_loss", "forward")
        timer.wrap(trainer.accelerator, "backward", "backward")
        marks: list[tuple[float, dict[str, float], dict[str, int]]] = []

        class Mark(transformers.TrainerCallback):
            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                marks.append((timer.now(), dict(timer.seconds), dict(timer.counts)))

        trainer.add_callback(Mark())
        trainer.train()
    (first, before, counts_before), (last, after, counts) = marks[0], marks[-1]
    parts = {part: (after.get(part, 0.0) - before.get(part, 0.0)) / steps for part in PARTS}
    ran = {name: (counts[name] - counts_before.get(name, 0)) / steps for name in counts}
    measured = batches[1 : steps + 1]
    print(
        json.dumps(
            {
                "arm": arm,
                "step_s": (last - first) / steps,
                "parts_s": parts,
                "train_s": parts["forward"] + parts["backward"],
                "added_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held,
                "tokens": ran["tokens forward"],
                "media_encoded": ran["media"],
                "loss": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
            }
            | {name: sum(each[name] for each in measured) / steps for name in measured[0]}
        )
    )


def measure(cell: dict[str, int], size: str, steps: int, rounds: int) -> dict[str, Any]:
    """Run the arms in turns; return the best round of each."""
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        model = make_model(size, Path(scratch))
        for _ in range(rounds):
            for arm in ARMS:
                command = [sys.executable, __file__, "--child", arm, "--steps", str(steps), "--model", str(model)]
                done = subprocess.run(
                    [*command, "--cell", json.dumps(cell)],
                    capture_output=True,
                    text=True,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                )
                if done.returncode:
                    raise SystemExit(f"{arm} failed:\n{done.stderr[-2000:]}")
                found = json.loads(done.stdout.strip().splitlines()[-1])
                kept = best.get(arm, found)
                best[arm] = min(found, kept, key=lambda each: each["step_s"])
                best[arm]["added_bytes"] = min(found["added_bytes"], kept["added_bytes"])
    return best


def show(title: str, found: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}")
    head = f"{'':16}{'step s':>8}{'x':>6}{'train x':>9}{'added MB':>10}{'tokens':>9}{'clips':>7}{'loss':>8}"
    print(head + "".join(f"{part:>10}" for part in PARTS))
    for arm, row in found.items():
        ratio, train = (found[BASE][name] / row[name] for name in ("step_s", "train_s"))
        seconds = "".join(f"{row['parts_s'][part]:10.3f}" for part in PARTS)
        print(
            f"{arm:16}{row['step_s']:8.3f}{ratio:6.2f}{train:9.2f}{row['added_bytes'] / 2**20:10.0f}"
            f"{row['tokens']:9.0f}{row['media_encoded']:7.1f}{row['loss'][-1]:8.4f}{seconds}",
            flush=True,
        )


def summary_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one cell: all shared beside nothing shared and beside the least that must run."""
    base, ours = found[BASE], found[ALL]
    return {
        "speedup_vs_separate_questions": round(base["step_s"] / ours["step_s"], 2),
        "train_phase_speedup": round(base["train_s"] / ours["train_s"], 2),
        "peak_memory_ratio": round(ours["added_bytes"] / base["added_bytes"], 3),
        "token_forwards_vs_bound": round(ours["tokens"] / ours["least_tokens"], 3),
        "encodings_per_distinct_media": ours["media_encoded"] / ours["clips"],
        "step_s": {arm: round(row["step_s"], 3) for arm, row in found.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small model, prompts of 256 tokens, one cell")
    parser.add_argument("--prompts", type=numbers, default=[1024, 256], help="prompt tokens, of 256,512,1024,2048")
    parser.add_argument("--questions", type=numbers, default=[8, 2], help="rows about one clip, of 8 in a batch")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2, help="measured steps per round")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "sft_step.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, json.loads(given.cell), given.steps, given.model)
        return
    cells = [(256, 8)] if given.quick else [(p, q) for p in given.prompts for q in given.questions]
    known = json.loads(given.out.read_text()) if given.out.is_file() and not given.quick else {}
    done = known.get("cells", {}) if known.get("ocr_hf") == __version__ else {}
    for prompt, questions in cells:
        name = f"{prompt}/{questions}"
        if name not in done:
            cell = {"prompt": prompt, "questions": questions, "answer": 16 if given.quick else ANSWER}
            done[name] = measure(cell, "1M" if given.quick else "33M", given.steps, given.rounds)
            if not given.quick:
                write(given.out, done, summary_of)
        show(f"prompts of about {prompt} tokens, {questions} of {BATCH} questions about one clip", done[name])
    main_cell = "/".join(map(str, cells[0]))
    print(json.dumps({"quick": given.quick, "cell": main_cell, **summary_of(done[main_cell])}))


if __name__ == "__main__":
    main()
