"""Which objects a clip shows well enough to ask about, and from when."""

from __future__ import annotations

from enum import Enum

import numpy as np

from ocr_hf.questions.question import VisibilityRule
from ocr_hf.video.read import uniform_indices

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


def shown(share: np.ndarray, rule: VisibilityRule) -> Shown:
    """Return how much a clip shows of an object that has the share (T,) of each frame's pixels.

    VisibilityRule says what its two thresholds mean. A clip of fewer than `min_frames` frames shows nothing clearly.
    """
    if share.max(initial=0.0) <= rule.glimpse_pixels:
        return Shown.NOT
    seen = share[uniform_indices(len(share), rule.num_frames)] >= rule.min_pixels
    return Shown.CLEARLY if seen.sum() >= rule.min_frames else Shown.BARELY


def first_appearance_s(share: np.ndarray, fps: float) -> float | None:
    """Return when something with this share (T,) of the frames has appeared, in seconds; None if never or gradually."""
    if share.max(initial=0.0) < MIN_APPEARANCE_PIXELS:
        return None
    # argmax of booleans: the first True.
    appeared = int(np.argmax(share >= MIN_APPEARANCE_PIXELS))
    glimpsed = int(np.argmax(share > GLIMPSE_PIXELS))
    return None if (appeared - glimpsed) / fps >= CREEP_S else appeared / fps


def first_sampled_frame(share: np.ndarray, rule: VisibilityRule) -> int:
    """Return which of the sampled frames is the first to show something clearly, or their number if none does."""
    seen = share[uniform_indices(len(share), rule.num_frames)] >= rule.min_pixels
    return int(np.argmax(seen)) if seen.any() else len(seen)
