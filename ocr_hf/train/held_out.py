"""Questions of scenes that are not trained on, and a model's score on them by VSI-Bench's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets

from ocr_hf.data.load import load
from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.media import encode_video
from ocr_hf.train.clip_loader import CLIP, ClipLoader
from ocr_hf.train.log_probs import without_training
from ocr_hf.train.training_rows import with_prompts
from ocr_hf.vsi_bench.scoring import score_answer, score_answers
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import TASKS

HELD_OUT_SHARE = 1 / 3


def split_by_scene(folder: str | Path, style: str) -> tuple[Dataset, Dataset]:
    """Return (rows to train on, held-out rows) of an ocr-vsi folder, no scene in both.

    style : how questions are asked, one of PROMPT_STYLES
    Its own validation or test split is held out where it has one, else the last third of its scenes.
    """
    splits = load(folder, "recipes")
    held = [name for name in ("validation", "test") if name in splits]
    rows = [with_prompts(splits[name], style) for name in splits if name not in held]
    if held and rows:
        return concatenate_datasets(rows), with_prompts(splits[held[0]], style)
    everything = concatenate_datasets([with_prompts(part, style) for part in splits.values()])
    names = everything["scene_name"]
    scenes = list(dict.fromkeys(names))
    if len(scenes) < 2:
        raise ValueError(f"'{folder}' has {len(scenes)} scene; to hold one out, build at least 2 (--scenes)")
    out = set(scenes[-max(1, round(len(scenes) * HELD_OUT_SHARE)) :])
    return (
        everything.select([i for i, name in enumerate(names) if name not in out]),
        everything.select([i for i, name in enumerate(names) if name in out]),
    )


def balanced(rows: Dataset) -> Dataset:
    """Return the rows, repeated so that each of VSI-Bench's tasks has as many: the score is a mean over tasks."""
    kinds = rows["question_type"]
    of_task = [[i for i, kind in enumerate(kinds) if kind in task.levels] for task in TASKS]
    most = max(map(len, of_task))
    return rows.select([own[number % len(own)] for own in of_task if own for number in range(most)])


class HeldOut:
    """Questions of unseen scenes, encoded once; scores a model on them by VSI-Bench's rules."""

    def __init__(
        self,
        rows: Dataset,
        processor: Any,
        num_frames: int,
        max_pixels: int,
        most_rows: int = 400,
        max_new_tokens: int = 6,
    ) -> None:
        """Take at most `most_rows` of the rows, evenly; answers have at most `max_new_tokens` tokens."""
        # Spread over all rows, which come scene by scene
        kept = min(len(rows), most_rows)
        rows = rows.select([number * len(rows) // kept for number in range(kept)])
        self.processor, self.max_new_tokens = processor, max_new_tokens
        self.rows = ClipLoader("vanilla", num_frames)(list(rows))
        clips = {row[CLIP].id: row[CLIP] for row in self.rows}
        videos = {
            name: encode_video(processor, clip.array, clip.times_s, max_pixels=max_pixels)
            for name, clip in clips.items()
        }
        self.prompts = [Prompt(row["prompt"], videos[row[CLIP].id]) for row in self.rows]

    def answers(self, model: Any, batch: int = 64) -> list[str]:
        """Return what the model writes for every question, greedily."""
        return AnsweringModel(model, self.processor).answer_all(self.prompts, batch, self.max_new_tokens)

    def score(self, model: Any) -> float:
        """Return VSI-Bench's overall score in per cent (mean over tasks), by its own extraction."""
        with without_training(model):
            return self._macro(self.answers(model))

    def constants(self, rows: Dataset) -> float:
        """Return the score of the best constant answers per question type, chosen on other rows."""
        best = {}
        kinds, truths = rows["question_type"], rows["ground_truth"]
        for kind in set(kinds):
            own = [truth for other, truth in zip(kinds, truths, strict=True) if other == kind]
            # Sorted, so that a tie falls alike in every run: sets of text have no fixed order
            scores = {guess: sum(score_answer(kind, guess, truth) for truth in own) for guess in sorted(set(own))}
            best[kind] = max(scores, key=scores.get)
        return self._macro([best.get(row["question_type"], "A") for row in self.rows])

    def _macro(self, texts: Sequence[str]) -> float:
        truths, kinds = ([row[name] for row in self.rows] for name in ("ground_truth", "question_type"))
        return float(summarize(score_answers(texts, truths, kinds), draws=0)["macro"])
