"""The frames that a video's patches hold, for whoever takes frames and not patches: vLLM.

The processors of Qwen2-VL, Qwen2.5-VL and Qwen3-VL only rearrange and normalise pixels after resizing, so the pixels
that a model sees, noise in patch space included, can be had back exactly. Encoded again without resizing, they give the
same patches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_hf.models.families import processing_of
from ocr_hf.models.media import VideoInputs

if TYPE_CHECKING:
    from transformers import ProcessorMixin


def frames_of(video: VideoInputs, video_processor: Any) -> np.ndarray:
    """Return the frames of a video at the size that the model sees, (T, H, W, 3) uint8 RGB.

    Args:
        video: From `encode_video`, or such a video with other pixels.
        video_processor: The one that made it, for its normalisation and the sizes of patches.

    Raises:
        ValueError: Its patches hold colours between the 256 levels, or outside them, which no frame has.
    """
    import torch

    patch, merge = video_processor.patch_size, video_processor.merge_size
    group = video_processor.temporal_patch_size
    steps, rows, columns = video.video_grid_thw[0].tolist()
    pixels = video.pixel_values_videos.detach().float().cpu()
    # Patches in order (step, merged row, merged column, row in it, column in it), values in a patch (colour, frame of
    # the step, row, column): transformers' Qwen2VLVideoProcessor.patchify
    cut = pixels.view(steps, rows // merge, columns // merge, merge, merge, 3, group, patch, patch)
    frames = cut.permute(0, 6, 1, 3, 7, 2, 4, 8, 5).reshape(steps * group, rows * patch, columns * patch, 3)
    mean, std = (torch.tensor(getattr(video_processor, name)) for name in ("image_mean", "image_std"))
    # The processor has repeated the last frame to fill its group
    levels = (frames[: video.num_frames] * std + mean) * 255.0
    whole = levels.round()
    furthest = float((levels - whole.clamp(0.0, 255.0)).abs().max())
    # Rounding in float32 stays below a thousandth of a level; NaN fails the comparison
    if not furthest < 0.05:
        raise ValueError(
            f"a video's patches hold a colour {furthest:.3g} of 256 levels beside those of a frame, so no frames give "
            "these patches; round noise to 8-bit colours (round_to_uint8), and keep patches in float32"
        )
    return whole.to(torch.uint8).numpy()


def frame_metadata(video: VideoInputs, video_processor: Any) -> dict[str, Any]:
    """Return what transformers' VideoMetadata says of these frames: all there are, at the rate of the sampled ones.

    Args:
        video: From `encode_video`.
        video_processor: The one that made it.
    """
    fps = video_processor.temporal_patch_size / video.seconds_per_grid
    return {
        "total_num_frames": video.num_frames,
        "fps": fps,
        "duration": video.num_frames / fps,
        "frames_indices": list(range(video.num_frames)),
    }


def vllm_fields(video: VideoInputs, media_id: str, processor: ProcessorMixin) -> dict[str, Any]:
    """Return what a prompt of vLLM needs beside its tokens to see a video as the model in transformers does.

    Args:
        video: As `encode_video` made it, or such a video with other pixels.
        media_id: Under it vLLM keeps what it makes of the video.
        processor: Of the model.

    Raises:
        ValueError: Its patches are not those of any frames.
    """
    metadata = frame_metadata(video, processor.video_processor)
    # Frames have the model's size and are all to be used, so vLLM's processor only normalises them
    settings: dict[str, Any] = {"do_resize": False, "do_sample_frames": False}
    if processing_of(processor).seconds_per_grid:
        # vLLM drops the metadata beside such a model's frames, and transformers then takes 24 frames a second
        settings["video_metadata"] = [[metadata]]
    frames = frames_of(video, processor.video_processor)
    return {
        "multi_modal_data": {"video": [(frames, metadata | {"do_sample_frames": False})]},
        "multi_modal_uuids": {"video": [media_id]},
        "mm_processor_kwargs": settings,
    }


def as_one_token(video: VideoInputs, processor: ProcessorMixin) -> VideoInputs:
    """Return a video that stands in a prompt as one token, as vLLM takes it and expands it itself."""
    return replace(video, placeholder=processor.video_token, num_tokens=1)
