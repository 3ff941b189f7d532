"""What `rigid`, `scale`, `warp` and `geometry` have in common: objects altered as a whole and seen again."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.perturb.alteration import KINDS, Alteration
from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.perturb.lift import box_of
from ocr_hf.perturb.modes import NoiseMode, NoiseTarget
from ocr_hf.perturb.reproject import reproject


class AlterationMode(NoiseMode):
    """Objects are altered as a whole and seen again by the same camera, one alteration in every frame.

    `kinds` : what may be done to an object; where there are several, its key decides
    """

    kinds: tuple[str, ...] = KINDS
    default_strength = 0.2  # ours: a person sees the change at a glance
    max_strength = 0.5
    unit = "box diagonals"
    columns = ("objects", "camera_to_world", "intrinsics")
    needs_depth = True
    keeps_outside = False
    anneals_strength = True

    def perturb(self, target: NoiseTarget, strength: float) -> np.ndarray:
        return self.perturb_flagged(target, strength)[0]

    def perturb_flagged(self, target: NoiseTarget, strength: float) -> tuple[np.ndarray, np.ndarray]:
        drawn = {i: self.alteration(box_of(target.boxes, i), strength, target.key, i) for i in target.object_ids}
        return reproject(
            target.frames,
            target.depth,
            target.boxes,
            target.footprints,
            drawn,
            target.camera_to_world,
            target.intrinsics,
        )

    def alteration(self, box: OrientedBox, strength: float, key: int, object_id: int) -> Alteration:
        """Return what is done to an object; it depends on its own id, not on which others are perturbed."""
        kind = self.kinds[int(generator(stable_key("kind", key, object_id)).integers(len(self.kinds)))]
        return Alteration.draw(kind, box, strength, stable_key(kind, key, object_id))
