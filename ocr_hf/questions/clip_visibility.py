"""What a clip shows well enough to ask about, and from when."""

from __future__ import annotations

from enum import Enum

import numpy as np

from ocr_hf.questions.question import VisibilityRule

MIN_APPEARANCE_PIXELS = 0.001
"""Share of a frame from which a category counts as having appeared (ours: VSI-Bench's threshold isn't published)."""
GLIMPSE_PIXELS = 0.0001
"""A category seen with more than this, CREEP_S or longer before it counts as having appeared, has no clear first
appearance: people would differ (ours)."""
CREEP_S = 1.0


class Shown(Enum):
    """How much a clip shows of an object."""

    CLEARLY = "clearly shown"
    BARELY = "barely shown"
    NOT = "not shown"


def sampled_frames(num_frames: int, count: int) -> np.ndarray:
    """Return the indices of the `count` frames that a model sees of a clip (as data.video.uniform_indices)."""
    return np.linspace(0, num_frames - 1, min(count, num_frames), dtype=np.int64)


def shown(share: np.ndarray, rule: VisibilityRule) -> Shown:
    """Return how much a clip shows of an object that has the share (T,) of each frame's pixels.

    VisibilityRule says what its two thresholds mean. A clip of fewer than `min_frames` frames shows nothing clearly.
    """
    if share.max(initial=0.0) <= rule.glimpse_pixels:
        return Shown.NOT
    seen = share[sampled_frames(len(share), rule.num_frames)] >= rule.min_pixels
    return Shown.CLEARLY if seen.sum() >= rule.min_frames else Shown.BARELY


def first_appearance_s(share: np.ndarray, fps: float) -> float | None:
    """Return when something with this share (T,) of the frames has appeared, in seconds; None if never or gradually."""
    if share.max(initial=0.0) < MIN_APPEARANCE_PIXELS:
        return None
    appeared = int(np.argmax(share >= MIN_APPEARANCE_PIXELS))
    glimpsed = int(np.argmax(share > GLIMPSE_PIXELS))
    return None if (appeared - glimpsed) / fps >= CREEP_S else appeared / fps


def first_sampled_frame(share: np.ndarray, rule: VisibilityRule) -> int:
    """Return which of the sampled frames is the first to show something clearly, or their number if none does."""
    seen = share[sampled_frames(len(share), rule.num_frames)] >= rule.min_pixels
    return int(np.argmax(seen)) if seen.any() else len(seen)
