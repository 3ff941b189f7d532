"""The model in SFT: its losses on a batch, and its score on questions that are held out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ocr_hf.models.number_type import fast_bf16
from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import summarize
from recipes.ocr_vsi_tiny.auxiliary_heads import VideoTokenHeads, WordHead, attention_loss
from recipes.ocr_vsi_tiny.clip_arrays import pixel_scale
from recipes.ocr_vsi_tiny.config import CLIPS, EXTRA, RecipeConfig
from recipes.ocr_vsi_tiny.dense_supervision import NAMED, attention_on_object, named_targets
from recipes.ocr_vsi_tiny.packing import (
    Prefix,
    QuestionGroup,
    greedy_answers,
    group_questions,
    run_prefix,
    run_questions,
)
from recipes.ocr_vsi_tiny.question_tokenizer import QuestionTokenizer, TokenizedQuestion, option_ends
from recipes.ocr_vsi_tiny.relation_supervision import DECIDED, LETTER, PAIRED, relation_targets
from recipes.ocr_vsi_tiny.sampling import Batch, TrainingData
from recipes.ocr_vsi_tiny.vision_tower import vision_tokens
from recipes.ocr_vsi_tiny.vocabulary import labels


def clip_grid(processor: Any, config: RecipeConfig) -> torch.Tensor:
    """Return the (1, 3) grid of a training clip."""
    video = processor.video_processor
    patches = video.get_num_of_video_patches(1, CLIPS.height, CLIPS.width, {})
    height = round((patches * CLIPS.height / CLIPS.width) ** 0.5)
    return torch.tensor([[config.num_frames // video.temporal_patch_size, height, patches // height]])


def seconds_per_grid(config: RecipeConfig) -> float:
    """Return the spacing of frames that are sampled evenly, as evaluation does.

    Clips with other frames, of which there is one from each equal part of the clip, get the same positions.
    """
    return (CLIPS.frames - 1) / CLIPS.clip_fps / (config.num_frames - 1)


class SFTModel:
    """A model with the auxiliary heads of its training, and what its losses need beside the data.

    video : False trains on the questions alone, with the supervision of the objects that they name
    """

    def __init__(self, model: torch.nn.Module, processor: Any, config: RecipeConfig, video: bool = True) -> None:
        self.model, self.tokenizer, self.config, self.video = model, processor.tokenizer, config, video
        self.question_tokenizer, grid = QuestionTokenizer(processor, video), clip_grid(processor, config)
        self.frame = int(grid[0, 1]), int(grid[0, 2])
        before, after = self.question_tokenizer.before, self.question_tokenizer.after
        if video:
            count = int(grid.prod()) // model.config.vision_config.spatial_merge_size**2
            ids = [*before, *[model.config.video_token_id] * count, *after]
            self.prefix = Prefix.of(model, ids, grid, seconds_per_grid(config))
        else:
            self.prefix = Prefix.of(model, [*before, *after])
        self.scale = [torch.from_numpy(each) for each in pixel_scale(processor)]
        hidden = model.config.text_config.hidden_size
        # The order in which heads are made decides which random weights each starts from
        self.named = WordHead(hidden, NAMED)
        self.seen = VideoTokenHeads(hidden, len(labels())) if video else None
        self.paired = WordHead(hidden, PAIRED, beta=0.1)
        self.decided = WordHead(hidden, DECIDED, beta=0.1, yes_no=("right",))
        self.letter = WordHead(hidden, LETTER, yes_no=("letter",))
        self.option_ends = option_ends(self.tokenizer)

    def head_parameters(self) -> list[torch.nn.Parameter]:
        """Return the parameters that are thrown away after training."""
        heads = [self.named, *([self.seen] if self.seen else []), self.paired, self.decided, self.letter]
        return [each for head in heads for each in head.parameters()]

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return everything that is trained."""
        return [*self.model.parameters(), *self.head_parameters()]

    def pixels(self, patches: np.ndarray) -> torch.Tensor | None:
        """Return patches (B, T, P, D) uint8 as the vision tower takes them, (B T P, D); None without video."""
        if not self.video:
            return None
        mean, deviation = self.scale
        return ((torch.from_numpy(patches).float() / 255.0 - mean) / deviation).flatten(0, 2)

    def features(self, pixels: torch.Tensor | None, count: int) -> torch.Tensor | None:
        """Return the visual tokens (B, V, H) of `count` clips; None without video."""
        if pixels is None:
            return None
        tokens = vision_tokens(self.model.model.visual, pixels, *self.frame)
        return tokens.view(count, -1, tokens.shape[-1])

    def losses(self, batch: Batch, extra: Collection[str] = EXTRA) -> dict[str, torch.Tensor]:
        """Return the losses of one batch; extra : see `Phase`."""
        clips, pixels = batch.clips, self.pixels(batch.clips.patches)
        if pixels is not None and batch.brightness is not None:
            change = torch.from_numpy(batch.brightness).repeat_interleave(len(pixels) // len(clips), dim=0)
            pixels = pixels * change[:, :1] + change[:, 1:]
        geometry = clips.geometry()
        targets, cells = named_targets(geometry), geometry.present.flatten(1, 2)
        total, sums = torch.zeros(()), defaultdict(list)
        # With units for it, matrix products in bf16 run at twice the speed of float32 (docs/reference.md)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16(use_cpu=True)[0]):
            features = self.features(pixels, len(clips))
            states = run_prefix(self.model, self.prefix, features, len(clips), inside=True)
            for group in group_questions(batch.questions, self.tokenizer.pad_token_id):
                output = run_questions(self.model, self.prefix, states, group, inside=True)
                logits = self.model.lm_head(output.last_hidden_state[group.rows, group.columns]).float()
                total = total + functional.cross_entropy(logits, group.targets, reduction="sum")
                for name, each in self._word_losses(group, output, targets, cells, extra):
                    sums[name].append(each)
        # Divided by questions, not by tokens: every question weighs what its whole answer costs
        out = {"answer": total / sum(map(len, batch.questions))}
        if batch.black:
            return out
        for name, parts in sums.items():
            loss, count = torch.stack(parts).sum(0)
            # A batch may hold nothing of a kind
            out[name] = loss / count.clamp(min=1.0)
        if self.seen is not None and "seen" in extra:
            placed = states.hidden[self.config.placed_layer][:, self.prefix.video]
            out |= self.seen(features, placed, geometry)
        return out

    def _word_losses(
        self,
        group: QuestionGroup[TokenizedQuestion],
        output: Any,
        targets: torch.Tensor,
        cells: torch.Tensor,
        extra: Collection[str],
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield name and (sum, count) of the losses that are read from words.

        output : of `run_questions`, with what is inside; targets : (B, C, 8) of `named_targets`
        cells : (B, V, C) bool, which labels each video token shows
        """
        config, start = self.config, len(self.prefix.ids)
        # attentions[n] is of the layer after hidden[n]
        hidden, attentions = output.hidden_states, output.attentions
        row, column, kind = (
            torch.tensor(
                [(row, *name) for row, question in enumerate(group.questions) for name in question.names],
                dtype=torch.int64,
            )
            .view(-1, 3)
            .T
        )
        clip = group.clip[row]
        words = hidden[config.named_layer][row, column]
        yield from _prefixed("named", self.named(words, targets[clip, kind]))
        if self.video and "look" in extra:
            attention = attentions[config.placed_layer][row, 0, column, self.prefix.video]
            yield "look", attention_loss(attention_on_object(attention, cells[clip, :, kind]))
        if "related" in extra:
            related = relation_targets(group.questions, group.clip, targets, self.option_ends)
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
        self, data: TrainingData, frames: np.ndarray, extra: Collection[str] = EXTRA, batch: int = 8
    ) -> dict[str, float]:
        """Return the mean losses on data that are not trained on; extra : see `Phase`."""
        self.model.eval()
        means: dict[str, list[float]] = defaultdict(list)
        for start in range(0, len(data.questions), batch):
            part = slice(start, start + batch)
            chosen = Batch(data.clips[part].at_frames(frames), data.questions[part])
            for name, loss in self.losses(chosen, extra).items():
                means[name].append(loss.item())
        self.model.train()
        return {name: round(float(np.mean(values)), 4) for name, values in means.items()}

    @torch.no_grad()
    def score(self, data: TrainingData, frames: np.ndarray, batch: int = 16) -> dict[str, Any]:
        """Return VSI-Bench's summary of greedy answers to all questions of the data."""
        self.model.eval()
        pad, stop = self.tokenizer.pad_token_id, self.question_tokenizer.stop
        texts: list[str] = []
        for start in range(0, len(data.questions), batch):
            questions = data.questions[start : start + batch]
            pixels = self.pixels(data.clips.patches[start : start + batch][:, frames])
            with torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16(use_cpu=True)[0]):
                features = self.features(pixels, len(questions))
                states = run_prefix(self.model, self.prefix, features, len(questions))
                answers = greedy_answers(self.model, self.prefix, states, questions, pad, stop)
            texts += self.tokenizer.batch_decode(answers)
        self.model.train()
        everything = [question for questions in data.questions for question in questions]
        scored = score_answers(
            texts,
            [question.ground_truth for question in everything],
            [question.question_type for question in everything],
        )
        return summarize(scored, draws=0)


def _prefixed(prefix: str, losses: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, each in losses.items():
        yield f"{prefix}_{name}", each
