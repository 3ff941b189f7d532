"""Frames changed otherwise: the order shuffled (T-GRPO), an object erased, everything black (shortcut audits)."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Int, UInt8

from ocr_hf.perturb.fill import fill_holes
from ocr_hf.perturb.keys import generator, stable_key


def shuffle_order(num_frames: int, key: int) -> Int[np.ndarray, "t"]:
    """Return a uniformly random permutation (T,) of the frame numbers."""
    return generator(stable_key("shuffle", key)).permutation(num_frames)


def shuffle_frames(frames: UInt8[np.ndarray, "t h w 3"], key: int) -> UInt8[np.ndarray, "t h w 3"]:
    """Return the frames in random order: what T-GRPO contrasts ordered rollouts with (Video-R1). Timestamps stay."""
    return frames[shuffle_order(len(frames), key)]


def black_frames(frames: UInt8[np.ndarray, "t h w 3"]) -> UInt8[np.ndarray, "t h w 3"]:
    """Return black frames of the same shape: what a model answers from the question alone."""
    return np.zeros_like(frames)


def erase_region(
    frames: UInt8[np.ndarray, "t h w 3"], region: Bool[np.ndarray, "_ _ _"], grow_px: int = 2
) -> UInt8[np.ndarray, "t h w 3"]:
    """Return a copy of `frames` with the region filled in from around it, as if the object were not there.

    The fill is `fill.fill_holes`, frame by frame: smooth, and it reads no pixel of the grown region, so nothing of
    the object is left. A frame that is all region becomes mid-grey.

    region : (T, H, W) bool, e.g. `Footprints.region([object_id])`
    grow_px : the region is first grown by this many pixels (in the 8 directions), because the object's colours
        bleed over its outline in anti-aliased and compressed video; outside the grown region nothing changes
    """
    if region.shape != frames.shape[:3]:
        raise ValueError(f"region has shape {region.shape}, the frames {frames.shape[:3]}; they must be equal")
    if grow_px < 0:
        raise ValueError(f"grow_px is {grow_px}; give 0 or more pixels")
    kernel = np.ones((2 * grow_px + 1, 2 * grow_px + 1), dtype=np.uint8)
    out = frames.copy()
    for frame, inside in zip(out, region, strict=True):
        if not inside.any():
            continue
        frame[...] = fill_holes(frame, cv2.dilate(inside.astype(np.uint8), kernel).astype(bool))
    return out
