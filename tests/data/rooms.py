"""Small recorded scenes, for builds that run in processes of their own, where no test stands in for a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.recorded_scene import RecordedScene
from ocr_hf.scenes.scene import SceneObject
from tests.box_scene import box_clip


def write_rooms(root: Path, count: int) -> BuildConfig:
    """Write scenes of three boxes; return what builds them."""
    clip = box_clip(6)
    objects = [SceneObject(i, label, box) for (i, box), label in zip(clip.boxes.items(), "abc", strict=True)]
    for number in range(count):
        RecordedScene(
            f"room_{number}", clip.frames, clip.poses, clip.intrinsics, np.arange(6.0), objects,
            depth=clip.depth, instances=clip.instances,
        ).write(root)  # fmt: skip
    return BuildConfig(source="recorded", root=str(root), frames=6, width=112, height=84)
