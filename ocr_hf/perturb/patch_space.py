"""The `gaussian` mode on Qwen-style `pixel_values_videos`, on whatever device they are.

The processors of Qwen2-VL, Qwen2.5-VL and Qwen3-VL only rearrange and normalise pixels, so noise can be put straight
into their output: no second decoding, resizing or processor pass for the noisy copy. The noise values are those of
`noise.gaussian_region` (drawn by numpy, then moved), so both paths give the same clip on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from ocr_hf.perturb.noise import region_noise
from ocr_hf.perturb.schedule import diffusion_scales, diffusion_timestep

if TYPE_CHECKING:
    import torch

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""What Qwen2-VL and Qwen2.5-VL normalise with; Qwen3-VL's are 0.5."""


def gaussian_patches(
    pixel_values_videos: torch.Tensor,
    region: Bool[np.ndarray, "t h w"],
    strength: float | int,
    key: int,
    frame_indices: Sequence[int] | None = None,
    *,
    image_mean: Sequence[float] = CLIP_MEAN,
    image_std: Sequence[float] = CLIP_STD,
    patch_size: int = 14,
    temporal_patch_size: int = 2,
    merge_size: int = 2,
    round_to_uint8: bool = True,
) -> torch.Tensor:
    """Return one video's `pixel_values_videos` with diffusion noise in `region`, clamped in pixel space.

    It equals processor(gaussian_region(frames, region, strength, key)) where the frames have the processed size.
    Where the processor resizes, noise here is put on the resized frames, and so is not blurred by the resizing.

    pixel_values_videos : (patches, 3 temporal_patch_size patch_size^2) of this video, any float type and device
    region : (T, H, W) bool at the processed size: `footprints.resized(H, W).region(...)`; T as given to the
        processor, before it repeats the last frame to fill a temporal patch
    strength, key, frame_indices : see `noise.gaussian_region`
    image_mean ... merge_size : the processor's settings
    round_to_uint8 : round to the 256 levels, as frames have; False keeps the noise's fractions
    Raises ValueError where the number of patches and the region's size disagree.
    """
    t = diffusion_timestep(strength)
    num_frames, height, width = region.shape
    indices = range(num_frames) if frame_indices is None else frame_indices
    if len(indices) != num_frames:
        raise ValueError(f"{len(indices)} frame_indices for a region of {num_frames} frames; give one per frame")
    patch_values = 3 * temporal_patch_size * patch_size**2
    # Ceiling division: the last temporal patch is filled up.
    groups = -(-num_frames // temporal_patch_size)
    shape = (groups * (height // patch_size) * (width // patch_size), patch_values)
    unit = patch_size * merge_size
    if height % unit or width % unit or tuple(pixel_values_videos.shape) != shape:
        raise ValueError(
            f"the region of {num_frames} frames of {width}x{height} needs sides that {unit} divides and "
            f"pixel_values_videos of shape {shape}, got {tuple(pixel_values_videos.shape)}; resize the footprints to "
            "the processor's frame size (video_grid_thw times patch_size)"
        )
    out = pixel_values_videos.clone()
    if t == 0:
        return out
    import torch

    device = out.device
    signal, amount = diffusion_scales(t)
    mean = torch.tensor(image_mean, dtype=torch.float32, device=device)
    std = torch.tensor(image_std, dtype=torch.float32, device=device)
    # int64 positions, computed once per frame size: looking them up takes 50 ms a clip where computing them took 150.
    positions = _positions_in_group(height, width, patch_size, temporal_patch_size, merge_size)
    colours = torch.arange(3, device=device) * (temporal_patch_size * patch_size**2)
    flat = out.view(-1)
    for row, index in enumerate(indices):
        where = np.flatnonzero(region[row])
        noise = torch.from_numpy(region_noise(where.size, key, index)).to(device)
        inside = torch.from_numpy(positions.take(where)).to(device)[:, None] + colours
        # the processor repeats the last frame to fill its group of frames: so does the noise
        for place in range(row, groups * temporal_patch_size) if row == num_frames - 1 else (row,):
            group, within = divmod(place, temporal_patch_size)
            target = inside + (group * (out.numel() // groups) + within * patch_size**2)
            # Undone and redone around the noise: the schedule is defined on pixels in [0, 1], and clamping after
            # normalisation would clamp each channel elsewhere.
            pixels = flat[target].float() * std + mean
            if round_to_uint8:
                pixels = torch.floor(pixels * 255.0 + 0.5) / 255.0
            pixels = (signal * pixels + amount * noise).clamp_(0.0, 1.0)
            if round_to_uint8:
                pixels = torch.floor(pixels * 255.0 + 0.5) / 255.0
            flat[target] = ((pixels - mean) / std).to(out.dtype)
    return out


@lru_cache(maxsize=16)
def _positions_in_group(height: int, width: int, patch: int, temporal: int, merge: int) -> np.ndarray:
    """Return (H W,) int64: where each pixel's red value of a group's first frame lies in the group's flat patches.

    Patches are ordered (merged row, merged column, row in it, column in it), the values in a patch (colour, frame of
    the group, row, column): transformers' Qwen2VLVideoProcessor.patchify.
    """
    unit = patch * merge
    places = np.arange(height * width).reshape(
        height // unit, width // unit, merge, merge, patch, patch
    )  # position number of every pixel, one colour and one frame
    places = places // patch**2 * (3 * temporal * patch**2) + places % patch**2
    return np.ascontiguousarray(places.transpose(0, 2, 4, 1, 3, 5)).reshape(-1)
