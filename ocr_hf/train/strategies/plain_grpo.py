"""GRPO: the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_hf.train.rollouts import Strategy
from ocr_hf.train.variants import Vanilla, Variant


class GRPO(Strategy):
    """`grpo`: every rollout sees the clip as recorded."""

    name = "grpo"
    help = "every rollout sees the recorded clip"
    noisy_share = 0.0

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        return Vanilla()
