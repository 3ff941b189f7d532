"""The room in 3D as a value for the page: which model is drawn, and where an edit has put each of its things."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.edits.scene_edit import SceneEdit

from .clip import DemoClip
from .views import MEDIA_URL


def view_value(base: DemoClip, clip: DemoClip, edits: Sequence[SceneEdit], editable: bool) -> str:
    """Return JSON for the view of a room in 3D (assets/room3d.js).

    base, clip : the room before and after `edits`; editable : whether things may be picked and moved
    Of every thing that there is after the edits: `to`, the first three rows of the matrix (4, 4) that takes it from
    where the model has it to where it is, metres, or None where it stayed; `color` (0 to 255) where it was repainted.
    """
    colors = {i: edit.parameters["color"] for edit in edits if edit.kind == "recolor" for i in edit.objects}
    things = [
        {
            "id": i,
            "name": clip.name_of(i),
            "to": _motion(base.boxes[i], box),
            "color": [round(255 * channel) for channel in colors[i]] if i in colors else None,
        }
        for i, box in clip.boxes.items()
    ]
    value = {
        "clip": base.id,
        "model": f"{MEDIA_URL}/{base.id}/room.glb",
        "front": base.planted,
        "editable": editable,
        "objects": things,
        # A refused edit changes nothing else, but what was dragged has to go back
        "turn": time.monotonic_ns(),
    }
    return json.dumps(value)


def _motion(before: OrientedBox, after: OrientedBox) -> list[float] | None:
    """Return twelve numbers, row by row: how a thing went with its box; None where it stayed."""
    factors = np.divide(after.size, before.size, out=np.ones(3), where=before.size > 0.0)
    turn = after.rotation @ np.diag(factors) @ before.rotation.T
    rows = np.column_stack([turn, after.center - turn @ before.center])
    return None if np.allclose(rows, np.eye(3, 4), atol=1e-9) else rows.round(6).ravel().tolist()
