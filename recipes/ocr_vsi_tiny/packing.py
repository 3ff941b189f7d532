"""Many questions about one clip: what stands before them, the video among it, is read once, with its gradient.

    <|im_start|> ... VIDEO These are frames of a video.  |  question 1, answer 1
                                                         |  question 2, answer 2 ...

Keys and values of the left part are kept and shared by all questions behind it; each gets the logits that it has alone
(a test compares them). With 16 questions a clip, a hundred video tokens and the vision tower are paid for once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from recipes.ocr_vsi_tiny.question_tokenizer import Asked, Texts
from recipes.ocr_vsi_tiny.vision_tower import vision_tokens


@dataclass(frozen=True)
class Prefix:
    """What all sequences of a model begin with.

    ids : (S,) int64, video tokens included; positions : (3, S) int64; video : slice of the video tokens
    frame : patches of a frame down and across
    """

    ids: torch.Tensor
    positions: torch.Tensor
    video: slice
    frame: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, model: torch.nn.Module, texts: Texts, grid: torch.Tensor, seconds_per_grid: float) -> Prefix:
        """Return the prefix for videos of one grid (1, 3) and one spacing in time; an empty grid means no video."""
        if not len(grid):
            ids = torch.tensor(texts.before + texts.after)
            return cls(ids, torch.arange(len(ids)).expand(3, -1), slice(0, 0))
        merge = model.config.vision_config.spatial_merge_size
        count = int(grid.prod()) // merge**2
        token = model.config.video_token_id
        ids = torch.tensor([*texts.before, *[token] * count, *texts.after])
        positions, _ = model.model.get_rope_index(
            ids[None],
            mm_token_type_ids=(ids[None] == token).int() * 2,
            video_grid_thw=grid,
            second_per_grid_ts=torch.tensor([seconds_per_grid]),
        )
        return cls(
            ids, positions[:, 0], slice(len(texts.before), len(texts.before) + count), tuple(grid[0, 1:].tolist())
        )


@dataclass(frozen=True)
class Group:
    """G questions of about equal length, one per row, without what stands before them.

    ids : (G, L) int64, padded behind; clip : (G,) int64, which clip each is about
    rows, columns : (N,) int64, where the N answer tokens are predicted; targets : (N,) int64
    asked : the G questions
    """

    ids: torch.Tensor
    clip: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor
    asked: list[Asked]


def groups_of(clips: Sequence[Sequence[Asked]], pad: int, count: int = 6, room: int | None = None) -> list[Group]:
    """Return the questions of all clips, sorted by length, in `count` groups of which each is padded by itself.

    room : leave so many places behind each question instead of its answer, for `answer_all`; targets are then zeros
    """
    everything = [(number, asked) for number, clip in enumerate(clips) for asked in clip]
    if count == 1:
        return [_group(everything, pad, room)]
    everything.sort(key=lambda item: len(item[1].question) + len(item[1].answer))
    size = -(-len(everything) // count)
    return [_group(everything[i : i + size], pad, room) for i in range(0, len(everything), size)]


def _group(chosen: Sequence[tuple[int, Asked]], pad: int, room: int | None) -> Group:
    rows, columns, targets, texts = [], [], [], []
    for row, (_, asked) in enumerate(chosen):
        answer = asked.answer if room is None else [0] * (room + 1)
        texts.append([*asked.question, *answer[:-1]])
        rows += [row] * len(answer)
        columns += range(len(asked.question) - 1, len(asked.question) - 1 + len(answer))
        targets += answer
    longest = max(map(len, texts))
    ids = torch.tensor([text + [pad] * (longest - len(text)) for text in texts])
    clip = torch.tensor([number for number, _ in chosen])
    return Group(
        ids, clip, torch.tensor(rows), torch.tensor(columns), torch.tensor(targets), [asked for _, asked in chosen]
    )


@dataclass(frozen=True)
class Watched:
    """B clips as the language model has read them, for any number of questions.

    seen : (B, S, H) what the vision tower gave, or None; keys : per layer (key, value), (B, heads, prefix, channels)
    hidden : (B, prefix, H) what enters the language model and what comes out of each of its layers
    """

    seen: torch.Tensor | None
    keys: list[tuple[torch.Tensor, torch.Tensor]]
    hidden: tuple[torch.Tensor, ...]


def watch(model: torch.nn.Module, prefix: Prefix, count: int, pixels: torch.Tensor | None) -> Watched:
    """Read `count` clips: pixels (patches of all clips, D) float, normalised, clip after clip; None without video."""
    embeds = model.get_input_embeddings()(prefix.ids).expand(count, -1, -1)
    seen = None
    if pixels is not None:
        seen = vision_tokens(model.model.visual, pixels, *prefix.frame).view(count, -1, embeds.shape[-1])
        embeds = torch.cat(
            [embeds[:, : prefix.video.start], seen.to(embeds.dtype), embeds[:, prefix.video.stop :]], dim=1
        )
    cache = DynamicCache(config=model.config.text_config)
    length = len(prefix.ids)
    output = model.model.language_model(
        inputs_embeds=embeds,
        position_ids=prefix.positions[:, None].expand(-1, count, -1),
        attention_mask={"full_attention": _causal(length, length, embeds.dtype)},
        past_key_values=cache,
        use_cache=True,
        output_hidden_states=True,
    )
    keys = [(layer.keys, layer.values) for layer in cache.layers]
    return Watched(seen, keys, output.hidden_states)


def read_questions(model: torch.nn.Module, prefix: Prefix, watched: Watched, group: Group, inside: bool = False) -> Any:
    """Return the language model's output for questions, each behind its clip: last_hidden_state (G, L, H).

    inside : also hidden_states (G, L, H) before the first and after each layer, attentions (G, heads, L, prefix + L)
    Raises ValueError for `inside` without attn_implementation="eager": other implementations keep no attention.
    """
    if inside and model.config.text_config._attn_implementation != "eager":
        raise ValueError("this model keeps no attention weights; load it with attn_implementation='eager'")
    cache = DynamicCache(config=model.config.text_config)
    for layer, (key, value) in enumerate(watched.keys):
        cache.update(key[group.clip], value[group.clip], layer)
    length, before = group.ids.shape[1], len(prefix.ids)
    positions = int(prefix.positions[0, -1]) + 1 + torch.arange(length)
    # Padding stands behind what it belongs to, so that causality alone hides it
    embeds = model.get_input_embeddings()(group.ids)
    return model.model.language_model(
        inputs_embeds=embeds,
        position_ids=positions.expand(3, len(group.ids), -1),
        attention_mask={"full_attention": _causal(length, before + length, embeds.dtype)},
        past_key_values=cache,
        use_cache=True,
        output_hidden_states=inside,
        output_attentions=inside,
    )


def _causal(length: int, total: int, dtype: torch.dtype) -> torch.Tensor:
    """Return the (1, 1, length, total) mask to add, by which each of the last `length` places sees what is before."""
    future = torch.ones(length, total, dtype=torch.bool).triu(total - length + 1)
    return torch.zeros(1, 1, length, total, dtype=dtype).masked_fill(future, torch.finfo(dtype).min)


@torch.no_grad()
def answer_all(
    model: torch.nn.Module,
    prefix: Prefix,
    clips: Sequence[Sequence[Asked]],
    pixels: torch.Tensor | None,
    pad: int,
    stop: int,
    room: int = 6,
) -> list[list[int]]:
    """Return the greedy answer, token ids without the end, of every question, clip by clip."""
    watched = watch(model, prefix, len(clips), pixels)
    group = groups_of(clips, pad, 1, room)[0]
    rows, columns = group.rows.view(-1, room + 1), group.columns.view(-1, room + 1)
    out: list[list[int]] = [[] for _ in range(len(group.clip))]
    ended = torch.zeros(len(rows), dtype=torch.bool)
    for step in range(room):
        hidden = read_questions(model, prefix, watched, group).last_hidden_state
        best = model.lm_head(hidden[rows[:, step], columns[:, step]]).argmax(dim=-1)
        ended |= best == stop
        for answer, token, over in zip(out, best.tolist(), ended.tolist(), strict=True):
            if not over:
                answer.append(token)
        if ended.all():
            break
        group.ids[rows[:, step], columns[:, step] + 1] = best
    return out
