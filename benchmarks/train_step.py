"""What does a training step cost, and what do shared videos and prompts save, beside stock TRL fed the same frames?

    python benchmarks/train_step.py [--quick] [--prompts 256,512,1024,2048] [--completions 16,64] [--rounds 1]

Same model (random weights), same question, same group size and completion length. TRL 1.16 cannot train on video; the
nearest thing to it is a row of images. Qwen2.5-VL merges two frames of a video into one step of its grid, so the rival
gets every second frame: the same number of vision tokens, plus two marks per picture (both counts are printed).
Every trainer runs in a process of its own, in turns, so that peak memory is its own; times are the best of all rounds,
on the CPU in processor time of one thread.

- stock TRL, images : TRL's GRPOTrainer, which runs processor, tower and prompt for every rollout, in every pass
- nothing shared : OCRGRPOTrainer, strategy grpo, all switches off
- vision shared : share_vision, the tower runs once per distinct video
- and prefix : and share_prefix, in scoring the prompt runs once per distinct scored video
- all shared : and share_prefill, in generation too (the default)
- OCR : strategy ocr (Object-Centric 3D Rollout), all shared, half of each group on a clip with noise on objects
- OCR, own video : the same, noisy rollouts scored under the noisy clip
- all shared, flex attention : shared passes through torch's flex attention, on a GPU only

A model of 33 M parameters, wide enough that computing dominates; one group of 8 rollouts; prompts of about as many
tokens as asked for. Seconds of a step by part: decode (video file to frames), render (noise), inputs (resize, patches,
tokens), generate, score (old log-probs), forward (of the loss), backward. Hooks count what runs: tokens of scoring
passes beside the least that is possible, P + G C of a prompt of P tokens and G completions of C, and clips through the
tower beside the distinct ones. Cells that are done are kept in the results file, so that a run that was stopped goes
on. With --device cuda all runs on the GPU in bfloat16 with LoRA and gradient checkpointing, by default at the size of
Qwen2.5-VL-3B with random weights, into train_step_gpu.json (benchmarks/on_gpu.sh calls it so). The last line is JSON,
of the cell of 1,024 tokens and completions of 64, on a GPU of 4,096 and 200 (else of the last one that was run).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_hf import __version__

RIVAL, BASE, ALL = "stock TRL, images", "nothing shared", "all shared"
OFF: dict[str, Any] = {"share_vision": False, "share_prefix": False, "share_prefill": False}
ARMS: dict[str, dict[str, Any]] = {
    RIVAL: {},
    BASE: {"strategy": "grpo", **OFF},
    "vision shared": {"strategy": "grpo", **OFF, "share_vision": True},
    "and prefix": {"strategy": "grpo", "share_prefill": False},
    ALL: {"strategy": "grpo"},
    "OCR": {"strategy": "ocr"},
    "OCR, own video": {"strategy": "ocr", "score_under": "own"},
}
FEW = (RIVAL, BASE, ALL, "OCR")
"""Arms of all cells but the main one."""
FLEX = "all shared, flex attention"
"""On a GPU only: on a CPU flex attention has no gradient."""
PARTS = ("decode", "render", "inputs", "generate", "score", "forward", "backward")
TRAIN = ("score", "forward", "backward")
"""Parts of the train phase: what comes after generation."""
MOST_PIXELS = 280 * 392
CLIPS = {
    256: (16, 140, 168), 512: (16, 168, 280), 1024: (32, 168, 280), 2048: (64, 168, 280), 4096: (64, 252, 364),
    8192: (128, 252, 364),
}  # fmt: skip
"""Prompt tokens, about -> frames, height and width of the clip."""
MAIN = {"cpu": (1024, 64), "cuda": (4096, 200)}
PROMPTS = {"cpu": [256, 512, 1024, 2048], "cuda": [1024, 2048, 4096, 8192]}
COMPLETIONS = {"cpu": [16, 64], "cuda": [200]}


def cell(prompt: int, completion: int, size: str) -> dict[str, Any]:
    """Return the sizes of one cell."""
    frames, height, width = CLIPS[prompt]
    return {
        "size": size, "frames": frames, "height": height, "width": width, "group": 8, "groups": 1,
        "completion": completion,
    }  # fmt: skip


class Timer:
    """Seconds per part; parts inside others are taken out of them, so the parts add up."""

    def __init__(self, cuda: bool) -> None:
        import torch

        self.seconds: dict[str, float] = defaultdict(float)
        self.open: list[list[float]] = []
        self.names: list[str] = []
        self.counts: dict[str, int] = defaultdict(int)
        self.sync: Callable[[], None] = torch.cuda.synchronize if cuda else lambda: None
        # Processor time on the CPU, so that a busy machine hardly matters
        self.clock = time.perf_counter if cuda else time.process_time

    def now(self) -> float:
        self.sync()
        return self.clock()

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Time every call of owner.name under a part."""
        original = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            started, inner = self.now(), [0.0]
            self.open.append(inner)
            self.names.append(part)
            try:
                return original(*args, **kwargs)
            finally:
                spent = self.now() - started
                self.open.pop()
                self.names.pop()
                self.seconds[part] += spent - inner[0]
                if self.open:
                    self.open[-1][0] += spent

        setattr(owner, name, timed)

    def count(self, model: Any) -> None:
        """Count tokens of the language model and videos or pictures of the tower, by the part that they run in."""

        def tokens(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            part = self.names[-1] if self.names else "rest"
            self.counts[f"tokens {part}"] += kwargs["inputs_embeds"].shape[0] * kwargs["inputs_embeds"].shape[1]
            self.counts[f"calls {part}"] += 1

        def media(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            self.counts["media"] += len(kwargs["grid_thw"] if "grid_thw" in kwargs else args[1])

        model.model.language_model.register_forward_pre_hook(tokens, with_kwargs=True)
        model.model.visual.register_forward_pre_hook(media, with_kwargs=True)


def make_model(size: str, folder: Path, device: str = "cpu") -> Path:
    """Write a model with random weights: a preset of the tiny models, or Qwen2.5-VL-3B's own shape."""
    from ocr_hf.models.tiny import PRESETS, TinySize, build_tiny, make_tiny

    if size != "3B":
        wide = TinySize(512, 8, 8, 2, 2048, vision_hidden=256, vision_layers=6, vision_heads=8, max_pixels=MOST_PIXELS)
        small = replace(PRESETS["1M"], max_pixels=MOST_PIXELS)
        return build_tiny(folder / "model", small if size == "1M" else wide)
    import torch
    import transformers

    model, processor = make_tiny(PRESETS["1M"])
    config = model.config
    # Qwen/Qwen2.5-VL-3B-Instruct's config.json; the small tokenizer's ids lie within its vocabulary
    text = {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16}
    text |= {"num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 32768}
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048}
    vision |= {"window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]}
    for part, values in ((config.text_config, text), (config.vision_config, vision)):
        for name, value in values.items():
            setattr(part, name, value)
    config.text_config.layer_types = ["full_attention"] * 36
    config.text_config.initializer_range = config.vision_config.initializer_range = 0.02
    config.text_config.rope_parameters |= {"mrope_section": [16, 24, 24]}
    processor.video_processor.size = processor.image_processor.size = {
        "shortest_edge": 784,
        "longest_edge": MOST_PIXELS,
    }
    with torch.device(device):
        large = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    large.generation_config = model.generation_config
    large.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    return folder / "model"


def make_rows(folder: Path, scale: dict[str, Any], images: bool) -> list[dict[str, Any]]:
    """One clip per group, with three moving boxes; as a video file with footprints, or every second frame a picture."""
    import numpy as np
    from PIL import Image

    from ocr_hf.data.video import write_mp4
    from ocr_hf.geometry.occlusion import footprints_from_instances

    frames, height, width = scale["frames"], scale["height"], scale["width"]
    colors = np.array([[60, 60, 60], [200, 40, 40], [40, 200, 40], [40, 40, 200]], dtype=np.uint8)
    rows = []
    for number in range(scale["groups"] * 4):
        random = np.random.default_rng(number)
        instances = np.zeros((frames, height, width), dtype=np.uint16)
        for item in (1, 2, 3):
            y, x = random.integers(0, height * 2 // 3), random.integers(0, width * 2 // 3)
            for t in range(frames):
                instances[t, y : y + height // 4, x + t % 9 : x + t % 9 + width // 4] = item
        pixels = colors[instances]
        row = {"id": number, "prompt": [{"role": "user", "content": f"How many boxes are there in clip {number}?"}]}
        if images:
            row["images"] = [Image.fromarray(frame) for frame in pixels[::2]]
        else:
            write_mp4(folder / f"{number}.mp4", pixels, 4.0)
            row |= {
                "clip_id": f"clip{number}",
                "vanilla": str(folder / f"{number}.mp4"),
                "footprints": footprints_from_instances(instances).to_rows(),
                "camera_to_world": np.tile(np.eye(4), (frames, 1, 1)).tolist(),
                "queried_objects": [1],
            }
        rows.append(row)
    return rows


def letters(completions: list, **_: Any) -> list[float]:
    """A reward that random text earns in different amounts."""
    return [sum(turn[0]["content"].count(letter) for letter in "aeiou ") / 4 for turn in completions]


def child(arm: str, device: str, scale: dict[str, Any], steps: int, model: str) -> None:
    """Train one arm and print its figures as JSON."""
    import torch
    import transformers
    from datasets import Dataset
    from datasets import Image as ImageFeature
    from datasets import List as ListFeature
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer

    from ocr_hf.models import branch_attention
    from ocr_hf.train import rollout_plan
    from ocr_hf.train import trainer as trainer_module
    from ocr_hf.train.clip_loader import ClipLoader
    from ocr_hf.train.config import OCRGRPOConfig
    from ocr_hf.train.variants import RegionNoise

    transformers.utils.logging.set_verbosity_error()
    cuda = device == "cuda"
    timer = Timer(cuda)
    with tempfile.TemporaryDirectory() as scratch:
        rows = make_rows(Path(scratch), scale, images=arm == RIVAL)
        settings = {
            "output_dir": scratch,
            "use_cpu": not cuda,
            "bf16": cuda,
            "activation_checkpointing": cuda,
            "per_device_train_batch_size": scale["group"] * scale["groups"],
            "num_generations": scale["group"],
            "max_completion_length": scale["completion"],
            "max_steps": steps + 1,
            "learning_rate": 1e-5,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            # old log-probs are computed, as with several updates per generation; every completion has full length
            "num_iterations": 2,
            "generation_kwargs": {"min_new_tokens": scale["completion"]},
            "shuffle_dataset": False,
        }
        data = Dataset.from_list(rows)
        lora = LoraConfig(r=16, target_modules=r".*language_model.*\.(q|k|v|o)_proj", task_type="CAUSAL_LM")
        branch_attention.register()
        loaded = transformers.AutoModelForImageTextToText.from_pretrained(
            model,
            dtype=torch.bfloat16 if cuda else torch.float32,
            attn_implementation=branch_attention.NAME if arm == FLEX else "sdpa",
        )
        common = {
            "processing_class": transformers.AutoProcessor.from_pretrained(model, padding_side="left"),
            "peft_config": lora if cuda else None,
        }
        if arm == RIVAL:
            data = data.cast_column("images", ListFeature(ImageFeature()))
            loaded.model.visual.requires_grad_(False)
            timer.wrap(GRPOTrainer, "_tokenize_prompts", "inputs")
            trainer = GRPOTrainer(loaded, letters, GRPOConfig(**settings), data, **common)
            # the second processor pass, for the pictures of the log-probs
            timer.wrap(type(trainer.processing_class), "__call__", "inputs")
            timer.wrap(trainer, "_generate_single_turn", "generate")
        else:
            extra = {
                "frames": scale["frames"],
                "frame_cache_mb": 0,
                "variant_kl_every": 0,
                **ARMS[ALL if arm == FLEX else arm],
            }
            timer.wrap(ClipLoader, "load", "decode")
            timer.wrap(RegionNoise, "video", "render")
            timer.wrap(rollout_plan, "encode_clip", "inputs")
            timer.wrap(trainer_module, "prompt_ids", "inputs")
            timer.wrap(trainer_module.OCRGRPOTrainer, "_sample", "generate")
            trainer = trainer_module.OCRGRPOTrainer(loaded, letters, OCRGRPOConfig(**settings, **extra), data, **common)
        base = trainer.accelerator.unwrap_model(trainer.model)
        timer.count(base.get_base_model() if hasattr(base, "get_base_model") else base)
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        original = trainer._get_per_token_logps_and_entropies
        trainer._score_without_gradient = lambda *a, **k: original(*a, **k)
        trainer._score_with_gradient = lambda *a, **k: original(*a, **k)
        timer.wrap(trainer, "_score_without_gradient", "score")
        timer.wrap(trainer, "_score_with_gradient", "forward")
        trainer._get_per_token_logps_and_entropies = lambda *a, **k: (
            trainer._score_with_gradient if torch.is_grad_enabled() else trainer._score_without_gradient
        )(*a, **k)
        timer.wrap(trainer.accelerator, "backward", "backward")
        marks: list[tuple[float, dict[str, float], dict[str, int]]] = []

        class Mark(transformers.TrainerCallback):
            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                marks.append((timer.now(), dict(timer.seconds), dict(timer.counts)))

        trainer.add_callback(Mark())
        prompts: list[int] = []
        seen = trainer._compute_loss
        trainer._compute_loss = lambda m, i: (prompts.append(int(i["prompt_mask"].sum(1).max())), seen(m, i))[1]
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        trainer.train()
    # a generation serves two steps; the first pair warms up
    (first, before, counted), (last, after, counts) = marks[1], marks[-1]
    count = len(marks) - 2
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    parts = {part: (after.get(part, 0.0) - before.get(part, 0.0)) / count for part in PARTS}
    step = (last - first) / count
    ran = {name: counts[name] - counted.get(name, 0) for name in counts}
    prompt, group, completion = max(prompts), scale["group"], scale["completion"]
    # Old log-probs once in two steps, the loss in each
    passes = count * 3 // 2 * scale["groups"]
    print(
        json.dumps(
            {
                "arm": arm,
                "step_s": step,
                "parts_s": parts | {"rest": step - sum(parts.values())},
                "train_s": sum(parts[part] for part in TRAIN),
                "peak_bytes": peak,
                # What training adds to a process with the model loaded
                "added_bytes": peak - (0 if cuda else held),
                "prompt_tokens": prompt,
                "scored_tokens": (ran.get("tokens score", 0) + ran.get("tokens forward", 0)) / passes,
                "least_scored_tokens": prompt + group * completion,
                "separate_scored_tokens": group * (prompt + completion),
                "prefill_and_decode_tokens": ran.get("tokens generate", 0) / (count / 2),
                # A generation, every second step, has one clip a group, of OCR two
                "media_encoded": ran.get("media", 0) / (count / 2),
            }
        )
    )


def measure(
    device: str, model: Path, scale: dict[str, Any], steps: int, rounds: int, arms: Iterable[str]
) -> dict[str, Any]:
    """Run arms in turns; return the best round of each. An arm that runs out of memory on a GPU is left out, told."""
    best: dict[str, dict[str, Any]] = {}
    threads = {"OMP_NUM_THREADS": "1"} if device == "cpu" else {}
    for _ in range(rounds):
        for arm in arms:
            command = [sys.executable, __file__, "--child", arm, "--device", device, "--steps", str(steps)]
            command += ["--settings", json.dumps(scale), "--model", str(model)]
            done = subprocess.run(command, capture_output=True, text=True, env=os.environ | threads)
            if done.returncode and device == "cuda" and "OutOfMemoryError" in done.stderr:
                print(f"{arm}: out of memory", flush=True)
                continue
            if done.returncode:
                raise SystemExit(f"{arm} failed:\n{done.stderr[-2000:]}")
            found = json.loads(done.stdout.strip().splitlines()[-1])
            kept = best.get(arm)
            if kept is None or found["step_s"] < kept["step_s"]:
                found["peak_bytes"] = min(found["peak_bytes"], (kept or found)["peak_bytes"])
                found["added_bytes"] = min(found["added_bytes"], (kept or found)["added_bytes"])
                best[arm] = found
    return best


def show(title: str, found: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}")
    print(
        f"{'':18}{'step s':>8}{'x':>6}{'train x':>9}{'added MB':>10}{'prompt':>8}{'scored':>8}{'media':>7}  "
        + "".join(f"{part:>10}" for part in PARTS)
    )
    for arm, row in found.items():
        ratio, train = (found[RIVAL][name] / row[name] if RIVAL in found else 0.0 for name in ("step_s", "train_s"))
        seconds = "".join(f"{row['parts_s'][part]:10.3f}" for part in PARTS)
        print(
            f"{arm:18}{row['step_s']:8.3f}{ratio:6.2f}{train:9.2f}{row['added_bytes'] / 2**20:10.0f}"
            f"{row['prompt_tokens']:8}{row['scored_tokens']:8.0f}{row['media_encoded']:7.1f}  {seconds}",
            flush=True,
        )


def summary_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one cell: all shared beside stock TRL and beside the least that must run."""
    step_s = {arm: round(row["step_s"], 3) for arm, row in found.items()}
    if not {RIVAL, ALL, "OCR"} <= found.keys():
        return {"step_s": step_s}
    stock, ours = found[RIVAL], found[ALL]
    return {
        "speedup_vs_stock_images": round(stock["step_s"] / ours["step_s"], 2),
        "train_phase_speedup": round(stock["train_s"] / ours["train_s"], 2),
        "peak_memory_ratio": round(ours["added_bytes"] / stock["added_bytes"], 3),
        "token_forwards_vs_bound": round(ours["scored_tokens"] / ours["least_scored_tokens"], 3),
        "encodings_per_distinct_media": ours["media_encoded"],
        "cost_of_ocr": round(found["OCR"]["step_s"] / ours["step_s"], 2),
        "step_s": step_s,
    }


def numbers(text: str) -> list[int]:
    """Read a list of numbers with commas."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a small model, prompts of 256 and completions of 16 tokens"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", choices=("1M", "33M", "3B"), help="of the model (33M on the CPU, 3B on a GPU)")
    parser.add_argument("--prompts", type=numbers, help="prompt tokens, of 256,512,1024,2048,4096,8192")
    parser.add_argument("--completions", type=numbers, help="tokens of each completion")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--steps", type=int, default=3, help="steps per round after the first, odd: a generation serves two"
    )
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no cell is begun")
    parser.add_argument("--out", type=Path, help="results file (benchmarks/results/train_step[_gpu].json)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.steps < 3 or given.steps % 2 == 0:
        parser.error(f"--steps is {given.steps}; give an odd number from 3, since the first two steps warm up")
    if given.child:
        child(given.child, given.device, json.loads(given.settings), given.steps, given.model)
        return
    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device is cuda, and torch finds no CUDA device; leave it out, or install torch for the GPU")
    started = time.monotonic()
    size = given.size or ("1M" if given.quick else {"cpu": "33M", "cuda": "3B"}[given.device])
    prompts, completions = given.prompts or PROMPTS[given.device], given.completions or COMPLETIONS[given.device]
    cells = [(256, 16)] if given.quick else [(p, c) for p in prompts for c in completions]
    name = "train_step.json" if given.device == "cpu" else "train_step_gpu.json"
    out = given.out or Path(__file__).parent / "results" / name
    known = json.loads(out.read_text()) if out.is_file() and not given.quick else {}
    same = (known.get("ocr_hf"), known.get("device"), known.get("size")) == (__version__, device_name(given), size)
    done = known.get("cells", {}) if same else {}
    with tempfile.TemporaryDirectory() as scratch:
        model: Path | None = None
        # The main cell first: a run that is stopped has it
        for prompt, completion in sorted(cells, key=lambda item: item != MAIN[given.device]):
            key = f"{prompt}/{completion}"
            if key not in done and time.monotonic() - started > given.budget:
                print(f"\n{key}: not begun, the budget of {given.budget:g} s is spent")
                continue
            if key not in done:
                model = model or make_model(size, Path(scratch), given.device)
                arms = tuple(ARMS) if (prompt, completion) == MAIN["cpu"] else FEW
                arms = (*arms, FLEX) if given.device == "cuda" else arms
                scale = cell(prompt, completion, size)
                done[key] = measure(given.device, model, scale, given.steps, given.rounds, arms)
                if not given.quick:
                    write(out, done, summary_of, device=device_name(given), size=size)
            show(f"prompts of about {prompt} tokens, completions of {completion}", done[key])
    main_cell = "/".join(map(str, MAIN[given.device]))
    shown = main_cell if main_cell in done else list(done)[-1]
    print(json.dumps({"quick": given.quick, "device": device_name(given), "cell": shown, **summary_of(done[shown])}))


def device_name(given: argparse.Namespace) -> str:
    """Return what the benchmark runs on."""
    import torch

    return "cpu" if given.device == "cpu" else torch.cuda.get_device_name()


def write(out: Path, cells: dict[str, Any], summary_of: Callable[[dict[str, Any]], Any], **facts: str) -> None:
    """Write the results file, whole or not at all; facts : what else it says of the run."""
    import torch

    told = {
        "ocr_hf": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        **facts,
        "summary": {name: summary_of(found) for name, found in cells.items()},
        "cells": cells,
    }
    partial = out.with_suffix(".incomplete")
    partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, out)


if __name__ == "__main__":
    main()
