"""Frames and prompts to a model's inputs: through `models/media.py` for families that say how their processor takes
video, else through the model's own processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ocr_hf.models.families import family_of
from ocr_hf.models.media import VideoInputs, encode_video, prompt_ids, with_video
from ocr_hf.models.shared_prefix import generation_inputs

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, ProcessorMixin

Messages = Sequence[Mapping[str, Any]]


class Encoder(Protocol):
    """How one model takes video and text."""

    def encode(self, frames: np.ndarray, fps: float) -> Any:
        """Return a video, (T, H, W, 3) uint8 sampled at `fps`, in a form that `batch` takes and questions can share."""

    def facts(self, video: Any) -> dict[str, Any]:
        """Return what to record of an encoded video."""

    def nbytes(self, video: Any) -> int:
        """Return how much memory an encoded video takes."""

    def batch(self, questions: Sequence[tuple[Messages, Any]]) -> dict[str, Any]:
        """Return `generate`'s inputs on the model's device; a question without a video has None."""


FRAMES_AS = ("video", "images")
"""How frames reach a model: as a video, or as so many images before the question."""


def frames_as_for(processor: Any, frames_as: str | None) -> str:
    """Return how a model is shown frames: as asked for, else as a video where its processor takes one.

    Raises ValueError for a video that the processor doesn't take.
    """
    has_video = getattr(processor, "video_processor", None) is not None
    if frames_as == "video" and not has_video:
        raise ValueError(f"the model's {type(processor).__name__} takes no video; give --frames-as images")
    return frames_as or ("video" if has_video else "images")


def encoder_for(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    min_pixels: int | None,
    max_pixels: int | None,
    frames_as: str | None = None,
) -> Encoder:
    """Return the encoder for a model; raise ValueError for bounds on pixels that its processor can't be given."""
    if frames_as_for(processor, frames_as) == "images":
        return ImagesEncoder(model, processor, min_pixels, max_pixels)
    if family_of(model.config).processing is not None:
        return GridEncoder(model, processor, min_pixels, max_pixels)
    if min_pixels is not None or max_pixels is not None:
        raise ValueError(
            f"a model of type '{model.config.model_type}' sets its frame size itself; leave out --max-pixels"
        )
    return ProcessorEncoder(model, processor)


class GridEncoder:
    """Families with `processing`: every input is made and checked by `models/media.py`, and questions about one video
    share the work on it."""

    def __init__(
        self, model: PreTrainedModel, processor: ProcessorMixin, min_pixels: int | None, max_pixels: int | None
    ) -> None:
        self.model, self.processor = model, processor
        self.bounds = {"min_pixels": min_pixels, "max_pixels": max_pixels}

    def encode(self, frames: np.ndarray, fps: float) -> VideoInputs:
        return encode_video(self.processor, frames, fps=fps, **self.bounds)

    def facts(self, video: VideoInputs) -> dict[str, Any]:
        return {"grid_thw": video.video_grid_thw[0].tolist()}

    def nbytes(self, video: VideoInputs) -> int:
        return video.pixel_values_videos.nbytes

    def batch(self, questions: Sequence[tuple[Messages, VideoInputs | None]]) -> dict[str, Any]:
        prompts = [
            prompt_ids(self.processor, messages if video is None else with_video(messages), [video] if video else [])
            for messages, video in questions
        ]
        return generation_inputs(self.model, self.processor, prompts, [video for _, video in questions])


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames (T, H, W, 3) uint8 and their rate, not yet encoded."""

    frames: np.ndarray
    fps: float


class _KeepsFrames:
    """Leaves frames as they are until a batch is made of them."""

    def encode(self, frames: np.ndarray, fps: float) -> Frames:
        return Frames(frames, fps)

    def facts(self, video: Frames) -> dict[str, Any]:
        return {}

    def nbytes(self, video: Frames) -> int:
        return video.frames.nbytes


class ProcessorEncoder(_KeepsFrames):
    """Any other model with a video processor: its processor is given all frames, their rate and the chat template's
    text. How it places frames in time is up to it, and not checked."""

    def __init__(self, model: PreTrainedModel, processor: ProcessorMixin) -> None:
        self.model, self.processor = model, processor

    def batch(self, questions: Sequence[tuple[Messages, Frames | None]]) -> dict[str, Any]:
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
                # Sampled already; by its own settings a processor may sample once more
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
        inputs = self.processor(text=texts, padding=True, return_tensors="pt", **media)
        return {
            name: value.to(self.model.device, self.model.dtype if name.startswith("pixel_values") else None)
            for name, value in inputs.items()
        }


class ImagesEncoder(_KeepsFrames):
    """Any model that takes several images: every frame is an image block before the question, without its time.

    The model's own processor makes the inputs; what it makes of them is up to it, and not checked.
    """

    def __init__(
        self, model: PreTrainedModel, processor: ProcessorMixin, min_pixels: int | None, max_pixels: int | None
    ) -> None:
        self.model, self.processor = model, processor
        self.size: dict[str, Any] = {}
        if min_pixels is None and max_pixels is None:
            return
        own = dict(processor.image_processor.size)
        # Families with `processing` are Qwen's and like it: their size bounds the pixels of an image
        if family_of(model.config).processing is None:
            raise ValueError(
                f"a model of type '{model.config.model_type}' sets its image size itself; leave out --max-pixels"
            )
        longest = max_pixels if max_pixels is not None else own["longest_edge"]
        shortest = min_pixels if min_pixels is not None else min(own["shortest_edge"], longest)
        if shortest > longest:
            raise ValueError(f"min_pixels is {shortest} and max_pixels {longest}; the first must not exceed the second")
        self.size = {"size": {"shortest_edge": shortest, "longest_edge": longest}}

    def batch(self, questions: Sequence[tuple[Messages, Frames | None]]) -> dict[str, Any]:
        from PIL import Image

        texts = [
            self.processor.apply_chat_template(
                messages if video is None else with_images(messages, len(video.frames)),
                tokenize=False,
                add_generation_prompt=True,
            )
            for messages, video in questions
        ]
        # Nested, since some processors can't tell from a flat list whose images they are
        images = [[Image.fromarray(frame) for frame in video.frames] for _, video in questions if video is not None]
        media: dict[str, Any] = {"images": images, **self.size} if images else {}
        inputs = self.processor(text=texts, padding=True, return_tensors="pt", **media)
        return {
            name: value.to(self.model.device, self.model.dtype if name.startswith("pixel_values") else None)
            for name, value in inputs.items()
            if hasattr(value, "to")
        }


def with_images(messages: Messages, count: int) -> list[dict[str, Any]]:
    """Return a chat with so many image blocks where its video block is, else before the first user's text."""
    return [
        {
            **message,
            "content": [
                block
                for part in message["content"]
                for block in ([{"type": "image"}] * count if part["type"] == "video" else [part])
            ],
        }
        for message in with_video(messages)
    ]
