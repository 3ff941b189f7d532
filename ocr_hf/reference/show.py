"""What the reference checkpoint answers about a data set's videos, vanilla and noisy: the end of `make demo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_hf.data.video import probe, read_frames, uniform_indices
from ocr_hf.models.load_model import load_model
from ocr_hf.models.media import encode_video, prompt_ids, with_video
from ocr_hf.models.shared_prefix import generation_inputs
from ocr_hf.models.usage import read_usage
from ocr_hf.train.training_rows import chat
from ocr_hf.vsi_bench.tasks import TASK_OF

FOLDER = Path(__file__).parents[2] / "model_cards" / "ocr-vsi-tiny"
"""Where a checkout has it."""
VARIANTS = ("vanilla", "noisy")
FRAMES = 8
"""Of a video, for a model that doesn't say how many it wants."""


@dataclass(frozen=True)
class Shown:
    """A question, its answer, and what the model says about the vanilla and about the noisy video."""

    task: str
    question: str
    ground_truth: str
    vanilla: str
    noisy: str


def ask(rows: Sequence[dict[str, Any]], model: str | Path = FOLDER, per_clip: int = 8) -> list[Shown]:
    """Return answers to at most `per_clip` questions a clip, one of a task, greedily.

    rows : of the config `pairs`, videos undecoded
    """
    import torch

    loaded = load_model(model)
    usage = read_usage(model)
    out = []
    for clip in dict.fromkeys(row["clip_id"] for row in rows):
        chosen = _one_of_each_task([row for row in rows if row["clip_id"] == clip])[:per_clip]
        said = []
        for variant in VARIANTS:
            source = chosen[0][variant]
            indices = uniform_indices(probe(source).num_frames, usage.num_frames or FRAMES)
            frames, times = read_frames(source, indices)
            video = encode_video(loaded.processor, frames, times, max_pixels=usage.max_pixels)
            chats = [with_video(chat(row, usage.prompt or "official")) for row in chosen]
            prompts = [prompt_ids(loaded.processor, each, [video]) for each in chats]
            inputs = generation_inputs(loaded.model, loaded.processor, prompts, [video] * len(chosen))
            with torch.inference_mode():
                tokens = loaded.model.generate(**inputs, do_sample=False, max_new_tokens=16)
            new = tokens[:, inputs["input_ids"].shape[1] :]
            said.append(loaded.processor.tokenizer.batch_decode(new, skip_special_tokens=True))
        out += [
            Shown(TASK_OF[row["question_type"]], row["question"], row["ground_truth"], *answers)
            for row, *answers in zip(chosen, *said, strict=True)
        ]
    return out


def _one_of_each_task(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    first = {}
    for row in rows:
        first.setdefault(TASK_OF[row["question_type"]], row)
    return list(first.values())
