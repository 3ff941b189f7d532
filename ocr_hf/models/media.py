"""Decoded frames to model inputs: the one place for training, evaluation and demo.

A prompt is a chat whose content holds `{"type": "video"}` blocks; the frames travel beside it, as `VideoInputs`, under
a media id. What silently goes wrong elsewhere is passed and checked here: the frame rate of the sampled frames
(`second_per_grid_ts`), the positions of the text behind a video, and the number of video tokens, which must be the
grid's product divided by the merge size squared.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_hf.models.adapters import without_adapter
from ocr_hf.models.families import family_of, processing_of
from ocr_hf.models.padding import left_padded
from ocr_hf.models.sampled_clip import sampled_fps

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin

VANILLA = "vanilla"
"""The variant of a clip as it was recorded; every other variant says what was done to it."""


def media_id(clip_id: str, variant: str | dict[str, Any] = VANILLA) -> str:
    """Name one variant of one clip: `clip`, a slash, and 16 hexadecimal digits that depend on every setting of it.

    Vanilla and noisy copies of a clip have identical tokens, so whatever rollouts share must be keyed by this.
    """
    settings = json.dumps(variant, sort_keys=True, default=_plain)
    return f"{clip_id}/{hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    # Sets have no fixed order, and the id must be the same in every process
    if isinstance(value, (tuple, set, frozenset)):
        return sorted(value) if not isinstance(value, tuple) else list(value)
    raise TypeError(f"a media variant holds a {type(value).__name__}; give numbers, strings, lists and dictionaries")


@dataclass(frozen=True, eq=False)
class VideoInputs:
    """One video as a model takes it.

    pixel_values_videos : (patches, patch_channels) float, normalised; patches in the processor's order
    video_grid_thw : (n, 3) int64, patches along time, height and width; n is 1
    seconds_per_grid : seconds between two steps of the grid along time
    placeholder : the text that stands for the video in the prompt
    num_tokens : how many video tokens the placeholder holds
    num_frames : frames given to the processor, which repeats the last one to fill a step of the grid
    """

    pixel_values_videos: torch.Tensor
    video_grid_thw: torch.Tensor
    seconds_per_grid: float
    placeholder: str
    num_tokens: int
    num_frames: int

    def to(self, device: torch.device | str) -> VideoInputs:
        """Return the video with its pixels on a device; the grid stays where it is."""
        return replace(self, pixel_values_videos=self.pixel_values_videos.to(device))

    def with_pixels(self, pixel_values_videos: torch.Tensor) -> VideoInputs:
        """Return a video of the same shape with other pixels, for noise made in patch space.

        Raises ValueError where the shape differs.
        """
        if pixel_values_videos.shape != self.pixel_values_videos.shape:
            raise ValueError(
                f"the new pixels have shape {tuple(pixel_values_videos.shape)}, the video's "
                f"{tuple(self.pixel_values_videos.shape)}; they must be equal"
            )
        return replace(self, pixel_values_videos=pixel_values_videos)


def encode_video(
    processor: ProcessorMixin,
    frames: np.ndarray,
    timestamps_s: Sequence[float] | None = None,
    *,
    fps: float | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
) -> VideoInputs:
    """Turn decoded frames into model inputs.

    frames : (T, H, W, 3) uint8 RGB, already sampled: every frame is used
    timestamps_s : (T,) seconds; or fps : the rate of these frames; one of the two
    min_pixels, max_pixels : bounds on the pixels of one frame after resizing; None = as the processor is set
    Raises ValueError for other arrays, for a missing or wrong rate, and for a processor without a video processor.
    """
    import torch
    from transformers.video_utils import VideoMetadata

    check_video_processor(processor)
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ValueError(f"frames are {frames.dtype} {frames.shape}; give (T, H, W, 3) uint8 with T of at least 1")
    if (fps is None) == (timestamps_s is None):
        raise ValueError("give either the frames' times or their rate, so that temporal positions are right")
    if timestamps_s is not None and len(timestamps_s) != len(frames):
        raise ValueError(f"there are {len(frames)} frames and {len(timestamps_s)} times; give one time per frame")
    if fps is None:
        fps = sampled_fps(timestamps_s)
    if not (np.isfinite(fps) and fps > 0.0):
        raise ValueError(f"the frame rate is {fps}; give frames per second above 0")
    video_processor = processor.video_processor
    encoded = video_processor(
        videos=[torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)],
        video_metadata=[
            VideoMetadata(
                # The sampled frames are described as a video of their own: Qwen3-VL's processor writes index / fps
                # before them
                total_num_frames=len(frames),
                fps=fps,
                height=frames.shape[1],
                width=frames.shape[2],
                duration=len(frames) / fps,
                frames_indices=list(range(len(frames))),
            )
        ],
        do_sample_frames=False,
        return_metadata=True,
        return_tensors="pt",
        **_size(processor, len(frames), min_pixels, max_pixels),
    )
    grid = encoded["video_grid_thw"]
    return VideoInputs(
        pixel_values_videos=encoded["pixel_values_videos"],
        video_grid_thw=grid,
        seconds_per_grid=video_processor.temporal_patch_size / fps,
        placeholder=processor.replace_video_token(encoded, 0),
        num_tokens=int(grid.prod()) // video_processor.merge_size**2,
        num_frames=len(frames),
    )


def check_video_processor(processor: Any) -> None:
    """Raise ValueError where a processor cannot take video."""
    if getattr(processor, "video_processor", None) is None:
        raise ValueError(
            f"the model's {type(processor).__name__} has no video processor; use a video language model, such as "
            "Qwen/Qwen2.5-VL-3B-Instruct or one made by `ocr-hf tiny-model`"
        )


def _size(processor: Any, num_frames: int, min_pixels: int | None, max_pixels: int | None) -> dict[str, Any]:
    """The processor's size arguments for bounds per frame, whatever its own bounds are on."""
    video_processor = processor.video_processor
    # Left open, transformers changes its mind about a second bound between versions; the bound per frame is ours
    chosen = {"cap_pixels_per_frame": False} if getattr(video_processor, "cap_pixels_per_frame", True) is None else {}
    if min_pixels is None and max_pixels is None:
        return chosen
    # Some processors, as Qwen3-VL's, bound the pixels of all frames together
    frames = num_frames if processing_of(processor).pixel_bound == "video" else 1
    size = dict(video_processor.size)
    shortest = min_pixels * frames if min_pixels is not None else size["shortest_edge"]
    longest = max_pixels * frames if max_pixels is not None else size["longest_edge"]
    if max_pixels is not None and min_pixels is None:
        # The processor's own lower bound yields to an upper bound that was asked for
        shortest = min(shortest, longest)
    if shortest > longest:
        raise ValueError(f"min_pixels is {shortest} and max_pixels {longest}; the first must not exceed the second")
    return chosen | {"size": {"shortest_edge": shortest, "longest_edge": longest}}


