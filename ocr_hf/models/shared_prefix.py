"""Prompts that begin alike: what they share, the video above all, runs through the model once before `generate`.

In evaluation the prompts of a batch begin alike, up to and including the video, and differ in the question
(`generation_inputs`). In training the rollouts of a group have one prompt, all of it (`rollout_inputs`). Either way
each distinct beginning is run once, every row is given its keys and values, and `generate` goes on from there. What is
generated is that of separate prompts, up to the rounding of the number type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from ocr_hf.models.media import VideoInputs, model_inputs, prompt_positions
from ocr_hf.models.padding import left_padded, padded_behind

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin

Prompts = Sequence[Sequence[int]]
Videos = Sequence[VideoInputs | None]


def generation_inputs(
    model: PreTrainedModel, processor: ProcessorMixin, prompts: Prompts, videos: Videos
) -> dict[str, Any]:
    """Return what `model.generate` takes for a batch, on the model's device.

    prompts : token ids of each prompt, from `prompt_ids`
    videos : the video of each prompt, None without one; the same object wherever it is the same video
    Where nothing can be shared (every prompt has a video of its own, or videos of several shapes), these are plain
    inputs. Else the beginning has been run already, and `past_key_values` holds it.
    """
    distinct = list({id(video): video for video in videos}.values())
    length = shared_length(prompts, processor.video_token_id)
    if len(distinct) == len(prompts) or length == 0:
        return _plain_inputs(model, processor, prompts, videos)
    import torch

    beginning = _plain_inputs(model, processor, [prompts[0][:length]] * len(distinct), distinct)
    place = {id(video): row for row, video in enumerate(distinct)}
    with torch.inference_mode():
        cache = _cached(model, beginning, [place[id(video)] for video in videos])
    ids, mask = padded_behind(prompts, length, processor.tokenizer.pad_token_id)
    positions = prompt_positions(model, processor, ids, mask, _present(videos))
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    return {name: value.to(model.device) for name, value in inputs.items()} | {"past_key_values": cache}


def rollout_inputs(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    prompts: Prompts,
    videos: Videos,
    video_arguments: Callable[[torch.Tensor, Sequence[int]], dict[str, Any]],
    pad_token: int,
    device: torch.device,
    share: bool = True,
) -> dict[str, Any]:
    """Return what `model.generate` takes for rollouts, of which several have one prompt and one video.

    Args:
        model: ready for `generate`, adapters and all; `videos` are those of the model inside.
        processor: of the model.
        prompts: token ids of each rollout's prompt.
        videos: its video, None without one; the same object wherever it is the same video.
        video_arguments: (B, L) token ids and which rollouts they are of -> the model's video arguments for them.
        pad_token: fills the gaps.
        device: of the model.
        share: Run shared prompts once; False gives plain inputs.

    Returns:
        Plain inputs where no two rollouts share a prompt; else all but each prompt's last token has been run already.
    """
    ids, mask = (tensor.to(device) for tensor in left_padded(prompts, pad_token))
    rows, place = _distinct(prompts, videos)
    positions = prompt_positions(model, processor, ids, mask, _present(videos)).to(device)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    if not share or not shares_prompts(prompts, videos):
        return inputs | video_arguments(ids, range(len(prompts)))
    first = {name: value[..., rows, :-1] for name, value in inputs.items()}
    cache = _cached(model, first | video_arguments(first["input_ids"], rows), place)
    return inputs | {"past_key_values": cache}


def shares_prompts(prompts: Prompts, videos: Videos) -> bool:
    """Return whether any rollouts have one prompt and one video, of which all but a token can be run once."""
    return len(_distinct(prompts, videos)[0]) < len(prompts) and min(map(len, prompts)) >= 2


def _distinct(prompts: Prompts, videos: Videos) -> tuple[list[int], list[int]]:
    """Return the first row of each distinct prompt with its video, and for every row the number of its own."""
    distinct: dict[tuple, int] = {}
    rows, place = [], []
    for row, (prompt, video) in enumerate(zip(prompts, videos, strict=True)):
        # By the video, too: a clip and its noisy copy have the same tokens
        key = (id(video), tuple(prompt))
        if key not in distinct:
            distinct[key] = len(rows)
            rows.append(row)
        place.append(distinct[key])
    return rows, place


def _cached(model: PreTrainedModel, beginning: dict[str, Any], place: Sequence[int]) -> Any:
    """Run beginnings once and return the cache of rows, of which each has the beginning number `place`."""
    import torch

    # Only the cache is wanted; logits at every video token would take more memory than it
    cache = model(**beginning, use_cache=True, logits_to_keep=1).past_key_values
    cache.batch_select_indices(torch.tensor(place, device=beginning["input_ids"].device))
    return cache


def shared_length(prompts: Prompts, video_token_id: int) -> int:
    """Return how many tokens all prompts begin with, or 0 if a video lies behind them; each keeps one of its own."""
    length = min(len(commonprefix([list(ids) for ids in prompts])), min(map(len, prompts)) - 1)
    return 0 if any(video_token_id in ids[length:] for ids in prompts) else length


def _plain_inputs(
    model: PreTrainedModel, processor: ProcessorMixin, prompts: Prompts, videos: Videos
) -> dict[str, torch.Tensor]:
    """Return left-padded inputs; of them only pixels take the model's number type, which would round the times."""
    inputs = model_inputs(model, processor, prompts, _present(videos))
    return {
        name: value.to(model.device, model.dtype if name.startswith("pixel_values") else None)
        for name, value in inputs.items()
    }


def _present(videos: Videos) -> list[VideoInputs]:
    return [video for video in videos if video is not None]
