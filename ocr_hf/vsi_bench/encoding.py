"""Frames and prompts to a model's inputs: through `models/media.py` for the families tested here, else through the
model's own processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ocr_hf.models.load import FAMILIES
from ocr_hf.models.media import VideoInputs, encode_video, model_inputs, prompt_ids, with_video

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import ProcessorMixin

    from ocr_hf.models.load import LoadedModel

Messages = Sequence[Mapping[str, Any]]


class Encoder(Protocol):
    """How one model takes video and text."""

    def encode(self, frames: np.ndarray, fps: float) -> Any:
        """Return a video, (T, H, W, 3) uint8 sampled at `fps`, in a form that `batch` takes and questions can share."""

    def facts(self, video: Any) -> dict[str, Any]:
        """Return what to record of an encoded video."""

    def batch(self, questions: Sequence[tuple[Messages, Any]]) -> dict[str, torch.Tensor]:
        """Return `generate`'s inputs, padded on the left; a question without a video has None."""


def encoder_for(loaded: LoadedModel, min_pixels: int | None, max_pixels: int | None) -> Encoder:
    """Return the encoder for a model; raise ValueError for bounds on pixels that its processor can't be given."""
    if loaded.model.config.model_type in FAMILIES:
        return GridEncoder(loaded.processor, min_pixels, max_pixels)
    if min_pixels is not None or max_pixels is not None:
        raise ValueError(
            f"a model of type '{loaded.model.config.model_type}' sets its frame size itself; leave out --max-pixels"
        )
    return ProcessorEncoder(loaded.processor)


class GridEncoder:
    """Qwen2.5-VL and Qwen3-VL: every input is made and checked by `models/media.py`."""

    def __init__(self, processor: ProcessorMixin, min_pixels: int | None, max_pixels: int | None) -> None:
        self.processor = processor
        self.bounds = {"min_pixels": min_pixels, "max_pixels": max_pixels}

    def encode(self, frames: np.ndarray, fps: float) -> VideoInputs:
        return encode_video(self.processor, frames, fps=fps, **self.bounds)

    def facts(self, video: VideoInputs) -> dict[str, Any]:
        return {"grid_thw": video.video_grid_thw[0].tolist()}

    def batch(self, questions: Sequence[tuple[Messages, VideoInputs | None]]) -> dict[str, torch.Tensor]:
        prompts = [
            prompt_ids(self.processor, messages if video is None else with_video(messages), [video] if video else [])
            for messages, video in questions
        ]
        return model_inputs(self.processor, prompts, [video for _, video in questions if video is not None])


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames (T, H, W, 3) uint8 and their rate, not yet encoded."""

    frames: np.ndarray
    fps: float


class ProcessorEncoder:
    """Any other model with a video processor: its processor is given all frames, their rate and the chat template's
    text. How it places frames in time is its own affair and not checked."""

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor = processor

    def encode(self, frames: np.ndarray, fps: float) -> Frames:
        return Frames(frames, fps)

    def facts(self, video: Frames) -> dict[str, Any]:
        return {}

    def batch(self, questions: Sequence[tuple[Messages, Frames | None]]) -> dict[str, torch.Tensor]:
        from transformers.video_utils import VideoMetadata

        videos = [video for _, video in questions if video is not None]
        texts = [
            self.processor.apply_chat_template(
                messages if video is None else with_video(messages), tokenize=False, add_generation_prompt=True
            )
            for messages, video in questions
        ]
        media: dict[str, Any] = {}
        if videos:
            media = {
                "videos": [video.frames for video in videos],
                "do_sample_frames": False,
                "video_metadata": [
                    VideoMetadata(
                        total_num_frames=len(video.frames),
                        fps=video.fps,
                        duration=len(video.frames) / video.fps,
                        frames_indices=list(range(len(video.frames))),
                    )
                    for video in videos
                ],
            }
        return dict(self.processor(text=texts, padding=True, return_tensors="pt", **media))
