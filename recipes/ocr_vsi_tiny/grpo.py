"""The OCR-GRPO stage (Object-Centric 3D Rollout) of the reference checkpoint: `OCRGRPOTrainer` on one part's clips."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import AutoProcessor, TrainerCallback

from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.rewards import accuracy_reward
from ocr_hf.train.trainer import OCRGRPOTrainer
from ocr_hf.train.training_rows import with_prompts
from ocr_hf.vsi_bench.tasks import TASK_OF
from recipes.ocr_vsi_tiny.checkpoints import finish
from recipes.ocr_vsi_tiny.config import PROMPT, SIZE, RecipeConfig
from recipes.ocr_vsi_tiny.model import load
from recipes.ocr_vsi_tiny.sampling import TrainingData
from recipes.ocr_vsi_tiny.sft_model import SFTModel
from recipes.ocr_vsi_tiny.training_data import SPLIT, load_data, part_folder, split_off

COLUMNS = [
    "id", "scene_name", "question_type", "question", "options", "ground_truth", "queried_objects", "context_objects",
    "clip_id", "fps", "objects", "camera_to_world", "intrinsics", "footprints",
]  # fmt: skip
LOGGED = (
    "reward", "vanilla/accuracy", "noisy/accuracy", "vanilla/entropy", "noisy/entropy", "noise/objects", "noise/area",
    "kl", "kl/noisy_vanilla", "grad_norm", "frac_reward_zero_std",
)  # fmt: skip


def grpo_rows(folder: Path, clips: int, seed: int) -> Dataset:
    """Return one question of every task for each of the first `clips` clips of a folder, with prompts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / SPLIT / "metadata.parquet"
    light = pq.read_table(file, columns=["clip_id", "question_type", "vanilla_file_name"]).to_pylist()
    names = list(dict.fromkeys(row["clip_id"] for row in light))[:clips]
    # 7 keeps this stream apart from that of SFT, which has 6
    rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    candidates: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(light):
        candidates.setdefault((row["clip_id"], TASK_OF[row["question_type"]]), []).append(number)
    chosen = sorted(int(rng.choice(rows)) for (name, _), rows in candidates.items() if name in set(names))
    table = _taken(pq.ParquetFile(file), chosen)
    videos = [{"path": str(folder / SPLIT / light[number]["vanilla_file_name"]), "bytes": None} for number in chosen]
    return with_prompts(Dataset(table.append_column("vanilla", pa.array(videos))), PROMPT)


def _taken(file: Any, rows: list[int]) -> Any:
    """Return some rows of a parquet file, in order, reading one row group at a time.

    Every row repeats its clip's geometry; the whole table would take gigabytes.
    """
    import pyarrow as pa

    parts, start = [], 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        own = [row - start for row in rows if start <= row < start + count]
        if own:
            parts.append(file.read_row_group(group, columns=COLUMNS).take(own))
        start += count
    return pa.concat_tables(parts).combine_chunks()


class Log(TrainerCallback):
    """Append what the trainer logs, and every so many steps the held-out score, to log.jsonl."""

    def __init__(self, file: Path, sft_model: SFTModel, held_out: TrainingData, frames: np.ndarray, every: int) -> None:
        self.file, self.sft_model, self.held_out, self.frames, self.every = file, sft_model, held_out, frames, every
        self.started = time.perf_counter()

    def score(self, step: int) -> None:
        """Write the held-out score at a step."""
        summary = self.sft_model.score(self.held_out, self.frames)
        tasks = {name: round(task["score"], 1) for name, task in summary["tasks"].items()}
        self.write({"step": step, "held_out": round(summary["macro"], 2), "tasks": tasks})

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line."""
        with self.file.open("a") as lines:
            lines.write(json.dumps({"seconds": round(time.perf_counter() - self.started, 1), **entry}) + "\n")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "reward" in logs:
            self.write({"step": state.global_step, **{name: logs[name] for name in LOGGED if name in logs}})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self.score(state.global_step)


def run_grpo(config: RecipeConfig, out: Path) -> Path:
    """Train the SFT model by OCR-GRPO; return the folder of the stage."""
    start = out / "sft" / "model"
    if not start.is_dir():
        raise FileNotFoundError(f"{start}: no such folder; run the stage 'sft' first")
    folder = out / "grpo"
    # The stage saves no checkpoints, so one that was killed begins anew
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    processor = AutoProcessor.from_pretrained(start, padding_side="left")
    model = load(start)
    sft_model = SFTModel(model, processor, config)
    _, held_out = split_off(load_data(config, out, sft_model.question_tokenizer), config.held_out_clips)
    frames = np.linspace(0, held_out.clips.patches.shape[1] - 1, config.num_frames, dtype=int)
    log = Log(folder / "log.jsonl", sft_model, held_out, frames, config.grpo_score_every)
    log.score(0)
    rows = grpo_rows(part_folder(out, config.parts[0]), config.grpo_clips, config.seed)
    trainer = OCRGRPOTrainer(
        model,
        accuracy_reward,
        OCRGRPOConfig(
            str(folder / "trainer"),
            strategy="ocr",
            max_steps=config.grpo_steps,
            per_device_train_batch_size=config.grpo_batch,
            gradient_accumulation_steps=config.grpo_accumulation,
            num_generations=config.grpo_generations,
            max_completion_length=6,
            learning_rate=config.grpo_learning_rate,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=5,
            beta=config.grpo_beta,
            frames=config.num_frames,
            max_pixels=SIZE.max_pixels,
            variant_kl_every=10,
            seed=config.seed,
            noise_seed=config.seed,
            use_cpu=True,
            activation_checkpointing=False,
            freeze_vision=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_steps=1,
            log_level="error",
        ),
        rows,
        processing_class=processor,
        callbacks=[log],
    )
    started = time.perf_counter()
    trainer.train()
    finish(folder, model, processor, config, "grpo", started, {"questions": len(rows)})
    shutil.rmtree(folder / "trainer", ignore_errors=True)
    return folder
