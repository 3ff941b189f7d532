"""The real sample in ../shared/scenes/aria_room as a recorded scene. Nothing of it is kept in this repository.

python -m tests.recorded_sample ../shared/scenes/aria_room recordings
ocr-hf build --source recorded --root recordings --frames 2 --width 640 --height 640 --out aria
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ocr_hf.data.recorded_scene import RecordedScene
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.scene import SceneObject

WHOLE_FLAT = "shelter"
"""The flat itself: its walls, floor and counter are one object, whose box holds all others and the cameras."""


def sample(folder: Path) -> RecordedScene:
    """Return three frames of a flat seen from a headset; what is carried about counts as structure: its box moves."""
    cameras = json.loads((folder / "cameras.json").read_text())
    boxes = json.loads((folder / "boxes.json").read_text())
    still = [box for box in boxes if not box["moves"] and box["label"] != WHOLE_FLAT]
    frames = cameras["frames"]
    maps = {
        kind: [None if frame[kind] is None else np.array(Image.open(folder / frame[kind])) for frame in frames]
        for kind in ("depth", "instances")
    }
    return RecordedScene(
        folder.name,
        [np.array(Image.open(folder / frame["file"])) for frame in frames],
        np.array([frame["camera_to_world"] for frame in frames]),
        np.array(cameras["intrinsics"]),
        np.array([frame["time_s"] for frame in frames]),
        [
            SceneObject(
                box["id"],
                box["label"],
                OrientedBox(np.array(box["center"]), np.array(box["size"]), np.array(box["rotation"])),
            )
            for box in still
        ],
        depth=[None if millimetres is None else millimetres / 1000.0 for millimetres in maps["depth"]],
        instances=maps["instances"],
        structure_ids=sorted({box["id"] for box in boxes} - {box["id"] for box in still}),
        pixel_centres="integer",
        dataset="aria digital twin",
        licence="apache-2.0",
        attribution=["projectaria_tools, Aria Digital Twin test data (arXiv 2306.06362)"],
    )


if __name__ == "__main__":
    print(sample(Path(sys.argv[1]).resolve()).write(sys.argv[2]))
