"""Folds of scenes: what is fitted to some is tried on the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocr_hf.perturb.keys import stable_key
from ocr_hf.text_only.constants import Row

FOLDS = 5


def folds_of(rows: Sequence[Row], folds: int = FOLDS) -> np.ndarray:
    """Return (n,) the number of the fold that each question's scene is in."""
    # By the scene's name: all questions of a scene fall into one fold, whatever the order of rows
    return np.array([stable_key("text baseline", row["scene_name"]) % folds for row in rows], dtype=int)


def has_folds(rows: Sequence[Row]) -> bool:
    """True if there are enough scenes to fit a statistic to some and try it on others."""
    return len({row["scene_name"] for row in rows}) >= FOLDS and len(set(folds_of(rows).tolist())) > 1
