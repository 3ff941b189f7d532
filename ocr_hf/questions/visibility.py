"""Which objects a clip shows well enough to ask about."""

from __future__ import annotations

from enum import Enum

import numpy as np

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.question import VisibilityRule


class Shown(Enum):
    """How much a clip shows of an object."""

    CLEARLY = "clearly shown"
    BARELY = "barely shown"
    NOT = "not shown"


def sampled_frames(num_frames: int, count: int) -> np.ndarray:
    """Return the indices of the `count` frames that a model sees of a clip (as data.video.uniform_indices)."""
    return np.linspace(0, num_frames - 1, min(count, num_frames), dtype=np.int64)


def shown(footprints: Footprints, object_id: int, rule: VisibilityRule) -> Shown:
    """Return how much the clip shows of an object: see VisibilityRule for the two thresholds.

    A clip with fewer frames than `rule.min_frames` can show nothing clearly.
    """
    share = footprints.areas(object_id) / (footprints.height * footprints.width)
    if share.max(initial=0.0) <= rule.glimpse_pixels:
        return Shown.NOT
    seen = share[sampled_frames(footprints.num_frames, rule.num_frames)] >= rule.min_pixels
    return Shown.CLEARLY if seen.sum() >= rule.min_frames else Shown.BARELY
