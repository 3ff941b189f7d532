"""`geometry`: the objects' 3D points are displaced and seen again by the same camera."""

from __future__ import annotations

import numpy as np

from ocr_hf.perturb.geometry_noise import geometry_region
from ocr_hf.perturb.modes import NOISE_MODES, NoiseMode, NoiseTarget


class Geometry(NoiseMode):
    """The objects' 3D points are displaced and reprojected; does without depth, but not without boxes and cameras."""

    name = "geometry"
    help = "the objects' 3D points are displaced and seen again by the same camera"
    default_strength = 0.1  # ours: points move by a tenth of the box's diagonal
    unit = "box diagonals"
    slider_max = 0.5
    columns = ("objects", "camera_to_world", "intrinsics")
    needs_depth = True

    def perturb(self, target: NoiseTarget, strength: float) -> np.ndarray:
        return geometry_region(
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


NOISE_MODES.register(Geometry())
