"""VSI-Bench's own 3D metadata as scenes: boxes only, for checks against its answers. Test set: never train on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.scene import Scene, SceneObject

RENAMED = {"coat hanger": "coat rack"}
"""Category in the metadata -> the name that the official questions give it."""


def read_meta_info(folder: Path) -> dict[str, Scene]:
    """Return every scene of the `*_meta_info*.json` files in `folder` (or of one such file), by scene name.

    `source` is the data set ("arkitscenes", "scannet", "scannetpp") and `floor_area_m2` the published room size.
    Raises ValueError naming the file and scene for a record that isn't as expected.
    """
    folder = Path(folder)
    files = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
    if not files:
        raise ValueError(f"{folder} has no .json file; give the folder of VSI-Bench's meta_info")
    scenes: dict[str, Scene] = {}
    for path in files:
        for name, record in json.loads(path.read_text(encoding="utf-8")).items():
            if name in scenes:
                raise ValueError(f"{path.name}: scene '{name}' is in an earlier file too; keep one record a scene")
            try:
                scenes[name] = scene_from_record(name, record)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path.name}: scene '{name}' can't be read ({error!r}); each record needs dataset, room_size, "
                    "object_counts and object_bbox"
                ) from error
    return scenes


def scene_from_record(name: str, record: Mapping[str, Any]) -> Scene:
    """Return one metadata record as a scene.

    The official answers go by `object_counts`, which in twelve categories is not the number of boxes. Of more boxes the
    first ones are the instances (a printer's second box is the same printer); an instance without a box gets an
    empty one, which is counted but never measured.
    """
    unknown = OrientedBox(np.zeros(3), np.zeros(3), np.eye(3))
    objects: list[SceneObject] = []
    for category, count in record["object_counts"].items():
        boxes = [_box(item) for item in record["object_bbox"].get(category, [])[:count]]
        boxes += [unknown] * (count - len(boxes))
        label = RENAMED.get(category, category)
        objects += [SceneObject(len(objects) + k, label, box) for k, box in enumerate(boxes, start=1)]
    return Scene(
        name=name,
        source=record["dataset"],
        objects=tuple(objects),
        floor_area_m2=float(record["room_size"]),
        attribution=("VSI-Bench (arXiv 2412.14171), test set",),
    )


def _box(item: Mapping[str, Any]) -> OrientedBox:
    rows_are_axes = np.array(item["normalizedAxes"], dtype=np.float64).reshape(3, 3)
    return OrientedBox(np.array(item["centroid"]), np.array(item["axesLengths"]), rows_are_axes.T)
