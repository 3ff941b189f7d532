"""Training data of the reference checkpoint: parts built once, and cached as arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ocr_hf.data.build_folder import build_folder
from recipes.ocr_vsi_tiny.clip_arrays import Clips, clip_rows, read_clips
from recipes.ocr_vsi_tiny.config import ReferenceConfig
from recipes.ocr_vsi_tiny.question_tokenizer import Texts, question_rows
from recipes.ocr_vsi_tiny.sampling import Data, choose_questions

if TYPE_CHECKING:
    from transformers import ProcessorMixin

SPLIT = "train"
Tell = Callable[[str], None]


def prepare(
    config: ReferenceConfig, out: Path, processor: ProcessorMixin, num_proc: int = 1, tell: Tell = print
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
            tell(f"part {seed}: {len(clips)} clips")
        folders.append(folder)
    return folders


def part_folder(out: Path, seed: int) -> Path:
    """Return where a part is."""
    return out / "train" / str(seed)


def cache_file(out: Path, seed: int) -> Path:
    """Return where the arrays of a part are."""
    return out / "cache" / f"{seed}.npz"


def load_data(config: ReferenceConfig, out: Path, texts: Texts) -> Data:
    """Return all parts as one."""
    parts = [Clips.load(cache_file(out, seed)) for seed in config.parts]
    asked = []
    for seed in config.parts:
        folder = part_folder(out, seed)
        by_clip = texts.by_clip(question_rows(folder, SPLIT))
        asked += [by_clip[row["clip_id"]] for row in clip_rows(folder / SPLIT)]
    return Data(Clips.join(parts), asked)


def split_off(data: Data, count: int, questions: int = 16) -> tuple[Data, Data]:
    """Return (all but the last `count` clips, those, each with at most `questions` questions, of every task alike).

    The clips of a scene follow each other, so keep count even.
    """

    def part(chosen: slice) -> Data:
        return Data(data.clips[chosen], data.asked[chosen])

    held_out = part(slice(-count, None))
    rng = np.random.default_rng(0)
    asked = [choose_questions(rng, tasks, questions) for tasks in held_out.by_task()]
    return part(slice(None, -count)), Data(held_out.clips, asked)
