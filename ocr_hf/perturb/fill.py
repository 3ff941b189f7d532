"""Filling holes in a picture smoothly from around them."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

GREY = 128


def fill_holes(picture: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Return the picture with its hole filled smoothly from the pixels around; no pixel in the hole is read.

    Push and pull: the known pixels are averaged 2 x 2 until a level has no holes left, then every level takes what it
    lacks from the next coarser one, interpolated. Wide holes get the broad colours of their surroundings, with none
    of the ridges along the hole's middle that OpenCV's inpainting leaves and from which its shape can be read.
    A picture that is all hole becomes mid-grey.
    """
    if not hole.any():
        return picture.copy()
    if hole.all():
        return np.full_like(picture, GREY)
    weight = (~hole).astype(np.float32)
    levels = [(picture * weight[..., None], weight)]
    while not levels[-1][1].all():
        levels.append(_coarser(*levels[-1]))
    colours = levels[-1][0]
    for known, weight in reversed(levels[:-1]):
        height, width = weight.shape
        rows, columns = colours.shape[:2]
        finer = cv2.resize(colours, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)[:height, :width]
        colours = known + finer * (1.0 - weight[..., None])
    out = picture.copy()
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
