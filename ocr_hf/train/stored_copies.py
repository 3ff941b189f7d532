"""The altered copies that rows bring along, in training with mode `geometry`: which one is shown, and is it there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ocr_hf.data.video import probe
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.train.clip_loader import BadRow, row_name
from ocr_hf.train.variants import StoredCopy, Vanilla, Variant

ALTERED = "altered"
"""Column of a row that holds its altered copies, weakest first."""


def shows_stored_copies(mode: str, row: Mapping[str, Any]) -> bool:
    """Return whether training in a mode shows copies that a row brings: `geometry` does, its kinds alone can't know."""
    return mode == "geometry" and row.get(ALTERED) is not None and len(row[ALTERED]) > 0


def stored_copy(row: Mapping[str, Any], strength: float, footprints: Footprints) -> Variant:
    """Return a row's altered copy whose strength is nearest, the weaker of two; the recorded clip where 0 is nearer.

    Raises:
        BadRow: The copy can't be read, or is of another length than its clip.
    """
    strengths = [0.0, *row["altered_strengths"]]
    number = int(np.argmin(np.abs(np.array(strengths) - strength)))
    if number == 0:
        return Vanilla()
    source = row[ALTERED][number - 1]
    check_copy(row, source, len(row["camera_to_world"]))
    return StoredCopy(source, tuple(row["altered_edits"][number - 1]), footprints)


def check_copy(row: Mapping[str, Any], source: Any, num_frames: int) -> None:
    """Raise BadRow where an altered copy can't be opened or hasn't as many frames as its clip."""
    name = source.get("path") if isinstance(source, Mapping) else source
    way_out = "build the data set again, set on_bad_video to skip, or train with mode rigid, scale or warp"
    try:
        found = probe(source).num_frames
    except (OSError, ValueError, IndexError, RuntimeError) as error:
        raise BadRow(f"{row_name(row)}: its altered copy {name} cannot be read ({error}); {way_out}") from error
    if found != num_frames:
        raise BadRow(f"{row_name(row)}: its altered copy {name} has {found} frames, its clip {num_frames}; {way_out}")
