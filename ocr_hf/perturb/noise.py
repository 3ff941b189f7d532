"""Diffusion noise on pixels: in a region (the `gaussian` mode of OCR) or on whole frames (NoisyRollout)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ocr_hf.perturb.keys import generator
from ocr_hf.perturb.schedule import diffusion_scales, diffusion_timestep


def gaussian_region(
    frames: UInt8[np.ndarray, "t h w 3"],
    region: Bool[np.ndarray, "_ _ _"],
    strength: float | int,
    key: int,
    frame_indices: Sequence[int] | None = None,
) -> UInt8[np.ndarray, "t h w 3"]:
    """Return a copy of `frames` with diffusion noise in `region`; pixels outside are bit-identical.

    Inside, a pixel x in [0, 1] becomes clamp(sqrt(a) x + sqrt(1 - a) e), e ~ N(0, 1), rounded to uint8, with
    a = a_t of NoisyRollout's schedule and t = round(1000 strength): strength 0.5 is its t0 = 500, 0 the identity.

    frames : (T, H, W, 3) uint8 RGB
    region : (T, H, W) bool
    strength : 0 ... 1
    key : selects the noise (see `keys.stable_key`)
    frame_indices : the clip's frame number of each frame, default 0 ... T-1; a frame's noise depends on key, frame
        number and its own region only, so a subset of a clip gets the noise it has in the whole clip
    Raises ValueError for another strength or where sizes disagree.
    """
    return _diffuse(frames, region, diffusion_timestep(strength), key, frame_indices)


def diffuse_frames(
    frames: UInt8[np.ndarray, "t h w 3"], t: int, key: int, frame_indices: Sequence[int] | None = None
) -> UInt8[np.ndarray, "t h w 3"]:
    """Return a copy of `frames` with diffusion noise of timestep t (0 ... 999) everywhere: NoisyRollout's distortion.

    Its t is int(t0 decay(step)) with t0 = 500 (arXiv 2504.13055). Its code truncates to uint8 where this rounds.
    """
    return _diffuse(frames, np.ones(frames.shape[:3], dtype=bool), t, key, frame_indices)


def region_noise(count: int, key: int, frame_index: int) -> Float[np.ndarray, "n 3"]:
    """Return the (count, 3) float32 N(0, 1) noise of a frame's region pixels, in row-major pixel order.

    A value is one of 65,536 equally likely quantiles of the normal distribution (|e| < 4.33), looked up by 16 random
    bits. That is six times as fast as exact normal samples, and no level of an 8-bit pixel has a probability that is
    off by more than 2 in 100,000.
    """
    words = generator(key, frame_index).bit_generator.random_raw((3 * count + 3) // 4)
    # Four 16-bit indices out of each 64-bit word. Little-endian by name, so that big-endian machines make the same
    # noise.
    indices = words.astype("<u8", copy=False).view("<u2")[: 3 * count]
    return _normal_quantiles().take(indices).reshape(count, 3)


@cache
def _normal_quantiles() -> np.ndarray:
    from scipy.special import ndtri

    return ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)


def _diffuse(
    frames: np.ndarray, region: np.ndarray, t: int, key: int, frame_indices: Sequence[int] | None
) -> np.ndarray:
    if region.shape != frames.shape[:3]:
        raise ValueError(
            f"region has shape {region.shape}, the frames {frames.shape[:3]}; resize the footprints to the frames"
        )
    indices = range(len(frames)) if frame_indices is None else frame_indices
    if len(indices) != len(frames):
        raise ValueError(f"{len(indices)} frame_indices for {len(frames)} frames; give one number per frame")
    signal, noise = diffusion_scales(t)
    out = frames.copy()
    if t == 0:
        return out
    # One pass over the region's pixels only: a table turns uint8 into sqrt(a) x + 1/2 (in units of 1/255), the noise
    # is added in float32 and the cast to uint8 truncates, which with the half rounds.
    table = np.arange(256, dtype=np.float32) * np.float32(signal) + np.float32(0.5)
    for frame, inside, index in zip(out, region, indices, strict=True):
        where = np.flatnonzero(inside)
        if where.size == 0:
            continue
        pixels = frame.reshape(-1, 3)
        values = region_noise(where.size, key, index)
        values *= np.float32(255.0 * noise)
        values += table.take(pixels.take(where, axis=0))
        np.clip(values, 0.5, 255.5, out=values)
        # as 3-byte items, which numpy scatters more than twice as fast as rows of three
        pixels.view("V3")[where] = values.astype(np.uint8).view("V3")
    return out
