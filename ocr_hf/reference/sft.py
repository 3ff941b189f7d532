"""The supervised stage: answers to many questions a clip, and dense 3D supervision of every video token."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ocr_hf.reference.cache import Clips
from ocr_hf.reference.config import ReferenceConfig
from ocr_hf.reference.dense import DenseHeads
from ocr_hf.reference.packing import Prefix, answer_all, groups_of, read_questions, watch
from ocr_hf.reference.texts import Asked
from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import TASK_OF


@dataclass(frozen=True)
class Data:
    """Clips and, clip by clip, their questions."""

    clips: Clips
    asked: list[list[Asked]]

    def by_task(self) -> list[list[list[Asked]]]:
        """Return the questions of each clip by task; tasks that a clip has no question of are left out."""
        out = []
        for questions in self.asked:
            tasks: dict[str, list[Asked]] = defaultdict(list)
            for each in questions:
                tasks[TASK_OF[each.question_type]].append(each)
            out.append(list(tasks.values()))
        return out


class Student:
    """A model in training: what a step and an evaluation need beside the data.

    scale : mean and deviation of patches, (D,) each; video : False trains on the questions alone
    """

    def __init__(self, model: torch.nn.Module, prefix: Prefix, tokenizer: Any, scale: Any, categories: int) -> None:
        self.model, self.prefix, self.tokenizer = model, prefix, tokenizer
        self.video = prefix.video.stop > prefix.video.start
        self.scale = [torch.from_numpy(each) for each in scale]
        self.heads = DenseHeads(model.config.text_config.hidden_size, categories) if self.video else None
        self.stop = tokenizer.convert_tokens_to_ids("<|im_end|>")

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return everything that is trained."""
        return [*self.model.parameters(), *(self.heads.parameters() if self.heads else ())]

    def pixels(self, patches: np.ndarray) -> torch.Tensor | None:
        """Return patches (B, T, P, D) uint8 as the vision tower takes them."""
        if not self.video:
            return None
        mean, deviation = self.scale
        return ((torch.from_numpy(patches).float() / 255.0 - mean) / deviation).flatten(0, 2)

    def losses(self, clips: Clips, asked: Sequence[Sequence[Asked]], brightness: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the losses of one batch; clips hold only the frames that are shown.

        brightness : (B, 2) gain and offset of the pixels of each clip
        """
        pixels = self.pixels(clips.patches)
        if pixels is not None:
            change = torch.from_numpy(brightness).repeat_interleave(len(pixels) // len(clips), dim=0)
            pixels = pixels * change[:, :1] + change[:, 1:]
        with torch.autocast("cpu", torch.bfloat16):
            watched = watch(self.model, self.prefix, len(clips), pixels)
            total = torch.zeros(())
            for group in groups_of(asked, self.tokenizer.pad_token_id):
                hidden = read_questions(self.model, self.prefix, watched, group)
                logits = self.model.lm_head(hidden[group.rows, group.columns]).float()
                total = total + functional.cross_entropy(logits, group.targets, reduction="sum")
        out = {"answer": total / sum(map(len, asked))}
        if self.heads is not None:
            geometry = (clips.present, clips.center, clips.longest, clips.camera_to_world)
            out |= self.heads(watched.seen, watched.hidden, *map(torch.from_numpy, geometry))
        return out

    @torch.no_grad()
    def score(self, data: Data, frames: np.ndarray, batch: int = 16) -> dict[str, Any]:
        """Return VSI-Bench's summary of greedy answers to all questions of the data."""
        self.model.eval()
        texts: list[str] = []
        for start in range(0, len(data.asked), batch):
            asked = data.asked[start : start + batch]
            pixels = self.pixels(data.clips.patches[start : start + batch][:, frames])
            with torch.autocast("cpu", torch.bfloat16):
                answers = answer_all(self.model, self.prefix, asked, pixels, self.tokenizer.pad_token_id, self.stop)
            texts += self.tokenizer.batch_decode(answers)
        self.model.train()
        questions = [each for asked in data.asked for each in asked]
        scored = score_answers(
            texts, [each.ground_truth for each in questions], [each.question_type for each in questions]
        )
        return summarize(scored, draws=0)


def choose_frames(rng: np.random.Generator, total: int, count: int) -> np.ndarray:
    """Return `count` of `total` frames, in order, one from each of as many equal parts: another view each time."""
    edges = np.linspace(0, total, count + 1)
    return np.floor(rng.uniform(edges[:-1], edges[1:])).astype(int)


LONG = ("route_planning", "obj_appearance_order")
"""Their questions have twice as many tokens as others; one of each is asked of a clip in a step."""


def choose_questions(rng: np.random.Generator, tasks: Sequence[Sequence[Asked]], count: int) -> list[Asked]:
    """Return `count` questions of one clip, of every task but the LONG ones as many as can be."""
    decks = [[task[i] for i in rng.permutation(len(task))][: 1 if _is_long(task) else None] for task in tasks]
    rng.shuffle(decks)
    out: list[Asked] = []
    while len(out) < count and any(decks):
        out += [deck.pop() for deck in decks if deck]
    return out[:count]


def _is_long(task: Sequence[Asked]) -> bool:
    return task[0].question_type in LONG


def train_sft(
    student: Student, data: Data, held_out: Data, config: ReferenceConfig, log: Path, save: Any, every: int = 250
) -> None:
    """Train for config.sft_steps; append losses and, every so many steps, held-out scores to `log` (JSON lines).

    save : called with the step whenever held-out questions were scored
    """
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, 6]))
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98), fused=True
    )
    tasks = data.by_task()
    total = data.clips.patches.shape[1]
    shown = np.linspace(0, total - 1, config.num_frames, dtype=int)
    started, order = time.perf_counter(), []
    means: dict[str, list[float]] = defaultdict(list)
    with log.open("a") as lines:
        for step in range(1, config.sft_steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * rate(step, config.sft_steps, config.warm_up)
            while len(order) < config.clips_per_step:
                order += rng.permutation(len(tasks)).tolist()
            chosen = [order.pop() for _ in range(config.clips_per_step)]
            frames = [choose_frames(rng, total, config.num_frames) for _ in chosen]
            losses = student.losses(
                data.clips[np.array(chosen)[:, None], np.stack(frames)],
                [choose_questions(rng, tasks[i], config.questions_per_clip) for i in chosen],
                _brightness(rng, len(chosen)),
            )
            (losses["answer"] + config.dense * sum(v for k, v in losses.items() if k != "answer")).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            for name, value in losses.items():
                means[name].append(value.item())
            if step % 25 == 0 or step == config.sft_steps:
                entry: dict[str, Any] = {"step": step, "seconds": round(time.perf_counter() - started, 1)}
                entry |= {"loss": 0.0} | {name: round(float(np.mean(v)), 4) for name, v in means.items()}
                entry["loss"] = entry.pop("answer")
                means.clear()
                if step % every == 0 or step == config.sft_steps:
                    summary = student.score(held_out, shown)
                    entry["held_out"] = round(summary["macro"], 2)
                    entry["tasks"] = {name: round(task["score"], 1) for name, task in summary["tasks"].items()}
                    save(step)
                lines.write(json.dumps(entry) + "\n")
                lines.flush()


def rate(step: int, steps: int, warm_up: int) -> float:
    """Return the share of the learning rate at a step: a ramp, then half a cosine down to a fiftieth."""
    if step <= warm_up:
        return step / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.02 + 0.98 * 0.5 * (1.0 + float(np.cos(np.pi * done)))


def _brightness(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (count, 2) float32 gains and offsets of normalised pixels."""
    return np.stack([rng.uniform(0.8, 1.2, count), rng.uniform(-0.2, 0.2, count)], axis=1).astype(np.float32)
