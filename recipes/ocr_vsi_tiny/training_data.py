"""The training data: parts built once by `build_folder`, cached as arrays, and read back as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ocr_hf.data.build_folder import build_folder
from recipes.ocr_vsi_tiny.clip_arrays import ClipArrays, clip_rows, read_clips
from recipes.ocr_vsi_tiny.config import RecipeConfig
from recipes.ocr_vsi_tiny.question_tokenizer import QuestionTokenizer, question_rows
from recipes.ocr_vsi_tiny.sampling import TrainingData, choose_questions

if TYPE_CHECKING:
    from transformers import ProcessorMixin

SPLIT = "train"
Echo = Callable[[str], None]


def build_training_data(
    config: RecipeConfig, out: Path, processor: ProcessorMixin, num_proc: int = 1, echo: Echo = print
) -> list[Path]:
    """Build what is missing of the training data and its cache under `out`; return the folders of the parts."""
    folders = []
    for seed in config.parts:
        folder = part_folder(out, seed)
        build_folder(config.part(seed), folder, num_proc=num_proc, resume=True)
        file = cache_file(out, seed)
        if not file.exists():
            clips, _ = read_clips(folder, SPLIT, processor)
            file.parent.mkdir(parents=True, exist_ok=True)
            clips.save(file)
            echo(f"part {seed}: {len(clips)} clips")
        folders.append(folder)
    return folders


def part_folder(out: Path, seed: int) -> Path:
    """Return where a part is."""
    return out / "train" / str(seed)


def cache_file(out: Path, seed: int) -> Path:
    """Return where the arrays of a part are."""
    return out / "cache" / f"{seed}.npz"


def load_data(config: RecipeConfig, out: Path, question_tokenizer: QuestionTokenizer) -> TrainingData:
    """Return all parts as one."""
    parts = [ClipArrays.load(cache_file(out, seed)) for seed in config.parts]
    questions = []
    for seed in config.parts:
        folder = part_folder(out, seed)
        by_clip = question_tokenizer.by_clip(question_rows(folder, SPLIT))
        questions += [by_clip[row["clip_id"]] for row in clip_rows(folder / SPLIT)]
    return TrainingData(ClipArrays.join(parts), questions)


def split_off(data: TrainingData, count: int, most: int = 16) -> tuple[TrainingData, TrainingData]:
    """Return (all but the last `count` clips, those, each with at most `most` questions, of every task alike).

    The clips of a scene follow each other, so keep count even.
    """

    def part(chosen: slice) -> TrainingData:
        return TrainingData(data.clips[chosen], data.questions[chosen])

    held_out = part(slice(-count, None))
    # Not the run's seed, so that all runs are scored on the same questions
    rng = np.random.default_rng(0)
    questions = [choose_questions(rng, tasks, most) for tasks in held_out.by_task()]
    return part(slice(None, -count)), TrainingData(held_out.clips, questions)
