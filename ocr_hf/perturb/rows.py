"""Reading the rows of an ocr-vsi data set for the perturbation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.footprints import Footprints

NOISY_COLUMNS = ("noisy", "noisy_objects", "mode", "strength", "seed")
"""What the OCR map adds to a row."""
FILLED_SHARE = "filled_share"
"""What it adds besides, where a mode changes outlines: the share of the clip's pixels that are filled from around."""


def footprints_of(row: Mapping[str, Any]) -> Footprints:
    """Return the footprints in a row's `footprints` column; its clip has as many frames as `camera_to_world` poses."""
    stored = row["footprints"] or []
    # Where nothing is ever seen no row states the frames' size, and no mask depends on it: any size will do.
    height, width = (stored[0]["height"], stored[0]["width"]) if stored else (1, 1)
    return Footprints.from_rows(stored, len(row["camera_to_world"]), height, width)


def boxes_of(row: Mapping[str, Any]) -> dict[int, OrientedBox]:
    """Return object id -> oriented box of a row's `objects` column."""
    return {
        int(item["id"]): OrientedBox(
            np.asarray(item["center"]), np.asarray(item["size"]), np.reshape(item["rotation"], (3, 3))
        )
        for item in row["objects"]
    }


def cameras_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments boxes, camera_to_world and intrinsics of `OCRMap.perturb`, where the row has them.

    A row whose columns are missing gives none of them: the `gaussian` mode needs none.
    """
    if any(row.get(name) is None for name in ("objects", "camera_to_world", "intrinsics")):
        return {}
    return {
        "boxes": boxes_of(row),
        "camera_to_world": np.reshape(np.asarray(row["camera_to_world"], dtype=np.float64), (-1, 4, 4)),
        "intrinsics": np.reshape(np.asarray(row["intrinsics"], dtype=np.float64), (3, 3)),
    }


def split_batch(batch: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch (dict of lists)."""
    names = list(batch)
    for values in zip(*(batch[name] for name in names), strict=True):
        yield dict(zip(names, values, strict=True))
