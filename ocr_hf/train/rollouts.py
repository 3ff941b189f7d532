"""Rollout strategies: which video each rollout of a group sees, and how the group's rewards are adjusted.

A strategy answers these two questions and nothing else; sampling, scoring and the loss are the trainer's and the same
for all, so that a comparison of strategies compares only them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ocr_hf.perturb import rows
from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.schedule import decay
from ocr_hf.train.clip_loader import BadRow, row_name
from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.variants import FrameNoise, RegionNoise, Shuffled, Vanilla, Variant


class Strategy:
    """`grpo`: every rollout sees the clip as recorded.

    layout : the name of each rollout's role in the group, in order; equal roles see the same video
    excluded : roles whose rollouts enter neither the baseline nor the loss
    columns : columns of a row that the strategy reads
    bonus_name : name of the reward that `bonus` gives, or None
    """

    other = "noisy"
    excluded: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ()
    bonus_name: str | None = None

    def __init__(self, config: OCRGRPOConfig) -> None:
        self.config = config
        self.layout = ("vanilla",) * config.num_vanilla + (self.other,) * config.num_noisy

    @property
    def roles(self) -> tuple[str, ...]:
        """The distinct roles, vanilla first."""
        return tuple(dict.fromkeys(self.layout))

    def variants(self, row: Mapping[str, Any], step: int, total_steps: int) -> dict[str, Variant]:
        """Return the video of each role for a row at a training step; a pure function of its arguments."""
        shown: dict[str, Variant] = {"vanilla": Vanilla()}
        if self.config.num_noisy:
            shown[self.other] = self.perturbed(row, step, self.config.noise_steps or total_steps)
        return shown

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        """Return the one other video of a row's group."""
        return Vanilla()

    def bonus(self, accuracy: torch.Tensor, vanilla: torch.Tensor) -> torch.Tensor:
        """Return what each rollout earns beyond its rewards, (groups, G).

        accuracy : (groups, G), NaN where unknown; vanilla : (groups, G) bool, which rollouts saw the recorded clip
        """
        return torch.zeros_like(accuracy)


class OCR(Strategy):
    """`ocr`: the other rollouts see one copy of the clip with noise on some objects (arXiv 2511.13190)."""

    columns = ("id", "footprints", "camera_to_world")

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        config = self.config
        ocr_map = OCRMap(
            select=config.select,
            max_objects=config.max_objects,
            mode=config.mode,
            strength=config.strength,
            schedule=config.schedule,
            total_steps=total_steps,
            seed=config.noise_seed,
            min_visible=config.min_visible,
        )
        try:
            footprints = rows.footprints_of(row)
        except (KeyError, TypeError, ValueError) as error:
            raise BadRow(
                f"{row_name(row)}: its footprints cannot be read ({error}); build the data set again, or train with "
                "strategy noisy_rollout, which needs none"
            ) from error
        objects = ocr_map.choose(row["id"], step, footprints, row.get("queried_objects") or ())
        plan = ocr_map.plan_for(objects, row["id"], step)
        return Vanilla() if plan.is_identity else RegionNoise(ocr_map, plan, footprints, row, step)


class NoisyRollout(Strategy):
    """`noisy_rollout`: the other rollouts see the clip with diffusion noise on whole frames (arXiv 2504.13055).

    The noise is annealed by its timestep: t = int(t0 decay(step)). Its released code divides by std + 1e-6, TRL by
    std + 1e-4.
    """

    columns = ("id",)

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        config = self.config
        left = decay(
            min(step, total_steps),
            total_steps,
            config.timestep_schedule,
            sharpness=float(config.timestep_sharpness),
            midpoint=float(config.timestep_midpoint),
        )
        timestep = int(config.timestep * left)
        if timestep == 0:
            return Vanilla()
        return FrameNoise(timestep, stable_key("frames", config.noise_seed, row["id"], step))


class TGRPO(Strategy):
    """`t_grpo`: the other rollouts see the frames in random order; they only decide a bonus (Video-R1).

    Where the ordered rollouts of a group are right at least `temporal_margin` times as often as the shuffled ones,
    each ordered rollout that is right (accuracy above 0.1) earns `temporal_bonus`.
    """

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


STRATEGIES: dict[str, type[Strategy]] = {
    "grpo": Strategy,
    "ocr": OCR,
    "noisy_rollout": NoisyRollout,
    "t_grpo": TGRPO,
}


def make_strategy(config: OCRGRPOConfig) -> Strategy:
    """Return the strategy that a configuration names."""
    return STRATEGIES[config.strategy](config)
