"""Filming a scene again with some of its objects altered, on the path of a recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.clip_cameras import CameraPath
from ocr_hf.data.recording import EditedRecording, Recording, record_edited
from ocr_hf.perturb.alteration import Alteration
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene


@dataclass(frozen=True, eq=False)
class Film:
    """A scene, what a camera saw of it, and all that is needed to see it again.

    renderer, path : None where the scene was recorded, which can't be seen again
    recording : of `scene`, with `config`; by `renderer` on `path`
    """

    scene: Scene
    renderer: Renderer | None
    path: CameraPath | None
    recording: Recording
    config: BuildConfig

    def after(self, edits: Iterable[SceneEdit]) -> np.ndarray:
        """Return the frames (T, H, W, 3) uint8 of the edited scene: same path, camera and exposure.

        Raises ValueError where an edit can't be made, whether or not it would be plausible.
        """
        return self.of(apply_edits(self.scene, edits, plausible=False)).frames

    def of(self, edited: Scene) -> EditedRecording:
        """Return what the camera sees of an edited version of the scene: same path, camera and exposure.

        Raises ValueError for a recorded scene.
        """
        if self.renderer is None or self.path is None:
            raise ValueError(f"scene '{self.scene.name}' was recorded and can't be filmed again; alter it by depth")
        return record_edited(self.recording, self.renderer.edited(edited), self.path, self.config)


def edits_of(alteration: Alteration, object_id: int) -> tuple[SceneEdit, ...]:
    """Return the edits that do in a scene what an alteration does to points."""
    if alteration.kind == "scale":
        return (SceneEdit("scale", (object_id,), {"factors": alteration.factor}),)
    if alteration.kind == "warp":
        return (SceneEdit("warp", (object_id,), {"amplitude": alteration.amplitude, "seed": alteration.seed}),)
    turn = SceneEdit("rotate", (object_id,), {"degrees": float(np.rad2deg(alteration.turn_rad))})
    return (SceneEdit("move", (object_id,), {"offset": alteration.offset_m}), turn)
