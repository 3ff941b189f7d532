"""The model in training: its losses on a batch, and its answers to questions that are held out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import summarize
from recipes.ocr_vsi_tiny.auxiliary_heads import WordHead, attention_loss
from recipes.ocr_vsi_tiny.clip_arrays import pixel_scale
from recipes.ocr_vsi_tiny.config import CLIPS, EXTRA, ReferenceConfig
from recipes.ocr_vsi_tiny.dense_supervision import NAMED, SeenHeads, looks, named_targets
from recipes.ocr_vsi_tiny.packing import Group, Prefix, answer_all, groups_of, read_questions, watch
from recipes.ocr_vsi_tiny.question_tokenizer import Texts, option_ends
from recipes.ocr_vsi_tiny.relation_supervision import DECIDED, LETTER, PAIRED, relations
from recipes.ocr_vsi_tiny.sampling import Batch, Data
from recipes.ocr_vsi_tiny.vocabulary import labels


def clip_grid(processor: Any, config: ReferenceConfig) -> torch.Tensor:
    """Return the (1, 3) grid of a training clip."""
    video = processor.video_processor
    patches = video.get_num_of_video_patches(1, CLIPS.height, CLIPS.width, {})
    height = round((patches * CLIPS.height / CLIPS.width) ** 0.5)
    return torch.tensor([[config.num_frames // video.temporal_patch_size, height, patches // height]])


def seconds_per_grid(config: ReferenceConfig) -> float:
    """Return the spacing of frames that are sampled evenly, as evaluation does."""
    return (CLIPS.frames - 1) / CLIPS.clip_fps / (config.num_frames - 1)


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
        self.named = WordHead(hidden, NAMED)
        self.seen = SeenHeads(hidden, len(labels())) if video else None
        self.paired = WordHead(hidden, PAIRED, beta=0.1)
        self.decided = WordHead(hidden, DECIDED, beta=0.1, yes_no=("right",))
        self.letter = WordHead(hidden, LETTER, yes_no=("letter",))
        self.option_ends = option_ends(self.tokenizer)

    def head_parameters(self) -> list[torch.nn.Parameter]:
        """Return what is thrown away after training."""
        heads = [self.named, *([self.seen] if self.seen else []), self.paired, self.decided, self.letter]
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

    def losses(self, batch: Batch, extra: Collection[str] = EXTRA) -> dict[str, torch.Tensor]:
        """Return the losses of one batch; extra : see `Phase`."""
        clips, pixels = batch.clips, self.pixels(batch.clips.patches)
        if pixels is not None and batch.brightness is not None:
            change = torch.from_numpy(batch.brightness).repeat_interleave(len(pixels) // len(clips), dim=0)
            pixels = pixels * change[:, :1] + change[:, 1:]
        geometry = clips.geometry()
        targets, cells = named_targets(geometry), geometry.present.flatten(1, 2)
        total, sums = torch.zeros(()), defaultdict(list)
        with torch.autocast("cpu", torch.bfloat16):
            watched = watch(self.model, self.prefix, len(clips), pixels)
            for group in groups_of(batch.asked, self.tokenizer.pad_token_id):
                output = read_questions(self.model, self.prefix, watched, group, inside=True)
                logits = self.model.lm_head(output.last_hidden_state[group.rows, group.columns]).float()
                total = total + functional.cross_entropy(logits, group.targets, reduction="sum")
                for name, each in self._of_words(group, output, targets, cells, extra):
                    sums[name].append(each)
        out = {"answer": total / sum(map(len, batch.asked))}
        if batch.black:
            return out
        for name, parts in sums.items():
            loss, count = torch.stack(parts).sum(0)
            out[name] = loss / count.clamp(min=1.0)
        if self.seen is not None and "seen" in extra:
            placed = watched.hidden[self.config.placed_layer][:, self.prefix.video]
            out |= self.seen(watched.seen, placed, geometry)
        return out

    def _of_words(
        self, group: Group, output: Any, targets: torch.Tensor, cells: torch.Tensor, extra: Collection[str]
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield name and (sum, count) of the losses that are read from words.

        output : of `read_questions`, with what is inside; targets : (B, C, 8) of `named_targets`
        cells : (B, S, C) bool, what each video token shows
        """
        config, start = self.config, len(self.prefix.ids)
        # attentions[n] is of the layer after hidden[n]
        hidden, attentions = output.hidden_states, output.attentions
        row, column, kind = (
            torch.tensor(
                [(row, *name) for row, asked in enumerate(group.asked) for name in asked.names], dtype=torch.int64
            )
            .view(-1, 3)
            .T
        )
        clip = group.clip[row]
        words = hidden[config.named_layer][row, column]
        yield from _prefixed("named", self.named(words, targets[clip, kind]))
        if self.video and "look" in extra:
            attention = attentions[config.placed_layer][row, 0, column, self.prefix.video]
            yield "look", attention_loss(looks(attention, cells[clip, :, kind]))
        if "related" in extra:
            related = relations(group.asked, group.clip, targets, self.option_ends)
            at = related.rows, related.columns
            yield from _prefixed("paired", self.paired(hidden[config.paired_layer][at], related.targets))
            yield from _prefixed("decided", self.decided(hidden[config.decided_layer][at], related.targets))
            row, head, word, other = related.fetched.T
            yield "fetch", attention_loss(attentions[config.paired_layer - 1][row, head, word, start + other])
            if "judge" in extra:
                yield from self.letter(hidden[config.decided_layer][at], related.targets).items()
                row, word, other = related.judged.T
                yield "judge", attention_loss(attentions[config.decided_layer - 1][row, 0, word, start + other])
            row, word, option = related.picked.T
            yield "pick", attention_loss(attentions[config.decided_layer][row, 0, word, start + option])

    def total(self, losses: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum of losses."""
        weights = {name: self.config.place_weight for name in losses}
        weights |= {name: self.config.category_weight for name in losses if name.endswith("_category")}
        weights |= dict.fromkeys(
            ("answer", "look", "fetch", "judge", "letter", "pick", "decided_number", "decided_right"), 1.0
        )
        return sum(weights[name] * loss for name, loss in losses.items())

    @torch.no_grad()
    def held_out_losses(
        self, data: Data, frames: np.ndarray, extra: Collection[str] = EXTRA, batch: int = 8
    ) -> dict[str, float]:
        """Return the mean losses on data that are not trained on; extra : see `Phase`."""
        self.model.eval()
        means: dict[str, list[float]] = defaultdict(list)
        for start in range(0, len(data.asked), batch):
            part = slice(start, start + batch)
            shown = Batch(data.clips[part].shown(frames), data.asked[part])
            for name, loss in self.losses(shown, extra).items():
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


def _prefixed(prefix: str, losses: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, each in losses.items():
        yield f"{prefix}_{name}", each
