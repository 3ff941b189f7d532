"""The model in training: its losses on a batch, and its answers to questions that are held out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ocr_hf.reference.cache import pixel_scale
from ocr_hf.reference.config import ReferenceConfig
from ocr_hf.reference.dense import NAMED, NamedHead, SeenHeads, look_losses, named_targets
from ocr_hf.reference.draw import Batch, Data
from ocr_hf.reference.packing import Prefix, after_layer, answer_all, attention_of, groups_of, read_questions, watch
from ocr_hf.reference.phrases import labels
from ocr_hf.reference.relations import OUTPUTS, RelatedHead, relations
from ocr_hf.reference.stage import clip_grid, seconds_per_grid
from ocr_hf.reference.texts import Texts, option_ends
from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import summarize


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
        self.seen = SeenHeads(hidden, len(labels())) if video else None
        self.related = RelatedHead(hidden)
        self.option_ends = option_ends(self.tokenizer)

    def head_parameters(self) -> list[torch.nn.Parameter]:
        """Return what is thrown away after training."""
        heads = [self.named, *([self.seen] if self.seen else []), self.related]
        return [each for head in heads for each in head.parameters()]

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return everything that is trained."""
        return [*self.model.parameters(), *self.head_parameters()]

    def pixels(self, patches: np.ndarray) -> torch.Tensor | None:
        """Return patches (B, T, P, D) uint8 as the vision tower takes them."""
        if not self.video:
            return None
        mean, deviation = self.scale
        return ((torch.from_numpy(patches).float() / 255.0 - mean) / deviation).flatten(0, 2)

    def losses(self, batch: Batch, extra: Sequence[str] = ("look", "related")) -> dict[str, torch.Tensor]:
        """Return the losses of one batch; extra : see `Phase`."""
        clips, pixels = batch.clips, self.pixels(batch.clips.patches)
        if pixels is not None and batch.brightness is not None:
            change = torch.from_numpy(batch.brightness).repeat_interleave(len(pixels) // len(clips), dim=0)
            pixels = pixels * change[:, :1] + change[:, 1:]
        geometry = clips.geometry()
        targets, cells = named_targets(geometry), geometry.present.flatten(1, 2)
        total, named, looks, related = torch.zeros(()), [], [], []
        with torch.autocast("cpu", torch.bfloat16):
            with after_layer(self.model, self.config.placed_layer) as inner:
                watched = watch(self.model, self.prefix, len(clips), pixels)
            for group in groups_of(batch.asked, self.tokenizer.pad_token_id):
                with (
                    after_layer(self.model, self.config.named_layer) as words,
                    after_layer(self.model, self.config.related_layer) as high,
                    attention_of(self.model, self.config.placed_layer + 1) as attention,
                ):
                    hidden = read_questions(self.model, self.prefix, watched, group)
                logits = self.model.lm_head(hidden[group.rows, group.columns]).float()
                total = total + functional.cross_entropy(logits, group.targets, reduction="sum")
                named_at = [(row, *name) for row, asked in enumerate(group.asked) for name in asked.names]
                row, column, kind = torch.tensor(named_at, dtype=torch.int64).view(-1, 3).T
                clip = group.clip[row]
                named.append(self.named(words[0][row, column], targets[clip, kind]))
                if self.video and "look" in extra:
                    looks.append(look_losses(attention[0][row, 0, column, self.prefix.video], cells[clip, :, kind]))
                if "related" in extra:
                    row, column, wanted = relations(group.asked, group.clip, targets, self.option_ends)
                    related.append(self.related(high[0][row, column], wanted))
        out = {"answer": total / sum(map(len, batch.asked))}
        if batch.black:
            return out
        for kind, names, parts in (("named", NAMED, named), ("related", OUTPUTS, related)):
            for name in names if parts else ():
                loss, count = torch.stack([each[name] for each in parts]).sum(0)
                out[f"{kind}_{name}"] = loss / count.clamp(min=1.0)
        if self.seen is not None:
            if looks:
                out["look"] = torch.cat(looks).mean()
            out |= self.seen(watched.seen, inner[0][:, self.prefix.video], geometry)
        return out

    def total(self, losses: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum of losses."""
        weights = {name: self.config.place_weight for name in losses}
        weights |= {name: self.config.category_weight for name in losses if name.endswith("_category")}
        weights |= {"answer": 1.0, "look": 1.0, "related_right": 1.0}
        return sum(weights[name] * loss for name, loss in losses.items())

    @torch.no_grad()
    def held_out_losses(self, data: Data, frames: np.ndarray, batch: int = 8) -> dict[str, float]:
        """Return the mean losses on data that are not trained on."""
        self.model.eval()
        means: dict[str, list[float]] = defaultdict(list)
        for start in range(0, len(data.asked), batch):
            part = slice(start, start + batch)
            for name, loss in self.losses(Batch(data.clips[part].shown(frames), data.asked[part])).items():
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
