"""`jitter`: small pieces of the objects' surfaces are displaced in 3D, each by itself."""

from __future__ import annotations

import numpy as np

from ocr_hf.perturb.jitter_noise import jitter_region
from ocr_hf.perturb.modes import NOISE_MODES, NoiseMode, NoiseTarget


class Jitter(NoiseMode):
    """Pieces of the surface are displaced and reprojected; does without depth, but not without boxes and cameras."""

    name = "jitter"
    help = "small pieces of the objects' surfaces are displaced in 3D, each by itself, within the outline"
    default_strength = 0.1  # ours: pieces move by a tenth of the box's diagonal
    unit = "box diagonals"
    slider_max = 0.5
    columns = ("objects", "camera_to_world", "intrinsics")
    needs_depth = True

    def perturb(self, target: NoiseTarget, strength: float) -> np.ndarray:
        return jitter_region(
            target.frames,
            target.depth,
            target.boxes,
            target.footprints,
            target.object_ids,
            target.camera_to_world,
            target.intrinsics,
            strength,
            target.key,
            target.frame_indices,
        )


NOISE_MODES.register(Jitter())
