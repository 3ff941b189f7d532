"""Many questions about one clip in one pass: what they share, the video above all, runs through the model once.

    <|im_start|> ... VIDEO These are frames of a video.  |  question 1, answer 1
                                                         |  question 2, answer 2 ...

Supervised training has dozens of questions per clip, and a prompt is mostly video. Here the prefix runs once, *with its
graph*, and its keys and values stand before every question, so that the vision tower and the video tokens are paid for
once per clip and still receive the gradient of all its questions. Each question gets the logits that it has alone, up
to rounding (a test compares them).

The trainers of ocr_hf share the same in one pass of branches (`ocr_hf.models.branches`), for every family and for clips
of unlike sizes. This recipe reads hidden states of the prefix and attention weights of each question between its two
passes, which branches don't give in this form; and its checkpoint came out of this computation.

    prefix = Prefix.of(model, ids, video.video_grid_thw, video.seconds_per_grid)
    states = run_prefix(model, prefix, video_features(model, pixels, grid))
    for group in group_questions(questions_by_clip, tokenizer.pad_token_id):
        hidden = run_questions(model, prefix, states, group).last_hidden_state
        loss = cross_entropy(model.lm_head(hidden[group.rows, group.columns]), group.targets)

For Qwen2.5-VL. The clips of a call have one prefix: equal text, and frames equal in number, size and spacing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch.nn import functional
from transformers import DynamicCache

from ocr_hf.models.families import family_of


@dataclass(frozen=True)
class PackedQuestion:
    """A question and its answer, without the prefix that it shares with others.

    ids : token ids behind the prefix, up to where the answer begins; answer : its token ids, the end token among them
    """

    ids: list[int]
    answer: list[int]


Q = TypeVar("Q", bound=PackedQuestion)


@dataclass(frozen=True)
class Prefix:
    """The beginning of every sequence.

    ids : (S,) int64, with one token per visual token of the video
    positions : (3, S) int64, along time, height and width; next_position : of the first token behind it
    video : where the video's tokens are, empty without one
    """

    ids: torch.Tensor
    positions: torch.Tensor
    next_position: int
    video: slice

    @classmethod
    def of(
        cls,
        model: torch.nn.Module,
        ids: Sequence[int],
        video_grid_thw: torch.Tensor | None = None,
        seconds_per_grid: float | None = None,
    ) -> Prefix:
        """Return the prefix of these token ids.

        Args:
            model: A Qwen2.5-VL, which knows its video token and its 3-D positions.
            ids: Token ids, the video's placeholder repeated once per visual token.
            video_grid_thw: (1, 3) patches of the video along time, height and width; None without a video.
            seconds_per_grid: Time between two steps of the grid.

        Raises:
            ValueError: If the ids have more or fewer video tokens than the grid, or the model has layers with a
                sliding window.
        """
        _check_layers(model)
        row = torch.tensor(ids, device=model.device)
        is_video = row == model.config.video_token_id
        count = int(is_video.sum())
        merged = model.config.vision_config.spatial_merge_size**2
        wanted = 0 if video_grid_thw is None else int(video_grid_thw.prod()) // merged
        if count != wanted:
            raise ValueError(
                f"the prefix has {count} video tokens, but its video {wanted}; repeat the placeholder {wanted} times"
            )
        if video_grid_thw is None:
            return cls(row, torch.arange(len(row), device=row.device).expand(3, -1), len(row), slice(0, 0))
        # Where text continues behind a video is the family's rule, so one more token is added to find out
        longer = torch.cat([row, row[:1]])[None]
        media = {
            # 2 marks video, as in `token_types`
            "mm_token_type_ids": functional.pad(is_video, (0, 1))[None].int() * 2,
            "video_grid_thw": video_grid_thw.to(row.device),
            "second_per_grid_ts": torch.tensor([seconds_per_grid], device=row.device),
        }
        positions = family_of(model.config).positions(model, longer, torch.ones_like(longer), media)
        # argmax is the first of the largest: where the video begins
        start = int(is_video.int().argmax())
        return cls(row, positions[:, 0, :-1], int(positions[0, 0, -1]), slice(start, start + count))


@dataclass(frozen=True)
class QuestionGroup(Generic[Q]):
    """G questions of about equal length, one per row, without their prefix.

    ids : (G, L) int64, padded behind; clip : (G,) int64, which clip each question is about
    rows, columns : (N,) int64, where the N answer tokens are predicted; targets : (N,) int64, those tokens
    questions : the G questions
    """

    ids: torch.Tensor
    clip: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor
    questions: list[Q]


def group_questions(
    clips: Sequence[Sequence[Q]], pad: int, count: int = 6, device: torch.device | str = "cpu"
) -> list[QuestionGroup[Q]]:
    """Return the questions of all clips in at most `count` groups of like length.

    Padding to the longest question of all would waste about half of the work; every group is padded by itself.

    Args:
        clips: The questions about each clip.
        pad: Token id of the padding.
        count: Number of groups. One keeps the questions in their order, more sort them by length.
        device: The model's.
    """
    everything = [(number, question) for number, questions in enumerate(clips) for question in questions]
    if count == 1:
        return [_group(everything, pad, device)]
    everything.sort(key=lambda item: len(item[1].ids) + len(item[1].answer))
    # Rounded up, so that there are at most `count` groups
    size = -(-len(everything) // count)
    return [_group(everything[i : i + size], pad, device) for i in range(0, len(everything), size)]


def _group(chosen: Sequence[tuple[int, Q]], pad: int, device: torch.device | str) -> QuestionGroup[Q]:
    rows, columns, targets, texts = [], [], [], []
    for row, (_, question) in enumerate(chosen):
        # The last answer token is only predicted, never read
        texts.append([*question.ids, *question.answer[:-1]])
        rows += [row] * len(question.answer)
        columns += range(len(question.ids) - 1, len(question.ids) - 1 + len(question.answer))
        targets += question.answer
    longest = max(map(len, texts))
    padded = [text + [pad] * (longest - len(text)) for text in texts]
    clip = [number for number, _ in chosen]
    tensors = (torch.tensor(values, device=device) for values in (padded, clip, rows, columns, targets))
    return QuestionGroup(*tensors, [question for _, question in chosen])


@dataclass(frozen=True)
class PrefixStates:
    """The prefix of B clips after the language model.

    keys_values : per layer (keys, values), (B, heads, S, channels) each
    hidden : (B, S, H) what enters the language model and what each of its layers gives, first to last; None unless
        they were asked for
    """

    keys_values: list[tuple[torch.Tensor, torch.Tensor]]
    hidden: tuple[torch.Tensor, ...] | None


def video_features(model: torch.nn.Module, pixels: torch.Tensor, video_grid_thw: torch.Tensor) -> torch.Tensor:
    """Return (B, V, H) the visual tokens of B videos of one grid, from the model's own vision tower.

    Args:
        model: The model whose tower runs.
        pixels: (B * patches, D) normalised patches, clip after clip.
        video_grid_thw: (B, 3) patches of each video along time, height and width; all rows alike.
    """
    return torch.stack(list(model.get_video_features(pixels, video_grid_thw, return_dict=True).pooler_output))


def run_prefix(
    model: torch.nn.Module, prefix: Prefix, video: torch.Tensor | None = None, count: int = 1, inside: bool = False
) -> PrefixStates:
    """Run the prefix of each clip through the language model.

    Args:
        model: The model.
        prefix: What all clips begin with.
        video: (B, V, H) visual tokens of the clips, from `video_features`; None for a prefix without video.
        count: B, where there is no video to tell it.
        inside: Also keep the hidden states of every layer.
    """
    count = count if video is None else len(video)
    embeds = model.get_input_embeddings()(prefix.ids).expand(count, -1, -1)
    if video is not None:
        before, behind = embeds[:, : prefix.video.start], embeds[:, prefix.video.stop :]
        # Under autocast the tower gives bf16, while embeddings keep the weights' type
        embeds = torch.cat([before, video.to(embeds.dtype), behind], dim=1)
    cache = DynamicCache(config=model.config.text_config)
    length = len(prefix.ids)
    output = model.model.language_model(
        inputs_embeds=embeds,
        position_ids=prefix.positions[:, None].expand(-1, count, -1),
        # In a dictionary: transformers takes that as the finished mask, and would build its own from a tensor
        attention_mask={"full_attention": _causal(length, length, embeds)},
        past_key_values=cache,
        use_cache=True,
        output_hidden_states=inside,
    )
    return PrefixStates([(layer.keys, layer.values) for layer in cache.layers], output.hidden_states)


def run_questions(
    model: torch.nn.Module, prefix: Prefix, states: PrefixStates, group: QuestionGroup, inside: bool = False
) -> Any:
    """Run questions, each behind the prefix of its clip.

    Args:
        model: The model that gave `states`.
        prefix: The same prefix.
        states: The clips, from `run_prefix`.
        group: The questions, from `group_questions`.
        inside: Also return hidden states and attention weights of every layer.

    Returns:
        The language model's output: `last_hidden_state` (G, L, H); with `inside` also `hidden_states` (G, L, H) before
        the first and after each layer, and `attentions` (G, heads, L, S + L).

    Raises:
        ValueError: For `inside` without attn_implementation="eager": other implementations keep no weights.
    """
    if inside and model.config.text_config._attn_implementation != "eager":
        raise ValueError("this model keeps no attention weights; load it with attn_implementation='eager'")
    cache = DynamicCache(config=model.config.text_config)
    # Indexing copies a clip's keys once per question and adds up their gradients on the way back
    for layer, (keys, values) in enumerate(states.keys_values):
        cache.update(keys[group.clip], values[group.clip], layer)
    length = group.ids.shape[1]
    positions = prefix.next_position + torch.arange(length, device=group.ids.device)
    embeds = model.get_input_embeddings()(group.ids)
    return model.model.language_model(
        inputs_embeds=embeds,
        position_ids=positions.expand(3, len(group.ids), -1),
        # Padding stands behind the question, where causality alone hides it
        attention_mask={"full_attention": _causal(length, len(prefix.ids) + length, embeds)},
        past_key_values=cache,
        use_cache=True,
        output_hidden_states=inside,
        output_attentions=inside,
    )


def _causal(length: int, total: int, like: torch.Tensor) -> torch.Tensor:
    """Return the (1, 1, length, total) mask to add, by which each of the last `length` places sees what is before."""
    future = torch.ones(length, total, dtype=torch.bool, device=like.device).triu(total - length + 1)
    mask = torch.zeros(1, 1, length, total, dtype=like.dtype, device=like.device)
    return mask.masked_fill(future, torch.finfo(like.dtype).min)


def _check_layers(model: torch.nn.Module) -> None:
    """Raise ValueError for layers whose attention the mask of this module isn't right for."""
    other = set(model.config.text_config.layer_types) - {"full_attention"}
    if other:
        raise ValueError(f"packing needs layers with full attention, this model has {min(other)} too; train unpacked")


