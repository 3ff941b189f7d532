"""NoisyRollout (arXiv 2504.13055): noise on whole frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.schedule import decay
from ocr_hf.train.rollouts import Strategy
from ocr_hf.train.variants import FrameNoise, Vanilla, Variant


class NoisyRollout(Strategy):
    """`noisy_rollout`: the other rollouts see the clip with diffusion noise on whole frames (arXiv 2504.13055).

    The noise is annealed by its timestep: t = int(t0 decay(step)). Its released code divides by std + 1e-6, TRL by
    std + 1e-4.
    """

    name = "noisy_rollout"
    help = "half of the rollouts see the clip with noise on whole frames (arXiv 2504.13055)"
    columns = ("id",)

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        config = self.config
        left = decay(
            # `noise_steps` may end before the training does
            min(step, total_steps),
            total_steps,
            config.timestep_schedule,
            sharpness=float(config.timestep_sharpness),
            midpoint=float(config.timestep_midpoint),
        )
        timestep = int(config.timestep * left)
        # Under the recorded clip's media id, so that the clip is encoded once for both
        if timestep == 0:
            return Vanilla()
        return FrameNoise(timestep, stable_key("frames", config.noise_seed, row["id"], step))
