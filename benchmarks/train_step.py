"""How long does a training step take, and where does the time go, beside stock TRL fed the same frames as images?

    python benchmarks/train_step.py [--quick] [--rounds 3] [--steps 4]

Same model (random weights), same question, same group size and completion length. TRL 1.16 cannot train on video; the
nearest thing to it is a row of images. Qwen2.5-VL merges two frames of a video into one step of its grid, so the rival
gets every second frame: the same number of vision tokens, plus two marks per picture (both counts are printed).
Every trainer runs in processes of its own, in turns, so that peak memory is its own; times are the best of all rounds,
on the CPU in processor time of one thread.

- stock TRL, images : TRL's GRPOTrainer, which runs processor and vision tower for every rollout
- video, per rollout : OCRGRPOTrainer, strategy grpo, encode_once off
- video, encoded once : the same, the vision tower run once per distinct video (the default)
- OCR : strategy ocr (Object-Centric 3D Rollout), half of each group on a clip with noise on objects, made in patches
- OCR, own video : the same, noisy rollouts scored under the noisy clip

Seconds of a step by part: decode (video file to frames), render (noise), inputs (resize, patches, tokens), generate,
score (old log-probs), forward (of the loss), backward. On a machine with CUDA it also runs at 3B size with LoRA and
random weights; elsewhere it says that it did not. The last line is JSON.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ocr_hf import __version__

RIVAL, BASE = "stock TRL, images", "video, per rollout"
ARMS: dict[str, dict[str, Any]] = {
    RIVAL: {},
    BASE: {"strategy": "grpo", "encode_once": False},
    "video, encoded once": {"strategy": "grpo"},
    "OCR": {"strategy": "ocr"},
    "OCR, own video": {"strategy": "ocr", "score_under": "own"},
}
PARTS = ("decode", "render", "inputs", "generate", "score", "forward", "backward")
SCALES: dict[str, dict[str, Any]] = {
    "cpu": {"size": "1M", "frames": 16, "height": 112, "width": 140, "group": 8, "groups": 2, "completion": 32},
    "3b": {"size": "3B", "frames": 16, "height": 280, "width": 392, "group": 8, "groups": 2, "completion": 200},
}
QUICK = {"frames": 8, "height": 56, "width": 84, "completion": 8}


class Timer:
    """Seconds per part; parts inside others are taken out of them, so the parts add up."""

    def __init__(self, cuda: bool) -> None:
        import torch

        self.seconds: dict[str, float] = defaultdict(float)
        self.open: list[list[float]] = []
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
            try:
                return original(*args, **kwargs)
            finally:
                spent = self.now() - started
                self.open.pop()
                self.seconds[part] += spent - inner[0]
                if self.open:
                    self.open[-1][0] += spent

        setattr(owner, name, timed)


def make_model(size: str, folder: Path) -> Path:
    """Write a model with random weights: a preset of the tiny models, or Qwen2.5-VL-3B's own shape."""
    from ocr_hf.models.tiny import PRESETS, build_tiny, make_tiny

    if size != "3B":
        return build_tiny(folder / "model", size)
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
    processor.video_processor.size = processor.image_processor.size = {"shortest_edge": 784, "longest_edge": 280 * 392}
    with torch.device("cuda"):
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
    for number in range(scale["groups"] * 2):
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


