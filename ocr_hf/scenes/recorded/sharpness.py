"""Which pictures of a recording are blurred by motion or focus, against those around them."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

MORE_BLURRED = 0.15
"""How much more blurred than those around it a picture must be to be left out, of `blur_of`. Pictures of a real room
and of rendered ones differ by up to 0.06 among themselves; motion over 1.4 % of the width adds 0.2, over 0.8 % 0.1."""
AROUND = 17
"""Pictures, itself among them, that one is compared with: a camera that is soft throughout loses none."""
_SIDE, _SPAN = 320, 9
"""Pixels of the longer side at which blur is measured, which evens out the sensor's noise, and of the second blur."""


def blur_of(picture: np.ndarray) -> np.ndarray:
    """Return how blurred a picture is down and across, (2,) in 0 to 1.

    A picture that is blurred again changes the less, the more blurred it was (Crete and others, The Blur Effect,
    SPIE 2007): the share of neighbouring pixels' differences that is left, which hardly depends on what is shown.

    picture : (H, W, 3) uint8
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    scale = _SIDE / max(grey.shape)
    if scale < 1.0:
        height, width = (max(2, round(side * scale)) for side in grey.shape)
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    found = np.ones(2)
    # Each way by itself: what moves across leaves the edges that lie across as they are
    for axis, kernel in enumerate(((1, _SPAN), (_SPAN, 1))):
        before, after = (np.abs(np.diff(each, axis=axis)) for each in (grey, cv2.blur(grey, kernel)))
        if before.any():
            found[axis] -= np.maximum(before - after, 0.0).sum() / before.sum()
    return found


def are_blurred(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Return which pictures of a recording, in order of time, are blurred, (N,) bool; one is held at a time."""
    blur = np.array([blur_of(picture) for picture in pictures]).reshape(-1, 2)
    found = np.zeros(len(blur), dtype=bool)
    for index, values in enumerate(blur):
        begin = min(max(0, index - AROUND // 2), max(0, len(blur) - AROUND))
        usual = np.median(blur[begin : begin + AROUND], axis=0)
        found[index] = (values - usual).max() > MORE_BLURRED
    return found