@torch.no_grad()
def greedy_answers(
    model: torch.nn.Module,
    prefix: Prefix,
    states: PrefixStates,
    clips: Sequence[Sequence[PackedQuestion]],
    pad: int,
    stop: int,
    max_new_tokens: int = 6,
) -> list[list[int]]:
    """Return the greedy answer to every question, clip by clip, as token ids without the end token.

    Every step runs the questions anew instead of keeping their keys: for answers of a few tokens that costs less than
    the bookkeeping.

    Args:
        model: The model that gave `states`.
        prefix: The same prefix.
        states: The clips, from `run_prefix`.
        clips: The questions about each clip; their answers are not read.
        pad: Token id of the padding.
        stop: Token id that ends an answer.
        max_new_tokens: Most tokens of an answer.
    """
    # One token more than is written: `_group` leaves the last one of an answer out of the sequence
    room = [[PackedQuestion(question.ids, [pad] * (max_new_tokens + 1)) for question in clip] for clip in clips]
    # One group, which keeps the questions in their order
    (group,) = group_questions(room, pad, 1, model.device)
    rows, columns = (places.view(-1, max_new_tokens + 1) for places in (group.rows, group.columns))
    out: list[list[int]] = [[] for _ in range(len(group.clip))]
    ended = torch.zeros(len(rows), dtype=torch.bool, device=model.device)
    for step in range(max_new_tokens):
        hidden = run_questions(model, prefix, states, group).last_hidden_state
        best = model.lm_head(hidden[rows[:, step], columns[:, step]]).argmax(dim=-1)
        ended |= best == stop
        for answer, token, over in zip(out, best.tolist(), ended.tolist(), strict=True):
            if not over:
                answer.append(token)
        if ended.all():
            break
        group.ids[rows[:, step], columns[:, step] + 1] = best
    return out
