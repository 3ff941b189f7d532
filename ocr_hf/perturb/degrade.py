"""Degraded clips: frames shuffled (T-GRPO), an object erased, everything black (shortcut audits)."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Int, UInt8

from ocr_hf.perturb.keys import generator, stable_key

GREY = 128


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

    The fill is `fill_holes`, frame by frame: smooth, and it reads no pixel of the grown region, so nothing of
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


def fill_holes(image: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Return the image with its hole filled smoothly from the pixels around; no pixel in the hole is read.

    Push-pull interpolation (Gortler et al., The Lumigraph, SIGGRAPH 1996): the known pixels are averaged 2 x 2 until
    a level has no holes left, then every level takes what it lacks from the next coarser one, interpolated. Wide holes
    get the broad colours of their surroundings, without the ridges that OpenCV's inpainting leaves in a hole's middle
    and from which the shape of an erased object can be read. An image that is all hole becomes mid-grey.
    """
    if not hole.any():
        return image.copy()
    if hole.all():
        return np.full_like(image, GREY)
    weight = (~hole).astype(np.float32)
    levels = [(image * weight[..., None], weight)]
    while not levels[-1][1].all():
        levels.append(_coarser(*levels[-1]))
    colours = levels[-1][0]
    for known, weight in reversed(levels[:-1]):
        height, width = weight.shape
        rows, columns = colours.shape[:2]
        # Doubled and cut to size: an odd row was padded on the way down.
        finer = cv2.resize(colours, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)[:height, :width]
        # Weights are 0 or 1: a known pixel stays as it is, a hole takes what the coarser level has.
        colours = known + finer * (1.0 - weight[..., None])
    out = image.copy()
    out[hole] = np.clip(colours[hole] + 0.5, 0.0, 255.0).astype(np.uint8)
    return out


def _coarser(colours: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return half-size colours times weight (h, w, 3) and weight (h, w): 1 where any of the four pixels is known."""
    height, width = weight.shape
    odd = ((0, height % 2), (0, width % 2))
    weights = np.pad(weight, odd)
    sums = np.pad(colours, (*odd, (0, 0)))
    shape = (weights.shape[0] // 2, 2, weights.shape[1] // 2, 2)
    total = weights.reshape(shape).sum(axis=(1, 3))
    mean = sums.reshape(*shape, 3).sum(axis=(1, 3)) / np.maximum(total, 1.0)[..., None]
    return mean, np.minimum(total, 1.0)
