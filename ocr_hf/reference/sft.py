"""The supervised stage: answers to many questions a clip, and dense 3D supervision of every video token."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ocr_hf.reference.cache import Clips, pixel_scale
from ocr_hf.reference.config import Phase, ReferenceConfig
from ocr_hf.reference.dense import NAMED, NamedHead, SeenHeads, look_losses, named_targets
from ocr_hf.reference.packing import Prefix, after_layer, answer_all, attention_of, groups_of, read_questions, watch
from ocr_hf.reference.stage import clip_grid, seconds_per_grid
from ocr_hf.reference.texts import Asked, Texts, category_table, mirror_table
from ocr_hf.scenes.categories import category_names
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

    video : False trains on the questions alone, with the supervision of what they name
    """

    def __init__(self, model: torch.nn.Module, processor: Any, config: ReferenceConfig, video: bool = True) -> None:
        self.model, self.tokenizer, self.config, self.video = model, processor.tokenizer, config, video
        self.texts, grid = Texts(processor, video), clip_grid(processor, config)
        self.columns = int(grid[0, 2])
        self.prefix = Prefix.of(model, self.texts, grid if video else grid[:0], seconds_per_grid(config))
        self.scale = [torch.from_numpy(each) for each in pixel_scale(processor)]
        hidden = model.config.text_config.hidden_size
        self.named = NamedHead(hidden)
        self.seen = SeenHeads(hidden, len(category_names())) if video else None
        self.category_of = torch.tensor(category_table(self.tokenizer))

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return everything that is trained."""
        parts = [self.model, self.named, *([self.seen] if self.seen else [])]
        return [each for part in parts for each in part.parameters()]

    def pixels(self, patches: np.ndarray) -> torch.Tensor | None:
        """Return patches (B, T, P, D) uint8 as the vision tower takes them."""
        if not self.video:
            return None
        mean, deviation = self.scale
        return ((torch.from_numpy(patches).float() / 255.0 - mean) / deviation).flatten(0, 2)

    def losses(
        self,
        clips: Clips,
        asked: Sequence[Sequence[Asked]],
        brightness: np.ndarray | None = None,
        black: bool = False,
        look: bool = True,
    ) -> dict[str, torch.Tensor]:
        """Return the losses of one batch; clips hold only the frames that are shown.

        brightness : (B, 2) gain and offset of the pixels of each clip
        black : the clips have been blackened: nothing in them is to be seen or known
        look : supervise where the words that name a category look
        """
        pixels = self.pixels(clips.patches)
        if pixels is not None and brightness is not None:
            change = torch.from_numpy(brightness).repeat_interleave(len(pixels) // len(clips), dim=0)
            pixels = pixels * change[:, :1] + change[:, 1:]
        geometry = clips.geometry()
        targets, cells = named_targets(geometry), geometry.present.flatten(1, 2)
        total, named, looks = torch.zeros(()), [], []
        with torch.autocast("cpu", torch.bfloat16):
            with after_layer(self.model, self.config.placed_layer) as inner:
                watched = watch(self.model, self.prefix, len(clips), pixels)
            for group in groups_of(asked, self.tokenizer.pad_token_id):
                with (
                    after_layer(self.model, self.config.named_layer) as words,
                    attention_of(self.model, self.config.placed_layer + 1) as attention,
                ):
                    hidden = read_questions(self.model, self.prefix, watched, group)
                logits = self.model.lm_head(hidden[group.rows, group.columns]).float()
                total = total + functional.cross_entropy(logits, group.targets, reduction="sum")
                category = self.category_of[group.ids]
                row, column = torch.nonzero(category >= 0, as_tuple=True)
                clip, kind = group.clip[row], category[row, column]
                named.append(self.named(words[0][row, column], targets[clip, kind]))
                if self.video and look:
                    looks.append(look_losses(attention[0][row, 0, column, self.prefix.video], cells[clip, :, kind]))
        out = {"answer": total / sum(map(len, asked))}
        if black:
            return out
        for name in NAMED:
            loss, count = torch.stack([each[name] for each in named]).sum(0)
            out[f"named_{name}"] = loss / count.clamp(min=1.0)
        if self.seen is not None:
            if look:
                out["look"] = torch.cat(looks).mean()
            out |= self.seen(watched.seen, inner[0][:, self.prefix.video], geometry)
        return out

    def total(self, losses: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum of losses."""
        weights = {name: self.config.place_weight for name in losses}
        weights |= {name: self.config.category_weight for name in losses if name.endswith("_category")}
        return sum((weights | {"answer": 1.0, "look": 1.0})[name] * loss for name, loss in losses.items())

    @torch.no_grad()
    def held_out_losses(self, data: Data, frames: np.ndarray, batch: int = 8) -> dict[str, float]:
        """Return the mean losses on data that are not trained on."""
        self.model.eval()
        means: dict[str, list[float]] = defaultdict(list)
        for start in range(0, len(data.asked), batch):
            part = slice(start, start + batch)
            for name, loss in self.losses(data.clips[part].shown(frames), data.asked[part]).items():
                means[name].append(loss.item())
        self.model.train()
        return {name: round(float(np.mean(values)), 4) for name, values in means.items()}

    @torch.no_grad()
    def score(self, data: Data, frames: np.ndarray, batch: int = 16) -> dict[str, Any]:
        """Return VSI-Bench's summary of greedy answers to all questions of the data."""
        self.model.eval()
        pad, stop = self.tokenizer.pad_token_id, self.texts.stop
        texts: list[str] = []
        for start in range(0, len(data.asked), batch):
            asked = data.asked[start : start + batch]
            pixels = self.pixels(data.clips.patches[start : start + batch][:, frames])
            with torch.autocast("cpu", torch.bfloat16):
                answers = answer_all(self.model, self.prefix, asked, pixels, pad, stop)
            texts += self.tokenizer.batch_decode(answers)
        self.model.train()
        questions = [each for asked in data.asked for each in asked]
        scored = score_answers(
            texts, [each.ground_truth for each in questions], [each.question_type for each in questions]
        )
        return summarize(scored, draws=0)


