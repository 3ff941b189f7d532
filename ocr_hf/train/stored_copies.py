"""Videos that rows bring along beside their clip: altered copies, for mode `geometry`, and edited videos."""

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
    check_copy(row, source)
    return StoredCopy(source, tuple(row["altered_edits"][number - 1]), footprints)


def check_copy(row: Mapping[str, Any], source: Any) -> int:
    """Return an altered copy's frames; raise BadRow as `check_stored` does."""
    way_out = "build the data set again, set on_bad_video to skip, or train with mode rigid, scale or warp"
    return check_stored(row, source, len(row["camera_to_world"]), "altered copy", way_out)


def check_stored(row: Mapping[str, Any], source: Any, num_frames: int | None, what: str, way_out: str) -> int:
    """Return how many frames a video has; raise BadRow where it can't be opened or hasn't as many as its clip.

    num_frames : of the clip, None where the row doesn't say; what, way_out : for the message
    """
    name = source.get("path") if isinstance(source, Mapping) else source
    if isinstance(name, bytes):
        name = "in memory"
    try:
        found = probe(source).num_frames
    except (OSError, ValueError, IndexError, RuntimeError) as error:
        raise BadRow(f"{row_name(row)}: its {what} {name} cannot be read ({error}); {way_out}") from error
    if num_frames is not None and found != num_frames:
        raise BadRow(f"{row_name(row)}: its {what} {name} has {found} frames, its clip {num_frames}; {way_out}")
    return found
