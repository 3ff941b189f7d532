"""`gaussian`: diffusion noise on the objects' pixels."""

from __future__ import annotations

import numpy as np

from ocr_hf.perturb.modes import NOISE_MODES, NoiseMode, NoiseTarget
from ocr_hf.perturb.noise import gaussian_region
from ocr_hf.perturb.schedule import diffusion_timestep


class Gaussian(NoiseMode):
    """Diffusion noise on the objects' pixels, on frames or straight in patch space."""

    name = "gaussian"
    help = "diffusion noise on the objects' pixels"
    default_strength = 0.5  # ours: NoisyRollout's t0 = 500
    max_strength = 1.0
    in_patch_space = True

    def is_identity(self, strength: float) -> bool:
        return diffusion_timestep(strength) == 0

    def perturb(self, target: NoiseTarget, strength: float) -> np.ndarray:
        region = target.footprints.region(target.object_ids)
        return gaussian_region(target.frames, region, strength, target.key, target.frame_indices)

    def perturb_patches(self, pixel_values_videos, region, strength, key, frame_indices, **processor):
        from ocr_hf.perturb.patch_space import gaussian_patches

        return gaussian_patches(pixel_values_videos, region, strength, key, frame_indices, **processor)


NOISE_MODES.register(Gaussian())