class Draw:
    """The batches of the SFT stage: clips in passes over all, with other frames and questions each time."""

    def __init__(self, data: Data, student: Student, phase: Phase, rng: np.random.Generator) -> None:
        self.data, self.config, self.phase, self.rng = data, student.config, phase, rng
        self.tasks, self.order = data.by_task(), []
        self.total = data.clips.patches.shape[1]
        self.even = np.linspace(0, self.total - 1, self.config.num_frames, dtype=int)
        self.table, self.columns = mirror_table(student.tokenizer), student.columns

    def batch(self) -> tuple[Clips, list[list[Asked]], np.ndarray, bool]:
        """Return what `Student.losses` takes."""
        config, rng = self.config, self.rng
        while len(self.order) < config.clips_per_step:
            self.order += rng.permutation(len(self.tasks)).tolist()
        chosen = [self.order.pop() for _ in range(config.clips_per_step)]
        # Evaluation shows evenly spaced frames, so half of the clips show these
        drawn = [choose_frames(rng, self.total, config.num_frames) for _ in chosen]
        frames = [self.even if rng.random() < 0.5 else each for each in drawn]
        asked = [choose_questions(rng, self.tasks[i], self.phase.questions) for i in chosen]
        clips = self.data.clips[chosen].shown(np.stack(frames))
        mirror, black = rng.random() < 0.5, bool(rng.random() < self.phase.black)
        brightness = _brightness(rng, len(chosen))
        if mirror:
            clips = clips.mirrored(self.columns)
            asked = [[each.mirrored(self.table) for each in questions] for questions in asked]
        if black:
            clips = replace(clips, patches=np.zeros_like(clips.patches))
            brightness = np.tile(np.float32([1.0, 0.0]), (len(chosen), 1))
        return clips, asked, brightness, black


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
    student: Student, data: Data, held_out: Data, phase: Phase, log: Path, started: float, every: int = 250
) -> None:
    """Train for one phase; append losses and, every so many steps, held-out scores to `log` (JSON lines).

    started : time.perf_counter() when the first phase began, without pauses
    """
    config = student.config
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, 6, *([phase.start] if phase.start else [])]))
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98), fused=True
    )
    draw = Draw(data, student, phase, rng)
    means: dict[str, list[float]] = defaultdict(list)
    with log.open("a") as lines:
        for number in range(1, phase.steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * rate(number, phase.schedule, config.warm_up)
            clips, asked, brightness, black = draw.batch()
            losses = student.losses(clips, asked, brightness, black, phase.look)
            student.total(losses).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            for name, value in losses.items():
                means[name].append(value.item())
            step = phase.start + number
            if step % 25 == 0 or number == phase.steps:
                entry: dict[str, Any] = {"step": step, "seconds": round(time.perf_counter() - started, 1)}
                entry |= {"loss": 0.0} | {name: round(float(np.mean(v)), 4) for name, v in means.items()}
                entry["loss"] = entry.pop("answer")
                means.clear()
                if step % every == 0 or number == phase.steps:
                    summary = student.score(held_out, draw.even)
                    entry["held_out"] = round(summary["macro"], 2)
                    entry["tasks"] = {name: round(task["score"], 1) for name, task in summary["tasks"].items()}
                    entry["held_out_losses"] = student.held_out_losses(held_out, draw.even)
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