def child(arm: str, scale_name: str, scale: dict[str, Any], steps: int, model: str) -> None:
    """Train one arm and print its figures as JSON."""
    import torch
    import transformers
    from datasets import Dataset
    from datasets import Image as ImageFeature
    from datasets import List as ListFeature
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer

    from ocr_hf.models import media
    from ocr_hf.train import rollout_plan
    from ocr_hf.train import trainer as trainer_module
    from ocr_hf.train.clip_loader import ClipLoader
    from ocr_hf.train.config import OCRGRPOConfig
    from ocr_hf.train.variants import RegionNoise

    transformers.utils.logging.set_verbosity_error()
    cuda = scale_name == "3b"
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
        loaded = transformers.AutoModelForImageTextToText.from_pretrained(
            model, dtype=torch.bfloat16 if cuda else torch.float32
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
            extra = {"frames": scale["frames"], "frame_cache_mb": 0, "variant_kl_every": 0, **ARMS[arm]}
            timer.wrap(ClipLoader, "load", "decode")
            timer.wrap(RegionNoise, "video", "render")
            timer.wrap(rollout_plan, "encode_clip", "inputs")
            timer.wrap(trainer_module, "prompt_ids", "inputs")
            timer.wrap(trainer_module.OCRGRPOTrainer, "_sample", "generate")
            trainer = trainer_module.OCRGRPOTrainer(loaded, letters, OCRGRPOConfig(**settings, **extra), data, **common)
        original = trainer._get_per_token_logps_and_entropies
        trainer._score_without_gradient = lambda *a, **k: original(*a, **k)
        trainer._score_with_gradient = lambda *a, **k: original(*a, **k)
        timer.wrap(trainer, "_score_without_gradient", "score")
        timer.wrap(trainer, "_score_with_gradient", "forward")
        trainer._get_per_token_logps_and_entropies = lambda *a, **k: (
            trainer._score_with_gradient if torch.is_grad_enabled() else trainer._score_without_gradient
        )(*a, **k)
        timer.wrap(trainer.accelerator, "backward", "backward")
        marks: list[tuple[float, dict[str, float]]] = []

        class Mark(transformers.TrainerCallback):
            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                marks.append((timer.now(), dict(timer.seconds)))

        trainer.add_callback(Mark())
        prompts: list[int] = []
        seen = trainer._compute_loss
        trainer._compute_loss = lambda m, i: (prompts.append(int(i["prompt_mask"].sum(1).max())), seen(m, i))[1]
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        trainer.train()
    # a generation serves two steps; the first pair warms up
    (first, before), (last, after) = marks[1], marks[-1]
    count = len(marks) - 2
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    parts = {part: (after.get(part, 0.0) - before.get(part, 0.0)) / count for part in PARTS}
    step = (last - first) / count
    video = media.count_tokens(common["processing_class"], scale["frames"], scale["height"], scale["width"])
    print(
        json.dumps(
            {
                "arm": arm,
                "step_s": step,
                "parts_s": parts | {"rest": step - sum(parts.values())},
                "peak_bytes": peak,
                "prompt_tokens": max(prompts),
                "vision_tokens": video,
            }
        )
    )


def measure(scale_name: str, scale: dict[str, Any], steps: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Run every arm in turns; return the best round of each."""
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        model = make_model(scale["size"], Path(scratch))
        for _ in range(rounds):
            for arm in ARMS:
                command = [sys.executable, __file__, "--child", arm, "--scale", scale_name, "--steps", str(steps)]
                command += ["--settings", json.dumps(scale), "--model", str(model)]
                done = subprocess.run(
                    command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
                )
                if done.returncode:
                    raise SystemExit(f"{arm} failed:\n{done.stderr[-2000:]}")
                found = json.loads(done.stdout.strip().splitlines()[-1])
                kept = best.get(arm)
                if kept is None or found["step_s"] < kept["step_s"]:
                    found["peak_bytes"] = min(found["peak_bytes"], (kept or found)["peak_bytes"])
                    best[arm] = found
    return best


def show(title: str, found: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}")
    print(f"{'':22}{'step s':>8}{'x':>6}{'peak MB':>9}{'prompt':>8}  " + "".join(f"{part:>10}" for part in PARTS))
    for arm, row in found.items():
        ratio = found[RIVAL]["step_s"] / row["step_s"]
        seconds = "".join(f"{row['parts_s'][part]:10.3f}" for part in PARTS)
        print(
            f"{arm:22}{row['step_s']:8.3f}{ratio:6.2f}{row['peak_bytes'] / 2**20:9.0f}{row['prompt_tokens']:8}  "
            f"{seconds}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small clips, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="measured steps per round, odd: a generation serves two")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "train_step.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--scale", default="cpu", help=argparse.SUPPRESS)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.scale, json.loads(given.settings), given.steps, given.model)
        return
    import torch

    steps, rounds = (3, 1) if given.quick else (given.steps, given.rounds)
    scale = SCALES["cpu"] | ({**QUICK, "size": "0.2M"} if given.quick else {})
    results: dict[str, Any] = {"cpu": measure("cpu", scale, steps, rounds)}
    show(f"tiny model ({scale['size']}) on the CPU, {scale['groups']} groups of {scale['group']}", results["cpu"])
    if torch.cuda.is_available():
        results["3b"] = measure("3b", SCALES["3b"], steps, rounds)
        show(f"Qwen2.5-VL-3B's shape, LoRA, random weights, {torch.cuda.get_device_name()}", results["3b"])
    else:
        results["3b"] = None
        print("\n3B size: not run, this machine has no CUDA device")
    found = results["cpu"]
    summary = {
        "speedup_vs_stock_images": round(found[RIVAL]["step_s"] / found["video, encoded once"]["step_s"], 2),
        "speedup_of_encoding_once": round(found[BASE]["step_s"] / found["video, encoded once"]["step_s"], 2),
        "cost_of_ocr": round(found["OCR"]["step_s"] / found["video, encoded once"]["step_s"], 2),
        "step_s": {arm: round(row["step_s"], 4) for arm, row in found.items()},
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "ocr_hf": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "quick": given.quick,
    }
    if not given.quick:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps({"summary": summary, "scales": SCALES, "results": results}, indent=1) + "\n")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
