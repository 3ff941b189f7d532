"""Which pixels show which object: footprints from instance maps, from depth, or from boxes alone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer

from ocr_hf.geometry import rle
from ocr_hf.geometry.footprints import Footprints

__all__ = ["Footprints", "footprints_from_instances"]


def footprints_from_instances(instances: Integer[np.ndarray, "t h w"]) -> Footprints:
    """Return the modal footprints of a clip's instance maps: (T, H, W) integers, 0 = background, else object id."""
    num_frames, height, width = instances.shape
    codes: dict[int, dict[int, bytes]] = {}
    for frame, instance_map in enumerate(instances):
        for object_id, code in rle.encode_instances(instance_map):
            codes.setdefault(object_id, {})[frame] = code
    return Footprints(height, width, num_frames, False, codes)
