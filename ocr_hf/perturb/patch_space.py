"""The `gaussian` mode on Qwen-style `pixel_values_videos`, on whatever device they are.

The processors of Qwen2-VL, Qwen2.5-VL and Qwen3-VL only rearrange and normalise pixels, so noise can be put straight
into their output: no second decoding, resizing or processor pass for the noisy copy. The noise values are those of
`noise.gaussian_region` (drawn by numpy, then moved), so both paths give the same clip on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    flat_index, noise = _region_index_and_noise(
        pixel_values_videos, region, key, frame_indices, patch_size, temporal_patch_size, merge_size
    )
    out = pixel_values_videos.clone()
    if t == 0 or len(noise) == 0:
        return out
    import torch

    signal, amount = diffusion_scales(t)
    device = out.device
    index = torch.from_numpy(flat_index).to(device)
    mean = torch.tensor(image_mean, dtype=torch.float32, device=device)
    std = torch.tensor(image_std, dtype=torch.float32, device=device)
    flat = out.view(-1)
    pixels = flat[index].float() * std + mean
    if round_to_uint8:
        pixels = torch.floor(pixels * 255.0 + 0.5) / 255.0
    pixels = (signal * pixels + amount * torch.from_numpy(noise).to(device)).clamp_(0.0, 1.0)
    if round_to_uint8:
        pixels = torch.floor(pixels * 255.0 + 0.5) / 255.0
    flat[index] = ((pixels - mean) / std).to(out.dtype)
    return out


def _region_index_and_noise(
    pixel_values_videos: torch.Tensor,
    region: np.ndarray,
    key: int,
    frame_indices: Sequence[int] | None,
    patch: int,
    temporal: int,
    merge: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (flat positions (N, 3) int64 in the patch tensor, noise (N, 3) float32) of the region's pixels."""
    num_frames, height, width = region.shape
    indices = range(num_frames) if frame_indices is None else frame_indices
    if len(indices) != num_frames:
        raise ValueError(f"{len(indices)} frame_indices for a region of {num_frames} frames; give one per frame")
    unit = patch * merge
    pairs = -(-num_frames // temporal)
    shape = (pairs * (height // patch) * (width // patch), 3 * temporal * patch * patch)
    if height % unit or width % unit or tuple(pixel_values_videos.shape) != shape:
        raise ValueError(
            f"the region of {num_frames} frames of {width}x{height} needs sides that {unit} divides and "
            f"pixel_values_videos of shape {shape}, got {tuple(pixel_values_videos.shape)}; resize the footprints to "
            "the processor's frame size (video_grid_thw times patch_size)"
        )
    positions, noises = [], []
    for row, index in enumerate(indices):
        where = np.flatnonzero(region[row])
        noise = region_noise(where.size, key, index)
        # the processor repeats the last frame to fill its temporal patch: so does the noise
        repeats = range(row, pairs * temporal) if row == num_frames - 1 else (row,)
        for position in repeats:
            positions.append(_patch_positions(where, position, height, width, patch, temporal, merge))
            noises.append(noise)
    if not positions:
        return np.zeros((0, 3), dtype=np.int64), np.zeros((0, 3), dtype=np.float32)
    return np.concatenate(positions), np.concatenate(noises)


def _patch_positions(
    where: np.ndarray, frame: int, height: int, width: int, patch: int, temporal: int, merge: int
) -> np.ndarray:
    """Return the (N, 3) positions, one per colour, of row-major pixels `where` (N,) of a frame in the flat patches.

    Patches are ordered (frame pair, merged row, merged column, row in it, column in it), the values in a patch
    (colour, frame of the pair, row, column): transformers' Qwen2VLVideoProcessor.patchify.
    """
    row, column = np.divmod(where, width)
    unit = patch * merge
    order = frame // temporal
    for extent, coordinate in (
        (height // unit, row // unit),
        (width // unit, column // unit),
        (merge, row // patch % merge),
        (merge, column // patch % merge),
    ):
        order = order * extent + coordinate
    colour = np.arange(3)
    first = order[:, None] * 3 + colour
    return ((first * temporal + frame % temporal) * patch + (row % patch)[:, None]) * patch + (column % patch)[:, None]