def count_tokens(
    processor: ProcessorMixin, num_frames: int, height: int, width: int, max_pixels: int | None = None
) -> int:
    """Return how many video tokens a clip of that size costs, without its pixels."""
    video_processor = processor.video_processor
    patches = video_processor.get_num_of_video_patches(
        num_frames, height, width, _size(processor, num_frames, None, max_pixels)
    )
    return patches // video_processor.merge_size**2


def with_video(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a chat that holds a video block: as given where it has one, else put before the first user's text."""
    chat = [{**message, "content": _parts(message["content"])} for message in messages]
    if any(part["type"] == "video" for message in chat for part in message["content"]):
        return chat
    for message in chat:
        if message["role"] == "user":
            # Before the text, as VSI-Bench's prompt has the frames before the question
            message["content"].insert(0, {"type": "video"})
            return chat
    raise ValueError("the prompt has no user message to put the video in; add one")


def without_video(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a chat without its video blocks."""
    return [
        message
        if isinstance(message["content"], str)
        else {**message, "content": [part for part in message["content"] if part["type"] != "video"]}
        for message in messages
    ]


def _parts(content: str | Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Content blocks without the None keys that `Dataset.from_list` adds, on which templates count videos twice."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [{key: value for key, value in part.items() if value is not None} for part in content]


def prompt_ids(
    processor: ProcessorMixin,
    messages: Sequence[dict[str, Any]],
    videos: Sequence[VideoInputs] = (),
    add_generation_prompt: bool = True,
    **template: Any,
) -> list[int]:
    """Return the token ids of a chat whose video blocks stand for these videos, in order.

    Raises ValueError where the chat has another number of video blocks, or the ids another number of video tokens.
    """
    chat = [{**message, "content": _parts(message["content"])} for message in messages]
    blocks = sum(part["type"] == "video" for message in chat for part in message["content"])
    if blocks != len(videos):
        raise ValueError(f"the prompt has {blocks} video blocks, but {len(videos)} videos were given with it")
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=add_generation_prompt, **template)
    pieces = text.split(processor.video_token)
    if len(pieces) != len(videos) + 1:
        spelled = len(pieces) - 1 - len(videos)
        raise ValueError(f"the prompt's text spells '{processor.video_token}' {spelled} times itself; remove it")
    # Placeholders are put in here: the processor would do it only together with the pixels
    text = pieces[0] + "".join(video.placeholder + piece for video, piece in zip(videos, pieces[1:], strict=True))
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    found, wanted = ids.count(processor.video_token_id), sum(video.num_tokens for video in videos)
    if found != wanted:
        raise ValueError(f"the prompt has {found} video tokens, the videos' grids ask for {wanted}")
    return ids


def token_types(input_ids: torch.Tensor, processor: ProcessorMixin) -> torch.Tensor:
    """Return `mm_token_type_ids` for token ids of any shape: 0 text, 1 image, 2 video."""
    types = (input_ids == processor.video_token_id).int() * 2
    return types + (input_ids == processor.image_token_id).int()


def video_arguments(processor: ProcessorMixin, videos: Sequence[VideoInputs]) -> dict[str, torch.Tensor]:
    """Return what the model needs of the videos beside their pixels: `video_grid_thw` and `second_per_grid_ts`."""
    import torch

    arguments = {"video_grid_thw": torch.cat([video.video_grid_thw for video in videos])}
    if processing_of(processor).seconds_per_grid:
        arguments["second_per_grid_ts"] = torch.tensor([video.seconds_per_grid for video in videos])
    return arguments


def prompt_positions(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    input_ids: torch.Tensor,
    mask: torch.Tensor,
    videos: Sequence[VideoInputs] = (),
    image_grid: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return (4, B, L) positions on the CPU: of the text, then along time, height and width.

    Args:
        model: With or without adapters.
        processor: Of the model.
        input_ids: (B, L) token ids.
        mask: (B, L), 0 where a row is padded.
        videos: Every video of the batch, in the order of the rows.
        image_grid: (images, 3) of all pictures in the rows, `image_grid_thw`.
    """
    import torch

    input_ids, mask = input_ids.cpu(), mask.cpu()
    # Padding gets some position that exists; the mask hides it
    text = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0)[None]
    if not videos and image_grid is None:
        return text.expand(4, -1, -1)
    media = {"mm_token_type_ids": token_types(input_ids, processor)}
    if videos:
        media |= video_arguments(processor, videos)
    if image_grid is not None:
        media["image_grid_thw"] = image_grid.cpu()
    base = without_adapter(model)
    return torch.cat([text, family_of(base.config).positions(base, input_ids, mask, media)])


def model_inputs(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    prompts: Sequence[Sequence[int]],
    videos: Sequence[VideoInputs] = (),
    device: torch.device | str = "cpu",
) -> dict[str, torch.Tensor]:
    """Return a left-padded batch for `model(**batch)` or `model.generate(**batch)`.

    model : with or without adapters; asked for positions only
    prompts : token ids of each prompt, from `prompt_ids`
    videos : every video of the batch, in the order of the prompts
    """
    import torch

    input_ids, mask = left_padded(prompts, processor.tokenizer.pad_token_id)
    batch = {"input_ids": input_ids, "attention_mask": mask, "mm_token_type_ids": token_types(input_ids, processor)}
    if videos:
        batch["pixel_values_videos"] = torch.cat([video.pixel_values_videos for video in videos])
        batch |= video_arguments(processor, videos)
    batch["position_ids"] = prompt_positions(model, processor, input_ids, mask, videos)
    return {name: value.to(device) for name, value in batch.items()}


class FrameCache:
    """Decoded frames of recent clips, bounded in bytes; the least recently used clip goes first.

    max_bytes : 0 keeps nothing. Safe to use from several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"a frame cache of {max_bytes} bytes is not possible; give 0 or more")
        self.max_bytes = max_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self._clips: OrderedDict[Any, tuple[np.ndarray, Any]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Any, decode: Callable[[], tuple[np.ndarray, Any]]) -> tuple[np.ndarray, Any]:
        """Return (frames, times) for a key, decoding them where they are not at hand; frames are read-only."""
        with self._lock:
            if key in self._clips:
                self.hits += 1
                self._clips.move_to_end(key)
                return self._clips[key]
        # Outside the lock: two threads may decode one clip twice, but none waits for another's video
        frames, times = decode()
        frames.flags.writeable = False
        with self._lock:
            self.misses += 1
            if key not in self._clips and frames.nbytes <= self.max_bytes:
                self._clips[key] = (frames, times)
                self.bytes += frames.nbytes
                while self.bytes > self.max_bytes:
                    _, (dropped, _) = self._clips.popitem(last=False)
                    self.bytes -= dropped.nbytes
        return frames, times
