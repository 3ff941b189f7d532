"""T-GRPO (Video-R1): shuffled frames, which only decide a bonus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ocr_hf.perturb.keys import stable_key
from ocr_hf.train.rollouts import Strategy
from ocr_hf.train.variants import Shuffled, Variant


class TGRPO(Strategy):
    """`t_grpo`: the other rollouts see the frames in random order; they only decide a bonus (Video-R1).

    Where the ordered rollouts of a group are right at least `temporal_margin` times as often as the shuffled ones,
    each ordered rollout that is right (accuracy above 0.1) earns `temporal_bonus`.
    """

    name = "t_grpo"
    help = "a third of the rollouts see the frames shuffled, and decide a bonus for the others (Video-R1)"
    noisy_share = 1 / 3
    min_vanilla = 2  # the shuffled ones leave the batch, and a baseline over one rollout gives no advantage
    other = "shuffled"
    excluded = frozenset({"shuffled"})
    columns = ("id",)
    bonus_name = "temporal_reward"

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        return Shuffled(stable_key("order", self.config.noise_seed, row["id"], step))

    def bonus(self, accuracy: torch.Tensor, vanilla: torch.Tensor) -> torch.Tensor:
        ordered = accuracy.masked_fill(~vanilla, torch.nan).nanmean(1)
        shuffled = accuracy.masked_fill(vanilla, torch.nan).nanmean(1)
        # A group without shuffled rollouts (a row without video) compares to NaN and earns nothing
        ahead = (ordered >= self.config.temporal_margin * shuffled).unsqueeze(1)
        return (ahead & (accuracy > 0.1) & vanilla).to(accuracy.dtype) * self.config.temporal_bonus
